#include "net/transport.h"

#include <unistd.h>

#include "base/likely.h"

ssize_t gib_transport_send(const gib_transport *transport, const gibson_bytes parts[2])
{
    return GIB_LIKELY(!transport->ops) ? gib_socket_send(transport->descriptor, parts)
                                       : transport->ops->send(transport->state, parts);
}

ssize_t gib_transport_receive(const gib_transport *transport, void *room, size_t size, int flags)
{
    return GIB_LIKELY(!transport->ops)
               ? recv(transport->descriptor, room, size, flags)
               : transport->ops->receive(transport->state, room, size, flags);
}

size_t gib_transport_segment_size(const gib_transport *transport)
{
    return GIB_LIKELY(!transport->ops) ? gib_socket_segment_size(transport->descriptor)
                                       : transport->ops->segment_size(transport->state);
}

void gib_transport_close(gib_transport *transport)
{
    if (!gib_transport_is_open(transport)) {
        return;
    }
    if (transport->ops) {
        transport->ops->close(transport->state);
    } else {
        close(transport->descriptor);
    }
    *transport = gib_transport_plain(-1);
}
