/* The clients of the loop: accepting them, serving them in turn, and letting them go. */
#include "loop_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

enum { ACCEPTED_AT_ONCE = 64 };

static void enlist_backlog(gib_loop *loop, gib_connection *connection)
{
    connection->next_backlog = NULL;
    if (loop->backlog) {
        loop->backlog_last->next_backlog = connection;
    } else {
        loop->backlog = connection;
    }
    loop->backlog_last = connection;
    connection->waits_for_turn = true;
}

static void delist_backlog(gib_loop *loop, gib_connection *connection)
{
    gib_connection *before = NULL;
    for (gib_connection *at = loop->backlog; at != connection; at = at->next_backlog) {
        before = at;
    }
    if (before) {
        before->next_backlog = connection->next_backlog;
    } else {
        loop->backlog = connection->next_backlog;
    }
    if (loop->backlog_last == connection) {
        loop->backlog_last = before;
    }
    connection->waits_for_turn = false;
}

void gib_loop_drop(gib_loop *loop, gib_connection *connection)
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
    gib_poller_forget(loop->poller, connection->fd);
    gib_log_write(loop->log, GIB_LOG_DEBUG, "client %d is gone", connection->fd);
    gib_connection_free(connection);
    loop->exchange.service->counters.clients--;
}

void gib_loop_after_serving(gib_loop *loop, gib_connection *connection, gib_outcome outcome)
{
    if (outcome == GIB_OUTCOME_CLOSED || (loop->draining && gib_connection_is_idle(connection))) {
        gib_loop_drop(loop, connection);
        return;
    }
    /* A backlog behind a full output goes on when that was sent, others when their turn comes. */
    if (connection->backlog && !connection->waits_for_turn &&
        gib_buffer_size(&connection->out) < loop->exchange.max_output_size) {
        enlist_backlog(loop, connection);
    }
    unsigned interest = gib_connection_interest(connection, &loop->exchange);
    if (interest != connection->interest) {
        connection->interest = interest;
        if (!gib_poller_change(loop->poller, connection->fd, interest, connection)) {
            gib_loop_drop(loop, connection);
        }
    }
}

void gib_loop_serve_backlog(gib_loop *loop)
{
    gib_connection *last = loop->backlog_last;
    bool done = !loop->backlog;
    while (!done) {
        gib_connection *connection = loop->backlog;
        done = connection == last;
        delist_backlog(loop, connection);
        gib_loop_after_serving(loop, connection,
                               gib_connection_go_on(connection, &loop->exchange, loop->now_ms));
    }
}

void gib_loop_serve_event(gib_loop *loop, gib_connection *connection, unsigned ready)
{
    ready &= connection->interest; /* hang-ups are reported unasked */
    gib_outcome outcome = GIB_OUTCOME_OPEN;
    if (ready & GIB_WRITABLE) {
        outcome = gib_connection_write(connection, &loop->exchange, loop->now_ms);
    }
    if (outcome == GIB_OUTCOME_OPEN && (ready & GIB_READABLE) && !connection->backlog) {
        outcome = gib_connection_read(connection, &loop->exchange, loop->now_ms);
    }
    gib_loop_after_serving(loop, connection, outcome);
}

static void welcome(gib_loop *loop, int fd)
{
    gib_counters *counters = &loop->exchange.service->counters;
    counters->connections++;
    if (counters->clients >= loop->max_clients) {
        gib_log_write(loop->log, GIB_LOG_WARNING, "refused a client: max_clients (%" PRIu64 ")",
                      loop->max_clients);
        close(fd);
        return;
    }
    gib_connection *connection = gib_connection_new(fd);
    if (!connection) {
        close(fd);
        return;
    }
    connection->interest = GIB_READABLE;
    if (!gib_poller_watch(loop->poller, fd, GIB_READABLE, connection)) {
        gib_connection_free(connection);
        return;
    }
    connection->next = loop->connections;
    if (connection->next) {
        connection->next->previous = connection;
    }
    loop->connections = connection;
    counters->clients++;
    gib_log_write(loop->log, GIB_LOG_DEBUG, "client %d has come", fd);
}

int gib_loop_open_spare(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* With no descriptor left a client can be neither accepted nor refused, and the listener would stay
   ready for ever: so one that was kept for this takes it, and it is closed at once. */
static void refuse_without_descriptors(gib_loop *loop)
{
    close(loop->spare_fd);
    int fd = gib_listener_accept(&loop->listener, loop->keepalive_s);
    if (fd >= 0) {
        close(fd);
    }
    loop->spare_fd = gib_loop_open_spare();
    gib_log_write(loop->log, GIB_LOG_ERROR, "refused a client: no descriptors left");
}

void gib_loop_accept_clients(gib_loop *loop)
{
    for (int i = 0; i < ACCEPTED_AT_ONCE; i++) {
        int fd = gib_listener_accept(&loop->listener, loop->keepalive_s);
        if (fd >= 0) {
            welcome(loop, fd);
        } else if (errno == EMFILE || errno == ENFILE) {
            refuse_without_descriptors(loop);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}
