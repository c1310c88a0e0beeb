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

size_t gib_session_untouched(const gib_session *session)
{
    size_t count = 0;
    for (size_t i = first_unsent(session); i != session->pushed; i++) {
        count += !gib_session_pending(session, i)->is_question;
    }
    return count;
}

/* The list ends before that number now, and the output at that offset. */
static void cut(gib_session *session, size_t number, size_t offset)
{
    session->pushed = number;
    session->out.end = offset;
    session->queue_until = 0;
    gib_session_trim(session);
}

void gib_session_retract(gib_session *session)
{
    const size_t number = session->pushed - 1;
    if (session->long_time > number) {
        session->long_time = number;
    }
    cut(session, number, session->out.end - gib_session_pending(session, number)->frame_size);
}

/* Where in the output the first frame begins of which nothing was sent. */
static size_t first_unsent_offset(const gib_session *session)
{
    const size_t sent = session->sent_of_frame;
    return session->unsent +
           (sent ? gib_session_pending(session, session->sent)->frame_size - sent : 0);
}

void gib_session_filter(gib_session *session, bool (*keep)(void *context), void *context)
{
    uint8_t *out = session->out.data;
    size_t from = first_unsent_offset(session);
    size_t to = from;
    size_t kept = first_unsent(session);
    size_t long_time = session->long_time;
    for (size_t i = kept; i != session->pushed; i++) {
        const gib_pending pending = *gib_session_pending(session, i);
        if (pending.is_question || keep(context)) {
            if (to != from) {
                memmove(out + to, out + from, pending.frame_size);
            }
            *gib_session_pending(session, kept++) = pending;
            to += pending.frame_size;
        }
        from += pending.frame_size;
        long_time = session->long_time == i + 1 ? kept : long_time;
    }
    session->long_time = long_time;
    cut(session, kept, to);
}
