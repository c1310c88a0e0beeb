/* Where a request goes. */
#include "base/error.h"
#include "cluster/cluster.h"
#include "connection/settings.h"
#include "wire/command.h"
#include "wire/request_encode.h"

/* Each server is asked once, though it has many points. */
size_t gib_cluster_find(gibson_cluster_client *client, size_t point, int64_t now_ns,
                        gib_health_use *use)
{
    const gib_membership *membership = client->membership;
    const uint64_t search = ++client->searches;
    size_t left = client->cluster->policy == GIBSON_CLUSTER_REHASH ? membership->count : 1;
    for (size_t i = 0; left && i < membership->ring.count; i++) {
        gib_link *link = &client->links[gib_cluster_server_at(client, point)];
        if (link->seen != search) {
            link->seen = search;
            left--;
            *use = gib_cluster_ask_link(client, link, now_ns);
            if (*use != GIB_HEALTH_AVOID) {
                return (size_t)(link - client->links);
            }
        }
        point = gib_ring_next(&membership->ring, point);
    }
    return membership->count;
}

/* A time that only the server can judge is left to the client of it. */
gibson_status gib_cluster_check(gibson_cluster_client *client, const gibson_request *request)
{
    const gib_limits limits = gib_settings_limits(&client->cluster->settings.client);
    gib_encoded encoded;
    const gibson_status status = gib_request_encode(request, &limits, GIB_VALUE_BORROWED,
                                                    &client->scratch, &encoded, &client->error);
    gib_buffer_empty(&client->scratch);
    return status == GIBSON_WOULD_BLOCK ? GIBSON_OK : status;
}

gibson_status gib_cluster_get_ready(gibson_cluster_client *client, const gibson_request *request)
{
    if (!gib_cluster_hold_reply_of(client, request)) {
        return gib_error_set(&client->error, GIBSON_NOMEM, "no memory to keep the last reply");
    }
    if (!gib_cluster_is_current(client) && !gib_cluster_follow(client)) {
        return gib_error_set(&client->error, GIBSON_NOMEM, "no memory for the list of servers");
    }
    return gib_cluster_check(client, request);
}

gib_destination gib_cluster_find_destination(const gibson_cluster_client *client,
                                             const gibson_request *request, gibson_bytes *part)
{
    const gibson_arguments arguments = gib_arguments_of(request->opcode);
    if (gibson_takes(arguments, GIBSON_ARGUMENT_KEY)) {
        *part = gib_cluster_part(client->cluster, request->key);
        return GIB_TO_ONE;
    }
    if (gibson_takes(arguments, GIBSON_ARGUMENT_PREFIX)) {
        return gib_affinity_of_prefix(&client->cluster->affinity, request->key, part) ? GIB_TO_ONE
                                                                                      : GIB_TO_ALL;
    }
    return request->opcode == GIBSON_OP_PING ? GIB_TO_ALL : GIB_TO_NONE;
}

gibson_status gib_cluster_is_of_one(gibson_cluster_client *client)
{
    return gib_error_set(&client->error, GIBSON_USAGE, "the command is of one server");
}

/* Tells whether it has the list as it is now. */
static bool is_up_to_date(gibson_cluster_client *client)
{
    return client && (gib_cluster_is_current(client) || gib_cluster_follow(client));
}

size_t gibson_cluster_server_of(gibson_cluster_client *client, gibson_bytes key)
{
    if (!key.size || !key.data || !is_up_to_date(client)) {
        return SIZE_MAX;
    }
    const gibson_bytes part = gib_cluster_part(client->cluster, key);
    return gib_cluster_server_at(client, gib_cluster_point(client, part));
}

size_t gibson_cluster_servers_of(gibson_cluster_client *client, gibson_bytes prefix,
                                 size_t *servers, size_t room)
{
    if (!is_up_to_date(client)) {
        return 0;
    }
    gibson_bytes part;
    if (gib_affinity_of_prefix(&client->cluster->affinity, prefix, &part)) {
        if (servers && room) {
            servers[0] = gib_cluster_server_at(client, gib_cluster_point(client, part));
        }
        return 1;
    }
    for (size_t i = 0; servers && i < room && i < client->membership->count; i++) {
        servers[i] = i;
    }
    return client->membership->count;
}

