#include "turn.h"

#include <time.h>

/* Waiting for a turn looks for signals as often as waiting for the server does. It also makes up
   for a wake-up that went to a thread which had just given up. */
enum { SLICE_MS = 50 };

bool turn_init(turn *made, unsigned long forks)
{
    atomic_init(&made->owner, 0);
    atomic_init(&made->waiting, 0);
    atomic_init(&made->forks, forks);
    made->wake = PyThread_allocate_lock();
    return made->wake && PyThread_acquire_lock(made->wake, NOWAIT_LOCK);
}

void turn_free(turn *made)
{
    if (made->wake) {
        PyThread_free_lock(made->wake);
    }
}

/* It may be unlocked already: then a thread that is to wait looks once more first. */
void turn_wake(turn *left)
{
    PyThread_release_lock(left->wake);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void wait_for_slice(turn *taken, int64_t left_ms)
{
    int64_t slice_ms = left_ms < SLICE_MS ? left_ms : SLICE_MS;
    Py_BEGIN_ALLOW_THREADS(void) PyThread_acquire_lock_timed(taken->wake, slice_ms * 1000, 1);
    Py_END_ALLOW_THREADS
}

static bool is_orphaned(const turn *taken, unsigned long forks)
{
    return atomic_load(&taken->forks) != forks;
}

static turn_result try_until(turn *taken, const unsigned long *forks, int64_t timeout_ms,
                             int64_t *waited_ms)
{
    int64_t start_ms = now_ms();
    int64_t left_ms = timeout_ms < 0 ? INT64_MAX : timeout_ms;
    while (!turn_try(taken, *forks)) {
        if (is_orphaned(taken, *forks)) {
            turn_note_forks(taken, *forks);
            atomic_store(&taken->owner, PyThread_get_thread_ident());
            return TURN_ORPHANED;
        }
        if (left_ms <= 0) {
            return TURN_LATE;
        }
        wait_for_slice(taken, left_ms);
        if (PyErr_CheckSignals() < 0) {
            return TURN_RAISED;
        }
        *waited_ms = now_ms() - start_ms;
        if (timeout_ms >= 0) {
            left_ms = timeout_ms - *waited_ms;
        }
    }
    return TURN_TAKEN;
}

turn_result turn_wait(turn *taken, const unsigned long *forks, int64_t timeout_ms,
                      int64_t *waited_ms)
{
    *waited_ms = 0;
    if (atomic_load(&taken->owner) == PyThread_get_thread_ident()) {
        return TURN_OWN;
    }
    unsigned long forks_before = *forks;
    atomic_fetch_add(&taken->waiting, 1);
    turn_result result = try_until(taken, forks, timeout_ms, waited_ms);
    if (*forks == forks_before) { /* else the count was reset in the child */
        atomic_fetch_sub(&taken->waiting, 1);
    }
    return result;
}
