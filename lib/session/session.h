/* Matching requests to replies, in order, without a socket: the session says what to write, is fed
   what was read, and says when it is broken. Whatever waits, in whichever way, can use it.

   The session is closed: nothing outside lib/session reads or writes a member of gib_session, or
   knows what is where in a frame. gib_session_check tells whether its state is sound. */
#ifndef GIB_SESSION_SESSION_H
#define GIB_SESSION_SESSION_H

#include <gibson/reply.h>
#include <gibson/request.h>

#include "base/buffer.h"
#include "wire/limits.h"
#include "wire/request_encode.h"

/* A request whose reply has not been read. */
typedef struct gib_pending {
    size_t value_size;   /* bytes of the value at the end of the frame, 0 if it has none */
    uint32_t frame_size; /* bytes in the output buffer: all of it but a borrowed value */
    uint16_t opcode;
    bool is_question; /* it is part of one, see question.h, and not the caller's */
} gib_pending;

enum {
    GIB_QUESTION_EVERY = 509, /* requests of a pipeline a question is asked */
    GIB_QUESTION_KEY_SIZE = 30,
    GIB_QUESTION_SIZE = 159, /* bytes of its frames */
};

/* How many requests may be without a reply. */
typedef struct gib_window {
    size_t requests;
    size_t bytes; /* of frames; the last one may reach over */
} gib_window;

typedef struct gib_session {
    gib_limits limits;
    gib_window window;
    const gibson_allocator *allocator;

    /* The frames of all pending requests: those that were sent stay until they are answered, as the
       reply to SET is compared with what was sent. */
    gib_buffer out;
    size_t unsent;        /* offset in out.data of the first byte that is not sent */
    size_t sent_of_frame; /* bytes that are sent of the request after the last that is sent whole */

    /* The value behind the frame of the only pending request, where it is the caller's; or NULL. */
    const uint8_t *borrowed;
    size_t borrowed_size;
    size_t borrowed_sent;

    /* How many requests there were since the connection was made: pushed >= sent >= answered. */
    size_t pushed;
    size_t sent; /* as a whole */
    size_t answered;
    size_t long_time; /* the number behind the last with a time that not every server keeps; or 0 */

    /* The short ways: see queue.h and single.h. */
    size_t queue_until; /* requests may be queued with no more ado while pushed is below; or 0 */
    bool settled;       /* a single request may take the short way */

    bool has_surplus; /* more has arrived than was asked for; only ever set here */
    bool broken;      /* nothing is in the output buffer, whatever is pending */

    size_t questions; /* pending requests that are part of one */
    size_t ask_at;    /* the number of requests pushed at which one is due */
    bool question_is_refused;
    uint8_t question[GIB_QUESTION_SIZE];

    /* A ring of those that are not answered: request number i is at `i & mask`. Its capacity, a
       power of two, is mask + 1, or 0 while `pending` is NULL. */
    gib_pending *pending;
    size_t mask;

    gib_buffer in;     /* from in.begin to `next`, replies that may be borrowed from */
    size_t next;       /* offset in in.data of the reply after that; in.begin if there was none */
    size_t frame_size; /* bytes that the reply at `next` is known to need */
} gib_session;

/* Makes a session without memory of its own. The allocator is borrowed. */
void gib_session_init(gib_session *session, const gib_limits *limits, gib_window window,
                      const gibson_allocator *allocator);

/* Frees all memory. */
void gib_session_clear(gib_session *session);

/* Forgets all requests and bytes, as for a new connection. Views of the last reply end. */
void gib_session_reset(gib_session *session);

/* Tells, once, whether more has arrived than was asked for. */
static inline bool gib_session_take_surplus(gib_session *session)
{
    const bool had = session->has_surplus;
    session->has_surplus = false;
    return had;
}

/* Ends the use of a connection: all bytes are dropped but those that the last reply borrows, and
   the requests without a reply are kept for gib_session_abandon to count off. */
void gib_session_break(gib_session *session);

/* Goes on with a new connection: what was received is dropped, but for the last reply. Requests
   that are pending are sent on it, so none may be in flight; of a broken session none may be
   pending. */
