/* Moving bytes over a connection: through its socket, or through what stands between, as TLS does.
   Of a plain socket it costs one branch, and nothing where the descriptor itself is used. */
#ifndef GIB_NET_TRANSPORT_H
#define GIB_NET_TRANSPORT_H

#include "net/socket.h"

/* Each function is like the system call of its name: it returns -1 with errno after a failure, and
   EAGAIN where it would have to wait. */
typedef struct gib_transport_ops {
    ssize_t (*send)(void *state, const gibson_bytes parts[2]);
    ssize_t (*receive)(void *state, void *room, size_t size, int flags); /* of recv */
    size_t (*segment_size)(void *state); /* see gib_socket_segment_size */
    void (*close)(void *state);
} gib_transport_ops;

typedef struct gib_transport {
    int descriptor;               /* what a driver waits on; -1 when there is no connection */
    const gib_transport_ops *ops; /* NULL for a plain socket */
    void *state;                  /* of ops */
} gib_transport;

/* The transport of a plain socket; of none, if the descriptor is -1. */
static inline gib_transport gib_transport_plain(int descriptor)
{
    return (gib_transport){.descriptor = descriptor};
}

static inline bool gib_transport_is_open(const gib_transport *transport)
{
    return transport->descriptor >= 0;
}

/* Sends what can be sent without waiting. */
ssize_t gib_transport_send(const gib_transport *transport, const gibson_bytes parts[2]);

ssize_t gib_transport_receive(const gib_transport *transport, void *room, size_t size, int flags);

/* The most bytes that are sure to arrive together when they are sent together. */
size_t gib_transport_segment_size(const gib_transport *transport);

/* Closes it, if it is open. Only closes: a child of fork must not shut down what its parent still
   uses. */
void gib_transport_close(gib_transport *transport);

#endif
