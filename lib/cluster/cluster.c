#include "cluster/cluster.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/likely.h"
#include "connection/settings.h"

void gibson_cluster_options_init_sized(gibson_cluster_options *options, size_t struct_size)
{
    if (options) {
        memset(options, 0, struct_size);
        options->struct_size = struct_size;
    }
}

static gibson_status delay(int64_t given_ms, int64_t fallback_ms, const char *name,
                           int64_t *value_ms, gibson_error *error)
{
    *value_ms = given_ms ? given_ms : fallback_ms;
    return *value_ms > 0
               ? GIBSON_OK
               : gib_error_set(error, GIBSON_INVALID, "%s is negative: %" PRId64, name, given_ms);
}

static gibson_status check_affinity(const gibson_cluster_options *given, gibson_error *error)
{
    if (given->depth && !given->separator) {
        return gib_error_set(error, GIBSON_INVALID, "depth has no separator");
    }
    return given->depth && given->hash_tag
               ? gib_error_set(error, GIBSON_INVALID, "depth and hash_tag exclude each other")
               : GIBSON_OK;
}

/* Checks the options, and fills in the defaults. */
static gibson_status take(gib_node_settings *settings, const gibson_cluster_options *given,
                          gibson_error *error)
{
    settings->failure_limit =
        given->failure_limit ? given->failure_limit : GIBSON_DEFAULT_CLUSTER_FAILURE_LIMIT;
    gibson_status status = gib_settings_make(&settings->client, given->client, error);
    if (status == GIBSON_OK) {
        status = delay(given->retry_delay_ms, GIBSON_DEFAULT_CLUSTER_RETRY_DELAY_MS,
                       "retry_delay_ms", &settings->retry_delay_ms, error);
    }
    if (status == GIBSON_OK) {
        status = delay(given->retry_max_delay_ms, GIBSON_DEFAULT_CLUSTER_RETRY_MAX_DELAY_MS,
                       "retry_max_delay_ms", &settings->retry_max_delay_ms, error);
    }
    if (status == GIBSON_OK && (unsigned)given->policy > GIBSON_CLUSTER_REHASH) {
        status = gib_error_set(error, GIBSON_INVALID, "policy is none: %d", (int)given->policy);
    }
    return status == GIBSON_OK ? check_affinity(given, error) : status;
}

static gibson_cluster *new_cluster(const gibson_cluster_options *given,
                                   const gib_node_settings *settings)
{
    const gibson_bytes prefix = gibson_str(given->flush_prefix);
    gibson_cluster *made = gib_allocate(&settings->client.allocator, sizeof *made + prefix.size);
    if (!made) {
        return NULL;
    }
    memset(made, 0, sizeof *made);
    atomic_init(&made->references, 1);
    atomic_init(&made->generation, 1);
    pthread_mutex_init(&made->lock, NULL);
    made->settings = *settings;
    made->affinity = (gib_affinity){given->separator, given->depth, given->hash_tag};
    made->policy = given->policy;
    if (prefix.size) {
        memcpy(made->text, prefix.data, prefix.size);
        made->flush_prefix = gibson_bytes_of(made->text, prefix.size);
    }
    return made;
}

void gibson_cluster_free(gibson_cluster *cluster)
{
    if (cluster && atomic_fetch_sub_explicit(&cluster->references, 1, memory_order_acq_rel) == 1) {
        const gibson_allocator allocator = cluster->settings.client.allocator;
        gib_membership_release(cluster->membership);
        pthread_mutex_destroy(&cluster->lock);
        gib_release(&allocator, cluster);
    }
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
    gibson_cluster_options given = {0};
    if (options && options->struct_size != sizeof given) {
        return gib_error_set(error, GIBSON_INVALID,
                             "the options were not made by gibson_cluster_options_init");
    }
    given = options ? *options : given;
    gib_node_settings settings;
    const gibson_status status = take(&settings, &given, error);
    if (status != GIBSON_OK) {
        return status;
    }
    gibson_cluster *made = new_cluster(&given, &settings);
    if (!made) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the cluster");
    }
    const gibson_status listed = gibson_cluster_set_servers(made, servers, count, error);
    if (listed != GIBSON_OK) {
        gibson_cluster_free(made);
        return listed;
    }
    *cluster = made;
    return GIBSON_OK;
}

gibson_status gibson_cluster_set_servers(gibson_cluster *cluster,
                                         const gibson_cluster_server *servers, size_t count,
                                         gibson_error *error)
{
    if (!cluster) {
        return gib_error_set(error, GIBSON_USAGE, "cluster is NULL");
    }
    pthread_mutex_lock(&cluster->lock);
    gib_membership *former = cluster->membership;
    gib_membership *next;
    const gib_membership_list list = {servers, count, former, &cluster->settings};
    const gibson_status status = gib_membership_make(&next, &list, error);
    if (status == GIBSON_OK) {
        cluster->membership = next;
        atomic_fetch_add_explicit(&cluster->generation, 1, memory_order_release);
    }
    pthread_mutex_unlock(&cluster->lock);
    if (status == GIBSON_OK) {
        gib_membership_release(former);
    }
    return status;
}

gib_membership *gib_cluster_membership(gibson_cluster *cluster, unsigned int *generation)
{
    pthread_mutex_lock(&cluster->lock);
    gib_membership *membership = cluster->membership;
    gib_membership_keep(membership);
    *generation = atomic_load_explicit(&cluster->generation, memory_order_relaxed);
    pthread_mutex_unlock(&cluster->lock);
    return membership;
}

gib_health_use gib_cluster_ask(gibson_cluster *cluster, gib_node *node, int64_t now_ns)
{
    pthread_mutex_lock(&cluster->lock);
    const gib_health_use use = gib_health_ask(&node->health, now_ns);
    pthread_mutex_unlock(&cluster->lock);
    return use;
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

void gib_cluster_note(gibson_cluster *cluster, gib_node *node, gib_health_use use,
                      gibson_status status)
{
    const verdict told = judge(status);
    const bool probe = use == GIB_HEALTH_PROBE;
    gib_health *health = &node->health;
    pthread_mutex_lock(&cluster->lock);
    if (told == VERDICT_FAILED) {
        gib_health_failed(health, probe, gib_now_ns());
    } else if (told == VERDICT_ANSWERED) {
        gib_health_answered(health, probe);
    } else if (probe) {
        gib_health_withdrawn(health);
    }
    atomic_store_explicit(&node->is_troubled, health->failures || health->is_ejected,
                          memory_order_relaxed);
    pthread_mutex_unlock(&cluster->lock);
}
