/* The type Reply: what a method of the asynchronous Client returns. It is a future of asyncio, and
   an awaitable and coroutine too, so that nothing else has to be made for a request. */
#ifndef PYGIBSON_AIO_REPLY_H
#define PYGIBSON_AIO_REPLY_H

#include <stdbool.h>

#include "operation.h"

/* What a Reply waits for. */
typedef enum reply_role {
    REPLY_ANSWER,     /* a request was submitted */
    REPLY_DECODE,     /* the answer is there, and objects are being made of it */
    REPLY_ROOM,       /* to submit the request that it has kept */
    REPLY_BATCH,      /* for the operations of a batch */
    REPLY_BATCH_ROOM, /* the same, and for room to submit more of them */
    REPLY_CONNECT,
    REPLY_DRAIN,
    REPLY_DONE, /* there is a result or an error */
    REPLY_CANCELLED,
} reply_role;

struct aio_batch;
struct aio_decoding;
struct Connection;

typedef struct reply_list {
    struct Reply *first;
    struct Reply *last;
} reply_list;

typedef struct Reply {
    PyObject ob_base;
    struct Connection *connection; /* owned; stays until the end */
    PyObject *client;              /* owned until it is done, so that the Client lives as long */

    reply_list *list; /* of the connection; it has a reference. NULL: none */
    struct Reply *previous;
    struct Reply *next;

    const command_kind *kind;
    PyObject *key; /* for exceptions, or NULL */
    uint64_t id;   /* of the request, for gibson_async_cancel */
    char role;     /* a reply_role */

    bool blocking;  /* _asyncio_future_blocking */
    bool pauses;    /* an await of it is to give the loop a turn, though it is done */
    bool repeated;  /* it was submitted a second time */
    bool unnoticed; /* nobody has asked for the error yet */

    operation *kept;  /* for REPLY_ROOM; owned */
    int64_t until_ns; /* for the roles of room: when its time is over */
    struct aio_decoding *decoding;
    struct aio_batch *batch;

    PyObject *callback;  /* the first, or NULL */
    PyObject *context;   /* of that */
    PyObject *callbacks; /* a list of (callback, context) with the others, or NULL */
    PyObject *result;    /* of one that is done, or NULL; before that, what it is to be */
    PyObject *error;     /* an exception, or NULL */
    PyObject *message;   /* of the cancellation, or NULL */
    PyObject *weakrefs;
} Reply;

extern PyType_Spec reply_spec;

/* Makes a Reply that is in no list. Returns NULL with an exception set. */
Reply *reply_new(struct Connection *connection, PyObject *client, const command_kind *kind);

/* Ends one with a result or an error, either of which is taken over: NULL means that the exception
   that is set is the error. One that is in a list is moved to the connection's `ready`; for one
   that is in none, as its call has not returned, nothing is to be called. One that is done stays as
   it is. An await of one that has failed before anybody waited for it gives the loop a turn: a task
   that repeats what is refused at once must not keep the others from running. */
void reply_resolve(Reply *self, PyObject *result);
void reply_fail(Reply *self, PyObject *error);

/* Calls the callbacks: at once, for which no task may be running, or through call_soon. What they
   raise is left in connection->raised, or told to the loop. */
void reply_call_now(Reply *self);
void reply_call_soon(Reply *self);

/* The methods of the type that say what is to be called: aio_callbacks.c. */
PyObject *reply_add_done_callback(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                  PyObject *keywords);
PyObject *reply_remove_done_callback(PyObject *object, PyObject *callback);

static inline bool reply_is_done(const Reply *self)
{
    return self->role >= REPLY_DONE;
}

/* Appends to a list, which takes a reference. */
static inline void reply_enter(reply_list *list, Reply *reply)
{
    Py_INCREF(reply);
    reply->list = list;
    reply->previous = list->last;
    reply->next = NULL;
    *(list->last ? &list->last->next : &list->first) = reply;
    list->last = reply;
}

/* Takes it out of its list; the reference is the caller's. */
static inline void reply_take_out(Reply *reply)
{
    reply_list *list = reply->list;
    *(reply->previous ? &reply->previous->next : &list->first) = reply->next;
    *(reply->next ? &reply->next->previous : &list->last) = reply->previous;
    reply->list = NULL;
}

static inline void reply_move(Reply *reply, reply_list *to)
{
    reply_take_out(reply);
    reply_enter(to, reply);
    Py_DECREF(reply);
}

/* Does either. */
static inline void reply_put(Reply *reply, reply_list *to)
{
    if (reply->list) {
        reply_move(reply, to);
    } else {
        reply_enter(to, reply);
    }
}

#endif
