#include "loop_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    EVENTS_AT_ONCE = 256,
    SLICE_NS = 2000000,    /* how long one client may keep the others waiting, if it sends more */
    ITEMS_PER_SLICE = 512, /* of housekeeping between two waits: some 0.1 ms */
    SWEEP_PAUSE_MS = 1,    /* between the slices of a sweep while there is nothing else to do */
    DRAIN_MS = 2000,       /* for clients to take their replies in the end */
};

static gibson_status open_waker(gib_loop *loop, gibson_error *error)
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

static gibson_status open_poller(gib_loop *loop, bool use_poll, gibson_error *error)
{
    loop->poller = gib_poller_new(use_poll);
    if (!loop->poller ||
        !gib_poller_watch(loop->poller, loop->waker[0], GIB_READABLE, &loop->waker_source) ||
        !gib_poller_watch(loop->poller, loop->listener.fd, GIB_READABLE, &loop->listener_source)) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot wait for sockets");
    }
    return GIBSON_OK;
}

static void configure(gib_loop *loop, const gibson_server_config *config)
{
    loop->exchange.max_output_size = GIB_CONFIG_SIZE(config, max_output_size);
    loop->exchange.slice_ns = SLICE_NS;
    loop->max_clients = (uint64_t)GIB_CONFIG_NUMBER(config, max_clients);
    loop->keepalive_s = (int)GIB_CONFIG_NUMBER(config, max_idletime);
    loop->max_write_stall_ms = GIB_CONFIG_NUMBER(config, max_write_stall) * 1000;
    loop->cron_period_ms = GIB_CONFIG_NUMBER(config, cron_period);
    loop->expired_cron_ms = GIB_CONFIG_NUMBER(config, expired_cron) * 1000;
    loop->max_mem_cron_ms = GIB_CONFIG_NUMBER(config, max_mem_cron) * 1000;
    loop->next_expired_ms = loop->expired_cron_ms;
    loop->next_max_mem_ms = loop->max_mem_cron_ms;
}

static void say_where(const gib_loop *loop, const gibson_server_config *config)
{
    const char *path = GIB_CONFIG_TEXT(config, unix_socket);
    const char *address = GIB_CONFIG_TEXT(config, address);
    const char *method = loop->poller->methods->name;
    if (!loop->listener.tcp) {
        gib_log_write(loop->log, GIB_LOG_INFORMATION, "listening on unix socket %s (%s)", path,
                      method);
        return;
    }
    unsigned port = loop->listener.port;
    gib_log_write(loop->log, GIB_LOG_INFORMATION, "listening on %s port %u (%s)", address, port,
                  method);
    if (loop->listener.reachable) {
        gib_log_write(loop->log, GIB_LOG_WARNING,
                      "%s port %u is reachable from other machines, and the protocol has neither "
                      "passwords nor encryption",
                      address, port);
    }
}

