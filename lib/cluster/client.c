/* What a thread has of a cluster: the list that it follows, and connections. */
#include <string.h>

#include "base/error.h"
#include "cluster/cluster.h"
#include "session/owned_reply.h"

gibson_status gib_cluster_fail(gibson_cluster_client *client, gibson_status status,
                               const char *message)
{
    client->last = client->lender = NULL;
    return gib_error_set(&client->error, status, "%s", message);
}

gibson_status gib_cluster_refuse(gibson_cluster_client *client, const gibson_request *request,
                                 gibson_reply *reply, gibson_status status)
{
    *reply = (gibson_reply){.status = status, .opcode = request->opcode};
    gib_cluster_forget_reply(client);
    client->last = NULL;
    client->answer_count = 0;
    return status;
}

/* ---- Making, and following the list ---- */

/* What is as long as the list of servers. */
typedef struct arrays {
    gib_link *links;
    gib_fanout_part *parts;
    gibson_cluster_answer *answers;
    struct pollfd *waits;
} arrays;

static void release_arrays(const arrays *made, const gibson_allocator *allocator)
{
    gib_release(allocator, made->links);
    gib_release(allocator, made->parts);
    gib_release(allocator, made->answers);
    gib_release(allocator, made->waits);
}

static bool make_arrays(arrays *made, size_t count, const gibson_allocator *allocator)
{
    *made = (arrays){
        gib_allocate(allocator, count * sizeof *made->links),
        gib_allocate(allocator, count * sizeof *made->parts),
        gib_allocate(allocator, count * sizeof *made->answers),
        gib_allocate(allocator, count * GIB_FANOUT_WAITS * sizeof *made->waits),
    };
    if (made->links && made->parts && made->answers && made->waits) {
        return true;
    }
    release_arrays(made, allocator);
    return false;
}

static void make_links(gib_link *links, const gib_membership *membership)
{
    for (size_t i = 0; i < membership->count; i++) {
        links[i] = (gib_link){.node = membership->nodes[i]};
    }
}

/* Gives the connections that there are to the links of another list, as far as it has the servers,
   and frees the rest. */
static void drop_links(gibson_cluster_client *client, gib_link *links, const gib_membership *next)
{
    const gib_membership *former = client->membership;
    for (size_t i = 0; i < former->count; i++) {
        gibson_client *connection = client->links[i].client;
        const size_t index =
            connection && next ? gib_membership_find(next, former->nodes[i]->peer) : 0;
        if (connection && next && index < next->count) {
            links[index].client = connection;
        } else {
            gibson_client_free(connection);
        }
    }
}

static void drop_list(gibson_cluster_client *client)
{
    const arrays former = {client->links, client->parts, client->answers, client->waits};
    release_arrays(&former, &client->cluster->settings.client.allocator);
    gib_membership_release(client->membership);
}

bool gib_cluster_follow(gibson_cluster_client *client)
{
    if (client->queue.count) {
        return true;
    }
    unsigned int generation;
    gib_membership *membership = gib_cluster_membership(client->cluster, &generation);
    arrays next;
    if (!make_arrays(&next, membership->count, &client->cluster->settings.client.allocator)) {
        gib_membership_release(membership);
        return false;
    }
    make_links(next.links, membership);
    if (client->membership) {
        drop_links(client, next.links, membership);
        drop_list(client);
    }
    client->membership = membership;
    client->generation = generation;
    client->links = next.links;
    client->parts = next.parts;
    client->answers = next.answers;
    client->waits = next.waits;
    client->answer_count = 0;
    client->last = client->lender = NULL;
    return true;
}

gibson_status gibson_cluster_client_new(gibson_cluster_client **client, gibson_cluster *cluster)
{
    if (client) {
        *client = NULL;
    }
    if (!client || !cluster) {
        return GIBSON_USAGE;
    }
    const gibson_allocator *allocator = &cluster->settings.client.allocator;
    gibson_cluster_client *made = gib_allocate(allocator, sizeof *made);
    if (!made) {
        return GIBSON_NOMEM;
    }
    memset(made, 0, sizeof *made);
    made->cluster = cluster;
    made->has_affinity = !gib_affinity_is_none(&cluster->affinity);
    gib_buffer_init(&made->gathered, allocator);
    gib_buffer_init(&made->scratch, allocator);
    const gib_window window = {cluster->settings.client.pipeline_window,
                               cluster->settings.client.pipeline_bytes};
    gib_queue_init(&made->queue, window, allocator);
    if (!gib_cluster_follow(made)) {
        gib_release(allocator, made);
        return GIBSON_NOMEM;
    }
    atomic_fetch_add_explicit(&cluster->references, 1, memory_order_relaxed);
    *client = made;
    return GIBSON_OK;
}

