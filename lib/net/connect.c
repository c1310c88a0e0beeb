#include "net/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/unix_address.h"
#include "net/portable.h"
#include "net/resolve.h"
#include "net/socket.h"

enum {
    ATTEMPT_DELAY_MS = 250, /* RFC 8305, section 8 */
    MOST_ATTEMPTS = 8,      /* under way at once */
};

/* Attempts to connect to the addresses of one name. */
typedef struct race {
    struct pollfd attempts[MOST_ATTEMPTS];
    nfds_t count;
    const struct addrinfo *next; /* not tried yet */
    int64_t next_ns;             /* when to try it, unless all others have failed before */
    int last_errno;              /* of the last attempt that failed */
    int winner;                  /* the connection, or -1 */
} race;

static void attempt_failed(race *run, int fd, int failure)
{
    run->last_errno = failure;
    run->next_ns = 0; /* try the next one now */
    if (fd >= 0) {
        close(fd);
    }
}

static void attempt_succeeded(race *run, int fd)
{
    if (gib_socket_meets_itself(fd)) {
        attempt_failed(run, fd, ECONNREFUSED);
    } else if (run->winner < 0) {
        run->winner = fd;
    } else {
        close(fd);
    }
}

static void attempt_next(race *run, const gib_target *target)
{
    const struct addrinfo *address = run->next;
    run->next = address->ai_next;
    run->next_ns = gib_deadline_after(gib_now_ns(), ATTEMPT_DELAY_MS);
    int fd = gib_open_socket(address->ai_family, false);
    if (fd < 0) {
        attempt_failed(run, fd, errno);
        return;
    }
    gib_socket_set_tcp(fd, target->keepalive_s, target->user_timeout_ms);
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0) {
        attempt_succeeded(run, fd);
    } else if (errno == EINPROGRESS || errno == EINTR) {
        run->attempts[run->count++] = (struct pollfd){.fd = fd, .events = POLLOUT};
    } else {
        attempt_failed(run, fd, errno);
    }
}

/* Looks at what the wait has brought. */
static void collect(race *run)
{
    nfds_t kept = 0;
    for (nfds_t i = 0; i < run->count; i++) {
        struct pollfd *attempt = &run->attempts[i];
        if (!attempt->revents) {
            run->attempts[kept++] = *attempt;
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

/* Waits until an attempt ends or the next one is due. */
static gibson_status wait_for_attempts(race *run, gib_deadline deadline,
                                       const gib_interrupt *interrupt, gibson_error *error)
{
    gib_deadline until = deadline;
    if (run->next && run->count < MOST_ATTEMPTS && run->next_ns < until) {
        until = run->next_ns;
    }
    gibson_status status = gib_wait(run->attempts, run->count, until, interrupt, error);
    if (status == GIBSON_OK) {
        collect(run);
    } else if (status == GIBSON_TIMEOUT && until != deadline) {
        status = GIBSON_OK;
    }
    return status;
}

static gibson_status race_addresses(race *run, const gib_target *target, gib_deadline deadline,
                                    const gib_interrupt *interrupt, gibson_error *error)
{
    while (run->winner < 0) {
        if (run->next && run->count < MOST_ATTEMPTS &&
            (!run->count || gib_now_ns() >= run->next_ns)) {
            attempt_next(run, target);
            continue;
        }
        if (!run->count) {
            return gib_error_set_errno(error, GIBSON_UNREACHABLE, run->last_errno,
                                       "cannot connect to %s, port %u", target->host, target->port);
        }
        gibson_status status = wait_for_attempts(run, deadline, interrupt, error);
        if (status == GIBSON_TIMEOUT) {
            gib_error_set(error, status, "connecting to %.120s, port %u", target->host,
                          target->port);
        }
        if (status != GIBSON_OK) {
            return status;
        }
    }
    return GIBSON_OK;
}

static gibson_status connect_tcp(const gib_target *target, gib_deadline deadline,
                                 const gib_interrupt *interrupt, int *fd, gibson_error *error)
{
    struct addrinfo *addresses;
    gibson_status status =
        gib_resolve(target->host, target->port, deadline, interrupt, &addresses, error);
    if (status != GIBSON_OK) {
        return status;
    }
    race run = {.next = addresses, .winner = -1};
    status = race_addresses(&run, target, deadline, interrupt, error);
    for (nfds_t i = 0; i < run.count; i++) {
        close(run.attempts[i].fd);
    }
    freeaddrinfo(addresses);
    if (status == GIBSON_OK && fcntl(run.winner, F_SETFL, 0)) { /* blocking from here on */
        status = gib_error_set_errno(error, GIBSON_SYSTEM, errno, "fcntl");
        close(run.winner);
        run.winner = -1;
    }
    *fd = run.winner;
    return status;
}

/* Connects a blocking socket: where the backlog of the listener is full, connect waits for it, and
   nothing else can (a non-blocking one just fails, with nothing to poll for). */
static gibson_status connect_unix(const gib_target *target, gib_deadline deadline,
                                  const gib_interrupt *interrupt, int *fd, gibson_error *error)
{
    struct sockaddr_un address;
    socklen_t size;
    gibson_status status = gib_unix_address(target->unix_socket, &address, &size, error);
    if (status != GIBSON_OK) {
        return status;
    }
    int made = gib_open_socket(AF_UNIX, true);
    if (made < 0) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "socket");
    }
    while (status == GIBSON_OK) {
        int left_ms = gib_deadline_left_ms(deadline);
        if (left_ms == 0) {
            status =
                gib_error_set(error, GIBSON_TIMEOUT, "connecting to %.120s", target->unix_socket);
            break;
        }
        gib_socket_set_timeout(made, SO_SNDTIMEO, gib_wait_slice_ms(interrupt, left_ms));
        if (connect(made, (const struct sockaddr *)&address, size) == 0) {
            *fd = made;
            return GIBSON_OK;
        }
        if (errno != EINTR && errno != EAGAIN) {
            status = gib_error_set_errno(error, GIBSON_UNREACHABLE, errno, "cannot connect to %s",
                                         target->unix_socket);
            break;
        }
        status = gib_interrupt_check(interrupt, error);
    }
    close(made);
    return status;
}

gibson_status gib_connect(const gib_target *target, gib_deadline deadline,
                          const gib_interrupt *interrupt, int *fd, gibson_error *error)
{
    *fd = -1;
    return target->unix_socket ? connect_unix(target, deadline, interrupt, fd, error)
                               : connect_tcp(target, deadline, interrupt, fd, error);
}
