/* Making a connection, and waiting for it. */
#ifndef GIB_NET_CONNECT_H
#define GIB_NET_CONNECT_H

#include "net/connector.h"
#include "net/wait.h"

/* Connects to a server: *fd is a blocking, close-on-exec stream socket, or -1. Returns GIBSON_OK;
   GIBSON_TIMEOUT with what was waited for as message; GIBSON_INTERRUPTED; or what
   gib_connector_start and gib_connector_step return. */
gibson_status gib_connect(const gib_target *target, gib_deadline deadline,
                          const gib_interrupt *interrupt, int *fd, gibson_error *error);

#endif
