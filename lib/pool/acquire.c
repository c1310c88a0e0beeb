/* Lending a client. */
#include <inttypes.h>

#include "base/cancel.h"
#include "base/error.h"
#include "pool/lend.h"

/* Begins to wait in the queue; before all others with a place that turned out not to be lent. */
static gibson_status queue(gib_pool_core *core, gib_pool_wait *wait, gib_place **place,
                           uint64_t *reason, gibson_error *error)
{
    gib_pool_lock(core);
    wait->is_first = *place != NULL;
    if (reason) {
        gib_pool_empty(*place);
        ++*reason;
    } else if (*place) {
        gib_gate_push_locked(core, *place);
    }
    *place = NULL;
    const gibson_status status = gib_pool_await(core, wait, place, error);
    if (core->fork_generation == gib_fork_generation()) {
        gib_pool_unlock(core);
    }
    return status;
}

/* What connecting has come to. Where it has failed, and a client came free meanwhile, that does as
   well: *place is that one, still to be looked at. */
static gibson_status connect_or_find(gib_place **place, const gib_pool_wait *wait,
                                     gibson_error *error)
{
    gib_pool_core *core = (*place)->core;
    const gibson_status status = gib_pool_connect(*place, wait, error);
    const bool may_find = status == GIBSON_TIMEOUT || status == GIBSON_UNREACHABLE ||
                          status == GIBSON_SYSTEM || status == GIBSON_NOMEM;
    gib_place *found = may_find ? gib_gate_pop(core) : NULL;
    if (!found) {
        return status;
    }
    atomic_store_explicit(&found->state, GIB_PLACE_LENT, memory_order_relaxed);
    *place = found;
    return GIBSON_WOULD_BLOCK;
}

/* Makes a place that was got a connected one. True if it is. */
static bool settle(gib_place **place, const gib_pool_wait *wait, uint64_t **reason,
                   gibson_status *status, gibson_error *error)
{
    int64_t chosen_ns = wait->served_ns ? wait->served_ns : wait->began_ns;
    if (atomic_load_explicit(&(*place)->state, memory_order_relaxed) == GIB_PLACE_MAKING) {
        *status = connect_or_find(place, wait, error);
        if (*status != GIBSON_WOULD_BLOCK) {
            return *status == GIBSON_OK;
        }
        *status = GIBSON_OK;
        chosen_ns = gib_now_ns();
    }
    gib_pool_core *core = (*place)->core;
    *reason = (*place)->generation == atomic_load_explicit(&core->generation, memory_order_relaxed)
                  ? gib_pool_look(*place, chosen_ns, gib_now_ns())
                  : &core->stats.dropped_cleared;
    if (*reason) {
        gibson_client_close((*place)->client);
    }
    return !*reason;
}

/* Goes around until a place is connected and fit to be lent. */
static gibson_status lend(gibson_pool *pool, gib_pool_wait *wait, gib_place *place,
                          gibson_client **client, gibson_error *error)
{
    gib_pool_core *core = gib_pool_own_core(pool);
    gibson_status status = GIBSON_OK;
    uint64_t *reason = NULL;
    bool is_due = !place || wait->began_ns >= core->sweep_ns;
    while (core) {
        if (!is_due && settle(&place, wait, &reason, &status, error)) {
            *client = place->client;
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

GIB_NOINLINE gibson_status gib_pool_lend_long(const gib_pool_request *request, gib_place *place,
                                              int64_t now_ns, const char *name)
{
    gibson_pool *pool = request->pool;
    gib_pool_wait wait = {.began_ns = now_ns, .name = name, .length_ms = request->timeout_ms};
    if (!wait.length_ms) {
        wait.name = "acquire_timeout";
        wait.length_ms = pool->policy.acquire_timeout_ms;
    }
    wait.until = gib_deadline_after(now_ns, wait.length_ms);
    *request->client = NULL;
    const int cancel = gib_cancel_put_off();
    const gibson_status status = lend(pool, &wait, place, request->client, request->error);
    gib_cancel_restore(cancel);
    return status;
}

static GIB_COLD gibson_status refuse(const gibson_pool *pool, int64_t timeout_ms,
                                     gibson_client **client, gibson_error *error)
{
    if (client) {
        *client = NULL;
    }
    return !pool || !client ? gib_error_set(error, GIBSON_USAGE, "an argument is NULL")
                            : gib_error_set(error, GIBSON_INVALID,
                                            "timeout_ms is negative: %" PRId64, timeout_ms);
}

gibson_status gibson_pool_acquire(gibson_pool *pool, int64_t timeout_ms, gibson_client **client,
                                  gibson_error *error)
{
    if (GIB_UNLIKELY(!pool) || GIB_UNLIKELY(!client)) {
        return refuse(pool, timeout_ms, client, error);
    }
    GIB_FORGET(timeout_ms);
    if (GIB_UNLIKELY(timeout_ms < GIBSON_NO_DEADLINE)) {
        return refuse(pool, timeout_ms, client, error);
    }
    gib_pool_request request = {pool, timeout_ms, client, error};
    GIB_KEEP_IN_MEMORY(request);
    return gib_pool_lend(pool, &request, "timeout_ms");
}
