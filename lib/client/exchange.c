/* Moving the bytes of a session through the socket of a client. */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/likely.h"
#include "client/client.h"
#include "net/socket.h"
#include "session/queue.h"

static gibson_status connection_error(gibson_client *client, int failure, const char *call)
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
        return gib_error_set_errno(&client->error, GIBSON_CLOSED, failure,
                                   "the connection was lost");
    default:
        return gib_error_set_errno(&client->error, GIBSON_SYSTEM, failure, "%s", call);
    }
}

gibson_status gib_client_sent(gibson_client *client, ssize_t sent)
{
    if (sent >= 0) {
        gib_session_sent(&client->session, (size_t)sent);
        return GIBSON_OK;
    }
    if (errno == EAGAIN) {
        return GIBSON_WOULD_BLOCK;
    }
    return errno == EINTR ? GIBSON_OK : connection_error(client, errno, "send");
}

gibson_status gib_client_received(gibson_client *client, ssize_t received)
{
    if (GIB_LIKELY(received > 0)) {
        gib_session_received(&client->session, (size_t)received);
        return GIBSON_OK;
    }
    if (received == 0) {
        return gib_client_fail(client, GIBSON_CLOSED, "the server closed the connection");
    }
    if (errno != EAGAIN && errno != EINTR) {
        return connection_error(client, errno, "recv");
    }
    gibson_status status = gib_interrupt_check(&client->interrupt, &client->error);
    return status == GIBSON_OK ? GIBSON_WOULD_BLOCK : status;
}

/* Sends all there is to send, or until the socket takes no more: then it returns
   GIBSON_WOULD_BLOCK. */
static gibson_status send_output(gibson_client *client)
{
    gib_session *session = &client->session;
    size_t segment = client->segment;
    if (!segment && gib_session_unsent_frames(session) > 1) {
        segment = gib_socket_segment_size(client->descriptor); /* the path may have changed */
    }
    gibson_bytes parts[2];
    gibson_status status = GIBSON_OK;
    while (status == GIBSON_OK && gib_session_unsent_frames(session)) {
        gib_session_output(session, segment, parts);
        status = gib_client_sent(client, gib_socket_send(client->descriptor, parts));
    }
    return status;
}

/* Reads what there is; with flags 0, after waiting for it as long as SO_RCVTIMEO says. */
static gibson_status receive(gibson_client *client, int flags)
{
    uint8_t *room;
    size_t size;
    if (!gib_session_input(&client->session, &room, &size)) {
        return gib_client_fail(client, GIBSON_NOMEM, "no memory for the reply");
    }
    return gib_client_received(client, recv(client->descriptor, room, size, flags));
}

static gibson_status wait_for(gibson_client *client, short events, gib_deadline deadline)
{
    struct pollfd descriptor = {.fd = client->descriptor, .events = events};
    return gib_wait(&descriptor, 1, deadline, &client->interrupt, &client->error);
}

/* Sets the error: the deadline of the operation has passed. */
static gibson_status timed_out(gibson_client *client)
{
    const gib_session *session = &client->session;
    const char *name = gib_session_due(session)->name;
    char waiting_for[160];
    if (gib_session_unsent_frames(session)) {
        snprintf(waiting_for, sizeof waiting_for, "sending to %.120s", client->peer);
    } else {
        snprintf(waiting_for, sizeof waiting_for, "waiting for the reply to %s from %.120s", name,
                 client->peer);
    }
    return gib_client_timed_out(client, "timeout", client->settings.timeout_ms, waiting_for);
}

/* Reads something, or finds that it is time to write again. */
static gibson_status make_progress(gibson_client *client, gib_deadline deadline, bool blocked)
{
    if (blocked) {
        gibson_status status = wait_for(client, POLLIN | POLLOUT, deadline);
        return status == GIBSON_OK ? receive(client, MSG_DONTWAIT) : status;
    }
    if (client->fresh) {
        /* To wait in recv itself saves a system call: SO_RCVTIMEO is the timeout of an operation,
           and none of it has passed. After that the deadline rules. */
        return receive(client, 0);
    }
    if (gib_deadline_left_ms(deadline) == 0) {
        return GIBSON_TIMEOUT;
    }
    gibson_status status = receive(client, MSG_DONTWAIT);
    return status == GIBSON_WOULD_BLOCK ? wait_for(client, POLLIN, deadline) : status;
}

/* Takes the reply that is wanted, or only checks what has come if none is. GIBSON_WOULD_BLOCK means
   to go on. */
static gibson_status look_at_input(gibson_client *client, gibson_reply *reply,
                                   gib_session_scan *scan)
{
    gib_session *session = &client->session;
    if (reply) {
        if (gib_session_take_value(session, false, reply)) {
            return GIBSON_OK;
        }
        return gib_session_has_input(session) ? gib_session_next(session, reply, &client->error)
                                              : GIBSON_WOULD_BLOCK;
    }
    gibson_status status = gib_session_scan_input(session, scan, &client->error);
    return status == GIBSON_OK ? GIBSON_WOULD_BLOCK : status;
}

gibson_status gib_client_exchange(gibson_client *client, gibson_reply *reply)
{
    const gib_deadline deadline = gib_client_deadline(client);
    gib_session_scan scan = {0};
    for (;; client->fresh = false) {
        gibson_status status = look_at_input(client, reply, &scan);
        if (status != GIBSON_WOULD_BLOCK) {
            return status;
        }
        status = send_output(client);
        bool blocked = status == GIBSON_WOULD_BLOCK;
        if ((status != GIBSON_OK && !blocked) || (!reply && !blocked)) {
            return status;
        }
        status = make_progress(client, deadline, blocked);
        if (status != GIBSON_OK && status != GIBSON_WOULD_BLOCK) {
            return status == GIBSON_TIMEOUT ? timed_out(client) : status;
        }
    }
}

gibson_status gib_client_take_in(gibson_client *client)
{
    gib_session_scan scan = {0};
    gibson_status status = gib_session_scan_input(&client->session, &scan, &client->error);
    while (status == GIBSON_OK) {
        uint8_t *room;
        size_t size;
        if (!gib_session_input(&client->session, &room, &size)) {
            return gib_client_fail(client, GIBSON_NOMEM, "no memory for the reply");
        }
        const ssize_t got = recv(client->descriptor, room, size, MSG_DONTWAIT);
        if (got <= 0) {
            return GIBSON_OK;
        }
        gib_session_received(&client->session, (size_t)got);
        status = gib_session_scan_input(&client->session, &scan, &client->error);
    }
    return scan.over ? GIBSON_OK : status; /* that is told when its turn has come */
}
