/* What a thread has of a cluster: where a request goes, and the connections it goes over. */
#include <string.h>

#include "base/error.h"
#include "base/likely.h"
#include "cluster/cluster.h"
#include "cluster/gather.h"
#include "session/owned_reply.h"
#include "wire/command.h"

static gibson_status fail(gibson_cluster_client *client, gibson_status status, const char *message)
{
    client->last = NULL;
    return gib_error_set(&client->error, status, "%s", message);
}

static gibson_status refuse(gibson_cluster_client *client, const gibson_request *request,
                            gibson_reply *reply, gibson_status status, const char *message)
{
    if (reply) {
        *reply = (gibson_reply){.status = status,
                                .opcode = request ? request->opcode : (gibson_opcode)0};
    }
    if (client) {
        client->answer_count = 0;
        fail(client, status, message);
    }
    return status;
}

/* ---- Making, and following the list ---- */

/* What is as long as the list of servers. */
typedef struct arrays {
    gib_link *links;
    gib_fanout_part *parts;
    gibson_cluster_answer *answers;
    struct pollfd *fds;
} arrays;

static void release_arrays(const arrays *made, const gibson_allocator *allocator)
{
    gib_release(allocator, made->links);
    gib_release(allocator, made->parts);
    gib_release(allocator, made->answers);
    gib_release(allocator, made->fds);
}

static bool make_arrays(arrays *made, size_t count, const gibson_allocator *allocator)
{
    *made = (arrays){
        gib_allocate(allocator, count * sizeof *made->links),
        gib_allocate(allocator, count * sizeof *made->parts),
        gib_allocate(allocator, count * sizeof *made->answers),
        gib_allocate(allocator, count * GIB_FANOUT_WAITS * sizeof *made->fds),
    };
    if (made->links && made->parts && made->answers && made->fds) {
        return true;
    }
    release_arrays(made, allocator);
    return false;
}

/* Takes over the connection that a client has to a node already. */
static gibson_client *take_over(gibson_cluster_client *client, const gib_node *node)
{
    for (size_t i = 0; client->membership && i < client->membership->count; i++) {
        gib_link *link = &client->links[i];
        if (link->node == node) {
            gibson_client *taken = link->client;
            link->client = NULL;
            return taken;
        }
    }
    return NULL;
}

static void drop_links(gibson_cluster_client *client)
{
    for (size_t i = 0; client->membership && i < client->membership->count; i++) {
        gibson_client_free(client->links[i].client);
    }
    const arrays former = {client->links, client->parts, client->answers, client->waits.fds};
    release_arrays(&former, &client->cluster->settings.client.allocator);
    gib_membership_release(client->membership);
}

/* Follows the list of servers. False if memory runs out, and then it still has the former. */
static bool follow(gibson_cluster_client *client)
{
    unsigned int generation;
    gib_membership *membership = gib_cluster_membership(client->cluster, &generation);
    arrays next;
    if (!make_arrays(&next, membership->count, &client->cluster->settings.client.allocator)) {
        gib_membership_release(membership);
        return false;
    }
    for (size_t i = 0; i < membership->count; i++) {
        gib_node *node = membership->nodes[i];
        next.links[i] = (gib_link){.node = node, .client = take_over(client, node)};
    }
    drop_links(client);
    client->membership = membership;
    client->generation = generation;
    client->links = next.links;
    client->parts = next.parts;
    client->answers = next.answers;
    client->answer_count = 0;
    client->waits = (gib_fanout_waits){next.fds, (nfds_t)membership->count * GIB_FANOUT_WAITS};
    client->last = NULL;
    return true;
}

gibson_status gibson_cluster_client_new(gibson_cluster_client **client, gibson_cluster *cluster)
{
    if (!client || !cluster) {
        return GIBSON_USAGE;
    }
    *client = NULL;
    const gibson_allocator *allocator = &cluster->settings.client.allocator;
    gibson_cluster_client *made = gib_allocate(allocator, sizeof *made);
    if (!made) {
        return GIBSON_NOMEM;
    }
    memset(made, 0, sizeof *made);
    made->cluster = cluster;
    gib_buffer_init(&made->gathered, allocator);
    if (!follow(made)) {
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
        drop_links(client);
        gib_buffer_clear(&client->gathered);
        gib_release(&cluster->settings.client.allocator, client);
        gibson_cluster_free(cluster);
    }
}

