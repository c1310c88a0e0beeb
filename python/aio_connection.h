/* A gibson_async and the event loop that it lives in. The Client has it, its Replies have it, and
   the loop has it while it watches; it has the Replies that wait, and those have the Client. So a
   Client lives while anything waits, and if nothing does, ends with the last reference to it. */
#ifndef PYGIBSON_AIO_CONNECTION_H
#define PYGIBSON_AIO_CONNECTION_H

#include <gibson/async.h>

#include "aio_reply.h"
#include "errors.h"
#include "options.h"

/* What the loop is told. */
typedef struct aio_watch {
    PyObject *loop; /* NULL until the Client is used first */
    PyObject *add_reader;
    PyObject *remove_reader;
    PyObject *add_writer;
    PyObject *remove_writer;
    PyObject *call_soon;
    PyObject *call_later;
    int descriptor; /* -1: none */
    unsigned events;
    PyObject *timer;  /* a TimerHandle, or NULL */
    int64_t timer_ns; /* when it comes */
    bool soon;        /* a call before the loop waits is under way */
} aio_watch;

typedef struct Connection {
    PyObject ob_base;
    module_state *state; /* lives as long as the type */
    gibson_async *async; /* NULL once it was released */
    PyObject *server;    /* str */
    int64_t timeout_ms;  /* of a request */
    int64_t told_ms;     /* what gibson_async was told of it */
    bool repeats;        /* requests that may be done twice, if the connection is lost */
    unsigned long forks;
    const char *closed_because; /* why no request is to be submitted, or NULL */
    bool fresh;                 /* no attempt to connect was made yet */
    bool in_hook;             /* nobody is to call now: libgibson is calling, or a reply is read */
    bool opened;              /* there is a connection, and those that wait are to be told */
    bool stale;               /* what the loop is told is not what is waited for any more */
    bool has_room;            /* for Replies that wait for it */
    int64_t waiting_until_ns; /* none of those has to be looked at before */

    aio_watch watch;
    unsigned long turn; /* the number of the thread that is in a turn of the loop, or 0 */

    reply_list requests; /* that have been submitted, batches too */
    reply_list waiting;  /* for room, in the order in which they came */
    reply_list connecting;
    reply_list draining;
    reply_list ready; /* done, and their callbacks are to be called */

    struct aio_decoding *decodings; /* in the order in which they go on */
    struct aio_decoding *last_decoding;

    PyObject *refused; /* an exception: what the loop said to a descriptor; or NULL */
    PyObject *raised;  /* KeyboardInterrupt or SystemExit out of a callback, or NULL */
} Connection;

extern PyType_Spec connection_spec;
extern const char connection_closed_text[]; /* for closed_because */

/* Makes a connection that belongs to no loop yet. Returns NULL with an exception set. */
Connection *connection_new(module_state *state, const gibson_options *options);

/* Begins the call of a method. Returns 0, or -1 with an exception set if it must not be called:
   there is another loop, or none; the process was forked; or libgibson is calling. */
int connection_begin(Connection *self, const command_kind *kind);

/* Tells whether a Reply may be cancelled here: as connection_begin, but also where no loop runs, as
   asyncio.run does at its end. */
int connection_may_cancel(Connection *self);

/* After anything was done to the connection: sees to it that the loop knows what is waited for and
   what is ready. It runs no task. */
void connection_settle(Connection *self);

/* What a Client that is given up leaves: closes, and tells the loop to forget. */
void connection_release(Connection *self);

/* Begins to connect, unless there is a connection. Returns 0, or -1 with the error set. */
int connection_connect(Connection *self, gibson_error *error);

/* Closes the connection: what waits fails. */
void connection_close(Connection *self, const char *because);

/* A Reply that waits no more, being cancelled: gives up what it waits for. */
void connection_withdraw(Connection *self, Reply *reply);

/* The exception for an error: a new reference, or NULL with an exception set. */
PyObject *connection_exception(const Connection *self, const gibson_error *error,
                               const command_kind *kind, PyObject *key, PyObject *refused);

/* The same for what the library says now, and for a Client that is closed. */
PyObject *connection_error(const Connection *self, const command_kind *kind, PyObject *key,
                           PyObject *refused);
PyObject *connection_closed(const Connection *self, const command_kind *kind, PyObject *key);

static inline bool connection_was_forked(const Connection *self)
{
    return self->forks != self->state->forks;
}

/* The timeout for gibson_async_submit: 0 for the one it was told. It is told the longest that was
   set, which may have been in another thread: for so long the connection may be silent. None at all
   is the longest only until another is set, or nobody would notice a connection that is dead. */
static inline int64_t connection_timeout(Connection *self)
{
    const bool told_none = self->told_ms == GIBSON_NO_DEADLINE;
    const bool is_longer = (uint64_t)self->timeout_ms > (uint64_t)self->told_ms;
    if (is_longer || (told_none && self->timeout_ms != self->told_ms &&
                      !gibson_async_outstanding(self->async))) {
        self->told_ms = self->timeout_ms;
        gibson_async_set_timeout(self->async, self->told_ms);
    }
    return self->timeout_ms == self->told_ms ? 0 : self->timeout_ms;
}

/* aio_watch.c: what the loop is told. These run code of the loop. */

/* Makes the connection the loop's. Returns 0, or -1 with an exception set. */
int watch_bind(Connection *self, PyObject *loop);

/* Brings it up to date. Returns 0, or -1 with an exception set: the loop takes no descriptors. */
int watch_update(Connection *self);

/* Makes the loop forget the descriptor. */
void watch_forget(Connection *self);

/* Makes it forget all. */
void watch_end(Connection *self);

/* Has a turn of the connection come before the loop waits. Returns 0, or -1 with an exception. */
int watch_soon(Connection *self);

void watch_clear(aio_watch *watch);

int64_t watch_now_ns(void);

/* aio_turn.c: a turn of the loop, with the events that have come. Returns None, or NULL with an
   exception that is to end the loop. */
PyObject *connection_turn(Connection *self, unsigned events);

/* aio_submit.c */

/* Submits the request of a call, or fails the Reply. It runs no Python code. */
void submit_operation(Reply *reply, operation *op);

/* The same of the operations of a batch. */
void submit_batch(Reply *reply);

/* Lets in those that wait for room, as many as there is room for. */
void submit_waiting(Connection *self);

/* Makes a Reply wait for room until then. */
void submit_wait(Reply *reply, reply_role role, int64_t until_ns);

/* When the time of what begins now is over; GIBSON_ASYNC_NEVER: never. */
int64_t submit_until(const Connection *self);

/* Fails one of those. */
void submit_fail_waiting(Reply *reply, const gibson_error *error);

/* Fails those whose time to wait is over. */
void submit_expire(Connection *self);

/* Drops the request that a Reply has kept, if any. */
void submit_forget(Reply *reply);

/* aio_decode.c: replies with many items, of which objects are made bit by bit. */

/* A reply of status OK with items. `index` is its place in the batch, if the Reply is of one. */
void decode_begin(Reply *reply, const command_kind *kind, gibson_items items, size_t index);

/* Goes on with one of them. */
void decode_go_on(Connection *self);

/* Ends those of a Reply. */
void decode_drop(Reply *reply);

#endif
