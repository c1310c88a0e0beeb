/* A connection that goes through the proxy: two sockets and the two flows between them. */
#ifndef GIB_PROXY_LINK_H
#define GIB_PROXY_LINK_H

#include <poll.h>

#include "flow.h"

typedef struct gib_link_end {
    int descriptor;    /* where the bytes of the direction come from, or -1 */
    bool source_ended; /* no more of them come */
    bool ended;        /* no more of them are passed on; what comes is thrown away */
    bool blocked;      /* the other socket takes no more at the moment */
    gib_flow flow;
} gib_link_end;

typedef struct gib_link {
    uint64_t number;      /* in the order of accepting, from 1 */
    gib_link_end ends[2]; /* by gib_direction: [GIB_REQUESTS] has the socket to the client */
} gib_link;

/* Makes a link of two sockets, which it then owns. NULL if memory runs out: then it does not. */
gib_link *gib_link_new(uint64_t number, int client, int server);
void gib_link_free(gib_link *link);

/* What to wait for: two entries. One that waits for nothing has the descriptor -1, since poll would
   report a lost peer again and again. */
void gib_link_poll(gib_link *link, struct pollfd wanted[2]);

/* Reads, lets faults strike, passes on. Returns when to call again if nothing else happens, or
   GIB_FLOW_NEVER. */
int64_t gib_link_run(gib_link *link, const struct pollfd seen[2], int64_t now_ns);

/* Ends both directions: what was not passed on is lost, and both sides see the end. */
void gib_link_cut(gib_link *link);

/* Tells whether both sides have ended, so that it can be freed. */
bool gib_link_finished(const gib_link *link);

#endif
