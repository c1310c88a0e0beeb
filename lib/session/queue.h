/* The short ways of a pipeline: requests of nothing but a key, and replies that are values in
   bytes. All else is left to the functions of session.h. */
#ifndef GIB_SESSION_QUEUE_H
#define GIB_SESSION_QUEUE_H

#include "base/likely.h"
#include "session/session.h"
#include "wire/reply_decode.h"
#include "wire/request_write.h"

/* Appends a request, copied. Returns GIBSON_OK; GIBSON_INVALID; GIBSON_NOMEM; GIBSON_WOULD_BLOCK if
   the window is full, or the server has to be asked for its limit of times first. Unless OK,
   nothing was appended. */
gibson_status gib_session_queue(gib_session *session, const gibson_request *request,
                                gibson_error *error);

/* Does so for a request of nothing but a key, where requests are under way already and there is
   room for one more. False where gib_session_queue has to look. */
static GIB_INLINE bool gib_session_queue_key(gib_session *session, const gibson_request *request)
{
    if (GIB_UNLIKELY(session->pushed >= session->queue_until)) {
        return false;
    }
    gibson_opcode opcode = request->opcode;
    GIB_FORGET(opcode);
    if (GIB_UNLIKELY(!gib_command_is_keyed((uint32_t)opcode))) {
        return false;
    }
    GIB_FORGET(opcode);
    size_t size;
    if (GIB_UNLIKELY(!gib_request_write(opcode, GIBSON_ARGUMENTS_KEY, request, &session->limits,
                                        true, session->out.data, session->out.end,
                                        session->out.capacity, &size))) {
        return false;
    }
    session->out.end += size;
    *gib_session_pending(session, session->pushed++) =
        (gib_pending){0, (uint32_t)size, (uint16_t)opcode, false};
    return true;
}

/* Bytes of the frame of the last request that was queued. */
static inline size_t gib_session_last_size(const gib_session *session)
{
    return gib_session_pending(session, session->pushed - 1)->frame_size;
}

/* Opens the short way as far as there is room, on a connection that is to be trusted: for the first
   request of a pipeline, too. False where gib_session_queue has to look. */
static inline bool gib_session_reopen(gib_session *session)
{
    if (!session->pending || session->broken || session->out.capacity > session->window.bytes ||
        session->pushed >= session->ask_at) {
        return false;
    }
    const size_t window = session->window.requests + session->questions;
    const size_t room = window <= session->mask ? window : session->mask + 1;
    const size_t until = session->answered + room;
    session->settled = false;
    session->queue_until = until < session->ask_at ? until : session->ask_at;
    return true;
}

/* Which reply gib_session_take_value may take. */
typedef enum gib_place {
    GIB_BEFORE_LAST, /* one that others are sent behind */
    GIB_LAST_SENT,   /* the last that is sent, which others wait behind */
    GIB_LAST,        /* the last that is pending, which nothing may follow */
} gib_place;

static inline bool gib_session_is_at(const gib_session *session, gib_place place)
{
    const size_t waiting = session->sent - session->answered;
    return place == GIB_BEFORE_LAST
               ? waiting > 1
               : waiting == 1 && (session->sent == session->pushed) == (place == GIB_LAST);
}

/* Makes a reply one to GET, but for its value. */
static inline void gib_reply_begin_value(gibson_reply *reply)
{
    reply->status = GIBSON_OK;
    reply->opcode = GIBSON_OP_GET;
    reply->items.cursor = NULL;
    reply->items.left = 0;
}

/* Takes the value of the next reply if that answers GET, is there as a whole, is a value in bytes,
   and is at that place. False where gib_session_next has to look. */
static GIB_INLINE bool gib_session_take_bytes(gib_session *session, gib_place place,
                                              gibson_value *value)
{
    if (!gib_session_is_at(session, place)) {
        return false;
    }
    const gib_pending *pending = gib_session_pending(session, session->answered);
    if (pending->opcode != GIBSON_OP_GET) {
        return false;
    }
    const size_t held = session->in.end - session->next;
    if (held < GIB_REPLY_HEADER) { /* there may be no buffer yet */
        return false;
    }
    const size_t frame_size = gib_reply_find_value(session->in.data + session->next, held,
                                                   session->limits.max_reply_size, value);
    if (!frame_size || (place == GIB_LAST && frame_size != held)) {
        return false;
    }
    session->next += frame_size; /* in.begin stays behind: nothing moves until more is read */
    session->frame_size = GIB_REPLY_HEADER;
    session->out.begin += pending->frame_size;
    session->answered++;
    if (place == GIB_LAST) {
        session->queue_until = 0; /* the next request begins a new pipeline */
    }
    return true;
}

/* Takes the whole reply. */
static inline bool gib_session_take_value(gib_session *session, gib_place place,
                                          gibson_reply *reply)
{
    if (!gib_session_take_bytes(session, place, &reply->value)) {
        return false;
    }
    gib_reply_begin_value(reply);
    return true;
}

#endif
