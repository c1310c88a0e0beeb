#include "net/socket.h"

#include <errno.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>

enum {
    UNIX_SEGMENT = 32 * 1024, /* Linux puts so much into one buffer, which is read as a whole */
    SMALLEST_SEGMENT = 536,   /* RFC 9293, section 3.7.1: every path carries that over IPv4 */
    PROBE_INTERVAL_S = 10,
    PROBE_COUNT = 3,
};

static void set_int(int descriptor, int level, int option, int value)
{
    (void)setsockopt(descriptor, level, option, &value, sizeof value);
}

void gib_socket_set_tcp(int descriptor, int keepalive_s, unsigned int user_timeout_ms)
{
    set_int(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
    if (keepalive_s > 0) {
        set_int(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
        set_int(descriptor, IPPROTO_TCP, GIB_TCP_KEEPIDLE, keepalive_s);
        set_int(descriptor, IPPROTO_TCP, GIB_TCP_KEEPINTVL, PROBE_INTERVAL_S);
        set_int(descriptor, IPPROTO_TCP, GIB_TCP_KEEPCNT, PROBE_COUNT);
    }
    if (user_timeout_ms) {
        (void)setsockopt(descriptor, IPPROTO_TCP, GIB_TCP_USER_TIMEOUT, &user_timeout_ms,
                         sizeof user_timeout_ms);
    }
}

void gib_socket_set_timeout(int descriptor, int option, int64_t timeout_ms)
{
    struct timeval timeout = {0}; /* for ever */
    if (timeout_ms >= 0) {
        timeout.tv_sec = (time_t)(timeout_ms / 1000);
        timeout.tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000);
    }
    (void)setsockopt(descriptor, SOL_SOCKET, option, &timeout, sizeof timeout);
}

bool gib_socket_lacks(int failure)
{
    return failure == EMFILE || failure == ENFILE || failure == ENOBUFS || failure == ENOMEM;
}

bool gib_socket_meets_itself(int descriptor)
{
    struct sockaddr_storage ends[2] = {0};
    socklen_t sizes[2] = {sizeof ends[0], sizeof ends[1]};
    return getsockname(descriptor, (struct sockaddr *)&ends[0], &sizes[0]) == 0 &&
           getpeername(descriptor, (struct sockaddr *)&ends[1], &sizes[1]) == 0 &&
           sizes[0] == sizes[1] && !memcmp(&ends[0], &ends[1], sizes[0]);
}

size_t gib_socket_segment_size(int descriptor)
{
    int segment = 0;
    socklen_t size = sizeof segment;
    if (getsockopt(descriptor, IPPROTO_TCP, TCP_MAXSEG, &segment, &size) == 0) {
        return segment > SMALLEST_SEGMENT ? (size_t)segment : SMALLEST_SEGMENT;
    }
    /* A unix socket takes at most half its buffer at once. */
    int buffer = 0;
    size = sizeof buffer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &buffer, &size) == 0 &&
        buffer / 2 - 64 < UNIX_SEGMENT) {
        return buffer / 2 > 2 * 64 ? (size_t)(buffer / 2 - 64) : 64;
    }
    return UNIX_SEGMENT;
}

ssize_t gib_socket_send(int descriptor, const gibson_bytes parts[2])
{
    if (!parts[1].size) {
        return send(descriptor, parts[0].data, parts[0].size, GIB_SEND_FLAGS);
    }
    struct iovec pieces[2] = {
        {.iov_base = (void *)parts[0].data, .iov_len = parts[0].size},
        {.iov_base = (void *)parts[1].data, .iov_len = parts[1].size},
    };
    struct msghdr message = {.msg_iov = pieces, .msg_iovlen = 2};
    if (!parts[0].size) {
        message.msg_iov++;
        message.msg_iovlen--;
    }
    return sendmsg(descriptor, &message, GIB_SEND_FLAGS);
}
