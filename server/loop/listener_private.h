/* What the parts of the listeners share. */
#ifndef GIBS_LISTENER_PRIVATE_H
#define GIBS_LISTENER_PRIVATE_H

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "loop/listener.h"

/* The address of a socket, whatever its family. */
typedef union gibs_address {
    struct sockaddr any;
    struct sockaddr_in ipv4;
    struct sockaddr_in6 ipv6;
    struct sockaddr_storage largest;
} gibs_address;

/* Makes a socket not block, and be closed on exec. */
static inline bool gibs_socket_set_flags(int descriptor)
{
    return fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(descriptor, F_SETFD, FD_CLOEXEC) == 0;
}

/* Failing does no harm. */
static inline void gibs_socket_set_option(int descriptor, int level, int option, int value)
{
    setsockopt(descriptor, level, option, &value, sizeof value);
}

/* Where to listen on TCP. */
typedef struct gibs_tcp_place {
    const char *address; /* or a name */
    unsigned port;       /* 0: any that is free */
    bool alone;          /* there is no other place: then :: may stand for 0.0.0.0 too */
} gibs_tcp_place;

gibson_status gibs_listener_open_tcp(gibs_listener *listener, const gibs_tcp_place *place,
                                     int backlog, gibson_error *error);

/* Fills in the port, and from where it can be reached. */
void gibs_listener_note_port(gibs_listener *listener, const gibs_address *bound);

/* Listens on a unix socket. One that nobody listens on any more gives way to it. */
gibson_status gibs_listener_open_unix(gibs_listener *listener, const char *path, mode_t mode,
                                      int backlog, gibson_error *error);

/* Takes a socket that listens already. The descriptor stays the caller's. */
gibson_status gibs_listener_open_given(gibs_listener *listener, int descriptor,
                                       gibson_error *error);

#endif