/* The list as it is now. */
static inline bool is_current(const gibson_cluster_client *client)
{
    return client->generation ==
           atomic_load_explicit(&client->cluster->generation, memory_order_acquire);
}

/* ---- Which server ---- */

static inline size_t point_of(const gibson_cluster_client *client, gibson_bytes part)
{
    return gib_ring_find(&client->membership->ring, gib_ring_hash(part));
}

static inline size_t server_at(const gibson_cluster_client *client, size_t point)
{
    return client->membership->ring.points[point].server;
}

/* The first server of the ring from a point on that may be asked, some of which are not what they
   should be. Returns its index, or the number of servers if there is none. */
static GIB_COLD size_t find_server(gibson_cluster_client *client, size_t point, gib_health_use *use)
{
    const gib_ring *ring = &client->membership->ring;
    const int64_t now_ns = gib_now_ns();
    for (size_t i = 0; i < ring->count; i++) {
        const size_t index = server_at(client, point);
        gib_node *node = client->links[index].node;
        *use = atomic_load_explicit(&node->is_troubled, memory_order_relaxed)
                   ? gib_cluster_ask(client->cluster, node, now_ns)
                   : GIB_HEALTH_USE;
        if (*use != GIB_HEALTH_AVOID) {
            return index;
        }
        if (client->cluster->policy == GIBSON_CLUSTER_FAIL_FAST) {
            break;
        }
        point = gib_ring_next(ring, point);
    }
    return client->membership->count;
}

size_t gibson_cluster_server_of(gibson_cluster_client *client, gibson_bytes key)
{
    if (!client || !key.size || (!is_current(client) && !follow(client))) {
        return 0;
    }
    return server_at(client,
                     point_of(client, gib_affinity_of_key(&client->cluster->affinity, key)));
}

size_t gibson_cluster_servers_of(gibson_cluster_client *client, gibson_bytes prefix,
                                 size_t *servers, size_t room)
{
    if (!client || (!is_current(client) && !follow(client))) {
        return 0;
    }
    gibson_bytes part;
    if (gib_affinity_of_prefix(&client->cluster->affinity, prefix, &part)) {
        if (servers && room) {
            servers[0] = server_at(client, point_of(client, part));
        }
        return 1;
    }
    for (size_t i = 0; servers && i < room && i < client->membership->count; i++) {
        servers[i] = i;
    }
    return client->membership->count;
}

/* ---- Asking ---- */

/* The connection to a server, made if there is none. NULL if memory runs out. */
static gibson_client *connection_to(gib_link *link)
{
    if (!link->client && gibson_client_new(&link->client, &link->node->options, NULL)) {
        return NULL;
    }
    return link->client;
}

/* Deletes on a server that comes back what is not to be served any more. */
static gibson_status flush(const gibson_cluster_client *client, gibson_client *to)
{
    const gibson_bytes prefix = client->cluster->flush_prefix;
    if (!prefix.size) {
        return GIBSON_OK;
    }
    int64_t deleted;
    const gibson_status status = gibson_client_mdel(to, prefix, &deleted);
    return status == GIBSON_NOT_FOUND ? GIBSON_OK : status;
}

static GIB_COLD gibson_status no_memory(gibson_cluster_client *client, gib_link *link,
                                        gib_health_use use, const gibson_request *request,
                                        gibson_reply *reply)
{
    gib_cluster_note(client->cluster, link->node, use, GIBSON_NOMEM);
    return refuse(client, request, reply, GIBSON_NOMEM, "no memory for a connection");
}

static GIB_COLD gibson_status is_ejected(gibson_cluster_client *client, size_t index,
                                         const gibson_request *request, gibson_reply *reply)
{
    *reply = (gibson_reply){.status = GIBSON_UNREACHABLE, .opcode = request->opcode};
    client->answers[0] =
        (gibson_cluster_answer){client->links[index].node->peer, GIBSON_UNREACHABLE, 0};
    client->answer_count = 1;
    client->last = NULL;
    return gib_error_set(&client->error, GIBSON_UNREACHABLE, "%.150s is ejected after failures",
                         client->links[index].node->peer);
}