void gib_session_renew(gib_session *session);

/* Takes one request that was lost with the connection off the list. Returns its command, or NULL
   when there is none. */
const gibson_command *gib_session_abandon(gib_session *session);

/* Does so with all of them. */
void gib_session_abandon_all(gib_session *session);

/* Ends the use of a connection for those requests of which a byte was sent, and takes them off the
   list. Returns how many of the caller's they were. The others stay pending, to be sent on another
   connection after gib_session_renew; a view of the last reply stays. No value may be borrowed. */
size_t gib_session_drop_sent(gib_session *session);

/* How many requests of the caller's there are of which nothing was sent. */
size_t gib_session_untouched(const gib_session *session);

/* Takes back the last request, of which nothing may have been sent. */
void gib_session_retract(gib_session *session);

/* Asks `keep` for each of the caller's requests of which nothing was sent, the oldest first, and
   takes back those for which it returns false. No value may be borrowed. */
void gib_session_filter(gib_session *session, bool (*keep)(void *context), void *context);

/* Empties the buffers that hold nothing, and gives back the memory of those that large requests and
   replies have made large. */
void gib_session_trim(gib_session *session);

/* Changes limits.max_seconds, as for a new connection, or once the server has told. */
void gib_session_set_seconds(gib_session *session, int64_t max_seconds, gib_seconds_source source);

/* Tells whether a request is pending which is allowed only because the server has told that it
   keeps such a time: another server may not. */
bool gib_session_has_long_time(const gib_session *session);

/* Tells whether the server has to be asked for limits.max_seconds. */
static inline bool gib_session_lacks_seconds(const gib_session *session)
{
    return session->limits.seconds_source == GIB_SECONDS_UNKNOWN;
}

/* Tells whether a time is one that the server is known not to keep. */
static inline bool gib_session_refuses_time(const gib_session *session, int64_t seconds)
{
    return !gib_session_lacks_seconds(session) && seconds > session->limits.max_seconds;
}

/* Changes limits.max_reply_size. Returns what it was. */
size_t gib_session_set_max_reply(gib_session *session, size_t max_reply_size);

/* Tells whether some bytes are in the buffer of the last reply. */
static inline bool gib_session_lends_bytes(const gib_session *session, gibson_bytes bytes)
{
    return (uintptr_t)bytes.data - (uintptr_t)session->in.data < session->in.capacity;
}

/* Tells whether the key or value of a request is. */
static inline bool gib_session_lends(const gib_session *session, const gibson_request *request)
{
    return gib_session_lends_bytes(session, request->key) ||
           gib_session_lends_bytes(session, request->value);
}

/* The last reply, put aside while the session reads another into a buffer of its own. */
typedef struct gib_kept {
    gib_buffer in;
    size_t next;
} gib_kept;

/* Puts the last reply aside if it is borrowed from. Nothing may be pending. gib_session_put_back or
   gib_session_forget_kept has to follow; in between, its views stay. */
void gib_session_put_aside(gib_session *session, gib_kept *kept);

/* Ends the last reply, and puts back the one before it. */
void gib_session_put_back(gib_session *session, gib_kept *kept);

/* Frees the one that was put aside, whose views end. */
void gib_session_forget_kept(gib_session *session, gib_kept *kept);

/* Hands the memory of the last reply to the caller, with its views unchanged. Returns GIBSON_OK;
   GIBSON_NOMEM; GIBSON_USAGE if there is no such reply. */
gibson_status gib_session_take_reply(gib_session *session, gibson_owned_reply **owned);

/* Appends a request. A value of place GIB_VALUE_BORROWED is sent from where it is: it must live
   until the reply was read, and until then no other request may be pending. Returns GIBSON_OK,
   GIBSON_INVALID, GIBSON_NOMEM, or GIBSON_WOULD_BLOCK if the server has to be asked for its limit
   of times first; unless OK, nothing was appended. */
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

/* Puts bytes there. False if memory runs out. */
bool gib_session_copy_input(gib_session *session, const uint8_t *bytes, size_t size);

