/* The short way of a get that is alone in a pipeline: sent as a whole, with nothing behind it and
   nothing of its reply read. Its frame and its reply are at the beginning of the buffers. The
   steps, in order:

       gib_session_is_lone      tells whether it is so
       gib_session_lone_input   where to read to
       gib_session_take_lone    ends it, if what was read is its value; or else what was read is
                                told by gib_session_received, and goes on by session.h
       gib_session_open_lone    lets the next be queued by gib_session_queue_key
       gib_session_lone_sent    tells that this one, and nothing else, was queued and sent */
#ifndef GIB_SESSION_LONE_H
#define GIB_SESSION_LONE_H

#include <sys/types.h>

#include "base/likely.h"
#include "session/session.h"
#include "wire/reply_decode.h"

static inline bool gib_session_is_lone(const gib_session *session)
{
    return gib_session_count(session) == 1 && session->sent == session->pushed &&
           gib_session_pending(session, session->answered)->opcode == GIBSON_OP_GET &&
           !session->questions && !gib_session_has_input(session) &&
           gib_session_keeps(&session->in) && gib_session_keeps(&session->out) &&
           session->out.capacity <= session->window.bytes;
}

/* Views of the last reply end. */
static inline uint8_t *gib_session_lone_input(gib_session *session, size_t *size)
{
    gib_buffer_empty(&session->in);
    session->next = 0;
    *size = session->in.capacity;
    return session->in.data;
}

/* Takes the value, if that is all of the `received` bytes, -1 for none. */
static GIB_INLINE bool gib_session_take_lone(gib_session *session, ssize_t received,
                                             gibson_value *value)
{
    if (GIB_UNLIKELY(received < GIB_REPLY_HEADER) ||
        GIB_UNLIKELY(!gib_reply_is_value(session->in.data, (size_t)received,
                                         session->limits.max_reply_size, value))) {
        return false;
    }
    session->in.end = session->next = (size_t)received;
    gib_buffer_empty(&session->out);
    session->unsent = 0;
    session->answered++;
    session->queue_until = 0;
    return true;
}

/* Opens the short way of queue.h for one request. False where a question is due. */
static inline bool gib_session_open_lone(gib_session *session)
{
    if (GIB_UNLIKELY(session->pushed >= session->ask_at)) {
        return false;
    }
    session->queue_until = session->pushed + 1;
    return true;
}

static inline void gib_session_lone_sent(gib_session *session)
{
    session->unsent = session->out.end;
    session->sent = session->pushed;
}

#endif
