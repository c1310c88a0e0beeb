#include "loop/loop_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    EVENTS_AT_ONCE = 256,
    TURN_NS = 1000000, /* how long all clients together may take in a turn, if they send more */
    SMALLEST_SLICE_NS = 20000,         /* of one of them: some ten requests */
    ITEMS_PER_STEP = 64,               /* of housekeeping between two looks at the clock */
    SMALLEST_HOUSEKEEPING_NS = 100000, /* in a turn */
    LARGEST_HOUSEKEEPING_NS = 1000000,
    SMALL_EBB = 1 << 20,    /* bytes freed, looked at now and then */
    LARGE_EBB = 8 << 20,    /* looked at in each turn */
    HOUSEKEEPING_SHARE = 4, /* it may take such a part of the turn before */
    SWEEP_PAUSE_MS = 1,     /* between the slices of a sweep while there is nothing else to do */
    DRAIN_MS = 2000,        /* for clients to take their replies in the end */
};

static gibson_status open_waker(gibs_loop *loop, gibson_error *error)
{
    if (pipe(loop->waker)) {
        loop->waker[0] = loop->waker[1] = -1;
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot make a pipe");
    }
    for (int i = 0; i < 2; i++) {
        fcntl(loop->waker[i], F_SETFL, O_NONBLOCK);
        fcntl(loop->waker[i], F_SETFD, FD_CLOEXEC);
    }
    return GIBSON_OK;
}

static gibson_status open_poller(gibs_loop *loop, bool use_poll, gibson_error *error)
{
    loop->poller = gibs_poller_new(use_poll);
    if (!loop->poller ||
        !gibs_poller_watch(loop->poller, loop->waker[0], GIBS_READABLE, &loop->waker_source) ||
        !gibs_poller_watch(loop->poller, loop->listener.fd, GIBS_READABLE,
                           &loop->listener_source)) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot wait for sockets");
    }
    return GIBSON_OK;
}

static void configure(gibs_loop *loop, const gibson_server_config *config)
{
    loop->exchange.max_output_size = GIBS_CONFIG_SIZE(config, max_output_size);
    loop->exchange.slice_ns = TURN_NS;
    loop->max_clients = (uint64_t)GIBS_CONFIG_NUMBER(config, max_clients);
    loop->keepalive_s = (int)GIBS_CONFIG_NUMBER(config, max_idletime);
    loop->max_write_stall_ms = GIBS_CONFIG_NUMBER(config, max_write_stall) * 1000;
    loop->cron_period_ms = GIBS_CONFIG_NUMBER(config, cron_period);
    loop->expired_cron_ms = GIBS_CONFIG_NUMBER(config, expired_cron) * 1000;
    loop->max_mem_cron_ms = GIBS_CONFIG_NUMBER(config, max_mem_cron) * 1000;
    loop->next_expired_ms = loop->expired_cron_ms;
    loop->next_max_mem_ms = loop->max_mem_cron_ms;
}

static void say_where(const gibs_loop *loop, const gibson_server_config *config)
{
    const char *path = GIBS_CONFIG_TEXT(config, unix_socket);
    const char *address = GIBS_CONFIG_TEXT(config, address);
    const char *method = loop->poller->methods->name;
    if (!loop->listener.tcp) {
        gibs_log_write(loop->log, GIBS_LOG_INFORMATION, "listening on unix socket %s (%s)", path,
                       method);
        return;
    }
    unsigned port = loop->listener.port;
    gibs_log_write(loop->log, GIBS_LOG_INFORMATION, "listening on %s port %u (%s)", address, port,
                   method);
    if (loop->listener.reachable) {
        gibs_log_write(loop->log, GIBS_LOG_WARNING,
                       "%s port %u is reachable from other machines, and the protocol has neither "
                       "passwords nor encryption",
                       address, port);
    }
}

static int64_t elapsed_ms(void *context, int64_t now_ns)
{
    gibs_loop *loop = context;
    return now_ns / 1000000 + atomic_load(&loop->clock_offset_ms) - loop->started_ms;
}

