/* Moving the bytes of a session through its connection. */
#ifndef GIB_CONNECTION_EXCHANGE_H
#define GIB_CONNECTION_EXCHANGE_H

#include "connection/connection.h"

/* When an exchange is done. */
typedef enum gib_goal {
    GIB_GOAL_SENT,     /* all is sent */
    GIB_GOAL_REPLY,    /* the next reply is taken */
    GIB_GOAL_ANSWERED, /* a question is answered: see session/question.h */
} gib_goal;

/* What an exchange is for, how far it has come, and what it waits for. */
typedef struct gib_exchange {
    gib_goal goal;
    gibson_reply *reply; /* of GIB_GOAL_REPLY: to be filled in */
    gib_deadline deadline;
    gib_session_scan scan;
    struct pollfd wait; /* with what its descriptor is ready for, when a step is taken */
} gib_exchange;

/* Sends what there is to send, reads once if wait.revents has more than POLLOUT, and takes
   what it is for, if that is there. Returns GIBSON_OK when that is done; GIBSON_WOULD_BLOCK when
   wait.events and the deadline say what to wait for, or when wait.revents was left set because
   there may be more to read at once; or the reason in connection->error, after which the connection
   must be broken. */
gibson_status gib_exchange_step(gib_connection *connection, gib_exchange *exchange, int64_t now_ns);

/* Sends all there is to send. Returns GIBSON_OK; GIBSON_WOULD_BLOCK if the socket takes no more; or
   the reason. */
gibson_status gib_connection_send(gib_connection *connection);

/* Reads once, with the flags of recv. Returns GIBSON_OK; GIBSON_WOULD_BLOCK; or the reason. */
gibson_status gib_connection_receive(gib_connection *connection, int flags);

/* Takes note of what send or recv returned, with errno if that is negative. Returns GIBSON_OK;
   GIBSON_WOULD_BLOCK if the call has to be tried again; or the reason. */
gibson_status gib_connection_sent(gib_connection *connection, ssize_t sent);
gibson_status gib_connection_received(gib_connection *connection, ssize_t received);

#endif
