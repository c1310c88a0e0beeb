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

/* Makes commands that take more than one slice do so much in each, in items or KB, and stop behind
   the first; then as many more slices are done as a test gives out. Negative: all. */
void gibs_server_limit_slices(gibson_server *server, size_t work);
void gibs_server_give_slices(gibson_server *server, int64_t slices);

/* How many of those that were given out have not been done yet. */
int64_t gibs_server_slices_left(gibson_server *server);

#endif
