/* The connection inside a client, for tests that look at it or arrange its state. */
#ifndef SUPPORT_INSIDE_H
#define SUPPORT_INSIDE_H

#include <gibson/client.h>

#include "connection/connection.h"

/* Of whichever client the program is linked with: the blocking one, or support/async_client.c. */
gib_connection *inside(gibson_client *client);

#endif
