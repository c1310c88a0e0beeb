/* What a pool is made of, once in each process. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "pool/gate.h"

static void init_places(gib_pool_core *core, unsigned int count)
{
    for (unsigned int i = 0; i < count; i++) {
        core->places[i] = (gib_place){.core = core, .number = i + 1};
        atomic_init(&core->places[i].next, i + 1 < count ? i + 2 : 0);
    }
    core->empty = 1;
}

static gib_pool_core *core_new(gibson_pool *pool)
{
    const size_t size = sizeof(gib_pool_core) + pool->policy.max * sizeof(gib_place);
    gib_pool_core *core = gib_allocate(&pool->settings.allocator, size);
    if (!core) {
        return NULL;
    }
    memset(core, 0, sizeof *core);
    const int64_t now_ns = gib_now_ns();
    core->pool = pool;
    core->fork_generation = gib_fork_generation();
    core->random = (uint64_t)now_ns ^ (uint64_t)(uintptr_t)core;
    gib_backoff_init(&core->backoff, pool->settings.reconnect_delay_ms,
                     pool->settings.reconnect_max_delay_ms, core->random);
    core->failed_ns = INT64_MIN;
    atomic_init(&core->sweep_ns, gib_pool_policy_next_sweep(&pool->policy, now_ns));
    init_places(core, pool->policy.max);
    return core;
}

gib_pool_core *gib_pool_core_new(gibson_pool *pool)
{
    gib_pool_core *core = core_new(pool);
    if (core && pthread_mutex_init(&core->lock, NULL)) {
        gib_release(&pool->settings.allocator, core);
        core = NULL;
    }
    return core;
}

/* A parent's clients that are at rest are copies like any other. The rest may have been in the
   middle of anything. */
static void free_clients_at_rest(gib_pool_core *core)
{
    for (unsigned int i = 0; i < core->pool->policy.max; i++) {
        gib_place *place = &core->places[i];
        const int state = atomic_load(&place->state);
        if (state == GIB_PLACE_IDLE || state == GIB_PLACE_EMPTY) {
            gibson_client_free(place->client);
            place->client = NULL;
        }
    }
}

void gib_pool_core_free(gib_pool_core *core)
{
    const bool is_ours = core->fork_generation == gib_fork_generation();
    free_clients_at_rest(core);
    if (is_ours) {
        pthread_mutex_destroy(&core->lock);
    }
    gib_release(&core->pool->settings.allocator, core);
}

gib_pool_core *gib_pool_adopt(gibson_pool *pool, gib_pool_core *parents)
{
    gib_pool_core *core = gib_pool_core_new(pool);
    if (!core) {
        return NULL;
    }
    core->former = parents;
    if (parents->is_closed) {
        core->is_closed = true;
        atomic_init(&core->head, GIB_GATE_CLOSED);
    }
    if (!atomic_compare_exchange_strong(&pool->core, &parents, core)) {
        gib_pool_core_free(core); /* another thread of the child was first */
        return parents;
    }
    free_clients_at_rest(parents);
    return core;
}

void gib_pool_lock(gib_pool_core *core)
{
    pthread_mutex_lock(&core->lock);
    gib_gate_close(core);
}

void gib_pool_free(gibson_pool *pool)
{
    const gibson_allocator allocator = pool->settings.allocator;
    gib_pool_core *core = atomic_load(&pool->core);
    while (core) {
        gib_pool_core *former = core->former;
        gib_pool_core_free(core);
        core = former;
    }
    gib_release(&allocator, pool);
}

/* Tells whether clients are lent that were before a fork. */
static bool has_lent_before(const gib_pool_core *core)
{
    for (const gib_pool_core *former = core->former; former; former = former->former) {
        for (unsigned int i = 0; i < core->pool->policy.max; i++) {
            if (atomic_load(&former->places[i].state) == GIB_PLACE_LENT) {
                return true;
            }
        }
    }
    return false;
}

/* Debug and fuzz builds end the program if the lock is held without the gate being closed. */
static void check(const gib_pool_core *core)
{
#if defined(GIB_CHECK_STATE)
    if (!(atomic_load(&core->head) & GIB_GATE_CLOSED)) {
        fprintf(stderr, "libgibson: the gate of a pool is open\n");
        abort();
    }
#else
    (void)core;
#endif
}

void gib_pool_unlock(gib_pool_core *core)
{
    check(core);
    const bool is_last = core->is_freed && !core->open && !core->present && !has_lent_before(core);
    if (!core->is_closed && !core->queue.first) {
        gib_gate_open(core);
    }
    pthread_mutex_unlock(&core->lock);
    if (is_last) {
        gib_pool_free(core->pool);
    }
}
