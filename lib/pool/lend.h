/* Lending a client by the short way, where there is one that needs no look. */
#ifndef GIB_POOL_LEND_H
#define GIB_POOL_LEND_H

#include "pool/gate.h"

/* Tells whether there is nothing to find out about a client, and nothing else to do. */
static inline bool gib_place_is_fresh(const gib_pool_core *core, const gibson_client *client,
                                      int64_t now_ns)
{
    return GIB_LIKELY(!gib_idle_is_pause(&client->connection.idle, now_ns)) &&
           GIB_LIKELY(now_ns < atomic_load_explicit(&core->sweep_ns, memory_order_relaxed));
}

/* Lends a client, by the long way if that has to be gone. */
static GIB_INLINE gibson_status gib_pool_lend(gibson_pool *pool, const gib_pool_request *request,
                                              const char *name)
{
    gib_pool_core *core = atomic_load_explicit(&pool->core, memory_order_acquire);
    gib_place *place = NULL;
    if (GIB_LIKELY(core->fork_generation == gib_fork_generation())) {
        place = gib_gate_pop(core);
    }
    const int64_t now_ns = gib_now_ns();
    if (GIB_LIKELY(place)) {
        gibson_client *client = place->client;
        atomic_store_explicit(&place->state, GIB_PLACE_LENT, memory_order_relaxed);
        if (GIB_LIKELY(gib_place_is_fresh(place->core, client, now_ns))) {
            *request->client = client;
            return GIBSON_OK;
        }
    }
    return gib_pool_lend_long(request, place, now_ns, name);
}

#endif