gibson_status gibs_loop_open(gibs_loop *loop, const gibson_server_config *config,
                             gibs_service *service, gibs_log *log, gibson_error *error)
{
    memset(loop, 0, sizeof *loop);
    loop->log = log;
    loop->waker[0] = loop->waker[1] = -1;
    loop->waker_source = GIBS_SOURCE_WAKER;
    loop->listener_source = GIBS_SOURCE_LISTENER;
    loop->spare_fd = gibs_loop_open_spare();
    loop->exchange.service = service;
    gib_buffer_init(&loop->exchange.in, &gib_default_allocator);
    gib_buffer_init(&loop->exchange.out, &gib_default_allocator);
    configure(loop, config);
    gibson_status status = gibs_listener_open(&loop->listener, config, error);
    if (status == GIBSON_OK) {
        status = open_waker(loop, error);
    }
    if (status == GIBSON_OK) {
        status = open_poller(loop, GIBS_CONFIG_NUMBER(config, use_poll), error);
    }
    if (status == GIBSON_OK) {
        loop->started_ms = gib_now_ns() / 1000000;
        service->time = (gibs_time_source){elapsed_ms, loop};
        say_where(loop, config);
    } else {
        gibs_loop_close(loop);
    }
    return status;
}

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

static void set_time(gibs_loop *loop, int64_t now_ns)
{
    loop->exchange.turn_ns = now_ns;
    loop->now_ms = elapsed_ms(loop, now_ns);
    gibs_store_set_time(loop->exchange.service->store, loop->now_ms);
}

