/* The short way of a get that is alone in a pipeline: sent as a whole, with nothing behind it and
   nothing of its reply read. Its frame and its reply are at the beginning of the buffers. The
   steps, in order:

       gib_session_is_lone      tells whether it is so
       gib_session_lone_input   where to read to
       gib_session_take_lone    ends it, if what was read is its value; or else follow
                                gib_session_release_reply and gib_session_received, and what was
                                read goes on by session.h
       gib_session_open_lone    lets the next be queued by gib_session_queue_key, or not
       gib_session_lone_frame   the next, if that is a get; nothing may have been queued behind it
       gib_session_lone_sent    tells that it was sent as a whole */
#ifndef GIB_SESSION_LONE_H
#define GIB_SESSION_LONE_H

#include <sys/types.h>

#include "base/likely.h"
#include "session/session.h"
#include "wire/frame.h"
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
static inline uint8_t *gib_session_lone_input(const gib_session *session, size_t *size)
{
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
    session->in.begin = 0;
    session->in.end = session->next = (size_t)received;
    gib_buffer_empty(&session->out);
    session->unsent = 0;
    session->answered++;
    return true;
}

/* Opens the short way of queue.h for one request if the connection is trusted, and no question is
   due; else closes it. Returns whether it is open. */
static inline bool gib_session_open_lone(gib_session *session, bool trusted)
{
    const bool open = trusted && GIB_LIKELY(session->pushed < session->ask_at);
    session->queue_until = open ? session->pushed + 1 : 0;
    return open;
}

/* Its size; 0 if there is none, or it is no get. */
static inline size_t gib_session_lone_frame(const gib_session *session)
{
    return session->sent != session->pushed &&
                   gib_load_u16(session->out.data + GIB_SIZE_FIELD) == GIBSON_OP_GET
               ? session->out.end
               : 0;
}

static inline void gib_session_lone_sent(gib_session *session)
{
    session->unsent = session->out.end;
    session->sent = session->pushed;
}

#endif
