/* Who gets what. */
#include <inttypes.h>

#include "base/error.h"
#include "pool/gate.h"

enum { NS_PER_MS = 1000000 };

/* After a failure one attempt at a time is made, and none before the delay is over. */
static bool may_connect(const gib_pool_core *core, int64_t now_ns)
{
    return core->empty && (!core->backoff.failures ||
                           (!core->connecting && now_ns >= core->backoff.not_before_ns));
}

static gib_place *take_empty(gib_pool_core *core)
{
    gib_place *place = gib_gate_place(core, core->empty);
    core->empty = atomic_load_explicit(&place->next, memory_order_relaxed);
    core->open++;
    core->connecting++;
    place->generation = atomic_load_explicit(&core->generation, memory_order_relaxed);
    atomic_store_explicit(&place->state, GIB_PLACE_MAKING, memory_order_relaxed);
    return place;
}

/* Returns a place for the first who waits, or NULL. */
static gib_place *choose(gib_pool_core *core, int64_t now_ns)
{
    gib_place *place = gib_gate_pop_locked(core);
    if (place) {
        atomic_store_explicit(&place->state, GIB_PLACE_LENT, memory_order_relaxed);
        return place;
    }
    return may_connect(core, now_ns) ? take_empty(core) : NULL;
}

/* Sets the reason for which nobody needs to wait. False if there is none. */
static bool refuse(const gib_pool_core *core, int64_t now_ns, gibson_error *error)
{
    if (core->is_closed) {
        gib_error_set(error, GIBSON_CLOSED, "the pool is closed");
        return true;
    }
    if (core->open) {
        return false;
    }
    const bool is_ours = core->failure.status == GIBSON_SYSTEM;
    gib_error_set(error, is_ours ? GIBSON_SYSTEM : GIBSON_UNREACHABLE,
                  "%.110s; no attempt to connect for another %" PRId64 " ms", core->failure.message,
                  (core->backoff.not_before_ns - now_ns) / NS_PER_MS + 1);
    error->system_errno = core->failure.system_errno;
    return true;
}

void gib_pool_serve(gib_pool_core *core, int64_t now_ns)
{
    while (core->queue.first) {
        gib_place *place = core->is_closed ? NULL : choose(core, now_ns);
        if (!place && !refuse(core, now_ns, &core->queue.first->error)) {
            return;
        }
        gib_pool_queue_serve(&core->queue, place, now_ns);
    }
}

void gib_pool_wake_all(gib_pool_core *core)
{
    for (gib_waiter *waiter = core->queue.first; waiter; waiter = waiter->next) {
        gib_waiter_wake(waiter);
    }
}

void gib_pool_empty(gib_place *place)
{
    gib_pool_core *core = place->core;
    core->open--;
    atomic_store_explicit(&place->state, GIB_PLACE_EMPTY, memory_order_relaxed);
    atomic_store_explicit(&place->next, core->empty, memory_order_relaxed);
    core->empty = place->number;
}