/* Tells how many bytes were put there. */
void gib_session_received(gib_session *session, size_t size);

/* Decodes the next reply, whose views live until gib_session_release_reply or gib_session_input.
   Returns GIBSON_OK with *reply filled in, its status being the server's, or TRUNCATED with an
   error if what SET stored is not what was sent; GIBSON_WOULD_BLOCK until more bytes are received;
   GIBSON_PROTOCOL, after which the session must be broken. There must be a pending request. */
gibson_status gib_session_next(gib_session *session, gibson_reply *reply, gibson_error *error);

/* How far the replies that wait unread were looked at: zero at first. */
typedef struct gib_session_scan {
    size_t size;  /* bytes of whole replies from `next` on */
    size_t count; /* and how many those are */
    bool over;    /* the one behind them is over max_reply_size */
} gib_session_scan;

/* Looks at the replies that have arrived and were not decoded: what a peer can make a client hold
   is bounded by what that has asked for. Returns GIBSON_OK; GIBSON_PROTOCOL if there are more than
   requests were sent, or one is over max_reply_size. Between two looks no reply may be taken. */
gibson_status gib_session_scan_input(gib_session *session, gib_session_scan *scan,
                                     gibson_error *error);

/* Decodes the reply to the next pending request, the caller's or not, of up to that many bytes of
   data: as gib_session_next otherwise. For lib/session. */
gibson_status gib_session_take(gib_session *session, size_t max_reply_size, gibson_reply *reply,
                               gibson_error *error);

/* The opcode of the request whose reply is due, and what to call it in messages. There must be a
   pending request. */
gibson_opcode gib_session_due(const gib_session *session);
const char *gib_session_due_name(const gib_session *session);

/* Returns NULL if the state is sound, or what is wrong with it. For tests and debug builds: it
   walks over everything. */
const char *gib_session_check(const gib_session *session);

/* Makes room in the ring for `more` pending requests. Returns how many are sure to fit it, counted
   from the first since the connection was made, or 0 if memory runs out. For lib/session. */
size_t gib_session_reserve(gib_session *session, size_t more);

/* Closes the short way if a request, even one that was refused, has made the output buffer large.
   For lib/session. */
void gib_session_unsettle_if_large(gib_session *session);

/* Drops the bytes of a buffer, and its memory if it is large. For lib/session. */
void gib_session_drop_bytes(gib_buffer *buffer);

/* Tells whether a buffer is there, and not so large that its memory is to be given back. */
bool gib_session_keeps(const gib_buffer *buffer);

/* Requests without a reply. */
static inline size_t gib_session_count(const gib_session *session)
{
    return session->pushed - session->answered;
}

/* Those of the caller. Questions go before those, so that either there are none of both, or some of
   these, but while the connection asks with nothing else to do. */
static inline size_t gib_session_outstanding(const gib_session *session)
{
    return gib_session_count(session) - session->questions;
}

/* Closes the short way where only questions are left, what was behind them being taken back. */
static inline void gib_session_end_pipeline(gib_session *session)
{
    if (!gib_session_outstanding(session)) {
        session->queue_until = 0;
    }
}

/* Requests of which a byte is still to be sent. */
static inline size_t gib_session_unsent_frames(const gib_session *session)
{
    return session->pushed - session->sent;
}

/* Tells whether any byte of a request without a reply was handed out as sent. */
static inline bool gib_session_is_in_flight(const gib_session *session)
{
    return session->sent != session->answered || session->sent_of_frame || session->borrowed_sent;
}

/* Bytes of the frames of the caller's requests without a reply. */
size_t gib_session_outstanding_bytes(const gib_session *session);

static inline bool gib_session_has_input(const gib_session *session)
{
    return session->in.end > session->next;
}

static inline gib_pending *gib_session_pending(const gib_session *session, size_t number)
{
    return &session->pending[number & session->mask];
}

/* Ends the life of the last reply's views. */
static inline void gib_session_release_reply(gib_session *session)
{
    session->in.begin = session->next;
    if (session->in.begin == session->in.end) {
        gib_buffer_empty(&session->in);
        session->next = 0;
    }
}

#endif
