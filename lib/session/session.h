/* Matching requests to replies, in order, without a socket: the session says what to write, is fed
   what was read, and says when it is broken. The blocking client uses it, and so can anything that
   waits in another way. */
#ifndef GIB_SESSION_SESSION_H
#define GIB_SESSION_SESSION_H

#include <gibson/reply.h>
#include <gibson/request.h>

#include "base/buffer.h"
#include "wire/limits.h"
#include "wire/request_encode.h"

/* A request whose reply has not been read. */
typedef struct gib_pending {
    const gibson_command *command;
    const uint8_t *borrowed; /* its value, where that is not in the output buffer, or NULL */
    size_t value_size;       /* bytes of the value at the end of the frame, 0 if it has none */
    size_t frame_size;       /* bytes, header and value included */
} gib_pending;

typedef struct gib_session {
    gib_limits limits;
    const gibson_allocator *allocator;

    /* The frames of all pending requests: those that were sent stay until they are answered, as the
       reply to SET is compared with what was sent. */
    gib_buffer out;
    size_t unsent;        /* offset from out.begin of the first byte that is not sent */
    size_t sent_frames;   /* pending requests that are sent as a whole */
    size_t sent_of_frame; /* bytes that are sent of the request after those */

    /* A ring of `capacity`, a power of two. */
    gib_pending *pending;
    size_t first;
    size_t count;
    size_t capacity;

    gib_buffer in;
    size_t decoded;    /* bytes at in.begin that the last reply borrows from */
    size_t frame_size; /* bytes that the reply at in.begin + decoded is known to need */
} gib_session;

/* Makes a session without memory of its own. The allocator is borrowed. */
void gib_session_init(gib_session *session, const gib_limits *limits,
                      const gibson_allocator *allocator);

/* Frees all memory. */
void gib_session_clear(gib_session *session);

/* Forgets all requests and bytes, as for a new connection. Views of the last reply end. */
void gib_session_reset(gib_session *session);

/* Ends the use of a connection: all bytes are dropped but those that the last reply borrows, and
   the requests without a reply are kept for gib_session_abandon to count off. */
void gib_session_break(gib_session *session);

/* Takes one request that was lost with the connection off the list. Returns its command, or NULL
   when there is none. */
const gibson_command *gib_session_abandon(gib_session *session);

/* Ends the life of the last reply's views, and gives back memory that a large one needed. */
void gib_session_release_reply(gib_session *session);

/* Hands the memory of the last reply to the caller, with its views unchanged. Returns GIBSON_OK;
   GIBSON_NOMEM; GIBSON_USAGE if there is no such reply. */
gibson_status gib_session_take_reply(gib_session *session, gibson_owned_reply **owned);

/* Appends a request. A value of place GIB_VALUE_BORROWED is sent from where it is: it must live
   until the reply was read, and until then no other request may be pending. Returns GIBSON_OK,
   GIBSON_INVALID or GIBSON_NOMEM; then nothing was appended. */
gibson_status gib_session_push(gib_session *session, const gibson_request *request,
                               gib_value_place place, gibson_error *error);

/* What to hand to the kernel in one call. parts[0] and [1] are set, either may be empty. As long as
   bytes of a segment arrive together, no header is cut: the output is whole frames of no more than
   `segment` bytes together, or a single frame, or the rest of one that was sent in part, and such
   frames as fit behind it. Returns the bytes in all, 0 when nothing is left to send. */
size_t gib_session_output(const gib_session *session, size_t segment, gibson_bytes parts[2]);

/* Tells how much of the output was sent. */
void gib_session_sent(gib_session *session, size_t size);

/* Where to put bytes that are read: *room and its size, which is at least 1. Views of the last
   reply end. False if memory runs out. */
bool gib_session_input(gib_session *session, uint8_t **room, size_t *size);

/* Tells how many bytes were put there. */
void gib_session_received(gib_session *session, size_t size);

/* Decodes the next reply, whose views live until gib_session_release_reply or gib_session_input.
   Returns GIBSON_OK with *reply filled in, its status being the server's, or TRUNCATED with an
   error if what SET stored is not what was sent; GIBSON_WOULD_BLOCK until more bytes are received;
   GIBSON_PROTOCOL, after which the session must be broken. There must be a pending request. */
gibson_status gib_session_next(gib_session *session, gibson_reply *reply, gibson_error *error);

static inline gib_pending *gib_session_pending(const gib_session *session, size_t index)
{
    return &session->pending[(session->first + index) & (session->capacity - 1)];
}

static inline size_t gib_session_unsent_frames(const gib_session *session)
{
    return session->count - session->sent_frames;
}

/* Tells whether any byte of a pending request was handed out as sent. */
static inline bool gib_session_has_sent(const gib_session *session)
{
    return session->unsent > 0;
}

static inline bool gib_session_has_input(const gib_session *session)
{
    return gib_buffer_size(&session->in) > session->decoded;
}

#endif
