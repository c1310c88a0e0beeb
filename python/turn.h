/* The lock of a Client: threads take turns. */
#ifndef PYGIBSON_TURN_H
#define PYGIBSON_TURN_H

#include <stdatomic.h>

#include "module.h"

/* Taking a free turn costs one atomic operation. Who finds it taken stands in a queue, and the turn
   is handed on to the first there: a waiting thread would never see it free, because to look it
   needs the GIL, which the thread that leaves its turn has, and keeps until that is in its next
   turn.

   Turn and GIL: a thread gives up the GIL before it waits for its turn, and may wait for the GIL
   during its turn. So no circle can close.

   Threads have numbers that are never used again, as identifiers of the system are: in the child of
   a fork a new thread may have that of one that had the turn in the parent.

   Fork: a turn that another thread had at the time of fork has no end in the child. `forks` tells,
   being the module's count when the turn began. But the thread that forks, as a signal handler may
   in the midst of a call, still has its turn there; those that waited for it are gone. */
typedef struct turn {
    atomic_ulong owner;   /* the number of the thread whose turn it is, or 0 */
    atomic_ulong waiting; /* length of the queue */
    atomic_ulong forks;
    atomic_flag guard;          /* of the queue, for a few instructions */
    struct turn_waiter *waiter; /* the first in the queue, or NULL */
} turn;

typedef enum turn_result {
    TURN_TAKEN,
    TURN_LATE,     /* the time is over */
    TURN_OWN,      /* it is this thread's turn already */
    TURN_ORPHANED, /* it was taken from a thread that did not survive the fork */
    TURN_RAISED,   /* a signal handler raised an exception, or there is no memory */
    TURN_FORKED,   /* internal: a signal handler forked, and all begins anew in the child */
} turn_result;

/* The number of this thread, or 0 until it is asked for one. */
extern _Thread_local unsigned long turn_thread;

/* Gives this thread a number. */
unsigned long turn_number_thread(void);

/* Returns the number of this thread. */
static inline unsigned long turn_this_thread(void)
{
    return turn_thread ? turn_thread : turn_number_thread();
}

/* Makes a turn that nobody has. */
void turn_init(turn *made, unsigned long forks);

/* Takes the turn, waiting for it for timeout_ms at most, or for ever if that is negative, with the
   GIL given up. *waited_ms is how long that was. *forks may change meanwhile, if a signal handler
   forks. An exception is set for TURN_RAISED only. */
turn_result turn_wait(turn *taken, const unsigned long *forks, int64_t timeout_ms,
                      int64_t *waited_ms);

/* Hands on a turn that is free to the first thread that waits, if it waits in this process. */
void turn_hand_on(turn *left, unsigned long forks);

/* To be called in the child of each fork, by the one thread that is there. */
void turn_forked(void);

/* In the child of a fork: forgets the threads that were waiting. */
void turn_note_forks(turn *taken, unsigned long forks);

/* Takes the turn if it is free. */
static inline bool turn_try(turn *taken, unsigned long forks)
{
    unsigned long nobody = 0;
    if (!atomic_compare_exchange_strong(&taken->owner, &nobody, turn_this_thread())) {
        return false;
    }
    if (atomic_load_explicit(&taken->forks, memory_order_relaxed) != forks) {
        turn_note_forks(taken, forks);
    }
    return true;
}

static inline void turn_leave(turn *left, unsigned long forks)
{
    atomic_store(&left->owner, 0);
    if (atomic_load(&left->waiting)) {
        turn_hand_on(left, forks);
    }
}

#endif
