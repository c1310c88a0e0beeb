/* The short way of a single request, while the session is settled: its frame and its reply are at
   the beginning of the buffers, and it never becomes a pending request. The steps, in order:

       gib_single_write, or _push          the frame; where it is refused, nothing has happened
       gib_single_frame                    the bytes to send
       gib_single_input                    where to read to
       gib_single_take, or _take_common    ends it, if what was read is its reply; or else
       gib_single_hand_over                makes it a pending request in the state it has reached,
                                           and what is uncommon goes on by session.h

   Between the first step and the last no other function of the session may be called. */
#ifndef GIB_SESSION_SINGLE_H
#define GIB_SESSION_SINGLE_H

#include <sys/types.h>

#include "base/likely.h"
#include "session/echo.h"
#include "session/session.h"
#include "wire/reply_decode.h"
#include "wire/request_write.h"

/* Makes the short way open if it can be: nothing is pending, and there are buffers, none of them
   large. Views of the last reply stay. */
void gib_session_settle(gib_session *session);

/* Closes the short way. */
static inline void gib_session_unsettle(gib_session *session)
{
    session->settled = false;
}

static inline bool gib_session_is_settled(const gib_session *session)
{
    return session->settled;
}

/* Writes the frame of a request and sets *size, where that is easily done. The opcode should be a
   constant. False where gib_single_push has to look. */
static GIB_INLINE bool gib_single_write(gib_session *session, gibson_opcode opcode,
                                        const gibson_request *request, size_t *size)
{
    return gib_request_write(opcode, gib_arguments_of(opcode), request, &session->limits, true,
                             session->out.data, 0, session->out.capacity, size);
}

/* Writes the frame of any request, its value copied, and sets *size. Returns what gib_session_push
   returns. If that is GIBSON_OK, the views of the last reply end. */
gibson_status gib_single_push(gib_session *session, const gibson_request *request, size_t *size,
                              gibson_error *error);

/* The frame that was written. */
static inline const uint8_t *gib_single_frame(const gib_session *session)
{
    return session->out.data;
}

static inline uint8_t *gib_single_input(const gib_session *session, size_t *size)
{
    *size = session->in.capacity;
    return session->in.data;
}

/* Ends the request with the first `size` bytes of input, which are all there are, as its reply. */
static inline void gib_single_end(gib_session *session, size_t size)
{
    session->in.end = session->next = size; /* in.begin is 0 while the session is settled */
}

/* Decodes the `received` bytes if they are a reply of a common shape and nothing else. Of a command
   that yields an echo, that must be the value that was sent, in *sent. There must be
   GIB_REPLY_HEADER bytes. */
static GIB_INLINE bool gib_single_decode(const gib_session *session, gibson_yield yield,
                                         const gibson_bytes *sent, size_t received,
                                         gibson_reply *reply)
{
    const uint8_t *data = session->in.data;
    const size_t most = session->limits.max_reply_size;
    reply->status = GIBSON_OK;
    reply->value = (gibson_value){GIBSON_KIND_NONE, {NULL, 0}, 0};
    if (gib_yields_value(yield) && gib_reply_is_value(data, received, most, &reply->value)) {
        return !sent || gib_echo_is_same(sent, &reply->value.bytes);
    }
    if (!sent && received == GIB_NUMBER_FRAME &&
        gib_reply_find_number(data, yield, most, &reply->value.number)) {
        reply->value.kind = GIBSON_KIND_NUMBER;
        return true;
    }
    return received == GIB_CODE_FRAME && gib_reply_find_code(data, yield, &reply->status);
}

/* The value at the end of the frame of `size` bytes. That of the request may have been in the
   buffer that the reply is in now. */
static inline gibson_bytes gib_single_sent_value(const gib_session *session,
                                                 const gibson_request *request, size_t size)
{
    return gibson_bytes_of(session->out.data + size - request->value.size, request->value.size);
}

/* Ends the request, whose frame has `size` bytes, if the `received` bytes (-1 for none) are its
   reply, and that is of a common shape. The opcode should be a constant. Of *reply, status and
   value are set. */
static GIB_INLINE bool gib_single_take_common(gib_session *session, gibson_opcode opcode,
                                              const gibson_request *request, size_t size,
                                              ssize_t received, gibson_reply *reply)
{
    const gibson_yield yield = gib_yield_of(opcode);
    const bool echoes = yield == GIBSON_YIELD_ECHO;
    const gibson_bytes sent = echoes ? gib_single_sent_value(session, request, size)
                                     : (gibson_bytes){NULL, 0}; /* of others it says nothing */
    if (GIB_UNLIKELY(received < GIB_REPLY_HEADER) ||
        GIB_UNLIKELY(
            !gib_single_decode(session, yield, echoes ? &sent : NULL, (size_t)received, reply))) {
        return false;
    }
    gib_single_end(session, (size_t)received);
    return true;
}

/* Ends the request if the `received` bytes are its reply and nothing else. */
bool gib_single_take(gib_session *session, const gibson_request *request, size_t size,
                     size_t received, gibson_reply *reply, gibson_error *error);

/* Makes it a pending request, its frame of `size` bytes, of which nothing is sent and nothing
   received: what was, is told next by gib_session_sent and gib_session_received. */
void gib_single_hand_over(gib_session *session, const gibson_request *request, size_t size);

#endif
