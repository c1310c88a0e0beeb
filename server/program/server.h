/* The server as a whole, for gibson-server and for tests. The public half is in
 * gibson-server/server.h. */
#ifndef GIBS_SERVER_H
#define GIBS_SERVER_H

#include <gibson-server/server.h>

#include "log/log.h"

/* The log of a server. */
gibs_log *gibs_server_log(gibson_server *server);

/* Sets the clock of a server forward, for tests of what takes time. What is sent after it returned
   is answered with the new time. */
void gibs_server_advance_clock(gibson_server *server, int64_t ms);

#endif
