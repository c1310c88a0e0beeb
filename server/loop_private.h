/* What the parts of the loop share. */
#ifndef GIB_SERVER_LOOP_PRIVATE_H
#define GIB_SERVER_LOOP_PRIVATE_H

#include "loop.h"

/* Accepts the clients that wait. */
void gib_loop_accept_clients(gib_loop *loop);

/* Serves a client for which the poller has found something ready. */
void gib_loop_serve_event(gib_loop *loop, gib_connection *connection, unsigned ready);

/* Gives each client whose turn was over another one. */
void gib_loop_serve_backlog(gib_loop *loop);

/* Brings what is waited for up to date after a connection was served, or ends it. */
void gib_loop_after_serving(gib_loop *loop, gib_connection *connection, gib_outcome outcome);

/* Ends a connection. */
void gib_loop_drop(gib_loop *loop, gib_connection *connection);

/* Opens the descriptor that is kept to be given up when there are no others. -1 if it cannot. */
int gib_loop_open_spare(void);

#endif
