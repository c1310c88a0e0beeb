#include "loop/loop_private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

enum {
    EVENTS_AT_ONCE = 256,
    TURN_NS = 500000,          /* how long those together that ask for much may take in a turn */
    SMALLEST_SLICE_NS = 50000, /* of one of them: some fifty requests */
    DRAIN_MS = 2000,           /* for clients to take their replies in the end */
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

static bool watch_listeners(gibs_loop *loop)
{
    bool fine = true;
    for (size_t i = 0; i < loop->listeners.count; i++) {
        gibs_listener *listener = &loop->listeners.all[i];
        fine =
            fine && gibs_poller_watch(loop->poller, listener->descriptor, GIBS_READABLE, listener);
    }
    return fine;
}

static gibson_status open_poller(gibs_loop *loop, bool use_poll, gibson_error *error)
{
    loop->poller = gibs_poller_new(use_poll);
    if (!loop->poller ||
        !gibs_poller_watch(loop->poller, loop->waker[0], GIBS_READABLE, &loop->waker_source) ||
        !watch_listeners(loop)) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot wait for sockets");
    }
    return GIBSON_OK;
}

static void say_where(const gibs_loop *loop)
{
    for (size_t i = 0; i < loop->listeners.count; i++) {
        const gibs_listener *listener = &loop->listeners.all[i];
        gibs_log_write_all(loop->log, GIBS_LOG_INFORMATION, "listening on %s (%s)", listener->name,
                           loop->poller->methods->name);
        if (listener->tcp && listener->reachable) {
            gibs_log_write_all(loop->log, GIBS_LOG_WARNING,
                               "%s is reachable from other machines, and the protocol has neither "
                               "passwords nor encryption",
                               listener->name);
        }
        if (listener->tcp && loop->peers) {
            gibs_log_write_all(loop->log, GIBS_LOG_WARNING,
                               "unix_socket_users and unix_socket_groups do not hold for %s",
                               listener->name);
        }
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
    loop->spare_descriptor = gibs_loop_open_spare();
    gibs_exchange_open(&loop->exchange, service, log);
    loop->exchange.slice_ns = TURN_NS;
    gibs_loop_orders_open(loop);
    gibs_loop_configure(loop, config);
    gibson_status status = gibs_peers_new(&loop->peers, config, error);
    if (status == GIBSON_OK) {
        status = gibs_listeners_open(&loop->listeners, config, error);
    }
    if (status == GIBSON_OK) {
        status = open_waker(loop, error);
    }
    if (status == GIBSON_OK) {
        status = open_poller(loop, GIBS_CONFIG_NUMBER(config, use_poll), error);
    }
    if (status == GIBSON_OK) {
        loop->started_ms = gib_now_ns() / 1000000;
        service->time = (gibs_time_source){elapsed_ms, loop};
        say_where(loop);
    } else {
        gibs_loop_close(loop);
    }
    return status;
}

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0) {
        close(*descriptor);
        *descriptor = -1;
    }
}

static void set_time(gibs_loop *loop, int64_t now_ns)
{
    loop->exchange.turn_ns = now_ns;
    loop->now_ms = elapsed_ms(loop, now_ns);
    gibs_store_set_time(loop->exchange.service->store, loop->now_ms);
}

/* Gives each client that may have much to do the same part of the turn. */
static void share_turn(gibs_loop *loop, int events)
{
    int64_t clients = (int64_t)loop->backlog_count + (events > 0 ? events : 1);
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
            gibs_loop_accept_clients(loop, events[i].owner);
            break;
        case GIBS_SOURCE_WAKER:
            gibs_loop_take_orders(loop);
            break;
        }
    }
    gibs_loop_serve_backlog(loop, TURN_NS);
    gibs_loop_drop_cut_clients(loop);
    int64_t end_ns = gib_now_ns();
    gibs_exchange_note_time(&loop->exchange, end_ns);
    gibs_loop_keep_house(loop, end_ns - begin_ns);
}

/* Answers what has arrived, and lets clients take their replies. */
static void drain(gibs_loop *loop)
{
    for (size_t i = 0; i < loop->listeners.count; i++) {
        gibs_poller_forget(loop->poller, loop->listeners.all[i].descriptor);
    }
    gibs_poller_forget(loop->poller, loop->waker[0]);
    gibs_listeners_close(&loop->listeners);
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
        turn(loop, gibs_loop_wait_time(loop));
    }
    drain(loop);
}

void gibs_loop_stop(gibs_loop *loop)
{
    atomic_store(&loop->stop, true);
    gibs_loop_wake(loop);
}

void gibs_loop_advance_clock(gibs_loop *loop, int64_t ms)
{
    atomic_fetch_add(&loop->clock_offset_ms, ms);
}

void gibs_loop_leave_to_parent(gibs_loop *loop)
{
    for (size_t i = 0; i < loop->listeners.count; i++) {
        close_descriptor(&loop->listeners.all[i].descriptor);
    }
}

void gibs_loop_close(gibs_loop *loop)
{
    gibs_connection *next;
    for (gibs_connection *at = loop->connections; at; at = next) {
        next = at->next;
        gibs_connection_free(at, &loop->exchange);
    }
    gibs_listeners_close(&loop->listeners);
    gibs_peers_free(loop->peers);
    gibs_loop_orders_close(loop);
    gibs_poller_free(loop->poller);
    close_descriptor(&loop->waker[0]);
    close_descriptor(&loop->waker[1]);
    close_descriptor(&loop->spare_descriptor);
    gibs_exchange_close(&loop->exchange);
}
