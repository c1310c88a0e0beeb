/* Taking a client back. */
#include "connection/single.h"
#include "pool/gate.h"

/* The timeout of the client is what the pool has set. */
static inline bool has_own_timeout(const gibson_pool *pool, const gibson_client *client)
{
    return client->connection.settings.timeout_ms == pool->settings.timeout_ms;
}

/* The reason for which a client is not lent again, or NULL. */
static uint64_t *judge(gib_pool_core *core, const gibson_client *client)
{
    const gib_session *session = &client->connection.session;
    if (!gibson_client_connected(client)) {
        return &core->stats.dropped_broken;
    }
    return gib_session_count(session) || gib_session_has_input(session)
               ? &core->stats.dropped_unread
               : NULL;
}

/* Undoes what it was used for. */
static void tidy(gib_pool_core *core, gibson_client *client)
{
    gib_session_release_reply(&client->connection.session);
    gib_session_trim(&client->connection.session);
    gib_connection_settle(&client->connection);
    if (!has_own_timeout(core->pool, client)) {
        (void)gibson_client_set_timeout(client, core->pool->settings.timeout_ms);
    }
}

/* A parent's, of which the child has no pool. */
static void bury(gib_place *place)
{
    gibson_client_close(place->client);
    atomic_store(&place->state, GIB_PLACE_EMPTY);
}

static GIB_NOINLINE gibson_status release_long(const gibson_pool *pool, gib_place *place)
{
    if (place->core->pool != pool ||
        atomic_load_explicit(&place->state, memory_order_relaxed) != GIB_PLACE_LENT) {
        return GIBSON_USAGE;
    }
    gib_pool_core *core = place->core;
    if (core->fork_generation != gib_fork_generation()) {
        bury(place);
        return GIBSON_OK;
    }
    uint64_t *reason = judge(core, place->client);
    if (!reason) {
        tidy(core, place->client);
        if (gib_gate_push(core, place)) {
            return GIBSON_OK;
        }
        gib_pool_lock(core);
        if (place->generation == atomic_load_explicit(&core->generation, memory_order_relaxed)) {
            gib_gate_push_locked(core, place);
            gib_pool_serve(core, gib_now_ns());
            gib_pool_unlock(core);
            return GIBSON_OK;
        }
        gib_pool_unlock(core);
        reason = &core->stats.dropped_cleared;
    }
    gib_pool_drop(place, reason);
    return GIBSON_OK;
}

gibson_status gibson_pool_release(gibson_pool *pool, gibson_client *client)
{
    if (GIB_UNLIKELY(!client) || GIB_UNLIKELY(!client->lender)) {
        return GIBSON_USAGE;
    }
    gib_place *place = client->lender;
    gib_pool_core *core = place->core;
    if (GIB_LIKELY(core->pool == pool) &&
        GIB_LIKELY(atomic_load_explicit(&place->state, memory_order_relaxed) == GIB_PLACE_LENT) &&
        GIB_LIKELY(gib_connection_is_settled(&client->connection)) &&
        GIB_LIKELY(has_own_timeout(pool, client)) && GIB_LIKELY(gib_gate_push(core, place))) {
        return GIBSON_OK;
    }
    return release_long(pool, place);
}
