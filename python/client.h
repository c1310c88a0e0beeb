/* The type Client. */
#ifndef PYGIBSON_CLIENT_H
#define PYGIBSON_CLIENT_H

#include "endpoint.h"
#include "errors.h"
#include "module.h"
#include "operation.h"
#include "options.h"
#include "turn.h"

/* A Client may be used by many threads, which take turns in libgibson.

   During a turn no Python code runs but that which PyErr_CheckSignals runs within a wait: signal
   handlers and, from Python 3.12 on, finalisers. If those use the same Client they get an
   exception, as their thread would wait for itself. Neither deallocation nor traversal takes a
   turn.

   A child of fork that finds the turn of a lost thread gets a new gibson_client, because that
   thread may have left the old one half changed. */
typedef struct Client {
    ENDPOINT_HEAD
    gibson_client *client; /* NULL until __init__ has succeeded */
    gibson_options options;
    option_owners owners;
    PyObject *weakrefs;
    PyObject *attributes; /* the dict of what was set on the instance, or NULL */

    turn turn;
    PyThreadState *released; /* of the thread that is in libgibson */
    bool shortened;          /* waiting for the turn used up a part of the timeout: */
    int64_t waited_ms;
    const char *broken_because; /* in place of what libgibson tells of an interruption, or NULL */
    bool forked;                /* the process forked within a wait, and this is the child */
    const char *_Atomic closed_because; /* why no operation is to try the connection, or NULL */
    atomic_bool connected;              /* at the end of the last operation */
} Client;

/* Takes a turn, waiting no longer than options.timeout_ms; what is left of that is the timeout of
   the operation, which an exception names. Returns 0, or -1 with an exception set. */
int client_begin(Client *self, const operation *op);
void client_end(Client *self);

/* The calls into libgibson that may wait, within a turn, stand between these two. client_enter
   gives up the GIL and client_leave takes it again. */
static inline void client_enter(Client *self)
{
    self->released = PyEval_SaveThread();
}

static inline void client_leave(Client *self)
{
    PyEval_RestoreThread(self->released);
}

/* Tells whether the client was closed, and if so sets the error. */
bool client_is_closed(const Client *self, gibson_error *error);

/* The error of the call just left, where that failed. It tells of a fork within a wait, which
   libgibson knows as an interruption only. */
gibson_error client_error(Client *self);

/* Raises the exception for an error of an operation, unless a signal handler has raised one.
   Returns NULL. */
PyObject *client_raise(const Client *self, const gibson_error *error, const operation *op);

/* client_batch.c */
run_batch client_run_batch;

extern PyType_Spec client_spec;

#endif
