/* The housekeeping of the loop: what is done between serving clients, a little at a time. */
#include <inttypes.h>
#include <time.h>

#include "base/clock.h"
#include "loop/loop_private.h"

enum {
    ITEMS_PER_STEP = 64,               /* between two looks at the clock */
    WASTE_PER_STEP = 1 << 19,          /* bytes */
    SMALLEST_HOUSEKEEPING_NS = 100000, /* in a turn */
    LARGEST_HOUSEKEEPING_NS = 500000,
    SMALL_EBB = 1 << 20,    /* bytes freed, looked at now and then */
    LARGE_EBB = 8 << 20,    /* looked at in each turn */
    HOUSEKEEPING_SHARE = 4, /* it may take such a part of the turn before */
    SWEEP_PAUSE_MS = 1,     /* between the slices of a sweep while there is nothing else to do */
};

static bool stalls(const gibs_loop *loop, gibs_connection *connection)
{
    return (gibs_connection_output(connection) || connection->lingering) &&
           loop->now_ms - connection->moved_ms > loop->max_write_stall_ms &&
           !gibs_connection_has_moved(connection, loop->now_ms);
}

/* Half a request is nothing asked. */
static bool is_idle(const gibs_loop *loop, const gibs_connection *connection)
{
    int64_t since_ms =
        connection->active_ms > connection->moved_ms ? connection->active_ms : connection->moved_ms;
    return loop->idle_timeout_ms && !connection->backlog && !connection->lingering &&
           !gibs_connection_output(connection) && loop->now_ms - since_ms > loop->idle_timeout_ms;
}

/* Disconnects those that do not read what was sent to them, or ask for nothing. */
static void drop_overdue(gibs_loop *loop)
{
    uint64_t *partings = loop->exchange.service->counters.partings;
    gibs_connection *next;
    for (gibs_connection *at = loop->connections; at; at = next) {
        next = at->next;
        size_t output = gibs_connection_output(at);
        if (is_idle(loop, at)) {
            partings[GIBS_PARTING_idle]++;
            gibs_log_write(loop->log, GIBS_LOG_INFORMATION,
                           "disconnected a client that asked nothing: idle_timeout (%" PRId64 " s)",
                           loop->idle_timeout_ms / 1000);
            gibs_loop_drop(loop, at);
        } else if (stalls(loop, at)) {
            if (output) {
                partings[GIBS_PARTING_stalled]++;
                gibs_log_write(
                    loop->log, GIBS_LOG_WARNING,
                    "disconnected a client that does not read its replies (%zu bytes wait)",
                    output);
            }
            gibs_loop_drop(loop, at);
        }
    }
}

static void begin_sweeps(gibs_loop *loop)
{
    gibs_store *store = loop->exchange.service->store;
    if (store->sweep.active) {
        return; /* what is due waits for its end */
    }
    if (loop->now_ms >= loop->next_max_mem_ms) {
        loop->next_max_mem_ms = loop->now_ms + loop->max_mem_cron_ms;
        bool collects = !store->settings.evict;
        if (collects &&
            (store->short_of_memory || gibs_store_used(store) >= store->settings.max_memory)) {
            gibs_log_write(loop->log, GIBS_LOG_INFORMATION,
                           "memory is full: collecting what was not accessed for %" PRIu32 " s",
                           store->settings.gc_ratio);
            gibs_store_sweep_begin(store, true);
            return;
        }
    }
    if (loop->now_ms >= loop->next_expired_ms) {
        loop->next_expired_ms = loop->now_ms + loop->expired_cron_ms;
        if (gibs_store_may_expire(store)) {
            gibs_store_sweep_begin(store, false);
        }
    }
}

static bool limit_moves(const gibs_loop *loop)
{
    return loop->exchange.service->store->settings.max_memory != loop->max_memory;
}

/* Tells whether there is work that cannot wait for the next round. */
static bool has_to_clear_away(const gibs_loop *loop)
{
    const gibs_store *store = loop->exchange.service->store;
    return gibs_store_has_waste(store) || store->buffers.waste.first || store->sweep.active ||
           limit_moves(loop);
}

/* Frees what was deleted, and sweeps, for a while that grows with the turn: or with long turns
   there would be more to clear away each time. */
static void clear_away(gibs_loop *loop, int64_t turn_ns)
{
    gibs_store *store = loop->exchange.service->store;
    if (!has_to_clear_away(loop)) {
        return;
    }
    int64_t now_ns = gib_now_ns();
    int64_t share_ns = turn_ns / HOUSEKEEPING_SHARE;
    share_ns = share_ns > SMALLEST_HOUSEKEEPING_NS ? share_ns : SMALLEST_HOUSEKEEPING_NS;
    share_ns = share_ns < LARGEST_HOUSEKEEPING_NS ? share_ns : LARGEST_HOUSEKEEPING_NS;
    int64_t end_ns = now_ns + share_ns;
    bool more = true;
    while (more && now_ns < end_ns) {
        more = gibs_store_reclaim(store, ITEMS_PER_STEP);
        more = gibs_waste_reduce(&store->buffers.waste, WASTE_PER_STEP) || more;
        if (limit_moves(loop)) {
            more = !gibs_store_move_limit(store, loop->max_memory) || more;
        }
        more = gibs_store_sweep(store, ITEMS_PER_STEP) || more;
        now_ns = gib_now_ns();
    }
}

/* Gives the memory of what small buffers clients had back, not too much at a time; the store and
   large buffers do that on their own. */
static void give_back(gibs_loop *loop, size_t step)
{
    const gibs_counters *counters = &loop->exchange.service->counters;
    if (gibs_memory_has_ebbed(&loop->tide, (size_t)counters->client_bytes, step)) {
        gibs_memory_give_back();
    }
}

void gibs_loop_keep_house(gibs_loop *loop, int64_t turn_ns)
{
    gibs_store *store = loop->exchange.service->store;
    clear_away(loop, turn_ns);
    give_back(loop, LARGE_EBB);
    gibs_loop_list_some_clients(loop);
    if (loop->now_ms >= loop->next_cron_ms) {
        loop->next_cron_ms = loop->now_ms + loop->cron_period_ms;
        loop->exchange.service->counters.crons++;
        gibs_store_set_unix_time(store,
                                 (int64_t)time(NULL) + atomic_load(&loop->clock_offset_ms) / 1000);
        give_back(loop, SMALL_EBB);
        gibs_log_catch_up(loop->log);
        drop_overdue(loop);
        begin_sweeps(loop);
        gibs_store_resume_limit(store);
    }
}

int gibs_loop_wait_time(const gibs_loop *loop)
{
    const gibs_store *store = loop->exchange.service->store;
    if (loop->backlog || gibs_store_has_waste(store) || store->buffers.waste.first ||
        limit_moves(loop)) {
        return 0;
    }
    if (store->sweep.active) {
        return SWEEP_PAUSE_MS;
    }
    int64_t next_ms = gibs_loop_listing_due(loop);
    next_ms = next_ms < loop->next_cron_ms ? next_ms : loop->next_cron_ms;
    int64_t left = next_ms - loop->now_ms;
    return left > 0 ? (int)left : 0;
}
