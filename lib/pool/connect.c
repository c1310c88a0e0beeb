/* Connecting a place. */
#include <inttypes.h>

#include "base/error.h"
#include "pool/gate.h"

enum { NS_PER_MS = 1000000 };

static gibson_status make_client(gib_place *place, gibson_error *error)
{
    if (place->client) {
        return GIBSON_OK;
    }
    const gibson_status status =
        gibson_client_new(&place->client, &place->core->pool->settings, error);
    if (status == GIBSON_OK) {
        place->client->lender = place;
    }
    return status;
}

/* Ends connecting when the pool is closed, and asks the caller's callback. */
static int interrupt(void *context)
{
    const gib_pool_core *core = context;
    const gibson_options *settings = &core->pool->settings;
    return atomic_load_explicit(&core->is_closed, memory_order_relaxed) ||
           (settings->interrupt && settings->interrupt(settings->interrupt_context));
}

static gibson_status connect_interruptibly(gib_pool_core *core, gibson_client *client)
{
    const gib_interrupt usual = client->interrupt;
    client->interrupt = (gib_interrupt){interrupt, core};
    const gibson_status status = gibson_client_connect(client);
    client->interrupt = usual;
    gib_client_set_receive_timeout(client); /* which depends on whether there is one */
    return status;
}

/* Connects before both deadlines: that of connecting, and that of the caller, which *is_cut says to
   be the earlier. */
static gibson_status connect_before(gib_place *place, const gib_pool_wait *wait, int64_t now_ns,
                                    bool *is_cut, gibson_error *error)
{
    gibson_client *client = place->client;
    const int64_t connect_timeout_ms = place->core->pool->settings.connect_timeout_ms;
    *is_cut = wait->until < gib_deadline_after(now_ns, connect_timeout_ms);
    const int64_t left_ns = wait->until - now_ns;
    client->connection.settings.connect_timeout_ms =
        !*is_cut ? connect_timeout_ms : (left_ns > 0 ? (left_ns - 1) / NS_PER_MS + 1 : 1);
    const gibson_status status = connect_interruptibly(place->core, client);
    if (status == GIBSON_TIMEOUT && *is_cut) {
        return gib_error_set(error, status,
                             "%s of %" PRId64 " ms passed while connecting to %.100s, the first "
                             "%" PRId64 " ms of it while waiting for a place",
                             wait->name, wait->length_ms, gibson_client_peer(client),
                             (now_ns - wait->began_ns) / NS_PER_MS);
    }
    if (status != GIBSON_OK && error) {
        *error = *gibson_client_error(client);
    }
    return status;
}

/* What tells nothing of the server: whoever connected had no more time, or memory. */
static bool tells_nothing(gibson_status status, bool is_cut)
{
    return status == GIBSON_INTERRUPTED || status == GIBSON_NOMEM ||
           (status == GIBSON_TIMEOUT && is_cut);
}

/* Counts a failure, unless it is one of several attempts that were made at the same time. */
static void note_failure(gib_pool_core *core, const gibson_error *error, int64_t began_ns,
                         int64_t now_ns)
{
    core->failure = *error;
    if (began_ns >= core->failed_ns) {
        core->failed_ns = now_ns;
        gib_backoff_failed(&core->backoff, now_ns);
    }
}

static void note_success(gib_pool_core *core, gib_place *place, int64_t now_ns)
{
    core->stats.made++;
    core->random = core->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    place->ends_ns = gib_pool_policy_end(&core->pool->policy, now_ns, core->random >> 32);
    gib_backoff_succeeded(&core->backoff);
    atomic_store_explicit(&place->state, GIB_PLACE_LENT, memory_order_relaxed);
}

/* Ends an attempt. Returns its status; GIBSON_CLOSED if the pool was closed meanwhile. */
static gibson_status finish(gib_place *place, gibson_status status, bool is_cut, int64_t began_ns,
                            gibson_error *error)
{
    gib_pool_core *core = place->core;
    const int64_t now_ns = gib_now_ns();
    gib_pool_lock(core);
    core->connecting--;
    if (status == GIBSON_OK) {
        note_success(core, place, now_ns);
    } else {
        core->stats.connect_failures++;
        if (!tells_nothing(status, is_cut)) {
            note_failure(core, error, began_ns, now_ns);
        }
        gib_pool_empty(place);
    }
    const bool is_closed = core->is_closed;
    const unsigned int generation = atomic_load_explicit(&core->generation, memory_order_relaxed);
    gib_pool_serve(core, now_ns);
    if (status != GIBSON_OK) {
        gib_pool_wake_all(core);
    }
    gib_pool_unlock(core);
    if (!is_closed) {
        return status == GIBSON_OK && place->generation != generation ? GIBSON_WOULD_BLOCK : status;
    }
    if (status == GIBSON_OK) {
        gib_pool_drop(place, &core->stats.dropped_cleared);
    }
    return gib_error_set(error, GIBSON_CLOSED, "the pool is closed");
}

gibson_status gib_pool_connect(gib_place *place, const gib_pool_wait *wait, gibson_error *error)
{
    gib_pool_core *core = place->core;
    const int64_t began_ns = gib_now_ns();
    gibson_error own = {0};
    bool is_cut = false;
    error = error ? error : &own;
    gibson_status status = make_client(place, error);
    if (status == GIBSON_OK) {
        status = connect_before(place, wait, began_ns, &is_cut, error);
    }
    if (core->fork_generation != gib_fork_generation()) {
        gibson_client_close(place->client);
        return gib_error_set(error, GIBSON_CLOSED, "the pool was forked while it connected");
    }
    return finish(place, status, is_cut, began_ns, error);
}
