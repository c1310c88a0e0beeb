/* Ending connections, without the lock. */
#include "connection/look.h"
#include "pool/gate.h"

uint64_t *gib_pool_look(gib_place *place, int64_t chosen_ns, int64_t now_ns)
{
    gib_connection *connection = &place->client->connection;
    gibson_pool_stats *stats = &place->core->stats;
    if (chosen_ns >= place->ends_ns) {
        return &stats->dropped_lifetime;
    }
    if (!gib_idle_is_pause(&connection->idle, now_ns)) {
        return NULL;
    }
    const gibson_status status = gib_connection_look(connection);
    if (status != GIBSON_OK) {
        return status == GIBSON_PROTOCOL ? &stats->dropped_unasked : &stats->dropped_closed;
    }
    connection->idle.since_ns = now_ns; /* so that the client need not look again at once */
    return NULL;
}

void gib_pool_drop(gib_place *place, uint64_t *reason)
{
    gib_pool_core *core = place->core;
    gibson_client_close(place->client);
    gib_pool_lock(core);
    gib_pool_empty(place);
    ++*reason;
    gib_pool_serve(core, gib_now_ns());
    gib_pool_unlock(core);
}

/* Ends those of a chain through `next` that begins with that number. They are LENT. */
static void drop_chain(gib_pool_core *core, unsigned int first, uint64_t *reason)
{
    if (!first) {
        return;
    }
    gib_pool_unlock(core);
    for (unsigned int i = first; i; i = gib_gate_place(core, i)->next) {
        gibson_client_close(gib_gate_place(core, i)->client);
    }
    gib_pool_lock(core);
    while (first) {
        gib_place *place = gib_gate_place(core, first);
        first = place->next;
        gib_pool_empty(place);
        ++*reason;
    }
    gib_pool_serve(core, gib_now_ns());
}

/* Tells whether an idle connection was not used for too long. The client does not know when, if its
   last call was refused. */
static bool is_idle(const gib_place *place, int64_t now_ns)
{
    const int64_t used_ns = place->client->connection.idle.since_ns;
    return used_ns && gib_pool_policy_is_idle(&place->core->pool->policy, used_ns, now_ns);
}

/* Takes a place that is off the stack to a chain. */
static void move(gib_place *place, unsigned int *chain)
{
    atomic_store_explicit(&place->state, GIB_PLACE_LENT, memory_order_relaxed);
    atomic_store_explicit(&place->next, *chain, memory_order_relaxed);
    *chain = place->number;
}

/* The idle ones, sorted into chains, in each of which that on top of the stack is the last. */
typedef struct sorted {
    unsigned int fresh;
    unsigned int idle; /* for too long */
    uint32_t idle_count;
    unsigned int ended;
    uint32_t ended_count;
} sorted;

static sorted sort(gib_pool_core *core, int64_t now_ns)
{
    sorted to = {0};
    for (gib_place *place; (place = gib_gate_pop_locked(core));) {
        if (now_ns >= place->ends_ns) {
            move(place, &to.ended);
            to.ended_count++;
        } else if (is_idle(place, now_ns)) {
            move(place, &to.idle);
            to.idle_count++;
        } else {
            move(place, &to.fresh);
        }
    }
    return to;
}

static gib_place *take_first(gib_pool_core *core, unsigned int *chain)
{
    gib_place *place = gib_gate_place(core, *chain);
    *chain = place->next;
    return place;
}

/* Puts those of a chain back, in their order. */
static void put_back(gib_pool_core *core, unsigned int chain)
{
    while (chain) {
        gib_gate_push_locked(core, take_first(core, &chain));
    }
}

void gib_pool_sweep(gib_pool_core *core, int64_t now_ns)
{
    const gib_pool_policy *policy = &core->pool->policy;
    sorted from = sort(core, now_ns);
    unsigned int dropped = 0;
    uint32_t surplus =
        gib_pool_policy_surplus(policy, core->open - from.ended_count, from.idle_count);
    for (; surplus; surplus--) {
        move(take_first(core, &from.idle), &dropped);
    }
    put_back(core, from.idle);
    put_back(core, from.fresh);
    atomic_store_explicit(&core->sweep_ns, gib_pool_policy_next_sweep(policy, now_ns),
                          memory_order_relaxed);
    gib_pool_serve(core, now_ns);
    drop_chain(core, from.ended, &core->stats.dropped_lifetime);
    drop_chain(core, dropped, &core->stats.dropped_idle);
}

void gib_pool_drop_idle(gib_pool_core *core, uint64_t *reason)
{
    unsigned int chain = 0;
    for (gib_place *place; (place = gib_gate_pop_locked(core));) {
        move(place, &chain);
    }
    drop_chain(core, chain, reason);
}
