/* A pool, as its own files see it.

   A pool has `max` places. A place is empty, or has a connection that is being made, lent or idle.
   The idle ones are a stack, whose head is one word (gate.h). While nobody waits, a client is taken
   from it and put back by one compare-and-swap; whoever holds the lock has closed the gate, so that
   everybody else comes to the lock. So with the lock held, all is still, but for those who are
   about to come to it.

   Whoever finds no idle client queues (queue.h), and gib_pool_serve alone decides who gets what. No
   connection is made, closed or looked at, and no callback called, with the lock held. */
#ifndef GIB_POOL_POOL_H
#define GIB_POOL_POOL_H

#include <gibson/pool.h>

#include <pthread.h>
#include <stdatomic.h>

#include "base/backoff.h"
#include "client/client.h"
#include "net/fork.h"
#include "pool/policy.h"
#include "pool/queue.h"

typedef enum gib_place_state {
    GIB_PLACE_EMPTY,
    GIB_PLACE_MAKING, /* somebody connects it */
    GIB_PLACE_IDLE,   /* its client is at rest: nobody touches it */
    GIB_PLACE_LENT,   /* or is being looked at, or closed */
} gib_place_state;

typedef struct gib_pool_core gib_pool_core;

struct gib_place {
    gib_pool_core *core;
    gibson_client *client;   /* made when it is first needed; never lent by two pools */
    atomic_uint next;        /* the number of the place below, in the stack it is in; 0: none */
    unsigned int number;     /* from 1 on */
    atomic_int state;        /* gib_place_state */
    unsigned int generation; /* core->generation when it was connected */
    int64_t ends_ns;         /* of its lifetime */
    uint64_t unused[3];      /* so that the size is a power of two */
};

/* All that a fork makes useless. A child makes another. */
struct gib_pool_core {
    gibson_pool *pool;
    gib_pool_core *former;        /* the parent's */
    unsigned int fork_generation; /* of the process that it belongs to */
    atomic_uint generation;       /* a connection of another one is not lent again */
    _Atomic uint64_t head;        /* see gate.h */
    _Atomic int64_t sweep_ns;     /* when to look for those that are too old */

    pthread_mutex_t lock; /* of what follows */
    gib_pool_queue queue;
    unsigned int present;    /* calls in the queue, and such as have been served and do not know */
    unsigned int top;        /* of the idle ones, while the gate is closed */
    unsigned int empty;      /* the first empty place, as `next` */
    unsigned int open;       /* places that are not empty */
    unsigned int connecting; /* of these, those that are being made */
    atomic_bool is_closed;   /* set with the lock held, looked at by who connects, too */
    bool is_freed;
    gib_backoff backoff;
    int64_t failed_ns;    /* when the last failure was counted */
    gibson_error failure; /* and why connecting failed */
    uint64_t random;
    gibson_pool_stats stats;

    gib_place places[];
};

struct gibson_pool {
    _Atomic(gib_pool_core *) core;
    gibson_options settings;
    gib_pool_policy policy;
    char text[]; /* of the settings */
};

/* What one call waits for: when it came, until when, and the name and length of that deadline. */
typedef struct gib_pool_wait {
    int64_t began_ns;
    gib_deadline until;
    const char *name;
    int64_t length_ms;
    bool is_first;      /* goes before all others: it had its turn already */
    int64_t served_ns;  /* when it was served last, or 0 */
    uint64_t waited_ns; /* in the queue so far */
} gib_pool_wait;

/* Makes a core of empty places, or NULL. */
gib_pool_core *gib_pool_core_new(gibson_pool *pool);

/* Frees it and, unless it is a parent's, its clients: of a parent's those that are at rest. */
void gib_pool_core_free(gib_pool_core *core);

/* Frees a pool of which nothing is in use. */
void gib_pool_free(gibson_pool *pool);

/* The core after a fork: another than that one. NULL if memory runs out. */
gib_pool_core *gib_pool_adopt(gibson_pool *pool, gib_pool_core *parents);

/* The core of this process. NULL if memory runs out, which is only so in a child. */
static inline gib_pool_core *gib_pool_own_core(gibson_pool *pool)
{
    gib_pool_core *core = atomic_load_explicit(&pool->core, memory_order_acquire);
    return GIB_LIKELY(core->fork_generation == gib_fork_generation()) ? core
                                                                      : gib_pool_adopt(pool, core);
}

/* Takes the lock and closes the gate. */
void gib_pool_lock(gib_pool_core *core);

/* Opens the gate, unless somebody waits, and lets go. Frees the pool, if that was put off until
   now. */
void gib_pool_unlock(gib_pool_core *core);

/* What was asked of a pool: a client within timeout_ms, 0 for that of the pool. */
typedef struct gib_pool_request {
    gibson_pool *pool;
    int64_t timeout_ms;
    gibson_client **client;
    gibson_error *error;
} gib_pool_request;

/* Lends a client by the long way; now_ns is when it began, and `name` what messages call the
   timeout. `place` is one that was taken and may be stale, or NULL. */
gibson_status gib_pool_lend_long(const gib_pool_request *request, gib_place *place, int64_t now_ns,
                                 const char *name);

/* Waits in the queue until there is a place, which is noted in *wait. Returns GIBSON_OK with the
   place, which is LENT or MAKING; why there is none; or GIBSON_WOULD_BLOCK in a child that was
   forked meanwhile, where it is to be asked of another core. With the lock held, but in that child.
 */
gibson_status gib_pool_await(gib_pool_core *core, gib_pool_wait *wait, gib_place **place,
                             gibson_error *error);

/* Connects a place that is MAKING. It is LENT then, or empty if that fails. GIBSON_WOULD_BLOCK: it
   is LENT, and its connection was cleared meanwhile. */
gibson_status gib_pool_connect(gib_place *place, const gib_pool_wait *wait, gibson_error *error);

/* The reason for which a connection that is about to be lent has to be dropped, as a member of the
   statistics; or NULL. It must have been chosen before the end of its lifetime. */
uint64_t *gib_pool_look(gib_place *place, int64_t chosen_ns, int64_t now_ns);

/* Makes a place empty, whose connection is closed. With the lock held. */
void gib_pool_empty(gib_place *place);

/* Closes the connection of a place that is LENT, for the reason, and gives its place to others. */
void gib_pool_drop(gib_place *place, uint64_t *reason);

/* Ends the idle connections that are too old, or all, for the reason. With the lock held, which is
   let go of in between. */
void gib_pool_sweep(gib_pool_core *core, int64_t now_ns);
void gib_pool_drop_idle(gib_pool_core *core, uint64_t *reason);

/* Gives what there is to those who wait: idle clients, places to connect, or the reason why there
   is nothing to wait for. To be called with the lock held, when any of that has changed. */
void gib_pool_serve(gib_pool_core *core, int64_t now_ns);

/* Wakes all who wait, so that they look until when. */
void gib_pool_wake_all(gib_pool_core *core);

#endif
