/* The lock of a Client: threads take turns. */
#ifndef PYGIBSON_TURN_H
#define PYGIBSON_TURN_H

#include <stdatomic.h>

#include "module.h"

/* Taking a free turn costs one atomic operation; for waiting there is a lock of Python's, which is
   locked unless somebody is to be woken.

   Turn and GIL: a thread gives up the GIL before it waits for its turn, and may wait for the GIL
   during its turn. So no circle can close.

   Fork: a turn that another thread had at the time of fork has no end in the child. `forks` tells,
   being the module's count when the turn began. */
typedef struct turn {
    atomic_ulong owner; /* the thread whose turn it is, or 0 */
    atomic_ulong waiting;
    atomic_ulong forks;
    PyThread_type_lock wake;
} turn;

typedef enum turn_result {
    TURN_TAKEN,
    TURN_LATE,     /* the time is over */
    TURN_OWN,      /* it is this thread's turn already */
    TURN_ORPHANED, /* it was taken from a thread that did not survive the fork */
    TURN_RAISED,   /* a signal handler raised an exception */
} turn_result;

/* Makes a turn that nobody has. Returns false if there is no memory. */
bool turn_init(turn *made, unsigned long forks);
void turn_free(turn *made);

/* Takes the turn, waiting for it for timeout_ms at most, or for ever if that is negative, with the
   GIL given up. *waited_ms is how long that was. *forks may change meanwhile, if a signal handler
   forks. An exception is set for TURN_RAISED only. */
turn_result turn_wait(turn *taken, const unsigned long *forks, int64_t timeout_ms,
                      int64_t *waited_ms);

/* Wakes one of those that wait. */
void turn_wake(turn *left);

/* A fork leaves nobody who waits. */
static inline void turn_note_forks(turn *taken, unsigned long forks)
{
    if (atomic_load_explicit(&taken->forks, memory_order_relaxed) != forks) {
        atomic_store(&taken->forks, forks);
        atomic_store(&taken->waiting, 0);
    }
}

/* Takes the turn if it is free. */
static inline bool turn_try(turn *taken, unsigned long forks)
{
    unsigned long nobody = 0;
    if (!atomic_compare_exchange_strong(&taken->owner, &nobody, PyThread_get_thread_ident())) {
        return false;
    }
    turn_note_forks(taken, forks);
    return true;
}

static inline void turn_leave(turn *left)
{
    atomic_store(&left->owner, 0);
    if (atomic_load(&left->waiting)) {
        turn_wake(left);
    }
}

#endif
