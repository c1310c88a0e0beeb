/* What threads share: the list of servers, and who has failed. */
#include "cluster/cluster.h"

#include <sched.h>
#include <string.h>

#include "base/error.h"
#include "net/fork.h"

/* ---- The lock ----

   It is held for a few instructions, and by a thread of this process, or else of one that this is a
   child of: then nobody is there who could release it, and it is taken over. What it protects can
   be in no state that would harm. */

static void unlock(gibson_cluster *cluster)
{
    atomic_store_explicit(&cluster->holder, 0, memory_order_release);
}

/* A parent's probes are not this process's, and children are not to probe at the same time. A
   thread of the parent may have been about to say that there is another list. */
static void become_childs(gibson_cluster *cluster, unsigned int generation)
{
    const uint64_t seed = (uint64_t)gib_now_ns();
    cluster->fork_generation = generation;
    atomic_fetch_add_explicit(&cluster->generation, 1, memory_order_release);
    for (size_t i = 0; i < cluster->membership->count; i++) {
        gib_health *health = &cluster->membership->nodes[i]->health;
        gib_health_withdrawn(health);
        health->backoff.random += seed | 1;
    }
}

static void lock(gibson_cluster *cluster)
{
    const unsigned int generation = gib_fork_generation();
    const unsigned int own = generation + 1;
    unsigned int found = 0;
    while (!atomic_compare_exchange_weak_explicit(&cluster->holder, &found, own,
                                                  memory_order_acquire, memory_order_relaxed)) {
        if (found == own) {
            sched_yield();
            found = 0;
        }
    }
    if (GIB_UNLIKELY(cluster->fork_generation != generation)) {
        become_childs(cluster, generation);
    }
}

/* ---- Making ---- */

/* The copy that is kept, in memory of its own. */
static gibson_cluster *keep(const gibson_cluster *taken)
{
    const gibson_bytes prefix = taken->flush.key;
    gibson_cluster *made =
        gib_allocate(&taken->settings.client.allocator, sizeof *made + prefix.size);
    if (!made) {
        return NULL;
    }
    memset(made, 0, sizeof *made);
    atomic_init(&made->references, 1);
    atomic_init(&made->holder, 0);
    atomic_init(&made->generation, 1);
    made->settings = taken->settings;
    made->affinity = taken->affinity;
    made->policy = taken->policy;
    made->flush = taken->flush;
    if (prefix.size) {
        memcpy(made->text, prefix.data, prefix.size);
        made->flush.key.data = made->text;
    }
    gib_fork_watch();
    made->fork_generation = gib_fork_generation();
    return made;
}

void gibson_cluster_free(gibson_cluster *cluster)
{
    if (cluster && atomic_fetch_sub_explicit(&cluster->references, 1, memory_order_acq_rel) == 1) {
        const gibson_allocator allocator = cluster->settings.client.allocator;
        gib_membership_release(cluster->membership);
        gib_release(&allocator, cluster);
    }
}

static gibson_status make_membership(gib_membership **made, gibson_cluster *cluster,
                                     gib_membership *former, const gibson_cluster_server *servers,
                                     size_t count, gibson_error *error)
{
    const gib_membership_list list = {servers, count, former, &cluster->settings};
    return gib_membership_make(made, &list, error);
}

gibson_status gibson_cluster_new(gibson_cluster **cluster, const gibson_cluster_server *servers,
                                 size_t count, const gibson_cluster_options *options,
                                 gibson_error *error)
{
    if (error) {
        memset(error, 0, sizeof *error);
    }
    if (!cluster) {
        return gib_error_set(error, GIBSON_USAGE, "cluster is NULL");
    }
    *cluster = NULL;
    gibson_cluster taken;
    gibson_status status = gib_cluster_take_options(&taken, options, error);
    if (status != GIBSON_OK) {
        return status;
    }
    gibson_cluster *made = keep(&taken);
    if (!made) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the cluster");
    }
    status = make_membership(&made->membership, made, NULL, servers, count, error);
    if (status != GIBSON_OK) {
        gibson_cluster_free(made);
        return status;
    }
    *cluster = made;
    return GIBSON_OK;
}

