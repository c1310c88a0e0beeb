/* Making the connection, in steps. */
#ifndef GIB_CONNECTION_CONNECTING_H
#define GIB_CONNECTION_CONNECTING_H

#include "connection/connection.h"

/* Starts to connect, before the deadline of options.connect_timeout_ms and that of an operation. It
   must not be open. Returns GIBSON_OK, or what gib_connector_start does. */
gibson_status gib_connection_start(gib_connection *connection, gib_deadline operation,
                                   int64_t now_ns);

/* The same after a connection was lost: with options.reconnect alone, and not before the backoff is
   over. Returns the above; GIBSON_CLOSED or GIBSON_UNREACHABLE. */
gibson_status gib_connection_start_again(gib_connection *connection, gib_deadline operation,
                                         int64_t now_ns);

/* Goes on. GIBSON_OK: it is open. GIBSON_WOULD_BLOCK: connection->connector says what to wait for,
   and connection->connect_until for how long. Any other status: connecting has failed. */
gibson_status gib_connection_step(gib_connection *connection, int64_t now_ns);

/* Connecting has failed for a reason of the driver's: connection->error has it. */
void gib_connection_not_made(gib_connection *connection, int64_t now_ns);

#endif
