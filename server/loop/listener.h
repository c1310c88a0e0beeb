/* Making the sockets that clients connect to. */
#ifndef GIBS_LISTENER_H
#define GIBS_LISTENER_H

#include <sys/types.h>

#include "config/config.h"
#include "loop/poller.h"

typedef struct gibs_listener {
    gibs_source source;
    int descriptor;
    bool tcp;
    bool reachable;    /* from other machines */
    bool given;        /* by whoever started the server, and still theirs in the end */
    uint16_t port;     /* of TCP */
    char *path;        /* of a unix socket in the file system that is to be removed, else NULL */
    dev_t path_device; /* which file that was, so that no other is removed */
    ino_t path_inode;
    char name[160]; /* for the log */
} gibs_listener;

typedef struct gibs_listeners {
    gibs_listener all[GIBS_MOST_LISTENERS];
    size_t count;
} gibs_listeners;

/* Listens where the configuration says: on the sockets that it was given, else on its unix socket
   and its addresses. With port 0, all addresses get the port that was free for the first. Returns
   GIBSON_OK, GIBSON_INVALID, GIBSON_SYSTEM or GIBSON_NOMEM; then nothing is left. */
gibson_status gibs_listeners_open(gibs_listeners *listeners, const gibson_server_config *config,
                                  gibson_error *error);

/* Closes the sockets, and removes the files of those that were not given. */
void gibs_listeners_close(gibs_listeners *listeners);

/* The port of the first on TCP, or 0. */
uint16_t gibs_listeners_port(const gibs_listeners *listeners);

/* Accepts a connection, which does not block and is closed on exec. -1 with errno if there is none.
   keepalive_s is the interval of TCP keepalive probes. */
int gibs_listener_accept(gibs_listener *listener, int keepalive_s);

#endif
