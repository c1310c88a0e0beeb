/* A cluster, as its own files see it.

   cluster.c is what threads share: the list, and who has failed. client.c is what a thread has:
   connections, and where a request goes. fanout.c asks many at once, gather.c makes one reply of
   theirs. */
#ifndef GIB_CLUSTER_CLUSTER_H
#define GIB_CLUSTER_CLUSTER_H

#include <pthread.h>

#include "base/buffer.h"
#include "cluster/affinity.h"
#include "cluster/fanout.h"
#include "cluster/membership.h"

struct gibson_cluster {
    atomic_uint references; /* its owner's, and one of each client */
    gib_node_settings settings;
    gib_affinity affinity;
    gibson_cluster_policy policy;
    gibson_bytes flush_prefix;

    pthread_mutex_t lock;   /* of the membership, and of what is in `health` of all nodes */
    atomic_uint generation; /* of the membership */
    gib_membership *membership;
    char text[]; /* flush_prefix */
};

/* A client's connection to a server. */
typedef struct gib_link {
    gib_node *node;        /* the membership's */
    gibson_client *client; /* NULL as long as it is not needed */
    gib_health_use use;    /* for the request that goes to all */
} gib_link;

struct gibson_cluster_client {
    gibson_cluster *cluster;
    unsigned int generation; /* of the membership */
    gib_membership *membership;
    gib_link *links;        /* by the index of the server */
    gib_fanout_part *parts; /* as many */
    gibson_cluster_answer *answers;
    size_t answer_count;
    gibson_client *last; /* whose reply is lent, or whose error it is; or NULL */
    gib_buffer gathered; /* what a reply of many is made of */
    gib_fanout_waits waits;
    gibson_error error; /* where `last` is NULL */
};

/* What to do with a server for a request, at the time: GIB_HEALTH_PROBE has to be followed by
   gib_cluster_note. */
gib_health_use gib_cluster_ask(gibson_cluster *cluster, gib_node *node, int64_t now_ns);

/* Tells whether a status is what a server has answered. */
static inline bool gib_cluster_has_answered(gibson_status status)
{
    return status <= GIBSON_TRUNCATED;
}

/* Takes note of how a request has ended, unless that tells nothing of the server. */
void gib_cluster_note(gibson_cluster *cluster, gib_node *node, gib_health_use use,
                      gibson_status status);

/* The membership as it is, with a reference that is the caller's, and its generation. */
gib_membership *gib_cluster_membership(gibson_cluster *cluster, unsigned int *generation);

#endif
