/* The list of servers that a cluster has at a time, with the ring made of it. It does not change:
   another list is another membership. A server that is in both is one node, by its address. */
#ifndef GIB_CLUSTER_MEMBERSHIP_H
#define GIB_CLUSTER_MEMBERSHIP_H

#include <stdatomic.h>

#include <gibson/cluster.h>

#include "cluster/health.h"
#include "cluster/ring.h"

/* A server. */
typedef struct gib_node {
    atomic_uint references;
    gibson_options options;  /* to connect with */
    const char *peer;        /* its address, for messages, by which it is told from others */
    atomic_bool is_troubled; /* `health` says something else than that all is well */
    gib_health health;       /* with the lock of the cluster */
    char text[];
} gib_node;

typedef struct gib_membership {
    atomic_uint references;
    const gibson_allocator *allocator;
    gib_ring ring;
    size_t count;
    uint32_t *by_peer; /* the indexes of the nodes, sorted by their addresses */
    gib_node *nodes[]; /* in the order of the list */
} gib_membership;

/* What nodes are made with. */
typedef struct gib_node_settings {
    gibson_options client; /* checked, but for the address */
    uint32_t failure_limit;
    int64_t retry_delay_ms;
    int64_t retry_max_delay_ms;
} gib_node_settings;

/* What a membership is made of. `former`, which may be NULL, is the one that it takes the place of.
 */
typedef struct gib_membership_list {
    const gibson_cluster_server *servers;
    size_t count;
    gib_membership *former;
    const gib_node_settings *settings;
} gib_membership_list;

/* Makes one. Returns GIBSON_OK; GIBSON_INVALID with an error that tells which server; GIBSON_NOMEM.
   The settings have to stay. */
gibson_status gib_membership_make(gib_membership **membership, const gib_membership_list *list,
                                  gibson_error *error);

static inline void gib_membership_keep(gib_membership *membership)
{
    atomic_fetch_add_explicit(&membership->references, 1, memory_order_relaxed);
}

/* The index of the node that has an address, or the number of nodes if none has. */
size_t gib_membership_find(const gib_membership *membership, const char *peer);

/* Takes a reference back. NULL is allowed. */
void gib_membership_release(gib_membership *membership);

#endif
