/* Resolving host names in steps that do not wait. */
#ifndef GIB_NET_RESOLVE_H
#define GIB_NET_RESOLVE_H

#include <netdb.h>
#include <stdbool.h>
#include <stdint.h>

#include <gibson/status.h>

/* A look-up. An address in digits is converted on the spot. A name is looked up by a thread of its
   own, since getaddrinfo cannot be told not to wait; a look-up that is given up ends in the
   background, when the system's resolver does. Its memory comes from malloc. */
typedef struct gib_lookup gib_lookup;

/* Returns GIBSON_OK with a look-up, for gib_lookup_end; GIBSON_NOMEM or GIBSON_SYSTEM with none. */
gibson_status gib_lookup_start(gib_lookup **lookup, const char *host, uint16_t port,
                               gibson_error *error);

/* Whether the result is there. */
bool gib_lookup_is_finished(const gib_lookup *job);

/* A descriptor on which POLLIN or POLLHUP says that it is about to be. */
int gib_lookup_descriptor(const gib_lookup *job);

/* Takes the result of a finished look-up: the addresses, for freeaddrinfo. Returns GIBSON_OK;
   GIBSON_UNREACHABLE if there is no such host; GIBSON_NOMEM. */
gibson_status gib_lookup_take(gib_lookup *job, struct addrinfo **addresses, gibson_error *error);

/* Ends a look-up, finished or not. NULL is allowed. */
void gib_lookup_end(gib_lookup *job);

#endif