void gibson_cluster_client_free(gibson_cluster_client *client)
{
    if (client) {
        gibson_cluster *cluster = client->cluster;
        drop_links(client, NULL, NULL);
        drop_list(client);
        gib_queue_clear(&client->queue);
        gib_buffer_clear(&client->gathered);
        gib_buffer_clear(&client->scratch);
        gibson_owned_reply_free(client->held);
        gib_release(&cluster->settings.client.allocator, client);
        gibson_cluster_free(cluster);
    }
}

/* ---- Connections ---- */

gibson_client *gib_cluster_connection(gib_link *link)
{
    if (!link->client &&
        gibson_client_new(&link->client, &link->node->options, NULL) == GIBSON_OK) {
        /* When to try again is for the cluster to say, which counts the failures. */
        gib_backoff_init(&link->client->connection.backoff, 0, 0, 0);
    }
    return link->client;
}

void gib_cluster_learn(gibson_cluster_client *client, const gib_link *link, gib_health_use use,
                       gibson_status status)
{
    const bool is_ours = !link->client || gib_connection_is_ours(&link->client->connection);
    gib_cluster_note(client->cluster, link->node, use, is_ours ? status : GIBSON_INTERRUPTED);
}

/* ---- What the last call has left ---- */

enum { KEEP = 64 * 1024 }; /* bytes of memory for replies of many, from one call to the next */

void gib_cluster_forget_reply(gibson_cluster_client *client)
{
    if (client->gathered.capacity > KEEP) {
        gib_buffer_clear(&client->gathered);
    }
    gib_buffer_empty(&client->gathered);
    gibson_owned_reply_free(client->held);
    client->held = NULL;
    client->lender = NULL;
}

bool gib_cluster_hold_reply(gibson_cluster_client *client)
{
    gibson_client *lender = client->last ? client->last : client->lender;
    if (lender && gibson_client_take_reply(lender, &client->held) == GIBSON_NOMEM) {
        return false;
    }
    client->last = client->lender = NULL;
    return true;
}

bool gib_cluster_hold_reply_of(gibson_cluster_client *client, const gibson_request *request)
{
    const gibson_client *lender = client->last ? client->last : client->lender;
    return !lender || !gib_session_lends(&lender->connection.session, request) ||
           gib_cluster_hold_reply(client);
}

gibson_status gibson_cluster_take_reply(gibson_cluster_client *client, gibson_owned_reply **owned)
{
    if (owned) {
        *owned = NULL;
    }
    if (!client || !owned) {
        return client ? gib_cluster_fail(client, GIBSON_USAGE, "owned is NULL") : GIBSON_USAGE;
    }
    if (client->last) {
        return gibson_client_take_reply(client->last, owned);
    }
    if (client->lender) {
        const gibson_status status = gibson_client_take_reply(client->lender, owned);
        client->error = *gibson_client_error(client->lender);
        return status;
    }
    if (client->held) {
        *owned = client->held;
        client->held = NULL;
        return GIBSON_OK;
    }
    if (!gib_buffer_size(&client->gathered)) {
        return gib_cluster_fail(client, GIBSON_USAGE, "the last call left no reply to take");
    }
    *owned = gib_owned_reply_new(client->gathered.allocator, client->gathered.data);
    if (!*owned) {
        return gib_cluster_fail(client, GIBSON_NOMEM, "no memory to take the reply");
    }
    gib_buffer_init(&client->gathered, client->gathered.allocator);
    return GIBSON_OK;
}

const gibson_cluster_answer *gibson_cluster_answers(gibson_cluster_client *client, size_t *count)
{
    if (count) {
        *count = client ? client->answer_count : 0;
    }
    return client ? client->answers : NULL;
}

const gibson_error *gibson_cluster_error(gibson_cluster_client *client)
{
    static const gibson_error none = {.status = GIBSON_USAGE, .message = "client is NULL"};
    if (client && client->last) {
        return gibson_client_error(client->last);
    }
    if (client &&
        client->error.status == GIBSON_OK) { /* what has failed on the way is told by replies */
        gib_error_set(&client->error, GIBSON_OK, "%s", gibson_status_text(GIBSON_OK));
    }
    return client ? &client->error : &none;
}
