/* Resolving host names before a deadline. */
#ifndef GIB_NET_RESOLVE_H
#define GIB_NET_RESOLVE_H

#include <netdb.h>
#include <stdint.h>

#include <gibson/status.h>

#include "net/wait.h"

/* The addresses of a host, for freeaddrinfo. An address in digits is converted on the spot. A name
   is looked up by a thread of its own, since getaddrinfo cannot be given a deadline; a look-up that
   is given up ends in the background, when the system's resolver does. Its memory comes from
   malloc. Returns GIBSON_OK; GIBSON_UNREACHABLE if there is no such host; GIBSON_TIMEOUT,
   GIBSON_INTERRUPTED, GIBSON_NOMEM or GIBSON_SYSTEM. */
gibson_status gib_resolve(const char *host, uint16_t port, gib_deadline deadline,
                          const gib_interrupt *interrupt, struct addrinfo **addresses,
                          gibson_error *error);

#endif
