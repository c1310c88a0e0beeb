/* The server as a whole, for gibson-server and for tests. The public half is in gibson/server.h. */
#ifndef GIB_SERVER_SERVER_H
#define GIB_SERVER_SERVER_H

#include <gibson/server.h>

#include "log.h"

/* The log of a server. */
gib_log *gib_server_log(gibson_server *server);

/* Sets the clock of a server forward, for tests of what takes time. What is sent after it returned
   is answered with the new time. */
void gib_server_advance_clock(gibson_server *server, int64_t ms);

#endif
