#include "net/connector.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/unix_address.h"
#include "net/portable.h"
#include "net/socket.h"

enum {
    ATTEMPT_DELAY_MS = 250, /* RFC 8305, section 8 */
    BACKLOG_DELAY_MS = 5,   /* a unix socket whose backlog is full has nothing to wait for */
};

static void attempt_failed(gib_connector *run, int descriptor, int failure)
{
    run->last_errno = failure;
    run->next_ns = 0; /* try the next one now */
    if (descriptor >= 0) {
        close(descriptor);
    }
}

static void attempt_succeeded(gib_connector *run, int descriptor)
{
    if (gib_socket_meets_itself(descriptor)) {
        attempt_failed(run, descriptor, ECONNREFUSED);
    } else if (run->descriptor < 0) {
        run->descriptor = descriptor;
    } else {
        close(descriptor);
    }
}

static void attempt_next(gib_connector *run, int64_t now_ns)
{
    const struct addrinfo *address = run->next;
    run->next = address->ai_next;
    run->next_ns = gib_deadline_after(now_ns, ATTEMPT_DELAY_MS);
    int descriptor = gib_open_socket(address->ai_family, false);
    if (descriptor < 0) {
        attempt_failed(run, descriptor, errno);
        return;
    }
    gib_socket_set_tcp(descriptor, run->target->keepalive_s, run->target->user_timeout_ms);
    if (connect(descriptor, address->ai_addr, address->ai_addrlen) == 0) {
        attempt_succeeded(run, descriptor);
    } else if (errno == EINPROGRESS || errno == EINTR) {
        run->waits[run->count++] = (struct pollfd){.fd = descriptor, .events = POLLOUT};
    } else {
        attempt_failed(run, descriptor, errno);
    }
}

/* Looks at what a wait has brought. */
static void collect(gib_connector *run)
{
    nfds_t kept = 0;
    for (nfds_t i = 0; i < run->count; i++) {
        struct pollfd *attempt = &run->waits[i];
        if (!attempt->revents) {
            run->waits[kept++] = *attempt;
            continue;
        }
        int failure = 0;
        socklen_t size = sizeof failure;
        if (getsockopt(attempt->fd, SOL_SOCKET, SO_ERROR, &failure, &size)) {
            failure = errno;
        }
        if (failure) {
            attempt_failed(run, attempt->fd, failure);
        } else {
            attempt_succeeded(run, attempt->fd);
        }
    }
    run->count = kept;
}

/* One that has not answered for so long makes room for the next. */
static void give_up_oldest(gib_connector *run)
{
    close(run->waits[0].fd);
    run->count--;
    memmove(run->waits, run->waits + 1, run->count * sizeof *run->waits);
}

static gibson_status race(gib_connector *run, int64_t now_ns, gibson_error *error)
{
    collect(run);
    while (run->descriptor < 0 && run->next && (!run->count || now_ns >= run->next_ns)) {
        if (run->count == GIB_MOST_ATTEMPTS) {
            give_up_oldest(run);
        }
        attempt_next(run, now_ns);
    }
    if (run->descriptor >= 0) {
        return GIBSON_OK;
    }
    if (!run->count) {
        return gib_error_set_errno(
            error, gib_socket_lacks(run->last_errno) ? GIBSON_SYSTEM : GIBSON_UNREACHABLE,
            run->last_errno, "cannot connect to %s, port %u", run->target->host, run->target->port);
    }
    run->wake_ns = run->next ? run->next_ns : GIB_NO_DEADLINE;
    return GIBSON_WOULD_BLOCK;
}

/* Takes the addresses, or waits for them. */
static gibson_status resolve(gib_connector *run, gibson_error *error)
{
    if (!gib_lookup_is_finished(run->lookup)) {
        run->waits[0] = (struct pollfd){.fd = gib_lookup_descriptor(run->lookup), .events = POLLIN};
        run->count = 1;
        run->wake_ns = GIB_NO_DEADLINE;
        return GIBSON_WOULD_BLOCK;
    }
    run->count = 0;
    gibson_status status = gib_lookup_take(run->lookup, &run->addresses, error);
    gib_lookup_end(run->lookup);
    run->lookup = NULL;
    run->next = run->addresses;
    return status != GIBSON_OK || run->next
               ? status
               : gib_error_set(error, GIBSON_UNREACHABLE, "%s has no address", run->target->host);
}

static gibson_status connect_unix(gib_connector *run, int64_t now_ns, gibson_error *error)
{
    const char *path = run->target->unix_socket;
    struct sockaddr_un address;
    socklen_t size;
    gibson_status status = gib_unix_address(path, &address, &size, error);
    if (status != GIBSON_OK) {
        return status;
    }
    int descriptor = gib_open_socket(AF_UNIX, false);
    if (descriptor < 0) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "socket");
    }
    if (connect(descriptor, (const struct sockaddr *)&address, size) == 0) {
        run->descriptor = descriptor;
        return GIBSON_OK;
    }
    const int failure = errno;
    close(descriptor);
    if (failure != EAGAIN && failure != EINTR) {
        return gib_error_set_errno(error, GIBSON_UNREACHABLE, failure, "cannot connect to %s",
                                   path);
    }
    run->wake_ns = gib_deadline_after(now_ns, failure == EAGAIN ? BACKLOG_DELAY_MS : 0);
    return GIBSON_WOULD_BLOCK;
}

gibson_status gib_connector_start(gib_connector *connector, const gib_target *target,
                                  gibson_error *error)
{
    *connector = (gib_connector){.target = target, .descriptor = -1};
    return target->unix_socket
               ? GIBSON_OK
               : gib_lookup_start(&connector->lookup, target->host, target->port, error);
}

gibson_status gib_connector_step(gib_connector *connector, int64_t now_ns, gibson_error *error)
{
    if (connector->target->unix_socket) {
        return connect_unix(connector, now_ns, error);
    }
    if (connector->lookup) {
        gibson_status status = resolve(connector, error);
        if (status != GIBSON_OK) {
            return status;
        }
    }
    return race(connector, now_ns, error);
}

gibson_status gib_connector_timed_out(const gib_connector *connector, gibson_error *error)
{
    const gib_target *target = connector->target;
    if (target->unix_socket) {
        return gib_error_set(error, GIBSON_TIMEOUT, "connecting to %.120s", target->unix_socket);
    }
    if (connector->lookup) {
        return gib_error_set(error, GIBSON_TIMEOUT, "resolving %.120s", target->host);
    }
    return gib_error_set(error, GIBSON_TIMEOUT, "connecting to %.120s, port %u", target->host,
                         target->port);
}

void gib_connector_end(gib_connector *connector)
{
    if (connector->lookup) {
        gib_lookup_end(connector->lookup); /* whose descriptor is the one that was waited for */
    } else {
        for (nfds_t i = 0; i < connector->count; i++) {
            close(connector->waits[i].fd);
        }
    }
    if (connector->addresses) {
        freeaddrinfo(connector->addresses);
    }
    *connector = (gib_connector){.descriptor = -1};
}
