/* Finding out, without waiting, whether a connection is to be trusted. */
#ifndef GIB_CONNECTION_LOOK_H
#define GIB_CONNECTION_LOOK_H

#include "connection/connection.h"

/* Looks at what has arrived on a connection on which nothing is to come. Returns GIBSON_OK if that
   is nothing; GIBSON_CLOSED or GIBSON_PROTOCOL. */
gibson_status gib_connection_look(gib_connection *connection);

/* Reads what has arrived while requests are in flight. Returns GIBSON_OK; GIBSON_PROTOCOL if that
   is more than was asked for; GIBSON_NOMEM. A connection that has ended is left for those who need
   more of it. */
gibson_status gib_connection_take_in(gib_connection *connection);

#endif