gibson_status gib_loop_open(gib_loop *loop, const gibson_server_config *config,
                            gib_service *service, gib_log *log, gibson_error *error)
{
    memset(loop, 0, sizeof *loop);
    loop->log = log;
    loop->waker[0] = loop->waker[1] = -1;
    loop->waker_source = GIB_SOURCE_WAKER;
    loop->listener_source = GIB_SOURCE_LISTENER;
    loop->spare_fd = gib_loop_open_spare();
    loop->exchange.service = service;
    gib_buffer_init(&loop->exchange.in, &gib_default_allocator);
    gib_buffer_init(&loop->exchange.out, &gib_default_allocator);
    configure(loop, config);
    gibson_status status = gib_listener_open(&loop->listener, config, error);
    if (status == GIBSON_OK) {
        status = open_waker(loop, error);
    }
    if (status == GIBSON_OK) {
        status = open_poller(loop, GIB_CONFIG_NUMBER(config, use_poll), error);
    }
    if (status == GIBSON_OK) {
        loop->started_ms = gib_now_ns() / 1000000;
        say_where(loop, config);
    } else {
        gib_loop_close(loop);
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

static void update_time(gib_loop *loop)
{
    loop->now_ms = gib_now_ns() / 1000000 + atomic_load(&loop->clock_offset_ms) - loop->started_ms;
    gib_store_set_time(loop->exchange.service->store, loop->now_ms);
}

static void drop_stalled(gib_loop *loop)
{
    gib_connection *next;
    for (gib_connection *at = loop->connections; at; at = next) {
        next = at->next;
        if (gib_connection_has_output(at) &&
            loop->now_ms - at->moved_ms > loop->max_write_stall_ms) {
            gib_log_write(loop->log, GIB_LOG_WARNING,
                          "disconnected a client that does not read its replies (%zu bytes wait)",
                          gib_buffer_size(&at->out));
            gib_loop_drop(loop, at);
        }
    }
}

static void begin_sweeps(gib_loop *loop)
{
    gib_store *store = loop->exchange.service->store;
    if (store->sweep.active) {
        return; /* what is due waits for its end */
    }
    if (loop->now_ms >= loop->next_max_mem_ms) {
        loop->next_max_mem_ms = loop->now_ms + loop->max_mem_cron_ms;
        if (store->short_of_memory || gib_store_used(store) >= store->settings.max_memory) {
            gib_log_write(loop->log, GIB_LOG_INFORMATION,
                          "memory is full: collecting what was not accessed for %" PRIu32 " s",
                          store->settings.gc_ratio);
            gib_store_sweep_begin(store, true);
            return;
        }
    }
    if (loop->now_ms >= loop->next_expired_ms) {
        loop->next_expired_ms = loop->now_ms + loop->expired_cron_ms;
        if (store->mortal_items) {
            gib_store_sweep_begin(store, false);
        }
    }
}

static void keep_house(gib_loop *loop)
{
    gib_store *store = loop->exchange.service->store;
    gib_store_reclaim(store, ITEMS_PER_SLICE);
    gib_store_sweep(store, ITEMS_PER_SLICE);
    if (loop->now_ms >= loop->next_cron_ms) {
        loop->next_cron_ms = loop->now_ms + loop->cron_period_ms;
        loop->exchange.service->counters.crons++;
        gib_store_set_unix_time(store,
                                (int64_t)time(NULL) + atomic_load(&loop->clock_offset_ms) / 1000);
        drop_stalled(loop);
        begin_sweeps(loop);
    }
}

static int wait_time(const gib_loop *loop)
{
    const gib_store *store = loop->exchange.service->store;
    if (loop->backlog || store->discarded.node) {
        return 0;
    }
    if (store->sweep.active) {
        return SWEEP_PAUSE_MS;
    }
    int64_t left = loop->next_cron_ms - loop->now_ms;
    return left > 0 ? (int)left : 0;
}

static void turn(gib_loop *loop, int timeout_ms)
{
    gib_event events[EVENTS_AT_ONCE];
    int count = gib_poller_wait(loop->poller, events, EVENTS_AT_ONCE, timeout_ms);
    update_time(loop);
    /* One event concerns one connection and ends no other, so the owners stay valid. */
    for (int i = 0; i < count; i++) {
        switch (*(gib_source *)events[i].owner) {
        case GIB_SOURCE_CONNECTION:
            gib_loop_serve_event(loop, events[i].owner, events[i].ready);
            break;
        case GIB_SOURCE_LISTENER:
            gib_loop_accept_clients(loop);
            break;
        case GIB_SOURCE_WAKER:
            break; /* the flag it was written for is looked at anyway */
        }
    }
    gib_loop_serve_backlog(loop);
    keep_house(loop);
}

/* Answers what has arrived, and lets clients take their replies. */
static void drain(gib_loop *loop)
{
    gib_poller_forget(loop->poller, loop->listener.fd);
    gib_poller_forget(loop->poller, loop->waker[0]);
    gib_listener_close(&loop->listener);
    loop->draining = true;
    int64_t end_ms = loop->now_ms + DRAIN_MS;
    gib_connection *next;
    for (gib_connection *at = loop->connections; at; at = next) {
        next = at->next;
        gib_loop_after_serving(loop, at, GIB_OUTCOME_OPEN);
    }
    while (loop->connections && loop->now_ms < end_ms) {
        turn(loop, loop->backlog ? 0 : (int)(end_ms - loop->now_ms));
    }
}

void gib_loop_run(gib_loop *loop)
{
    update_time(loop);
    while (!atomic_load(&loop->stop)) {
        turn(loop, wait_time(loop));
    }
    drain(loop);
}

static void wake(gib_loop *loop)
{
    ssize_t written = write(loop->waker[1], "", 1);
    (void)written; /* a full pipe wakes as well */
}

void gib_loop_stop(gib_loop *loop)
{
    atomic_store(&loop->stop, true);
    wake(loop);
}

void gib_loop_advance_clock(gib_loop *loop, int64_t ms)
{
    atomic_fetch_add(&loop->clock_offset_ms, ms);
}

void gib_loop_close(gib_loop *loop)
{
    gib_connection *next;
    for (gib_connection *at = loop->connections; at; at = next) {
        next = at->next;
        gib_connection_free(at);
    }
    gib_listener_close(&loop->listener);
    gib_poller_free(loop->poller);
    close_fd(&loop->waker[0]);
    close_fd(&loop->waker[1]);
    close_fd(&loop->spare_fd);
    gib_buffer_clear(&loop->exchange.in);
    gib_buffer_clear(&loop->exchange.out);
}
