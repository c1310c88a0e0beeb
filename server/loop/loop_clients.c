/* The clients of the loop: accepting them, serving them in turn, and letting them go. */
#include "base/clock.h"
#include "loop/loop_private.h"
#include "loop/peer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

enum { ACCEPTED_AT_ONCE = 64 };

static void enlist_backlog(gibs_loop *loop, gibs_connection *connection)
{
    connection->previous_backlog = loop->backlog_last;
    connection->next_backlog = NULL;
    if (loop->backlog) {
        loop->backlog_last->next_backlog = connection;
    } else {
        loop->backlog = connection;
    }
    loop->backlog_last = connection;
    connection->waits_for_turn = true;
    loop->backlog_count++;
}

static void delist_backlog(gibs_loop *loop, gibs_connection *connection)
{
    gibs_connection *previous = connection->previous_backlog;
    gibs_connection *next = connection->next_backlog;
    *(previous ? &previous->next_backlog : &loop->backlog) = next;
    *(next ? &next->previous_backlog : &loop->backlog_last) = previous;
    connection->waits_for_turn = false;
    loop->backlog_count--;
}

void gibs_loop_drop(gibs_loop *loop, gibs_connection *connection)
{
    if (connection->waits_for_turn) {
        delist_backlog(loop, connection);
    }
    if (connection->previous) {
        connection->previous->next = connection->next;
    } else {
        loop->connections = connection->next;
    }
    if (connection->next) {
        connection->next->previous = connection->previous;
    }
    if (loop->listing.next == connection) {
        loop->listing.next = connection->next;
    }
    gibs_poller_forget(loop->poller, connection->descriptor);
    gibs_log_write(loop->log, GIBS_LOG_DEBUG, "client %d is gone", connection->descriptor);
    gibs_connection_free(connection, &loop->exchange);
    loop->exchange.service->counters.clients--;
}

/* Keeps what is held for clients below the limit, with room for the reply that comes next. The
   clients are only marked: there may be events for them that have not been looked at. */
static void limit_client_memory(gibs_loop *loop)
{
    gibs_service *service = loop->exchange.service;
    const gibs_service_settings *settings = &service->settings;
    size_t limit = settings->max_client_memory - settings->limits.max_reply_size;
    while (service->counters.client_bytes > limit) {
        gibs_connection *worst = gibs_holders_most(&loop->exchange.holders);
        gibs_log_write(loop->log, GIBS_LOG_WARNING,
                       "disconnected a client that holds %zu bytes: max_client_memory (%zu)",
                       worst->counted, settings->max_client_memory);
        service->counters.partings[GIBS_PARTING_heavy]++;
        gibs_connection_cut(worst, &loop->exchange);
        worst->next_cut = loop->cut_clients;
        loop->cut_clients = worst;
    }
}

void gibs_loop_drop_cut_clients(gibs_loop *loop)
{
    while (loop->cut_clients) {
        gibs_connection *first = loop->cut_clients;
        loop->cut_clients = first->next_cut;
        gibs_loop_drop(loop, first);
    }
}

void gibs_loop_after_serving(gibs_loop *loop, gibs_connection *connection, gibs_outcome outcome)
{
    if (outcome == GIBS_OUTCOME_CLOSED || (loop->draining && gibs_connection_is_idle(connection))) {
        gibs_loop_drop(loop, connection);
        return;
    }
    limit_client_memory(loop);
    if (connection->cut) {
        return;
    }
    /* A backlog behind a full output goes on when that was sent, others when their turn comes. */
    if (connection->backlog && !connection->waits_for_turn &&
        (connection->job || gibs_connection_output(connection) < loop->exchange.max_output_size)) {
        enlist_backlog(loop, connection);
    }
    unsigned interest = gibs_connection_interest(connection, &loop->exchange);
    if (interest != connection->interest) {
        connection->interest = interest;
        if (!gibs_poller_change(loop->poller, connection->descriptor, interest, connection)) {
            gibs_loop_drop(loop, connection);
        }
    }
}

static void serve(gibs_loop *loop, gibs_connection *connection, unsigned ready)
{
    gibs_outcome outcome = GIBS_OUTCOME_OPEN;
    const uint64_t before = connection->bytes_in + connection->bytes_out;
    if (ready & GIBS_WRITABLE) {
        outcome = gibs_connection_write(connection, &loop->exchange, loop->now_ms);
    } else if (connection->backlog) {
        outcome = gibs_connection_go_on(connection, &loop->exchange, loop->now_ms);
    }
    if (outcome == GIBS_OUTCOME_OPEN && (ready & GIBS_READABLE) && !connection->backlog) {
        outcome = gibs_connection_read(connection, &loop->exchange, loop->now_ms);
    }
    gibs_connection_weigh(connection, connection->bytes_in + connection->bytes_out - before);
    gibs_loop_after_serving(loop, connection, outcome);
}

