#include "net/connector.h"

#include <errno.h>
#include <unistd.h>

#include "base/error.h"
#include "base/unix_address.h"
#include "net/portable.h"
#include "net/socket.h"

enum {
    ATTEMPT_DELAY_MS = 250, /* RFC 8305, section 8 */
    BACKLOG_DELAY_MS = 5,   /* a unix socket whose backlog is full has nothing to wait for */
};

static void attempt_failed(gib_connector *run, int fd, int failure)
{
    run->last_errno = failure;
    run->next_ns = 0; /* try the next one now */
    if (fd >= 0) {
        close(fd);
    }
}

static void attempt_succeeded(gib_connector *run, int fd)
{
    if (gib_socket_meets_itself(fd)) {
        attempt_failed(run, fd, ECONNREFUSED);
    } else if (run->fd < 0) {
        run->fd = fd;
    } else {
        close(fd);
    }
}

static void attempt_next(gib_connector *run, int64_t now_ns)
{
    const struct addrinfo *address = run->next;
    run->next = address->ai_next;
    run->next_ns = gib_deadline_after(now_ns, ATTEMPT_DELAY_MS);
    int fd = gib_open_socket(address->ai_family, false);
    if (fd < 0) {
        attempt_failed(run, fd, errno);
        return;
    }
    gib_socket_set_tcp(fd, run->target->keepalive_s, run->target->user_timeout_ms);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
        attempt_succeeded(run, fd);
    } else if (errno == EINPROGRESS || errno == EINTR) {
        run->waits[run->count++] = (struct pollfd){.fd = fd, .events = POLLOUT};
    } else {
        attempt_failed(run, fd, errno);
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

static gibson_status race(gib_connector *run, int64_t now_ns, gibson_error *error)
{
    collect(run);
    while (run->fd < 0 && run->next && run->count < GIB_MOST_ATTEMPTS &&
           (!run->count || now_ns >= run->next_ns)) {
        attempt_next(run, now_ns);
    }
    if (run->fd >= 0) {
        return GIBSON_OK;
    }
    if (!run->count) {
        return gib_error_set_errno(error, GIBSON_UNREACHABLE, run->last_errno,
                                   "cannot connect to %s, port %u", run->target->host,
                                   run->target->port);
    }
    run->wake_ns = run->next && run->count < GIB_MOST_ATTEMPTS ? run->next_ns : GIB_NO_DEADLINE;
    return GIBSON_WOULD_BLOCK;
}

/* Takes the addresses, or waits for them. */
static gibson_status resolve(gib_connector *run, gibson_error *error)
{
    if (!gib_lookup_is_finished(run->lookup)) {
        run->waits[0] = (struct pollfd){.fd = gib_lookup_fd(run->lookup), .events = POLLIN};
        run->count = 1;
        run->wake_ns = GIB_NO_DEADLINE;
        return GIBSON_WOULD_BLOCK;
    }
    run->count = 0;
    gibson_status status = gib_lookup_take(run->lookup, &run->addresses, error);
    gib_lookup_end(run->lookup);
    run->lookup = NULL;
    run->next = run->addresses;
    return status;
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
    int fd = gib_open_socket(AF_UNIX, false);
    if (fd < 0) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "socket");
    }
    if (connect(fd, (const struct sockaddr *)&address, size) == 0) {
        run->fd = fd;
        return GIBSON_OK;
    }
    const int failure = errno;
    close(fd);
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
    *connector = (gib_connector){.target = target, .fd = -1};
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
    *connector = (gib_connector){.fd = -1};
}
