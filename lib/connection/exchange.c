#include "connection/exchange.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "base/likely.h"
#include "session/question.h"
#include "session/queue.h"

static gibson_status connection_error(gib_connection *connection, int failure, const char *call)
{
    switch (failure) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case ETIMEDOUT: /* TCP_USER_TIMEOUT or keepalive */
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTUNREACH:
        return gib_error_set_errno(&connection->error, GIBSON_CLOSED, failure,
                                   "the connection was lost");
    default:
        return gib_error_set_errno(&connection->error, GIBSON_SYSTEM, failure, "%s", call);
    }
}

gibson_status gib_connection_sent(gib_connection *connection, ssize_t sent)
{
    if (sent >= 0) {
        gib_session_sent(&connection->session, (size_t)sent);
        return GIBSON_OK;
    }
    if (errno == EAGAIN) {
        return GIBSON_WOULD_BLOCK;
    }
    return errno == EINTR ? GIBSON_OK : connection_error(connection, errno, "send");
}

gibson_status gib_connection_received(gib_connection *connection, ssize_t received)
{
    if (GIB_LIKELY(received > 0)) {
        gib_session_received(&connection->session, (size_t)received);
        return GIBSON_OK;
    }
    if (received == 0) {
        return gib_connection_fail(connection, GIBSON_CLOSED, "the server closed the connection");
    }
    return errno == EAGAIN || errno == EINTR ? GIBSON_WOULD_BLOCK
                                             : connection_error(connection, errno, "recv");
}

gibson_status gib_connection_receive(gib_connection *connection, int flags)
{
    uint8_t *room;
    size_t size;
    if (!gib_session_input(&connection->session, &room, &size)) {
        return gib_connection_fail(connection, GIBSON_NOMEM, "no memory for the reply");
    }
    return gib_connection_received(
        connection, gib_transport_receive(&connection->transport, room, size, flags));
}

gibson_status gib_connection_send(gib_connection *connection)
{
    gib_session *session = &connection->session;
    size_t segment = connection->segment;
    if (!segment && gib_session_unsent_frames(session) > 1) {
        segment =
            gib_transport_segment_size(&connection->transport); /* the path may have changed */
    }
    gibson_bytes parts[2];
    gibson_status status = GIBSON_OK;
    while (status == GIBSON_OK && gib_session_unsent_frames(session)) {
        gib_session_output(session, segment, parts);
        status = gib_connection_sent(connection, gib_transport_send(&connection->transport, parts));
    }
    return status;
}

/* Takes the reply that is wanted. */
static gibson_status take_reply(gib_connection *connection, gibson_reply *reply)
{
    gib_session *session = &connection->session;
    if (gib_session_take_value(session, GIB_BEFORE_LAST, reply)) {
        return GIBSON_OK;
    }
    return gib_session_has_input(session) ? gib_session_next(session, reply, &connection->error)
                                          : GIBSON_WOULD_BLOCK;
}

/* Takes what is wanted, or only checks what has come if that is nothing. GIBSON_WOULD_BLOCK means
   to go on. */
static gibson_status look_at_input(gib_connection *connection, gib_exchange *exchange)
{
    gib_session *session = &connection->session;
    if (exchange->goal == GIB_GOAL_REPLY) {
        return take_reply(connection, exchange->reply);
    }
    if (exchange->goal == GIB_GOAL_ANSWERED) {
        return gib_session_take_answers(session, &connection->error);
    }
    gibson_status status = gib_session_scan_input(session, &exchange->scan, &connection->error);
    return status == GIBSON_OK ? GIBSON_WOULD_BLOCK : status;
}

/* Sets the error: the deadline of the operation has passed. */
static GIB_COLD gibson_status timed_out(gib_connection *connection)
{
    const gib_session *session = &connection->session;
    char waiting_for[160];
    if (gib_session_unsent_frames(session)) {
        snprintf(waiting_for, sizeof waiting_for, "sending to %.120s", connection->peer);
    } else {
        snprintf(waiting_for, sizeof waiting_for, "waiting for the reply to %s from %.120s",
                 gib_session_due_name(session), connection->peer);
    }
    return gib_connection_timed_out(connection, "timeout", connection->settings.timeout_ms,
                                    waiting_for);
}

/* Sends, and says what to wait for: GIBSON_WOULD_BLOCK; GIBSON_OK if there is nothing. */
static gibson_status advance_output(gib_connection *connection, gib_exchange *exchange)
{
    gibson_status status = gib_connection_send(connection);
    exchange->wait.fd = connection->transport.descriptor;
    exchange->wait.events = POLLIN;
    if (status == GIBSON_WOULD_BLOCK) {
        exchange->wait.events = POLLIN | POLLOUT;
    } else if (status == GIBSON_OK && exchange->goal != GIB_GOAL_SENT) {
        status = GIBSON_WOULD_BLOCK;
    }
    return status;
}

/* Reads once, if something may have come. GIBSON_OK: something has, and there may be more. */
static gibson_status advance_input(gib_connection *connection, gib_exchange *exchange)
{
    const bool readable = exchange->wait.revents & ~POLLOUT;
    gibson_status status =
        readable ? gib_connection_receive(connection, MSG_DONTWAIT) : GIBSON_WOULD_BLOCK;
    exchange->wait.revents = status == GIBSON_OK ? POLLIN : 0;
    return status;
}

gibson_status gib_exchange_step(gib_connection *connection, gib_exchange *exchange, int64_t now_ns)
{
    gibson_status status = look_at_input(connection, exchange);
    if (status == GIBSON_WOULD_BLOCK) {
        status = advance_output(connection, exchange);
    }
    if (status != GIBSON_WOULD_BLOCK) {
        return status;
    }
    /* Not even a look at what has come after the deadline: a peer that always has one more byte
       must not stretch it. */
    if (now_ns >= exchange->deadline) {
        return timed_out(connection);
    }
    status = advance_input(connection, exchange);
    return status == GIBSON_OK ? look_at_input(connection, exchange) : status;
}
