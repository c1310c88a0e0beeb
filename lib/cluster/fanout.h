/* One request on many clients at once: as slow as the slowest, with one poll at a time and no
   threads. */
#ifndef GIB_CLUSTER_FANOUT_H
#define GIB_CLUSTER_FANOUT_H

#include "client/client.h"

/* The request on one of them. */
typedef struct gib_fanout_part {
    gibson_client *client; /* or NULL: it is not asked */
    gibson_reply reply;
    gibson_status status; /* GIBSON_WOULD_BLOCK until it is over */
} gib_fanout_part;

/* Room for what all of them wait for. */
typedef struct gib_fanout_waits {
    struct pollfd *fds;
    nfds_t room; /* GIB_FANOUT_WAITS for each */
} gib_fanout_waits;

enum { GIB_FANOUT_WAITS = GIB_MOST_ATTEMPTS };

/* Runs the request on all parts that have a client, to the end. */
void gib_fanout_run(gib_fanout_part *parts, size_t count, const gibson_request *request,
                    const gib_fanout_waits *waits);

#endif
