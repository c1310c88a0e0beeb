/* Calls into libgibson that may wait, on an object that many threads use at once: so who is in such
   a call is kept by the thread. */
#ifndef PYGIBSON_WAIT_H
#define PYGIBSON_WAIT_H

#include "module.h"

/* A call of this thread. A signal handler that runs within it may make another, on the same object
   or a different one. */
typedef struct waiting_call {
    const module_state *state;
    PyThreadState *released;
    bool raised; /* a signal handler has raised an exception: no wait of the call goes on */
    bool forked; /* the process forked within the wait, and this is the child */
    struct waiting_call *outer;
} waiting_call;

/* The first gives up the GIL, and the second takes it again. */
void wait_enter(waiting_call *call, const module_state *state);
void wait_leave(const waiting_call *call);

/* For gibson_options.interrupt: runs signal handlers. In the child of a fork the call must end,
   because the connection is the parent's. */
int wait_interrupt(void *context);

/* The error of a call that was left, where it failed. */
gibson_error wait_error(const waiting_call *call, const gibson_error *error);

#endif
