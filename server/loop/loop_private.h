/* What the parts of the loop share. */
#ifndef GIBS_LOOP_PRIVATE_H
#define GIBS_LOOP_PRIVATE_H

#include "loop/loop.h"

/* Takes over the directives that can change live. */
void gibs_loop_configure(gibs_loop *loop, const gibson_server_config *config);

void gibs_loop_orders_open(gibs_loop *loop);
void gibs_loop_orders_close(gibs_loop *loop);

/* Ends the wait of the loop. Any thread. */
void gibs_loop_wake(gibs_loop *loop);

/* Does what other threads have asked for. */
void gibs_loop_take_orders(gibs_loop *loop);

/* Does a part of the housekeeping, after a turn that took so long. */
void gibs_loop_keep_house(gibs_loop *loop, int64_t turn_ns);

/* How long there is nothing to do without clients, in ms. */
int gibs_loop_wait_time(const gibs_loop *loop);

/* Writes some lines of the list of clients, if somebody has asked for one and it is time. */
void gibs_loop_list_some_clients(gibs_loop *loop);

/* When that is. */
int64_t gibs_loop_listing_due(const gibs_loop *loop);

/* Accepts the clients that wait. */
void gibs_loop_accept_clients(gibs_loop *loop, gibs_listener *listener);

/* Serves a client for which the poller has found something ready, or has it wait for its turn. */
void gibs_loop_serve_event(gibs_loop *loop, gibs_connection *connection, unsigned ready);

/* Gives each client that waits for its turn one, as long as that takes no longer than so; the
   others are the first ones next time. */
void gibs_loop_serve_backlog(gibs_loop *loop, int64_t longest_ns);

/* Brings what is waited for up to date after a connection was served, or ends it. */
void gibs_loop_after_serving(gibs_loop *loop, gibs_connection *connection, gibs_outcome outcome);

/* Ends the connections that were cut. */
void gibs_loop_drop_cut_clients(gibs_loop *loop);

/* Ends a connection. */
void gibs_loop_drop(gibs_loop *loop, gibs_connection *connection);

/* Opens the descriptor that is kept to be given up when there are no others. -1 if it cannot. */
int gibs_loop_open_spare(void);

#endif
