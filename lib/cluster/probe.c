/* What has to be asked before a request is queued. */
#include "cluster/cluster.h"

/* Tells whether nothing is under way on a server that would be asked. */
static bool may_ask(const gibson_cluster_client *client, const gib_link *link)
{
    const gibson_cluster *cluster = client->cluster;
    const bool asks_others = cluster->flush.key.size && cluster->policy == GIBSON_CLUSTER_REHASH;
    return asks_others ? !client->queue.count : !link->owed;
}

/* Deletes what is not to be served any more, and asks for a sign of life. */
static gibson_status ask(gibson_cluster_client *client, size_t index)
{
    const int64_t now_ns = gib_now_ns();
    const gib_deadline until = gib_cluster_deadline(client, now_ns);
    const gibson_status status = gib_cluster_clean(client, index, until, now_ns);
    const gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    gibson_reply reply;
    return status == GIBSON_OK ? gib_cluster_call_until(client, index, &ping, &reply, until)
                               : status;
}

gibson_status gib_cluster_probe(gibson_cluster_client *client, size_t index)
{
    gib_link *link = &client->links[index];
    gibson_status status = GIBSON_WOULD_BLOCK; /* nothing is learnt */
    if (may_ask(client, link)) {
        status = gib_cluster_hold_reply(client) && gib_cluster_connection(link) ? ask(client, index)
                                                                                : GIBSON_NOMEM;
    }
    gib_cluster_learn(client, link, GIB_HEALTH_PROBE, status);
    return status;
}
