/* Listening on TCP. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "loop/listener_private.h"

static bool is_loopback(const gibs_address *address)
{
    if (address->any.sa_family == AF_INET) {
        return ntohl(address->ipv4.sin_addr.s_addr) >> 24 == 127;
    }
    return address->any.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&address->ipv6.sin6_addr);
}

void gibs_listener_note_port(gibs_listener *listener, const gibs_address *bound)
{
    listener->tcp = true;
    listener->port =
        ntohs(bound->any.sa_family == AF_INET6 ? bound->ipv6.sin6_port : bound->ipv4.sin_port);
    listener->reachable = !is_loopback(bound);
}

/* Returns whether it listens there; if not, errno tells why. */
static bool listen_on(gibs_listener *listener, const struct addrinfo *where, bool alone,
                      int backlog)
{
    int descriptor = socket(where->ai_family, where->ai_socktype, where->ai_protocol);
    if (descriptor < 0) {
        return false;
    }
    gibs_socket_set_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
    if (where->ai_family == AF_INET6 && !alone) { /* 0.0.0.0 may have a socket of its own */
        gibs_socket_set_option(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (!gibs_socket_set_flags(descriptor) || bind(descriptor, where->ai_addr, where->ai_addrlen) ||
        listen(descriptor, backlog)) {
        int cause = errno;
        close(descriptor);
        errno = cause;
        return false;
    }
    gibs_address bound = {.any.sa_family = AF_UNSPEC};
    socklen_t size = sizeof bound;
    getsockname(descriptor, &bound.any, &size);
    listener->descriptor = descriptor;
    gibs_listener_note_port(listener, &bound);
    return true;
}

gibson_status gibs_listener_open_tcp(gibs_listener *listener, const gibs_tcp_place *place,
                                     int backlog, gibson_error *error)
{
    char port[8];
    snprintf(port, sizeof port, "%u", place->port);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(place->address, port, &hints, &found);
    if (failure) {
        return gib_error_set(error, GIBSON_SYSTEM, "cannot resolve address '%.60s': %s",
                             place->address, gai_strerror(failure));
    }
    bool listening = false;
    for (const struct addrinfo *at = found; at && !listening; at = at->ai_next) {
        listening = listen_on(listener, at, place->alone, backlog);
    }
    int cause = errno;
    freeaddrinfo(found);
    if (!listening) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, cause, "cannot listen on %.60s port %s",
                                   place->address, port);
    }
    snprintf(listener->name, sizeof listener->name, "%.100s port %u", place->address,
             (unsigned)listener->port);
    return GIBSON_OK;
}
