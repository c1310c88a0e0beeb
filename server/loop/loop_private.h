/* What the parts of the loop share. */
#ifndef GIBS_LOOP_PRIVATE_H
#define GIBS_LOOP_PRIVATE_H

#include "loop/loop.h"

/* Accepts the clients that wait. */
void gibs_loop_accept_clients(gibs_loop *loop);

/* Serves a client for which the poller has found something ready. */
void gibs_loop_serve_event(gibs_loop *loop, gibs_connection *connection, unsigned ready);

/* Gives each client whose turn was over another one. */
void gibs_loop_serve_backlog(gibs_loop *loop);

/* Brings what is waited for up to date after a connection was served, or ends it. */
void gibs_loop_after_serving(gibs_loop *loop, gibs_connection *connection, gibs_outcome outcome);

/* Ends the connections that were cut. */
void gibs_loop_drop_cut_clients(gibs_loop *loop);

/* Ends a connection. */
void gibs_loop_drop(gibs_loop *loop, gibs_connection *connection);

/* Opens the descriptor that is kept to be given up when there are no others. -1 if it cannot. */
int gibs_loop_open_spare(void);

#endif
