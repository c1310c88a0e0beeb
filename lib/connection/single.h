/* The short way of a single request: in two system calls and few instructions where nothing is
   uncommon. Whatever is, goes on by operation.h in the state it has reached. */
#ifndef GIB_CONNECTION_SINGLE_H
#define GIB_CONNECTION_SINGLE_H

#include "base/likely.h"
#include "connection/exchange.h"
#include "net/fork.h"
#include "session/single.h"

/* What the kernel said to a request: what send returned, and recv, if all was sent. errno tells of
   the last of the two. */
typedef struct gib_exchanged {
    size_t size; /* bytes of the frame */
    ssize_t sent;
    ssize_t received;
} gib_exchanged;

/* Tells whether the short way is open. It is only on a plain socket. */
static inline bool gib_connection_is_settled(const gib_connection *connection)
{
    return GIB_LIKELY(gib_session_is_settled(&connection->session)) &&
           GIB_LIKELY(connection->fork_generation == gib_fork_generation());
}

/* Opens the short way, if it can be. */
static inline void gib_connection_settle(gib_connection *connection)
{
    if (gib_connection_is_open(connection) && !connection->transport.ops) {
        gib_session_settle(&connection->session);
    }
}

/* Sends the frame of `size` bytes that was written. */
static inline gib_exchanged gib_connection_send_single(gib_connection *connection, size_t size)
{
    const uint8_t *frame = gib_single_frame(&connection->session);
    return (gib_exchanged){size,
                           send(connection->transport.descriptor, frame, size, GIB_SEND_FLAGS), 0};
}

static inline bool gib_exchanged_is_sent(gib_exchanged done)
{
    return done.sent == (ssize_t)done.size;
}

/* Sends it, and reads a reply, or what there is of it, with the flags of recv: those of a driver
   that waits there are 0. */
static inline gib_exchanged gib_connection_exchange_single(gib_connection *connection, size_t size,
                                                           int flags)
{
    gib_exchanged done = gib_connection_send_single(connection, size);
    if (GIB_LIKELY(gib_exchanged_is_sent(done))) {
        uint8_t *room = gib_single_input(&connection->session, &size);
        done.received = recv(connection->transport.descriptor, room, size, flags);
    }
    return done;
}

/* Tells the session what the kernel said to a request that was handed over to it. Returns GIBSON_OK
   or GIBSON_WOULD_BLOCK to go on, or what is wrong. */
gibson_status gib_connection_note(gib_connection *connection, gib_exchanged done);

#endif
