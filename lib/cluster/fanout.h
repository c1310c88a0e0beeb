/* Operations of many clients at once: as slow as the slowest, with one poll at a time and no
   threads. */
#ifndef GIB_CLUSTER_FANOUT_H
#define GIB_CLUSTER_FANOUT_H

#include "client/client.h"

/* What is asked of one of them. */
typedef struct gib_fanout_part {
    gibson_client *client;         /* NULL: nothing is */
    gib_operation_kind kind;       /* what follows if `before` has ended well */
    bool is_aside;                 /* nobody waits for the end of it, a FLUSH */
    const gibson_request *before;  /* has to end well first, or to find nothing; NULL once it has */
    const gibson_request *request; /* of CALL and QUEUE; of CALL it may be NULL: nothing follows */
    gibson_reply reply;            /* to what was asked last, of CALL and NEXT */
    gibson_status status;          /* the same; GIBSON_WOULD_BLOCK until it is over */
} gib_fanout_part;

enum { GIB_FANOUT_WAITS = GIB_MOST_ATTEMPTS };

/* Runs all parts whose status is GIBSON_OK to the end, which is at the deadline at the latest.
   `waits` has room for GIB_FANOUT_WAITS for each. A part whose `before` fails keeps it, and has the
   status of that. One that is aside is left where it is once the others have ended, unless it
   connects: it has GIBSON_WOULD_BLOCK then, and what it has not sent is still pending. */
void gib_fanout_run(gib_fanout_part *parts, size_t count, struct pollfd *waits, gib_deadline until);

#endif