/* Who asks for little is served at once. The others, of which each takes a slice of the turn, get
   in the queue: so however many they are, who asks for little waits for no more than a turn. */
void gibs_loop_serve_event(gibs_loop *loop, gibs_connection *connection, unsigned ready)
{
    ready &= connection->interest; /* hang-ups are reported unasked */
    if (connection->cut || !ready) {
        return;
    }
    if (connection->waits_for_turn) {
        connection->ready |= ready;
    } else if (connection->heavy) {
        connection->ready = ready;
        enlist_backlog(loop, connection);
    } else {
        serve(loop, connection, ready);
    }
}

void gibs_loop_serve_backlog(gibs_loop *loop, int64_t longest_ns)
{
    gibs_connection *last = loop->backlog_last;
    int64_t end_ns = loop->backlog ? gib_now_ns() + longest_ns : 0;
    bool done = !loop->backlog;
    while (!done) {
        gibs_connection *connection = loop->backlog;
        unsigned ready = connection->ready;
        done = connection == last;
        delist_backlog(loop, connection);
        connection->ready = 0;
        if (!connection->cut) {
            serve(loop, connection, ready);
            done = done || gib_now_ns() >= end_ns;
        }
    }
}

/* Tells whether a client may stay, and says why not. */
static bool may_stay(gibs_loop *loop, const gibs_listener *listener, int descriptor)
{
    char name[GIBS_PEER_NAME];
    if (loop->exchange.service->counters.clients >= loop->max_clients) {
        gibs_log_write(loop->log, GIBS_LOG_WARNING, "refused a client: max_clients (%" PRIu64 ")",
                       loop->max_clients);
        return false;
    }
    if (!listener->tcp && loop->peers && !gibs_peer_is_among(descriptor, loop->peers)) {
        gibs_peer_name(descriptor, name);
        gibs_log_write(loop->log, GIBS_LOG_WARNING,
                       "refused a client: %s is not among unix_socket_users and unix_socket_groups",
                       name);
        return false;
    }
    return true;
}

static void welcome(gibs_loop *loop, const gibs_listener *listener, int descriptor)
{
    gibs_counters *counters = &loop->exchange.service->counters;
    counters->connections++;
    if (!may_stay(loop, listener, descriptor)) {
        counters->refused_clients++;
        close(descriptor);
        return;
    }
    gibs_connection *connection = gibs_connection_new(descriptor, &loop->exchange, loop->now_ms);
    if (!connection) {
        close(descriptor);
        return;
    }
    connection->interest = GIBS_READABLE;
    if (!gibs_poller_watch(loop->poller, descriptor, GIBS_READABLE, connection)) {
        gibs_connection_free(connection, &loop->exchange);
        return;
    }
    connection->next = loop->connections;
    if (connection->next) {
        connection->next->previous = connection;
    }
    loop->connections = connection;
    counters->clients++;
    gibs_log_write(loop->log, GIBS_LOG_DEBUG, "client %d has come", descriptor);
}

int gibs_loop_open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* With no descriptor left a client can be neither accepted nor refused, and the listener would stay
   ready for ever: so one that was kept for this takes it, and it is closed at once. */
static void refuse_without_descriptors(gibs_loop *loop, gibs_listener *listener)
{
    close(loop->spare_descriptor);
    int descriptor = gibs_listener_accept(listener, loop->keepalive_s);
    if (descriptor >= 0) {
        close(descriptor);
        loop->exchange.service->counters.connections++;
        loop->exchange.service->counters.refused_clients++;
    }
    loop->spare_descriptor = gibs_loop_open_spare();
    gibs_log_write(loop->log, GIBS_LOG_ERROR, "refused a client: no descriptors left");
}

void gibs_loop_accept_clients(gibs_loop *loop, gibs_listener *listener)
{
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
        int descriptor = gibs_listener_accept(listener, loop->keepalive_s);
        if (descriptor >= 0) {
            welcome(loop, listener, descriptor);
        } else if (errno == EMFILE || errno == ENFILE) {
            refuse_without_descriptors(loop, listener);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}
