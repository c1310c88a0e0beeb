/* A random walk over the functions of gibson/async.h, against a model of what must become of each
   request. Handle and peer are in one thread, and the clock is a number, so a seed decides all. */
#ifndef WALK_ASYNC_WALK_H
#define WALK_ASYNC_WALK_H

#include <gibson/async.h>

#include "async_peer.h"
#include "async_request.h"
#include "choices.h"
#include "support/failing_allocator.h"

enum {
    ASYNC_WALK_HISTORY = 60,
    ASYNC_WALK_NOTE_SIZE = 160,
    ASYNC_WALK_OWNED = 4,
    ASYNC_WALK_STATUSES = GIBSON_SYSTEM + 1,
};

/* A reply that was taken over: its bytes stay as they are. */
typedef struct async_walk_owned {
    gibson_owned_reply *owned;
    gibson_reply reply;
    const async_request *request; /* that it answers; or NULL */
} async_walk_owned;

typedef struct async_walk {
    /* Set by the caller. */
    walk_choices choices;

    async_peer *peer;
    gibson_async *async;
    gibson_options options;
    failing_allocator memory; /* which fills it with something that means something */

    /* Every request that was ever submitted, also those that were refused. */
    async_requests requests;
    size_t first_of_handle;
    size_t outstanding; /* as it must be */
    uint64_t last_sent; /* which was sent last, by its number from the handle */

    /* What the handle must be like. */
    gibson_async_waits watched; /* as the loop was told */
    bool attached;
    bool connected;
    bool connecting;
    bool draining;
    bool drained; /* the hook is being told */
    bool dying;
    bool room_owed; /* a request was refused for want of room */
    bool held;      /* a time was accepted that the server has to allow */

    /* What has happened since the outermost call on the handle began. */
    unsigned depth;
    unsigned submitting; /* calls of which it is not known whether they accept */
    gibson_status loss;  /* what the hook `connection` has told, or GIBSON_OK */
    bool closed;         /* by its owner, or by END */

    async_walk_owned owned[ASYNC_WALK_OWNED];

    /* What came of it. */
    bool failed;
    uint64_t steps;
    uint64_t by_status[ASYNC_WALK_STATUSES];
    uint64_t notes;
    char history[ASYNC_WALK_HISTORY][ASYNC_WALK_NOTE_SIZE];
} async_walk;

/* Takes so many steps, or until the choices run out, or something is not as it must be: then
   `failed` is set, and the last steps are on the standard error. Frees all that it holds. */
void async_walk_run(async_walk *self, uint64_t steps);

/* ---- Between its parts ---- */

/* Writes a step down. */
__attribute__((format(printf, 2, 3))) void async_walk_note(async_walk *self, const char *format,
                                                           ...);

/* Something is not as it must be. */
__attribute__((format(printf, 2, 3))) void async_walk_fail(async_walk *self, const char *format,
                                                           ...);

/* async_steps.c: does something to the handle, from within a callback too. */
void async_walk_act(async_walk *self);

/* Makes a handle, attached to the loop of the walk, or frees the one there is. */
void async_walk_make(async_walk *self);
void async_walk_free(async_walk *self);

/* async_judge.c: the callback of every request. */
void async_walk_called(gibson_async *async, const gibson_reply *reply, void *context);

/* Brackets for each call on the handle; when the outermost ends, all is checked. */
void async_walk_begin(async_walk *self);
void async_walk_end(async_walk *self);

/* Checks what submitting a request has returned. */
void async_walk_submitted(async_walk *self, async_request *request, gibson_status status);

/* Checks what cancelling it has returned. */
void async_walk_cancelled(async_walk *self, const async_request *request, bool expected, bool done);

/* After the handle was run: no request is overdue. */
void async_walk_check_times(async_walk *self);

/* Gives back the replies that were taken over. */
void async_walk_give_back(async_walk *self);

#endif
