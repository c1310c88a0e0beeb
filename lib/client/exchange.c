/* Moving the bytes of a session through the socket of a client. */
#include <errno.h>
#include <sys/socket.h>

#include "base/error.h"
#include "client/client.h"
#include "net/socket.h"

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

/* Sends all there is to send, or until the socket takes no more: then *blocked is set. */
static gibson_status send_output(gibson_client *client, bool *blocked)
{
    gib_session *session = &client->session;
    size_t segment = client->segment;
    if (!segment && gib_session_unsent_frames(session) > 1) {
        segment = gib_socket_segment_size(client->descriptor); /* the path may have changed */
    }
    gibson_bytes parts[2];
    while (gib_session_output(session, segment, parts)) {
        ssize_t sent = gib_socket_send(client->descriptor, parts);
        if (sent >= 0) {
            gib_session_sent(session, (size_t)sent);
        } else if (errno == EAGAIN) {
            *blocked = true;
            return GIBSON_OK;
        } else if (errno != EINTR) {
            return connection_error(client, errno, "send");
        }
    }
    return GIBSON_OK;
}

/* Reads what there is, with flags 0 after waiting for it as long as SO_RCVTIMEO says. Returns
   GIBSON_WOULD_BLOCK if nothing came. */
static gibson_status receive(gibson_client *client, int flags)
{
    uint8_t *room;
    size_t size;
    if (!gib_session_input(&client->session, &room, &size)) {
        return gib_client_fail(client, GIBSON_NOMEM, "no memory for the reply");
    }
    ssize_t got = recv(client->descriptor, room, size, flags);
    if (got > 0) {
        gib_session_received(&client->session, (size_t)got);
        return GIBSON_OK;
    }
    if (got == 0) {
        return gib_client_fail(client, GIBSON_CLOSED, "the server closed the connection");
    }
    if (errno != EAGAIN && errno != EINTR) {
        return connection_error(client, errno, "recv");
    }
    gibson_status status = gib_interrupt_check(&client->interrupt, &client->error);
    return status == GIBSON_OK ? GIBSON_WOULD_BLOCK : status;
}

static gibson_status wait_for(gibson_client *client, short events, gib_deadline deadline)
{
    struct pollfd descriptor = {.fd = client->descriptor, .events = events};
    return gib_wait(&descriptor, 1, deadline, &client->interrupt, &client->error);
}

/* Reads something, or finds that it is time to write again. The first read of an operation waits in
   recv itself, since SO_RCVTIMEO is the timeout of an operation and none of it has passed: in the
   common case that saves a system call. After that the deadline rules. */
static gibson_status make_progress(gibson_client *client, gib_deadline deadline, bool first,
                                   bool blocked)
{
    if (blocked) {
        gibson_status status = wait_for(client, POLLIN | POLLOUT, deadline);
        if (status != GIBSON_OK) {
            return status;
        }
    } else if (first) {
        return receive(client, 0);
    } else if (gib_deadline_left_ms(deadline) == 0) {
        return gib_client_fail(client, GIBSON_TIMEOUT, "the deadline has passed");
    }
    gibson_status status = receive(client, MSG_DONTWAIT);
    if (status == GIBSON_WOULD_BLOCK && !blocked) {
        status = wait_for(client, POLLIN, deadline);
    }
    return status;
}

gibson_status gib_client_exchange(gibson_client *client, gibson_reply *reply)
{
    gib_session *session = &client->session;
    gib_deadline deadline = gib_deadline_after(client->last_used_ns, client->settings.timeout_ms);
    for (bool first = true;; first = false) {
        if (reply && gib_session_has_input(session)) {
            gibson_status status = gib_session_next(session, reply, &client->error);
            if (status != GIBSON_WOULD_BLOCK) {
                return status;
            }
        }
        bool blocked = false;
        if (gib_session_unsent_frames(session)) {
            gibson_status status = send_output(client, &blocked);
            if (status != GIBSON_OK) {
                return status;
            }
        }
        if (!reply && !blocked) {
            return GIBSON_OK;
        }
        gibson_status status = make_progress(client, deadline, first, blocked);
        if (status != GIBSON_OK && status != GIBSON_WOULD_BLOCK) {
            return status;
        }
    }
}
