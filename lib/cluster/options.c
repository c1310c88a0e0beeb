/* What a cluster is made with: checked, with defaults filled in. */
#include <inttypes.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "cluster/cluster.h"
#include "connection/settings.h"
#include "wire/request_encode.h"

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

static gibson_status take_failures(gibson_cluster *cluster, const gibson_cluster_options *given,
                                   gibson_error *error)
{
    gib_node_settings *settings = &cluster->settings;
    settings->failure_limit =
        given->failure_limit ? given->failure_limit : GIBSON_DEFAULT_CLUSTER_FAILURE_LIMIT;
    cluster->policy = given->policy;
    if ((unsigned)given->policy > GIBSON_CLUSTER_REHASH) {
        return gib_error_set(error, GIBSON_INVALID, "policy is none: %d", (int)given->policy);
    }
    const gibson_status status = delay(given->retry_delay_ms, GIBSON_DEFAULT_CLUSTER_RETRY_DELAY_MS,
                                       "retry_delay_ms", &settings->retry_delay_ms, error);
    return status != GIBSON_OK
               ? status
               : delay(given->retry_max_delay_ms, GIBSON_DEFAULT_CLUSTER_RETRY_MAX_DELAY_MS,
                       "retry_max_delay_ms", &settings->retry_max_delay_ms, error);
}

static gibson_status take_affinity(gibson_cluster *cluster, const gibson_cluster_options *given,
                                   gibson_error *error)
{
    cluster->affinity = (gib_affinity){given->separator, given->depth, given->hash_tag};
    if (!given->depth != !given->separator) {
        return gib_error_set(error, GIBSON_INVALID, "depth and separator need each other");
    }
    if (given->separator == ' ') {
        return gib_error_set(error, GIBSON_INVALID, "separator is a space, which no key has");
    }
    return given->depth && given->hash_tag
               ? gib_error_set(error, GIBSON_INVALID, "depth and hash_tag exclude each other")
               : GIBSON_OK;
}

/* The prefix has to be one that can be sent. */
static gibson_status take_flush(gibson_cluster *cluster, const char *prefix, gibson_error *error)
{
    cluster->flush = gibson_request_key(GIBSON_OP_MDEL, gibson_str(prefix));
    if (!prefix) {
        return GIBSON_OK;
    }
    const gib_limits limits = gib_settings_limits(&cluster->settings.client);
    gib_buffer frame;
    gib_encoded encoded;
    gibson_error wrong;
    gib_buffer_init(&frame, &cluster->settings.client.allocator);
    const gibson_status status =
        gib_request_encode(&cluster->flush, &limits, GIB_VALUE_COPIED, &frame, &encoded, &wrong);
    gib_buffer_clear(&frame);
    return status == GIBSON_OK
               ? GIBSON_OK
               : gib_error_set(error, status, "flush_prefix: %.150s", wrong.message);
}

/* What is not used of the options of a connection may be anything. */
static gibson_status take_client(gibson_options *settings, const gibson_options *given,
                                 gibson_error *error)
{
    gibson_options used;
    gibson_options_init(&used);
    if (given && given->struct_size >= offsetof(gibson_options, host)) {
        memcpy(&used, given, given->struct_size < sizeof used ? given->struct_size : sizeof used);
        used.struct_size = sizeof used;
        used.host = used.unix_socket = NULL;
        used.port = 0;
        used.reconnect_delay_ms = used.reconnect_max_delay_ms = 0;
        given = &used;
    }
    return gib_settings_make(settings, given, error);
}

gibson_status gib_cluster_take_options(gibson_cluster *cluster,
                                       const gibson_cluster_options *options, gibson_error *error)
{
    gibson_cluster_options given = {0};
    if (options) {
        if (options->struct_size < offsetof(gibson_cluster_options, client)) {
            return gib_error_set(error, GIBSON_INVALID,
                                 "the options were not made by gibson_cluster_options_init");
        }
        memcpy(&given, options,
               options->struct_size < sizeof given ? options->struct_size : sizeof given);
    }
    gibson_status status = take_client(&cluster->settings.client, given.client, error);
    if (status == GIBSON_OK) {
        status = take_failures(cluster, &given, error);
    }
    if (status == GIBSON_OK) {
        status = take_affinity(cluster, &given, error);
    }
    return status == GIBSON_OK ? take_flush(cluster, given.flush_prefix, error) : status;
}
