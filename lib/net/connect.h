/* Making a connection before a deadline. */
#ifndef GIB_NET_CONNECT_H
#define GIB_NET_CONNECT_H

#include <stdint.h>

#include <gibson/status.h>

#include "net/wait.h"

typedef struct gib_target {
    const char *host;
    uint16_t port;
    const char *unix_socket;      /* wins if it is set */
    int keepalive_s;              /* TCP: silence before the kernel probes; 0 or less: off */
    unsigned int user_timeout_ms; /* TCP: 0 for the system's default */
} gib_target;

/* Connects to a server: *descriptor is a blocking, close-on-exec stream socket, or -1. All
   addresses of a name are tried, each 250 ms after the one before or as soon as that has failed
   (RFC 8305, section 5, with no more than 8 under way, and without the sorting of section 4, which
   getaddrinfo has done). Returns GIBSON_OK; GIBSON_UNREACHABLE with the errno of the last address
   that failed; GIBSON_TIMEOUT with what was waited for as message;
   GIBSON_INTERRUPTED, GIBSON_NOMEM, GIBSON_INVALID or GIBSON_SYSTEM.
 */
gibson_status gib_connect(const gib_target *target, gib_deadline deadline,
                          const gib_interrupt *interrupt, int *descriptor, gibson_error *error);

#endif
