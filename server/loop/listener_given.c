/* Listening on a socket that somebody else has made, as systemd does. */
#include <arpa/inet.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "loop/listener_private.h"

/* What a listener is called whose address was bound by somebody else. */
static void name_given(gibs_listener *listener, const struct sockaddr *bound, socklen_t size)
{
    char text[INET6_ADDRSTRLEN] = "?";
    gibs_address address = {.any.sa_family = AF_UNSPEC};
    if (bound->sa_family == AF_UNIX) {
        const struct sockaddr_un *unix_address = (const struct sockaddr_un *)(const void *)bound;
        size_t path = offsetof(struct sockaddr_un, sun_path);
        const char *name = size > path ? unix_address->sun_path : "";
        bool abstract = size > path && !name[0];
        snprintf(listener->name, sizeof listener->name, "unix socket %s%.*s", abstract ? "@" : "",
                 size > path ? (int)(size - path) - abstract : 0, name + abstract);
        return;
    }
    memcpy(&address, bound, size < sizeof address ? size : sizeof address);
    gibs_listener_note_port(listener, &address);
    inet_ntop(bound->sa_family,
              bound->sa_family == AF_INET6 ? (const void *)&address.ipv6.sin6_addr
                                           : (const void *)&address.ipv4.sin_addr,
              text, sizeof text);
    snprintf(listener->name, sizeof listener->name, "%s port %u", text, (unsigned)listener->port);
}

static int socket_option(int descriptor, int option)
{
    int value = 0;
    socklen_t size = sizeof value;
    return getsockopt(descriptor, SOL_SOCKET, option, &value, &size) ? -1 : value;
}

gibson_status gibs_listener_open_given(gibs_listener *listener, int descriptor, gibson_error *error)
{
    struct sockaddr_storage bound = {.ss_family = AF_UNSPEC};
    socklen_t size = sizeof bound;
    bool known =
        !getsockname(descriptor, (struct sockaddr *)&bound, &size) &&
        (bound.ss_family == AF_UNIX || bound.ss_family == AF_INET || bound.ss_family == AF_INET6);
    if (!known || socket_option(descriptor, SO_TYPE) != SOCK_STREAM ||
        socket_option(descriptor, SO_ACCEPTCONN) != 1) {
        return gib_error_set(error, GIBSON_INVALID,
                             "descriptor %d is no stream socket that listens", descriptor);
    }
    listener->given = true;
    listener->descriptor = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
    if (listener->descriptor < 0 || !gibs_socket_set_flags(listener->descriptor)) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot use descriptor %d",
                                   descriptor);
    }
    name_given(listener, (const struct sockaddr *)&bound, size);
    return GIBSON_OK;
}