/* Asks a server that is not what it should be, or was not asked before. */
static GIB_NOINLINE gibson_status ask_with_care(gibson_cluster_client *client, size_t index,
                                                gib_health_use use, const gibson_request *request,
                                                gibson_reply *reply)
{
    gib_link *link = &client->links[index];
    if (!connection_to(link)) {
        return no_memory(client, link, use, request, reply);
    }
    client->last = link->client;
    gibson_status status = use == GIB_HEALTH_PROBE ? flush(client, link->client) : GIBSON_OK;
    if (status == GIBSON_OK) {
        status = gibson_client_call(link->client, request, reply);
    } else {
        *reply = (gibson_reply){.status = status, .opcode = request->opcode};
    }
    gib_cluster_note(client->cluster, link->node, use, status);
    return status;
}

static gibson_status call_one(gibson_cluster_client *client, gibson_bytes part,
                              const gibson_request *request, gibson_reply *reply)
{
    const size_t point = point_of(client, part);
    size_t index = server_at(client, point);
    gib_link *link = &client->links[index];
    gibson_status status;
    if (GIB_LIKELY(link->client) &&
        GIB_LIKELY(!atomic_load_explicit(&link->node->is_troubled, memory_order_relaxed))) {
        client->last = link->client;
        status = gibson_client_call(link->client, request, reply);
        if (GIB_UNLIKELY(!gib_cluster_has_answered(status))) {
            gib_cluster_note(client->cluster, link->node, GIB_HEALTH_USE, status);
        }
    } else {
        gib_health_use use;
        const size_t first = index;
        index = find_server(client, point, &use);
        if (index == client->membership->count) {
            return is_ejected(client, first, request, reply);
        }
        status = ask_with_care(client, index, use, request, reply);
    }
    client->answers[0] =
        (gibson_cluster_answer){client->links[index].node->peer, status, reply->value.number};
    client->answer_count = 1;
    return status;
}

/* ---- Asking all ---- */

static void choose_parts(gibson_cluster_client *client)
{
    const int64_t now_ns = gib_now_ns();
    for (size_t i = 0; i < client->membership->count; i++) {
        gib_link *link = &client->links[i];
        gib_fanout_part *part = &client->parts[i];
        *part = (gib_fanout_part){.status = GIBSON_UNREACHABLE};
        link->use = atomic_load_explicit(&link->node->is_troubled, memory_order_relaxed)
                        ? gib_cluster_ask(client->cluster, link->node, now_ns)
                        : GIB_HEALTH_USE;
        if (link->use != GIB_HEALTH_AVOID) {
            part->client = connection_to(link);
            part->status = part->client ? GIBSON_OK : GIBSON_NOMEM;
        }
    }
}

/* Those that come back are emptied first, all at once. */
static void flush_parts(gibson_cluster_client *client)
{
    const gibson_request flushing =
        gibson_request_key(GIBSON_OP_MDEL, client->cluster->flush_prefix);
    if (!flushing.key.size) {
        return;
    }
    bool any = false;
    const size_t count = client->membership->count;
    for (size_t i = 0; i < count; i++) {
        if (client->links[i].use != GIB_HEALTH_PROBE) {
            client->parts[i].client = NULL;
        }
        any = any || client->parts[i].client;
    }
    if (any) {
        gib_fanout_run(client->parts, count, &flushing, &client->waits);
    }
    for (size_t i = 0; i < count; i++) {
        gib_fanout_part *part = &client->parts[i];
        const bool is_flushed =
            !part->client || part->status == GIBSON_OK || part->status == GIBSON_NOT_FOUND;
        part->client =
            is_flushed && client->links[i].use != GIB_HEALTH_AVOID ? client->links[i].client : NULL;
    }
}

/* Notes what each has said. Returns the first status that is no answer, or GIBSON_OK; with the
   client that tells more, if there is one. */
