/* Taking a client back. */
#include "base/cancel.h"
#include "connection/single.h"
#include "pool/gate.h"

/* The timeout of the client is what the pool has set. */
static inline bool has_own_timeout(const gibson_pool *pool, const gibson_client *client)
{
    return client->connection.settings.timeout_ms == pool->settings.timeout_ms;
}

/* The reason for which a client is not lent again, or NULL. */
static uint64_t *judge(const gib_place *place, int64_t now_ns)
{
    gib_pool_core *core = place->core;
    const gibson_client *client = place->client;
    const gib_session *session = &client->connection.session;
    if (!gibson_client_connected(client)) {
        return &core->stats.dropped_broken;
    }
    if (gib_session_count(session) || gib_session_has_input(session)) {
        return &core->stats.dropped_unread;
    }
    return now_ns >= place->ends_ns ? &core->stats.dropped_lifetime : NULL;
}

/* Undoes what whoever had it has asked of it, also where its connection ends: the client is used
   again, for another one. */
static void undo(const gib_pool_core *core, gibson_client *client)
{
    if (!has_own_timeout(core->pool, client)) {
        (void)gibson_client_set_timeout(client, core->pool->settings.timeout_ms);
    }
    client->connection.error.status = GIBSON_OK;
}

/* Makes it ready for the short way. */
static void tidy(gibson_client *client)
{
    gib_session_release_reply(&client->connection.session);
    gib_session_trim(&client->connection.session);
    gib_connection_settle(&client->connection);
}

/* A parent's, of which the child has no pool. If that was freed, it may have waited for this. */
static void bury(gibson_pool *pool, gib_place *place)
{
    gibson_client_close(place->client);
    gib_pool_core *own = gib_pool_own_core(pool);
    if (own) {
        gib_pool_lock(own);
    }
    atomic_store(&place->state, GIB_PLACE_EMPTY);
    if (own) {
        gib_pool_unlock(own);
    }
}

static void take_back(gib_place *place)
{
    gib_pool_core *core = place->core;
    const int64_t now_ns = gib_now_ns();
    undo(core, place->client);
    uint64_t *reason = judge(place, now_ns);
    if (!reason) {
        tidy(place->client);
        if (gib_gate_push(core, place)) {
            return;
        }
        gib_pool_lock(core);
        if (place->generation == atomic_load_explicit(&core->generation, memory_order_relaxed)) {
            gib_gate_push_locked(core, place);
            gib_pool_serve(core, now_ns);
            gib_pool_unlock(core);
            return;
        }
        gib_pool_unlock(core);
        reason = &core->stats.dropped_cleared;
    }
    gib_pool_drop(place, reason);
}

static GIB_NOINLINE gibson_status release_long(gibson_pool *pool, gib_place *place)
{
    if (place->core->pool != pool ||
        atomic_load_explicit(&place->state, memory_order_relaxed) != GIB_PLACE_LENT) {
        return GIBSON_USAGE;
    }
    const int cancel = gib_cancel_put_off();
    if (place->core->fork_generation == gib_fork_generation()) {
        take_back(place);
    } else {
        bury(pool, place);
    }
    gib_cancel_restore(cancel);
    return GIBSON_OK;
}

/* Ends the views of the last reply, where the short way is open. Returns true. */
static inline bool forget_reply(gib_connection *connection)
{
    gib_single_end(&connection->session, 0);
    return true;
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
        GIB_LIKELY(has_own_timeout(pool, client)) && forget_reply(&client->connection) &&
        GIB_LIKELY(gib_gate_push(core, place))) {
        return GIBSON_OK;
    }
    return release_long(pool, place);
}
