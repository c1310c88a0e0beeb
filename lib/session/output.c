/* What a session has to send, in pieces that cut no header. */
#include "session/session.h"

/* Whole frames that fit a segment, or one that does not, or the rest of one, from `unsent` on. */
static size_t output_segment(const gib_session *session, size_t segment)
{
    size_t size = 0;
    size_t sent = session->sent_of_frame;
    for (size_t i = session->sent; i != session->pushed; i++) {
        size_t frame_size = gib_session_pending(session, i)->frame_size - sent;
        if (size && size + frame_size > segment) {
            break;
        }
        size += frame_size;
        sent = 0;
    }
    return size;
}

size_t gib_session_output(const gib_session *session, size_t segment, gibson_bytes parts[2])
{
    if (session->sent == session->pushed) {
        parts[0] = parts[1] = gibson_bytes_of(NULL, 0);
        return 0;
    }
    size_t size = session->out.end - session->unsent;
    if (size > segment && session->pushed - session->sent > 1) {
        size = output_segment(session, segment);
    }
    parts[0] = gibson_bytes_of(session->out.data + session->unsent, size);
    parts[1].size = 0;
    if (session->borrowed) {
        parts[1] = gibson_bytes_of(session->borrowed + session->borrowed_sent,
                                   session->borrowed_size - session->borrowed_sent);
    }
    return size + parts[1].size;
}

/* Counts the frames that are sent as a whole. */
static void count_sent(gib_session *session, size_t size)
{
    size += session->sent_of_frame;
    while (session->sent != session->pushed) {
        size_t frame_size = gib_session_pending(session, session->sent)->frame_size;
        bool value_left = session->borrowed && session->borrowed_sent < session->borrowed_size;
        if (size < frame_size || value_left) {
            break;
        }
        size -= frame_size;
        session->sent++;
    }
    session->sent_of_frame = size;
}

/* All of the output was sent. */
static void sent_all(gib_session *session)
{
    session->unsent = session->out.end;
    session->sent_of_frame = 0;
    session->sent = session->pushed;
}

void gib_session_sent(gib_session *session, size_t size)
{
    size_t buffered = session->out.end - session->unsent;
    if (size < buffered) {
        session->unsent += size;
        count_sent(session, size);
        return;
    }
    if (session->borrowed) {
        session->unsent = session->out.end;
        session->borrowed_sent += size - buffered;
        count_sent(session, buffered);
        return;
    }
    sent_all(session);
}
