/* One thread of the model test: some clients that share a space of keys, behind a proxy of their
   own, and the worlds that their answers leave possible. */
#ifndef MODEL_WORKER_H
#define MODEL_WORKER_H

#include <gibson/client.h>

#include "proxy/proxy.h"
#include "worlds.h"

enum {
    WORKER_CLIENTS = 3,
    WORKER_STATUSES = GIBSON_SYSTEM + 1,
    WORKER_HISTORY = 40, /* events that a violation is reported with */
    WORKER_EVENT_SIZE = 200,
};

typedef struct worker_counts {
    uint64_t requests;
    uint64_t by_status[WORKER_STATUSES];
    uint64_t connections;
    uint64_t faults;
    uint64_t settled;        /* times that the worlds were made one again */
    uint64_t given_up;       /* of these, how many as there were too many worlds */
    uint64_t judged_in_many; /* answers that were judged in more than one world */
    uint64_t most_worlds;
    uint64_t evicted;        /* items of all clients */
    int64_t longest_over_ms; /* that a call took more than its deadline */
} worker_counts;

typedef struct worker {
    /* What came of it. */
    worker_counts counts;
    char violation[WORKER_EVENT_SIZE * 4]; /* if it has violated */

    /* Set by the caller. */
    uint64_t seed;
    const char *server; /* its address, for the proxy */
    unsigned index;
    unsigned steps;
    bool faulty; /* else nothing goes wrong, and an error is a violation */
    bool evicts; /* the server may delete what is not locked */

    /* Its own. */
    bool violated;
    bool interrupted; /* the callback has ended the call */
    bool may_close; /* the connection may be lost in the present step, though nothing goes wrong */
    bool ended[WORKER_CLIENTS]; /* the proxy has ended the connection since it was last used */
    unsigned client_count;
    unsigned interrupt_percent;
    gibson_client *clients[WORKER_CLIENTS];
    gibson_options options[WORKER_CLIENTS];
    gibson_client *direct; /* to the server, without the proxy */
    gibp_proxy *proxy;
    uint64_t random;
    uint64_t fault_random;     /* used by the thread of the proxy */
    uint64_t interrupt_random; /* used by the callback */
    int64_t writes;
    uint64_t event_count;
    worlds worlds;
    char space[SPACE_NAME_SIZE];
    char history[WORKER_HISTORY][WORKER_EVENT_SIZE];
} worker;

/* Runs all steps, or until a violation. For pthread_create. */
void *worker_run(void *context);

/* Writes the last events to the standard error. */
void worker_tell(const worker *self);

#endif