const char *gibson_cluster_server_at(gibson_cluster_client *client, size_t index, bool *is_ejected,
                                     uint64_t *ejections)
{
    if (!is_up_to_date(client) || index >= client->membership->count) {
        return NULL;
    }
    const gib_node *node = client->links[index].node;
    uint64_t times;
    const bool is_out = gib_cluster_is_ejected(client->cluster, node, &times);
    if (is_ejected) {
        *is_ejected = is_out;
    }
    if (ejections) {
        *ejections = times;
    }
    return node->peer;
}

/* ---- For those who have connections of their own ---- */

static gibson_cluster_target target(const gib_link *link, gib_health_use use)
{
    static const gibson_cluster_use uses[] = {
        [GIB_HEALTH_PROBE] = GIBSON_CLUSTER_PROBE,
        [GIB_HEALTH_AVOID] = GIBSON_CLUSTER_EJECTED,
    };
    return (gibson_cluster_target){link->node->peer, use != GIB_HEALTH_USE ? uses[use]
                                                     : gib_link_is_troubled(link)
                                                         ? GIBSON_CLUSTER_FAILED
                                                         : GIBSON_CLUSTER_FINE};
}

static gibson_cluster_target target_of(gibson_cluster_client *client, gibson_bytes part,
                                       int64_t now_ns)
{
    const size_t point = gib_cluster_point(client, part);
    gib_health_use use = GIB_HEALTH_AVOID;
    const size_t index = gib_cluster_find(client, point, now_ns, &use);
    return index < client->membership->count
               ? target(&client->links[index], use)
               : target(&client->links[gib_cluster_server_at(client, point)], GIB_HEALTH_AVOID);
}

static gibson_status route(gibson_cluster_client *client, const gibson_request *request,
                           gibson_cluster_target *targets, size_t room, size_t *count)
{
    const int64_t now_ns = gib_now_ns();
    const gibson_status status = gib_cluster_get_ready(client, request);
    if (status != GIBSON_OK) {
        return status;
    }
    gibson_bytes part;
    const gib_destination to = gib_cluster_find_destination(client, request, &part);
    if (to == GIB_TO_NONE) {
        return gib_cluster_is_of_one(client);
    }
    *count = to == GIB_TO_ONE ? 1 : client->membership->count;
    if (room < *count) {
        return gib_error_set(&client->error, GIBSON_USAGE, "room is too small");
    }
    if (to == GIB_TO_ONE) {
        targets[0] = target_of(client, part, now_ns);
        return GIBSON_OK;
    }
    for (size_t i = 0; i < *count; i++) {
        targets[i] =
            target(&client->links[i], gib_cluster_ask_link(client, &client->links[i], now_ns));
    }
    return GIBSON_OK;
}

gibson_status gibson_cluster_route(gibson_cluster_client *client, const gibson_request *request,
                                   gibson_cluster_target *targets, size_t room, size_t *count)
{
    if (!client || !request || !targets || !count) {
        return client ? gib_cluster_fail(client, GIBSON_USAGE, "an argument is NULL")
                      : GIBSON_USAGE;
    }
    *count = client->answer_count = 0;
    client->last = NULL;
    client->error.status = GIBSON_OK;
    const gibson_status status = route(client, request, targets, room, count);
    gib_cluster_forget_reply(client);
    return status;
}

void gibson_cluster_note(gibson_cluster_client *client, const char *server, gibson_cluster_use use,
                         gibson_status status)
{
    if (!client || !server || use == GIBSON_CLUSTER_EJECTED) {
        return;
    }
    /* The address may be one that the list lends which the client has: that is not to go before. */
    size_t index = gib_membership_find(client->membership, server);
    if (index == client->membership->count && is_up_to_date(client)) {
        index = gib_membership_find(client->membership, server);
    }
    if (index < client->membership->count) {
        gib_cluster_note(client->cluster, client->links[index].node,
                         use == GIBSON_CLUSTER_PROBE ? GIB_HEALTH_PROBE : GIB_HEALTH_USE, status);
    }
}
