/* The short way of a single request: its frame and its reply are at the beginning of the buffers,
   and it never becomes a pending request. The steps, in order:

       begin, if the session is settled
       push or push_key      the frame; where it is refused, nothing has happened
       output                the bytes to send
       input, received       where to read to, and how much was read
       take or take_value    ends it; or else
       hand_over             makes it a pending request in the state it has reached, and what is
                             uncommon goes on by the functions of session.h

   Between begin and the end no other function of the session may be called. */
#ifndef GIB_SESSION_SINGLE_H
#define GIB_SESSION_SINGLE_H

#include "base/likely.h"
#include "session/session.h"
#include "wire/reply_decode.h"

/* Makes the short way open if it can be: nothing is pending, and there are buffers, none of them
   large. Views of the last reply stay. */
void gib_session_settle(gib_session *session);

static inline bool gib_session_is_settled(const gib_session *session)
{
    return session->settled;
}

/* Begins. The session must be settled. Views of the last reply end. */
static inline void gib_single_begin(gib_session *session)
{
    session->in.begin = session->in.end = session->next = 0;
}

/* Writes the frame of a request of nothing but a key. False where gib_single_push has to look. */
static inline bool gib_single_push_key(gib_session *session, gibson_opcode opcode, const void *key,
                                       size_t key_size)
{
    return gib_request_encode_key(opcode, key, key_size, &session->limits, &session->out);
}

/* Writes the frame of any request, its value copied. Returns what gib_session_push returns. */
static inline gibson_status gib_single_push(gib_session *session, const gibson_request *request,
                                            gibson_error *error)
{
    gib_encoded encoded;
    return gib_request_encode(request, &session->limits, GIB_VALUE_COPIED, &session->out, &encoded,
                              error);
}

static inline gibson_bytes gib_single_output(const gib_session *session)
{
    return gibson_bytes_of(session->out.data, session->out.end);
}

static inline uint8_t *gib_single_input(const gib_session *session, size_t *size)
{
    *size = session->in.capacity;
    return session->in.data;
}

/* Ends the request with the first `size` bytes of input, which are all there are, as its reply. */
static inline void gib_single_end(gib_session *session, size_t size)
{
    session->in.end = session->next = size;
    session->out.end = 0;
}

/* Ends it if the reply to GET is a value in bytes, and the `received` bytes are all of it. */
static inline bool gib_single_take_value(gib_session *session, size_t received, gibson_value *value)
{
    const size_t size =
        gib_reply_find_value(session->in.data, received, session->limits.max_reply_size, value);
    if (GIB_UNLIKELY(!size || size != received)) {
        return false;
    }
    gib_single_end(session, size);
    return true;
}

/* Ends it if the `received` bytes are its reply and nothing else. */
bool gib_single_take(gib_session *session, const gibson_request *request, size_t received,
                     gibson_reply *reply, gibson_error *error);

/* Makes it a pending request of which nothing is sent and nothing received: what was, is told next
   by gib_session_sent and gib_session_received. */
void gib_single_hand_over(gib_session *session, const gibson_request *request);

#endif
