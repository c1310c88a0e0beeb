/* Taking requests off the list otherwise than by their replies. */
#include <string.h>

#include "session/question.h"
#include "session/session.h"
#include "wire/command.h"
#include "wire/frame.h"

const gibson_command *gib_session_abandon(gib_session *session)
{
    while (session->answered != session->pushed) {
        const gib_pending *pending = gib_session_pending(session, session->answered++);
        session->sent = session->answered;
        if (!pending->is_question) {
            return &gib_commands[pending->opcode];
        }
        session->questions--;
    }
    return NULL;
}

void gib_session_abandon_all(gib_session *session)
{
    while (gib_session_abandon(session)) {
    }
}

/* Takes the first pending request and its frame off. Tells whether it was the caller's. */
static bool drop_first(gib_session *session)
{
    const gib_pending *pending = gib_session_pending(session, session->answered++);
    session->out.begin += pending->frame_size;
    session->questions -= pending->is_question;
    return !pending->is_question;
}

/* The number of the first request of which nothing was sent. */
static size_t first_unsent(const gib_session *session)
{
    return session->sent + (session->sent_of_frame ? 1 : 0);
}

size_t gib_session_drop_sent(gib_session *session)
{
    const size_t until = first_unsent(session);
    size_t lost = 0;
    while (session->answered != until) {
        lost += drop_first(session);
    }
    while (gib_session_question_is_cut(session)) {
        drop_first(session);
    }
    session->sent = session->answered;
    session->sent_of_frame = 0;
    session->unsent = session->out.begin;
    session->in.end = session->next; /* the last reply is still borrowed from */
    session->frame_size = GIB_REPLY_HEADER;
    session->queue_until = 0;
    session->settled = false;
    gib_session_trim(session);
    return lost;
}

/* Takes the pending request of that number, whose frame ends at that offset, out of the middle. */
static void remove_pending(gib_session *session, size_t number, size_t frame_end)
{
    gib_buffer *out = &session->out;
    const size_t frame_size = gib_session_pending(session, number)->frame_size;
    memmove(out->data + frame_end - frame_size, out->data + frame_end, out->end - frame_end);
    out->end -= frame_size;
    session->pushed--;
    for (size_t i = number; i != session->pushed; i++) {
        *gib_session_pending(session, i) = *gib_session_pending(session, i + 1);
    }
    session->queue_until = 0;
}

bool gib_session_retract(gib_session *session, size_t behind)
{
    size_t frame_end = session->out.end;
    for (size_t number = session->pushed; number-- != first_unsent(session);) {
        const gib_pending *pending = gib_session_pending(session, number);
        if (!pending->is_question && !behind--) {
            remove_pending(session, number, frame_end);
            gib_session_trim(session);
            return true;
        }
        frame_end -= pending->frame_size;
    }
    return false;
}
