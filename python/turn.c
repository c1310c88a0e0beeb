#include "turn.h"

#include <time.h>

/* Waiting for a turn looks for signals as often as waiting for the server does. */
enum { SLICE_MS = 50 };

bool turn_init(turn *made, unsigned long forks)
{
    atomic_init(&made->owner, 0);
    atomic_init(&made->waiting, 0);
    atomic_init(&made->forks, forks);
    made->baton = PyThread_allocate_lock();
    return made->baton && PyThread_acquire_lock(made->baton, NOWAIT_LOCK);
}

void turn_free(turn *made)
{
    if (made->baton) {
        PyThread_free_lock(made->baton);
    }
}

void turn_note_forks(turn *taken, unsigned long forks)
{
    atomic_store(&taken->forks, forks);
    atomic_store(&taken->waiting, 0);
    (void)PyThread_acquire_lock(taken->baton, NOWAIT_LOCK); /* it may have been on its way */
}

/* Takes one thread off those that wait. Returns false if there is none. */
static bool count_off(turn *of)
{
    unsigned long waiting = atomic_load(&of->waiting);
    while (waiting) {
        if (atomic_compare_exchange_weak(&of->waiting, &waiting, waiting - 1)) {
            return true;
        }
    }
    return false;
}

void turn_hand_on(turn *left)
{
    unsigned long nobody = 0;
    while (atomic_load(&left->waiting) &&
           atomic_compare_exchange_strong(&left->owner, &nobody, TURN_HANDED_ON)) {
        if (count_off(left)) {
            PyThread_release_lock(left->baton);
            return;
        }
        atomic_store(&left->owner, 0); /* it has given up meanwhile */
    }
}

static bool take_baton(turn *taken, int64_t wait_ms)
{
    PyLockStatus got;
    Py_BEGIN_ALLOW_THREADS got = PyThread_acquire_lock_timed(taken->baton, wait_ms * 1000, 1);
    Py_END_ALLOW_THREADS if (got == PY_LOCK_ACQUIRED)
    {
        atomic_store(&taken->owner, PyThread_get_thread_ident());
    }
    return got == PY_LOCK_ACQUIRED;
}

/* Stops waiting. Returns true if the turn was handed on to this thread all the same. */
static bool give_up(turn *taken)
{
    if (count_off(taken)) {
        return false;
    }
    while (!take_baton(taken, SLICE_MS)) { /* it is on its way */
    }
    return true;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* What is left of a timeout, which is negative for none. */
static int64_t left_of(int64_t timeout_ms, int64_t start_ms)
{
    return timeout_ms < 0 ? INT64_MAX : timeout_ms - (now_ms() - start_ms);
}

static turn_result wait_for_baton(turn *taken, const unsigned long *forks, int64_t start_ms,
                                  int64_t timeout_ms)
{
    unsigned long forks_before = *forks;
    for (;;) {
        int64_t left_ms = left_of(timeout_ms, start_ms);
        if (left_ms <= 0) {
            return give_up(taken) ? TURN_TAKEN : TURN_LATE;
        }
        if (take_baton(taken, left_ms < SLICE_MS ? left_ms : SLICE_MS)) {
            return TURN_TAKEN;
        }
        bool raised = PyErr_CheckSignals() < 0;
        if (*forks != forks_before) {
            return raised ? TURN_RAISED : TURN_FORKED;
        }
        if (raised) {
            if (give_up(taken)) {
                turn_leave(taken);
            }
            return TURN_RAISED;
        }
    }
}

/* Queues up, unless the turn is free or can never be. */
static turn_result queue_up(turn *taken, const unsigned long *forks, int64_t start_ms,
                            int64_t timeout_ms)
{
    if (atomic_load(&taken->forks) != *forks) {
        turn_note_forks(taken, *forks);
        atomic_store(&taken->owner, PyThread_get_thread_ident());
        return TURN_ORPHANED;
    }
    atomic_fetch_add(&taken->waiting, 1);
    if (turn_try(taken, *forks)) { /* it was left just before */
        atomic_fetch_sub(&taken->waiting, 1);
        return TURN_TAKEN;
    }
    return wait_for_baton(taken, forks, start_ms, timeout_ms);
}

turn_result turn_wait(turn *taken, const unsigned long *forks, int64_t timeout_ms,
                      int64_t *waited_ms)
{
    *waited_ms = 0;
    if (atomic_load(&taken->owner) == PyThread_get_thread_ident()) {
        return TURN_OWN;
    }
    int64_t start_ms = now_ms();
    turn_result result;
    do {
        result = queue_up(taken, forks, start_ms, timeout_ms);
    } while (result == TURN_FORKED);
    *waited_ms = now_ms() - start_ms;
    return result;
}
