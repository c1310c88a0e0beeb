/* A connection that goes through the proxy: two sockets and the two flows between them. */
#ifndef GIBP_PROXY_LINK_H
#define GIBP_PROXY_LINK_H

#include <poll.h>

#include "proxy/flow.h"

typedef struct gibp_link_end {
    int descriptor;    /* where the bytes of the direction come from, or -1 */
    bool source_ended; /* no more of them come */
    bool ended;        /* no more of them are passed on; what comes is thrown away */
    bool blocked;      /* the other socket takes no more at the moment */
    gibp_flow flow;
} gibp_link_end;

typedef struct gibp_link {
    uint64_t number;       /* in the order of accepting, from 1 */
    gibp_link_end ends[2]; /* by gibp_direction: [GIBP_REQUESTS] has the socket to the client */
} gibp_link;

/* Makes a link of two sockets, which it then owns. NULL if memory runs out: then it does not. */
gibp_link *gibp_link_new(uint64_t number, int client, int server);
void gibp_link_free(gibp_link *link);

/* What to wait for: two entries. One that waits for nothing has the descriptor -1, since poll would
   report a lost peer again and again. */
void gibp_link_poll(gibp_link *link, struct pollfd wanted[2]);

/* Reads, lets faults strike, passes on. Returns when to call again if nothing else happens, or
   GIBP_FLOW_NEVER. */
int64_t gibp_link_run(gibp_link *link, const struct pollfd seen[2], int64_t now_ns);

/* Ends both directions: what was not passed on is lost, and both sides see the end. */
void gibp_link_cut(gibp_link *link);

/* Tells whether both sides have ended, so that it can be freed. */
bool gibp_link_finished(const gibp_link *link);

#endif
