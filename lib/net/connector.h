/* Making a connection in steps that do not wait: whoever drives them waits, in whichever way. */
#ifndef GIB_NET_CONNECTOR_H
#define GIB_NET_CONNECTOR_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include <gibson/status.h>

#include "base/clock.h"
#include "net/resolve.h"

typedef struct gib_target {
    const char *host;
    uint16_t port;
    const char *unix_socket;      /* wins if it is set */
    int keepalive_s;              /* TCP: silence before the kernel probes; 0 or less: off */
    unsigned int user_timeout_ms; /* TCP: 0 for the system's default */
} gib_target;

enum { GIB_MOST_ATTEMPTS = 8 }; /* to connect, under way at once */

/* Attempts to connect to the addresses of a target: each 250 ms after the one before or as soon as
   that has failed (RFC 8305, section 5, without the sorting of section 4, which getaddrinfo has
   done). After a step that returns GIBSON_WOULD_BLOCK, `waits` and `wake_ns` say what to wait for.
 */
typedef struct gib_connector {
    const gib_target *target; /* borrowed */
    gib_lookup *lookup;       /* under way, or NULL */
    struct addrinfo *addresses;
    const struct addrinfo *next;            /* not tried yet */
    int64_t next_ns;                        /* when to try it, unless all others have failed */
    struct pollfd waits[GIB_MOST_ATTEMPTS]; /* with their events; revents are for the next step */
    nfds_t count;                           /* of waits */
    gib_deadline wake_ns;                   /* when to take the next step whatever happens */
    int last_errno;                         /* of the last attempt that failed */
    int descriptor;                         /* the connection, non-blocking, or -1 */
} gib_connector;

/* Starts to connect. The connector needs gib_connector_end whatever is returned. Returns GIBSON_OK;
   GIBSON_INVALID, GIBSON_NOMEM or GIBSON_SYSTEM. */
gibson_status gib_connector_start(gib_connector *connector, const gib_target *target,
                                  gibson_error *error);

/* Goes on as far as it can at that time. Returns GIBSON_OK with connector->descriptor connected,
   which is the caller's; GIBSON_WOULD_BLOCK; GIBSON_UNREACHABLE with the errno of the last address
   that failed; GIBSON_NOMEM or GIBSON_SYSTEM. */
gibson_status gib_connector_step(gib_connector *connector, int64_t now_ns, gibson_error *error);

/* Sets the error to GIBSON_TIMEOUT, with what is being waited for as its message. */
gibson_status gib_connector_timed_out(const gib_connector *connector, gibson_error *error);

/* Gives up what is under way. */
void gib_connector_end(gib_connector *connector);

#endif
