/* Making the socket that clients connect to. */
#ifndef GIBS_LISTENER_H
#define GIBS_LISTENER_H

#include <sys/types.h>

#include "config/config.h"

typedef struct gibs_listener {
    int fd;
    bool tcp;
    bool reachable;    /* from other machines */
    uint16_t port;     /* of TCP */
    char *path;        /* of a unix socket in the file system, else NULL */
    dev_t path_device; /* which file that was, so that no other is removed */
    ino_t path_inode;
} gibs_listener;

/* Listens where the configuration says. A unix socket that nobody listens on any more gives way to
   the new one. Returns GIBSON_OK, GIBSON_INVALID, GIBSON_SYSTEM or GIBSON_NOMEM. */
gibson_status gibs_listener_open(gibs_listener *listener, const gibson_server_config *config,
                                 gibson_error *error);

/* Accepts a connection, which does not block and is closed on exec. -1 with errno if there is none.
   keepalive_s is the interval of TCP keepalive probes. */
int gibs_listener_accept(gibs_listener *listener, int keepalive_s);

/* Closes the socket, and removes its file. */
void gibs_listener_close(gibs_listener *listener);

#endif
