/* Moving the bytes of a session through its connection. */
#ifndef GIB_CONNECTION_EXCHANGE_H
#define GIB_CONNECTION_EXCHANGE_H

#include "connection/connection.h"

/* What an exchange is for, how far it has come, and what it waits for. */
typedef struct gib_exchange {
    gibson_reply *reply; /* to be filled in with the next reply; NULL: until all is sent */
    gib_deadline deadline;
    gib_session_scan scan;
    struct pollfd wait; /* with what its descriptor is ready for, when a step is taken */
} gib_exchange;

/* Begins one. */
static inline void gib_exchange_begin(gib_exchange *exchange, gibson_reply *reply,
                                      gib_deadline deadline)
{
    *exchange = (gib_exchange){.reply = reply, .deadline = deadline};
}

/* Sends what there is to send, reads once if wait.revents has more than POLLOUT, and takes the
   reply if it is there. Returns GIBSON_OK when that is done; GIBSON_WOULD_BLOCK when wait.events
   and the deadline say what to wait for, or when wait.revents was left set because there may be
   more to read at once; or the reason in connection->error, after which the connection must be
   broken. */
gibson_status gib_exchange_step(gib_connection *connection, gib_exchange *exchange, int64_t now_ns);

/* Reads once, with the flags of recv. Returns GIBSON_OK; GIBSON_WOULD_BLOCK; or the reason. */
gibson_status gib_connection_receive(gib_connection *connection, int flags);

/* Takes note of what send or recv returned, with errno if that is negative. Returns GIBSON_OK;
   GIBSON_WOULD_BLOCK if the call has to be tried again; or the reason. */
gibson_status gib_connection_sent(gib_connection *connection, ssize_t sent);
gibson_status gib_connection_received(gib_connection *connection, ssize_t received);

#endif