static gibson_status note_answers(gibson_cluster_client *client)
{
    gibson_status status = GIBSON_OK;
    client->answer_count = client->membership->count;
    for (size_t i = 0; i < client->answer_count; i++) {
        gib_link *link = &client->links[i];
        const gib_fanout_part *part = &client->parts[i];
        const bool has_answered = gib_cluster_has_answered(part->status);
        if (link->use != GIB_HEALTH_AVOID) {
            gib_cluster_note(client->cluster, link->node, link->use, part->status);
        }
        client->answers[i] =
            (gibson_cluster_answer){link->node->peer, part->status,
                                    part->status == GIBSON_OK ? part->reply.value.number : 0};
        if (!has_answered && status == GIBSON_OK) {
            status = part->status;
            client->last = part->client;
            gib_error_set(&client->error, status, "%.150s is ejected after failures",
                          link->node->peer);
        }
    }
    return status;
}

static gibson_status call_all(gibson_cluster_client *client, const gibson_request *request,
                              gibson_reply *reply)
{
    const size_t count = client->membership->count;
    *reply = (gibson_reply){.opcode = request->opcode};
    client->last = NULL;
    choose_parts(client);
    flush_parts(client);
    gib_fanout_run(client->parts, count, request, &client->waits);
    reply->status = note_answers(client);
    if (reply->status != GIBSON_OK) {
        return reply->status;
    }
    const gibson_status status =
        gib_gather(client->parts, count, request, &client->gathered, reply);
    return status == GIBSON_OK ? fail(client, status, "success")
                               : fail(client, status,
                                      status == GIBSON_NOMEM ? "no memory for the reply of all"
                                                             : gibson_status_text(status));
}

/* ---- The call ---- */

/* What is not on a key. */
static gibson_status call_other(gibson_cluster_client *client, const gibson_request *request,
                                gibson_reply *reply)
{
    const gibson_command *command = gib_command((uint32_t)request->opcode);
    if (!command) {
        return refuse(client, request, reply, GIBSON_INVALID, "there is no such command");
    }
    if (gibson_takes(command->arguments, GIBSON_ARGUMENT_PREFIX)) {
        gibson_bytes part;
        return gib_affinity_of_prefix(&client->cluster->affinity, request->key, &part)
                   ? call_one(client, part, request, reply)
                   : call_all(client, request, reply);
    }
    return request->opcode == GIBSON_OP_PING
               ? call_all(client, request, reply)
               : refuse(client, request, reply, GIBSON_USAGE, "the command is of one server");
}

gibson_status gibson_cluster_call(gibson_cluster_client *client, const gibson_request *request,
                                  gibson_reply *reply)
{
    if (!client || !request || !reply) {
        return refuse(client, request, reply, GIBSON_USAGE, "an argument is NULL");
    }
    gib_buffer_empty(&client->gathered);
    if (GIB_UNLIKELY(!is_current(client)) && !follow(client)) {
        return refuse(client, request, reply, GIBSON_NOMEM, "no memory for the list of servers");
    }
    const gibson_command *command = gib_command((uint32_t)request->opcode);
    if (GIB_LIKELY(command && gibson_takes(command->arguments, GIBSON_ARGUMENT_KEY) &&
                   request->key.size && request->key.data)) {
        return call_one(client, gib_affinity_of_key(&client->cluster->affinity, request->key),
                        request, reply);
    }
    if (command && gibson_takes(command->arguments, GIBSON_ARGUMENT_KEY)) {
        return refuse(client, request, reply, GIBSON_INVALID, "the key is empty");
    }
    return call_other(client, request, reply);
}

gibson_status gibson_cluster_take_reply(gibson_cluster_client *client, gibson_owned_reply **owned)
{
    if (owned) {
        *owned = NULL;
    }
    if (!client || !owned) {
        return GIBSON_USAGE;
    }
    if (client->last) {
        return gibson_client_take_reply(client->last, owned);
    }
    if (!client->gathered.data || !gib_buffer_size(&client->gathered)) {
        return fail(client, GIBSON_USAGE, "the last call left no reply to take");
    }
    *owned = gib_owned_reply_new(client->gathered.allocator, client->gathered.data);
    if (!*owned) {
        return fail(client, GIBSON_NOMEM, "no memory to take the reply");
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
    return !client ? &none : client->last ? gibson_client_error(client->last) : &client->error;
}