static void drop_stalled(gibs_loop *loop)
{
    gibs_connection *next;
    for (gibs_connection *at = loop->connections; at; at = next) {
        next = at->next;
        size_t output = gibs_connection_output(at);
        if ((!output && !at->lingering) ||
            loop->now_ms - at->moved_ms <= loop->max_write_stall_ms) {
            continue;
        }
        if (output) {
            loop->exchange.service->counters.partings[GIBS_PARTING_stalled]++;
            gibs_log_write(loop->log, GIBS_LOG_WARNING,
                           "disconnected a client that does not read its replies (%zu bytes wait)",
                           output);
        }
        gibs_loop_drop(loop, at);
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

/* Frees what was deleted, and sweeps, for a while that grows with the turn: or with long turns
   there would be more to clear away each time. */
static void clear_away(gibs_store *store, int64_t turn_ns)
{
    int64_t now_ns = gib_now_ns();
    int64_t share_ns = turn_ns / HOUSEKEEPING_SHARE;
    share_ns = share_ns > SMALLEST_HOUSEKEEPING_NS ? share_ns : SMALLEST_HOUSEKEEPING_NS;
    share_ns = share_ns < LARGEST_HOUSEKEEPING_NS ? share_ns : LARGEST_HOUSEKEEPING_NS;
    int64_t end_ns = now_ns + share_ns;
    bool more = store->discarded.node || store->sweep.active;
    while (more && now_ns < end_ns) {
        more = gibs_store_reclaim(store, ITEMS_PER_STEP);
        more = gibs_store_sweep(store, ITEMS_PER_STEP) || more;
        now_ns = gib_now_ns();
    }
}

/* Gives memory back, not too much at a time: that takes some 0.2 ms for each MB. */
static void give_back(gibs_loop *loop, size_t step)
{
    const gibs_service *service = loop->exchange.service;
    size_t in_use = gibs_store_used(service->store) + (size_t)service->counters.client_bytes;
    if (gibs_memory_has_ebbed(&loop->tide, in_use, step)) {
        gibs_memory_give_back();
    }
}

static void keep_house(gibs_loop *loop, int64_t turn_ns)
{
    gibs_store *store = loop->exchange.service->store;
    clear_away(store, turn_ns);
    give_back(loop, LARGE_EBB);
    if (loop->now_ms >= loop->next_cron_ms) {
        loop->next_cron_ms = loop->now_ms + loop->cron_period_ms;
        loop->exchange.service->counters.crons++;
        gibs_store_set_unix_time(store,
                                 (int64_t)time(NULL) + atomic_load(&loop->clock_offset_ms) / 1000);
        give_back(loop, SMALL_EBB);
        gibs_log_catch_up(loop->log);
        drop_stalled(loop);
        begin_sweeps(loop);
    }
}

static int wait_time(const gibs_loop *loop)
{
    const gibs_store *store = loop->exchange.service->store;
    if (loop->backlog || store->discarded.node) {
        return 0;
    }
    if (store->sweep.active) {
        return SWEEP_PAUSE_MS;
    }
    int64_t left = loop->next_cron_ms - loop->now_ms;
    return left > 0 ? (int)left : 0;
}

/* Gives each client that has something to do the same part of the turn. */
static void share_turn(gibs_loop *loop, int events)
{
    int64_t clients = events > 0 ? events : 1;
    for (const gibs_connection *at = loop->backlog; at; at = at->next_backlog) {
        clients++;
    }
    int64_t slice_ns = TURN_NS / clients;
    loop->exchange.slice_ns = slice_ns > SMALLEST_SLICE_NS ? slice_ns : SMALLEST_SLICE_NS;
}

static void turn(gibs_loop *loop, int timeout_ms)
{
    gibs_event events[EVENTS_AT_ONCE];
    int count = gibs_poller_wait(loop->poller, events, EVENTS_AT_ONCE, timeout_ms);
    int64_t begin_ns = gib_now_ns();
    set_time(loop, begin_ns);
    share_turn(loop, count);
    /* One event concerns one connection and ends no other, so the owners stay valid. */
    for (int i = 0; i < count; i++) {
        switch (*(gibs_source *)events[i].owner) {
        case GIBS_SOURCE_CONNECTION:
            gibs_loop_serve_event(loop, events[i].owner, events[i].ready);
            break;
        case GIBS_SOURCE_LISTENER:
            gibs_loop_accept_clients(loop);
            break;
        case GIBS_SOURCE_WAKER:
            break; /* the flag it was written for is looked at anyway */
        }
    }
    gibs_loop_serve_backlog(loop);
    gibs_loop_drop_cut_clients(loop);
    int64_t end_ns = gib_now_ns();
    gibs_exchange_note_time(&loop->exchange, end_ns);
    keep_house(loop, end_ns - begin_ns);
}

/* Answers what has arrived, and lets clients take their replies. */
static void drain(gibs_loop *loop)
{
    gibs_poller_forget(loop->poller, loop->listener.fd);
    gibs_poller_forget(loop->poller, loop->waker[0]);
    gibs_listener_close(&loop->listener);
    loop->draining = true;
    int64_t end_ms = loop->now_ms + DRAIN_MS;
    gibs_connection *next;
    for (gibs_connection *at = loop->connections; at; at = next) {
        next = at->next;
        gibs_loop_after_serving(loop, at, GIBS_OUTCOME_OPEN);
    }
    while (loop->connections && loop->now_ms < end_ms) {
        turn(loop, loop->backlog ? 0 : (int)(end_ms - loop->now_ms));
    }
}

void gibs_loop_run(gibs_loop *loop)
{
    set_time(loop, gib_now_ns());
    while (!atomic_load(&loop->stop)) {
        turn(loop, wait_time(loop));
    }
    drain(loop);
}

static void wake(gibs_loop *loop)
{
    ssize_t written = write(loop->waker[1], "", 1);
    (void)written; /* a full pipe wakes as well */
}

void gibs_loop_stop(gibs_loop *loop)
{
    atomic_store(&loop->stop, true);
    wake(loop);
}

void gibs_loop_advance_clock(gibs_loop *loop, int64_t ms)
{
    atomic_fetch_add(&loop->clock_offset_ms, ms);
}

void gibs_loop_leave_to_parent(gibs_loop *loop)
{
    close_fd(&loop->listener.fd);
}

void gibs_loop_close(gibs_loop *loop)
{
    gibs_connection *next;
    for (gibs_connection *at = loop->connections; at; at = next) {
        next = at->next;
        gibs_connection_free(at, &loop->exchange);
    }
    gibs_listener_close(&loop->listener);
    gibs_poller_free(loop->poller);
    close_fd(&loop->waker[0]);
    close_fd(&loop->waker[1]);
    close_fd(&loop->spare_fd);
    gib_buffer_clear(&loop->exchange.in);
    gib_buffer_clear(&loop->exchange.out);
}
