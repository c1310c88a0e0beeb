/* Those who wait for a client of a pool, the first come first. All with the pool's lock held. */
#ifndef GIB_POOL_QUEUE_H
#define GIB_POOL_QUEUE_H

#include <gibson/status.h>

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct gib_place gib_place;

/* A call that waits. It stands on the stack of its thread. */
typedef struct gib_waiter {
    struct gib_waiter *next;
    struct gib_waiter *before;
    pthread_cond_t woken;
    bool is_asleep; /* woken has to be signalled */
    bool is_served; /* and not in the queue any more: by a place, or by an error */
    int64_t served_ns;
    gib_place *place;
    gibson_error error;
} gib_waiter;

typedef struct gib_pool_queue {
    gib_waiter *first;
    gib_waiter *last;
    unsigned int count;
} gib_pool_queue;

/* Puts one behind all others, or before them. */
void gib_pool_queue_add(gib_pool_queue *queue, gib_waiter *waiter, bool is_first);

/* Takes one out, wherever it stands. */
void gib_pool_queue_remove(gib_pool_queue *queue, gib_waiter *waiter);

/* Wakes one that sleeps. */
void gib_waiter_wake(gib_waiter *waiter);

/* Serves the first with a place, or with the error that was set in it. */
void gib_pool_queue_serve(gib_pool_queue *queue, gib_place *place, int64_t now_ns);

#endif
