#include "turn.h"

#include <sched.h>
#include <time.h>

/* Waiting for a turn looks for signals as often as waiting for the server does. */
enum { SLICE_MS = 50 };

/* A thread in the queue, on its stack. */
typedef struct turn_waiter {
    struct turn_waiter *next;
    PyThread_type_lock baton; /* locked until the turn is handed on to the thread */
    unsigned long thread;
    bool away; /* it runs signal handlers, and cannot take the turn; but it keeps its place */
    bool handed;
} turn_waiter;

_Thread_local unsigned long turn_thread;

unsigned long turn_number_thread(void)
{
    static atomic_ulong turn_last_thread;
    turn_thread = atomic_fetch_add(&turn_last_thread, 1) + 1;
    return turn_thread;
}

/* The thread that the last fork has left. Who is that has survived all forks before it, too. */
static unsigned long turn_survivor;

void turn_forked(void)
{
    turn_survivor = turn_this_thread();
}

void turn_init(turn *made, unsigned long forks)
{
    atomic_init(&made->owner, 0);
    atomic_init(&made->waiting, 0);
    atomic_init(&made->forks, forks);
    atomic_flag_clear(&made->guard);
    made->waiter = NULL;
}

void turn_note_forks(turn *taken, unsigned long forks)
{
    atomic_store(&taken->forks, forks);
    atomic_store(&taken->waiting, 0);
    atomic_flag_clear(&taken->guard);
    taken->waiter = NULL;
}

/* -- the queue ------------------------------------------------------------------------------ */

/* With a GIL it is always free. */
static void guard(turn *of)
{
    while (atomic_flag_test_and_set(&of->guard)) {
        sched_yield();
    }
}

static void unguard(turn *of)
{
    atomic_flag_clear(&of->guard);
}

static void enter_queue(turn *taken, turn_waiter *me)
{
    guard(taken);
    turn_waiter **last = &taken->waiter;
    while (*last) {
        last = &(*last)->next;
    }
    *last = me;
    atomic_fetch_add(&taken->waiting, 1);
    unguard(taken);
}

/* Takes out what is at that place. */
static void take_out(turn *of, turn_waiter **at)
{
    *at = (*at)->next;
    atomic_fetch_sub(&of->waiting, 1);
}

/* Stops waiting. Returns true if the turn was handed on to this thread all the same. */
static bool leave_queue(turn *left, turn_waiter *me)
{
    guard(left);
    for (turn_waiter **at = &left->waiter; *at; at = &(*at)->next) {
        if (*at == me) {
            take_out(left, at);
            break;
        }
    }
    unguard(left);
    return me->handed;
}

/* Sets whether the thread is away. Returns false if the turn was handed on to it before. */
static bool set_away(turn *of, turn_waiter *me, bool away)
{
    guard(of);
    me->away = away;
    bool handed = me->handed;
    unguard(of);
    return !handed;
}

void turn_hand_on(turn *left, unsigned long forks)
{
    unsigned long nobody = 0;
    if (atomic_load(&left->forks) != forks) {
        turn_note_forks(left, forks);
        return;
    }
    guard(left);
    turn_waiter **at = &left->waiter;
    while (*at && (*at)->away) {
        at = &(*at)->next;
    }
    turn_waiter *first = *at;
    if (first && atomic_compare_exchange_strong(&left->owner, &nobody, first->thread)) {
        take_out(left, at);
        first->handed = true;
        PyThread_release_lock(first->baton);
    }
    unguard(left);
}

/* -- waiting -------------------------------------------------------------------------------- */

static bool wait_for_baton(const turn_waiter *me, int64_t wait_ms)
{
    PyLockStatus got;
    Py_BEGIN_ALLOW_THREADS got = PyThread_acquire_lock_timed(me->baton, wait_ms * 1000, 1);
    Py_END_ALLOW_THREADS return got == PY_LOCK_ACQUIRED;
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

/* Runs signal handlers, which may use the client, in the midst of waiting. Returns TURN_LATE if the
   thread still waits. */
static turn_result check_signals(turn *taken, turn_waiter *me, const unsigned long *forks)
{
    unsigned long forks_before = *forks;
    if (!set_away(taken, me, true)) {
        return TURN_TAKEN;
    }
    bool raised = PyErr_CheckSignals() < 0;
    if (*forks != forks_before) { /* the queue is of the parent's */
        return raised ? TURN_RAISED : TURN_FORKED;
    }
    if (raised) {
        (void)leave_queue(taken, me);
        return TURN_RAISED;
    }
    (void)set_away(taken, me, false);
    if (turn_try(taken, *forks)) { /* it was left meanwhile, and nobody else was there */
        (void)leave_queue(taken, me);
        return TURN_TAKEN;
    }
    return TURN_LATE;
}

static turn_result wait_in_queue(turn *taken, turn_waiter *me, const unsigned long *forks,
                                 int64_t start_ms, int64_t timeout_ms)
{
    for (;;) {
        int64_t left_ms = left_of(timeout_ms, start_ms);
        if (left_ms <= 0) {
            return leave_queue(taken, me) ? TURN_TAKEN : TURN_LATE;
        }
        if (wait_for_baton(me, left_ms < SLICE_MS ? left_ms : SLICE_MS)) {
            return TURN_TAKEN;
        }
        turn_result result = check_signals(taken, me, forks);
        if (result != TURN_LATE) {
            return result;
        }
    }
}

/* Queues up, unless the turn is free or can never be. */
static turn_result queue_up(turn *taken, turn_waiter *me, const unsigned long *forks,
                            int64_t start_ms, int64_t timeout_ms)
{
    if (atomic_load(&taken->forks) != *forks) {
        turn_note_forks(taken, *forks);
        if (atomic_load(&taken->owner) != turn_survivor) {
            atomic_store(&taken->owner, me->thread);
            return TURN_ORPHANED;
        }
    }
    enter_queue(taken, me);
    if (turn_try(taken, *forks)) { /* it was left just before */
        (void)leave_queue(taken, me);
        return TURN_TAKEN;
    }
    return wait_in_queue(taken, me, forks, start_ms, timeout_ms);
}

/* Waits with a baton of its own. */
static turn_result wait_once(turn *taken, const unsigned long *forks, int64_t start_ms,
                             int64_t timeout_ms)
{
    turn_waiter me = {.baton = PyThread_allocate_lock(), .thread = turn_this_thread()};
    if (!me.baton) {
        PyErr_NoMemory();
        return TURN_RAISED;
    }
    (void)PyThread_acquire_lock(me.baton, NOWAIT_LOCK);
    turn_result result = queue_up(taken, &me, forks, start_ms, timeout_ms);
    (void)PyThread_acquire_lock(me.baton, NOWAIT_LOCK); /* some Pythons free none that is locked */
    PyThread_release_lock(me.baton);
    PyThread_free_lock(me.baton);
    return result;
}

turn_result turn_wait(turn *taken, const unsigned long *forks, int64_t timeout_ms,
                      int64_t *waited_ms)
{
    *waited_ms = 0;
    if (atomic_load(&taken->owner) == turn_this_thread()) {
        return TURN_OWN;
    }
    int64_t start_ms = now_ms();
    turn_result result;
    do {
        result = wait_once(taken, forks, start_ms, timeout_ms);
    } while (result == TURN_FORKED);
    *waited_ms = now_ms() - start_ms;
    return result;
}
