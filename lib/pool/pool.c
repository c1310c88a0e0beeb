/* Making a pool, ending it, and counting. */
#include <string.h>

#include "base/alloc.h"
#include "base/cancel.h"
#include "base/error.h"
#include "connection/settings.h"
#include "pool/gate.h"

static gibson_status make(gibson_pool **pool, gibson_options *settings,
                          const gib_pool_policy *policy, gibson_error *error)
{
    gibson_pool *made =
        gib_allocate(&settings->allocator, sizeof(gibson_pool) + gib_settings_text_size(settings));
    if (!made) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the pool");
    }
    (void)gib_settings_keep(settings, made->text);
    made->settings = *settings;
    made->policy = *policy;
    gib_fork_watch();
    gib_pool_core *core = gib_pool_core_new(made);
    if (!core) {
        gib_release(&settings->allocator, made);
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the pool");
    }
    atomic_init(&made->core, core);
    *pool = made;
    return GIBSON_OK;
}

gibson_status gibson_pool_new(gibson_pool **pool, const gibson_pool_options *options,
                              gibson_error *error)
{
    if (error) {
        memset(error, 0, sizeof *error);
    }
    if (!pool) {
        return gib_error_set(error, GIBSON_USAGE, "pool is NULL");
    }
    *pool = NULL;
    gib_pool_policy policy;
    gibson_status status = gib_pool_policy_make(&policy, options, error);
    if (status != GIBSON_OK) {
        return status;
    }
    gibson_options settings;
    const bool has_client = options && options->struct_size > offsetof(gibson_pool_options, client);
    status = gib_settings_make(&settings, has_client ? options->client : NULL, error);
    return status == GIBSON_OK ? make(pool, &settings, &policy, error) : status;
}

/* Ends all connections that there are: those that are lent when they are released. */
static void clear(gib_pool_core *core)
{
    atomic_fetch_add_explicit(&core->generation, 1, memory_order_relaxed);
    gib_pool_drop_idle(core, &core->stats.dropped_cleared);
}

/* Nobody is lent a client from here on. */
static void close_core(gib_pool_core *core, bool is_freed)
{
    gib_pool_lock(core);
    core->is_closed = true;
    core->is_freed = is_freed;
    gib_pool_serve(core, gib_now_ns());
    clear(core);
    gib_pool_unlock(core);
}

void gibson_pool_clear(gibson_pool *pool)
{
    const int cancel = gib_cancel_put_off();
    gib_pool_core *core = pool ? gib_pool_own_core(pool) : NULL;
    if (core) {
        gib_pool_lock(core);
        clear(core);
        gib_pool_unlock(core);
    }
    gib_cancel_restore(cancel);
}

void gibson_pool_close(gibson_pool *pool)
{
    const int cancel = gib_cancel_put_off();
    gib_pool_core *core = pool ? gib_pool_own_core(pool) : NULL;
    if (core) {
        close_core(core, false);
    }
    gib_cancel_restore(cancel);
}

void gibson_pool_free(gibson_pool *pool)
{
    const int cancel = gib_cancel_put_off();
    gib_pool_core *core = pool ? gib_pool_own_core(pool) : NULL;
    if (core) {
        close_core(core, true);
    }
    gib_cancel_restore(cancel);
}

/* The numbers that nobody counts. */
static void count(gib_pool_core *core, gibson_pool_stats *stats)
{
    for (unsigned int top = core->top; top; top = gib_gate_place(core, top)->next) {
        stats->idle++;
    }
    stats->in_use = core->open - stats->idle;
    stats->connecting = core->connecting;
    stats->waiting = core->queue.count;
}

gibson_status gibson_pool_get_stats(gibson_pool *pool, gibson_pool_stats *stats)
{
    if (!pool || !stats || stats->struct_size < sizeof stats->struct_size) {
        return GIBSON_USAGE;
    }
    gib_pool_core *core = gib_pool_own_core(pool);
    if (!core) {
        return GIBSON_NOMEM;
    }
    gib_pool_lock(core);
    gibson_pool_stats now = core->stats;
    count(core, &now);
    gib_pool_unlock(core);
    const size_t size = stats->struct_size;
    now.struct_size = size;
    memset(stats, 0, size);
    memcpy(stats, &now, size < sizeof now ? size : sizeof now);
    return GIBSON_OK;
}
