/* Where a request goes. */
#include "cluster/cluster.h"

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