/* ---- The list ---- */

gib_membership *gib_cluster_membership(gibson_cluster *cluster, unsigned int *generation)
{
    lock(cluster);
    gib_membership *membership = cluster->membership;
    gib_membership_keep(membership);
    *generation = atomic_load_explicit(&cluster->generation, memory_order_relaxed);
    unlock(cluster);
    return membership;
}

/* Puts one in place of another, unless somebody else has. */
static bool replace(gibson_cluster *cluster, const gib_membership *former, gib_membership *next)
{
    lock(cluster);
    const bool is_same = cluster->membership == former;
    if (is_same) {
        cluster->membership = next;
        atomic_fetch_add_explicit(&cluster->generation, 1, memory_order_release);
    }
    unlock(cluster);
    return is_same;
}

gibson_status gibson_cluster_set_servers(gibson_cluster *cluster,
                                         const gibson_cluster_server *servers, size_t count,
                                         gibson_error *error)
{
    if (error) {
        memset(error, 0, sizeof *error);
    }
    if (!cluster) {
        return gib_error_set(error, GIBSON_USAGE, "cluster is NULL");
    }
    for (;;) {
        unsigned int generation;
        gib_membership *former = gib_cluster_membership(cluster, &generation);
        gib_membership *next;
        const gibson_status status = make_membership(&next, cluster, former, servers, count, error);
        const bool is_set = status == GIBSON_OK && replace(cluster, former, next);
        if (status == GIBSON_OK) {
            gib_membership_release(is_set ? former : next); /* the cluster's reference, or ours */
        }
        gib_membership_release(former);
        if (is_set || status != GIBSON_OK) {
            return status;
        }
    }
}

/* ---- Who has failed ---- */

gib_health_use gib_cluster_ask(gibson_cluster *cluster, gib_node *node, int64_t now_ns)
{
    lock(cluster);
    const gib_health_use use = gib_health_ask(&node->health, now_ns);
    unlock(cluster);
    return use;
}

bool gib_cluster_is_ejected(gibson_cluster *cluster, const gib_node *node, uint64_t *ejections)
{
    lock(cluster);
    const bool is_ejected = node->health.is_ejected;
    *ejections = node->health.ejections;
    unlock(cluster);
    return is_ejected;
}

/* What a status says of the server. */
typedef enum verdict {
    VERDICT_ANSWERED,
    VERDICT_FAILED,
    VERDICT_NONE, /* nothing was sent, or it is this side that failed */
} verdict;

static verdict judge(gibson_status status)
{
    switch (status) {
    case GIBSON_TIMEOUT:
    case GIBSON_CLOSED:
    case GIBSON_UNREACHABLE:
    case GIBSON_PROTOCOL:
        return VERDICT_FAILED;
    default:
        return gib_cluster_has_answered(status) ? VERDICT_ANSWERED : VERDICT_NONE;
    }
}

bool gib_cluster_is_failure(gibson_status status)
{
    return judge(status) == VERDICT_FAILED;
}

void gib_cluster_note(gibson_cluster *cluster, gib_node *node, gib_health_use use,
                      gibson_status status)
{
    const verdict told = judge(status);
    const bool probe = use == GIB_HEALTH_PROBE;
    const int64_t now_ns = gib_now_ns();
    gib_health *health = &node->health;
    lock(cluster);
    if (told == VERDICT_FAILED) {
        gib_health_failed(health, probe, now_ns);
    } else if (told == VERDICT_ANSWERED) {
        gib_health_answered(health, probe);
    } else if (probe) {
        gib_health_withdrawn(health);
    }
    atomic_store_explicit(&node->is_troubled, health->failures || health->is_ejected,
                          memory_order_relaxed);
    unlock(cluster);
}
