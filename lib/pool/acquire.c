/* Lending a client. */
#include <inttypes.h>

#include "base/error.h"
#include "pool/gate.h"

enum { NS_PER_MS = 1000000 };

static gibson_client *lent(gib_place *place, int64_t now_ns)
{
    place->lent_ns = now_ns;
    const uint64_t uses = atomic_load_explicit(&place->uses, memory_order_relaxed);
    atomic_store_explicit(&place->uses, uses + 1, memory_order_relaxed); /* nobody else does */
    return place->client;
}

/* Tells whether there is nothing to find out about a place, and nothing else to do. */
static inline bool is_fresh(const gib_place *place, int64_t now_ns)
{
    return GIB_LIKELY(!gib_idle_is_pause(&place->client->connection.idle, now_ns)) &&
           GIB_LIKELY(now_ns < place->ends_ns) &&
           GIB_LIKELY(now_ns < atomic_load_explicit(&place->core->sweep_ns, memory_order_relaxed));
}

/* Begins to wait in the queue; before all others with a place that turned out not to be lent. */
static gibson_status queue(gib_pool_core *core, gib_pool_wait *wait, gib_place **place,
                           uint64_t *reason, gibson_error *error)
{
    const int64_t now_ns = gib_now_ns();
    gib_pool_lock(core);
    wait->is_first = *place != NULL;
    if (reason) {
        gib_pool_empty(*place);
        ++*reason;
    } else if (*place) {
        gib_gate_push_locked(core, *place);
    }
    *place = NULL;
    if (now_ns >= atomic_load_explicit(&core->sweep_ns, memory_order_relaxed)) {
        gib_pool_sweep(core, now_ns);
    }
    const gibson_status status = gib_pool_await(core, wait, place, error);
    if (core->fork_generation == gib_fork_generation()) {
        gib_pool_unlock(core);
    }
    return status;
}

/* Makes a place that was got a connected one. True if it is. */
static bool settle(gib_place *place, const gib_pool_wait *wait, uint64_t **reason,
                   gibson_status *status, gibson_error *error)
{
    if (atomic_load_explicit(&place->state, memory_order_relaxed) == GIB_PLACE_MAKING) {
        *status = gib_pool_connect(place, wait, error);
        return *status == GIBSON_OK;
    }
    *reason = gib_pool_look(place, gib_now_ns());
    if (*reason) {
        gibson_client_close(place->client);
    }
    return !*reason;
}

/* The long way. `place` is one that was taken from the stack; NULL: it has to be waited for. */
static GIB_NOINLINE gibson_status lend_long(gibson_pool *pool, gib_pool_wait *wait,
                                            gib_place *place, gibson_client **client,
                                            gibson_error *error)
{
    gib_pool_core *core = gib_pool_own_core(pool);
    gibson_status status = GIBSON_OK;
    uint64_t *reason = NULL;
    bool is_due = !place || wait->began_ns >= core->sweep_ns;
    while (core) {
        if (!is_due && settle(place, wait, &reason, &status, error)) {
            *client = lent(place, gib_now_ns());
            return GIBSON_OK;
        }
        if (status != GIBSON_OK) {
            return status;
        }
        status = queue(core, wait, &place, reason, error);
        is_due = false;
        reason = NULL;
        if (status == GIBSON_WOULD_BLOCK) { /* a callback has forked, and this is the child */
            status = GIBSON_OK;
            core = gib_pool_own_core(pool);
            place = NULL;
            is_due = true;
        } else if (status != GIBSON_OK) {
            return status;
        }
    }
    return gib_error_set(error, GIBSON_NOMEM, "no memory for the pool of a child");
}

gibson_status gib_pool_lend(gibson_pool *pool, int64_t timeout_ms, const char *name,
                            int64_t *waited_ms, gibson_client **client, gibson_error *error)
{
    gib_pool_core *core = atomic_load_explicit(&pool->core, memory_order_acquire);
    gib_place *place = NULL;
    if (GIB_LIKELY(core->fork_generation == gib_fork_generation())) {
        place = gib_gate_pop(core);
    }
    const int64_t now_ns = gib_now_ns();
    if (GIB_LIKELY(place)) {
        atomic_store_explicit(&place->state, GIB_PLACE_LENT, memory_order_relaxed);
        if (GIB_LIKELY(is_fresh(place, now_ns))) {
            *client = lent(place, now_ns);
            return GIBSON_OK;
        }
    }
    gib_pool_wait wait = {now_ns, gib_deadline_after(now_ns, timeout_ms), name, timeout_ms, false};
    const gibson_status status = lend_long(pool, &wait, place, client, error);
    *waited_ms = (gib_now_ns() - now_ns) / NS_PER_MS;
    return status;
}

gibson_status gibson_pool_acquire(gibson_pool *pool, int64_t timeout_ms, gibson_client **client,
                                  gibson_error *error)
{
    if (GIB_LIKELY(client)) {
        *client = NULL;
    }
    if (GIB_UNLIKELY(!pool || !client)) {
        return gib_error_set(error, GIBSON_USAGE, "an argument is NULL");
    }
    if (GIB_UNLIKELY(timeout_ms < GIBSON_NO_DEADLINE)) {
        return gib_error_set(error, GIBSON_INVALID, "timeout_ms is negative: %" PRId64, timeout_ms);
    }
    int64_t waited_ms;
    return gib_pool_lend(pool, timeout_ms ? timeout_ms : pool->policy.acquire_timeout_ms,
                         timeout_ms ? "timeout_ms" : "acquire_timeout", &waited_ms, client, error);
}
