/* A request: on the server that has its key, or on all. */
#include "base/error.h"
#include "cluster/cluster.h"
#include "wire/command.h"

/* ---- A server that is not what it should be ---- */

static gibson_status no_memory(gibson_cluster_client *client, gib_link *link, gib_health_use use,
                               const gibson_request *request, gibson_reply *reply)
{
    gib_cluster_note(client->cluster, link->node, use, GIBSON_NOMEM);
    gib_error_set(&client->error, GIBSON_NOMEM, "no memory for a connection");
    return gib_cluster_refuse(client, request, reply, GIBSON_NOMEM);
}

gibson_status gib_cluster_is_avoided(gibson_cluster_client *client, const gib_link *link)
{
    client->last = NULL;
    return gib_error_set(&client->error, GIBSON_UNREACHABLE, "%.150s is ejected after failures",
                         link->node->peer);
}

static gibson_status is_ejected(gibson_cluster_client *client, const gib_link *link,
                                const gibson_request *request, gibson_reply *reply)
{
    *reply =
        (gibson_reply){.status = gib_cluster_is_avoided(client, link), .opcode = request->opcode};
    gib_cluster_answered_by(client, link, reply, reply->status);
    return reply->status;
}

/* A probe: what is flushed and the request are under one deadline. */
static gibson_status probe(gibson_cluster_client *client, size_t index,
                           const gibson_request *request, gibson_reply *reply, int64_t now_ns)
{
    const gib_deadline until = gib_cluster_deadline(client, now_ns);
    const gibson_status status = gib_cluster_clean(client, index, until, now_ns);
    if (status != GIBSON_OK) {
        *reply = (gibson_reply){.status = status, .opcode = request->opcode};
        return status;
    }
    client->last = client->links[index].client;
    return gib_cluster_call_until(client, index, request, reply, until);
}

static gibson_status ask_with_care(gibson_cluster_client *client, size_t index, gib_health_use use,
                                   const gibson_request *request, gibson_reply *reply,
                                   int64_t now_ns)
{
    gib_link *link = &client->links[index];
    if (!gib_cluster_connection(link)) {
        return no_memory(client, link, use, request, reply);
    }
    client->last = link->client;
    const gibson_status status = use == GIB_HEALTH_PROBE
                                     ? probe(client, index, request, reply, now_ns)
                                     : gibson_client_call(link->client, request, reply);
    gib_cluster_learn(client, link, use, status);
    gib_cluster_answered_by(client, link, reply, status);
    return status;
}

static gibson_status call_one(gibson_cluster_client *client, gibson_bytes part,
                              const gibson_request *request, gibson_reply *reply, int64_t now_ns)
{
    const size_t point = gib_cluster_point(client, part);
    gib_health_use use;
    const size_t index = gib_cluster_find(client, point, now_ns, &use);
    return index < client->membership->count
               ? ask_with_care(client, index, use, request, reply, now_ns)
               : is_ejected(client, &client->links[gib_cluster_server_at(client, point)], request,
                            reply);
}

/* After the common case. What must not be sent was not; but it may be that the client did not get
   as far as to look at it, as it had to connect again. The request is still there: its key is not
   in a reply that has ended, and its value is not read. */
static GIB_COLD gibson_status note_failure(gibson_cluster_client *client, const gib_link *link,
                                           const gibson_request *request, gibson_reply *reply)
{
    if (gib_cluster_check(client, request) == GIBSON_INVALID) {
        return gib_cluster_refuse(client, request, reply, GIBSON_INVALID);
    }
    gib_cluster_learn(client, link, GIB_HEALTH_USE, reply->status);
    gib_cluster_answered_by(client, link, reply, reply->status);
    return reply->status;
}

/* ---- Any request ---- */

static gibson_status is_unread(gibson_cluster_client *client)
{
    return gib_error_set(&client->error, GIBSON_USAGE, "replies of a pipeline are unread");
}

static GIB_NOINLINE gibson_status call_any(gibson_cluster_client *client,
                                           const gibson_request *request, gibson_reply *reply)
{
    const int64_t now_ns = gib_now_ns();
    if (client->queue.count) {
        return gib_cluster_refuse(client, request, reply, is_unread(client));
    }
    gibson_status status = gib_cluster_get_ready(client, request);
    if (status != GIBSON_OK) {
        return gib_cluster_refuse(client, request, reply, status);
    }
    gibson_bytes part;
    switch (gib_cluster_find_destination(client, request, &part)) {
    case GIB_TO_ONE:
        status = call_one(client, part, request, reply, now_ns);
        gib_cluster_forget_reply(client);
        return status;
    case GIB_TO_ALL:
        return gib_cluster_call_all(client, request, reply, now_ns);
    default:
        return gib_cluster_refuse(client, request, reply, gib_cluster_is_of_one(client));
    }
}

static GIB_COLD gibson_status refuse_null(gibson_cluster_client *client, gibson_reply *reply)
{
    if (reply) {
        *reply = (gibson_reply){.status = GIBSON_USAGE};
    }
    if (client) {
        client->answer_count = 0;
        gib_cluster_fail(client, GIBSON_USAGE, "an argument is NULL");
    }
    return GIBSON_USAGE;
}

/* The common case: a key whose server is fine, and is connected to. */
static GIB_INLINE gibson_status call_key(gibson_cluster_client *client, gibson_bytes part,
                                         const gibson_request *request, gibson_reply *reply)
{
    const size_t point = gib_cluster_point(client, part);
    const gib_link *link = &client->links[gib_cluster_server_at(client, point)];
    gibson_client *to = link->client;
    if (GIB_UNLIKELY(!to) || GIB_UNLIKELY(gib_link_is_troubled(link)) ||
        GIB_UNLIKELY(gib_session_lends_bytes(&to->connection.session, request->key))) {
        return call_any(client, request, reply);
    }
    client->last = to;
    const gibson_status status = gibson_client_call(to, request, reply);
    if (GIB_UNLIKELY(!gib_cluster_has_answered(status))) {
        return note_failure(client, link, request, reply);
    }
    gib_cluster_answered_by(client, link, reply, status);
    return status;
}

static GIB_NOINLINE gibson_status call_key_with_affinity(gibson_cluster_client *client,
                                                         const gibson_request *request,
                                                         gibson_reply *reply)
{
    return call_key(client, gib_affinity_of_key(&client->cluster->affinity, request->key), request,
                    reply);
}

gibson_status gibson_cluster_call(gibson_cluster_client *client, const gibson_request *request,
                                  gibson_reply *reply)
{
    if (GIB_UNLIKELY(!client) || GIB_UNLIKELY(!request) || GIB_UNLIKELY(!reply)) {
        return refuse_null(client, reply);
    }
    if (GIB_UNLIKELY(!gib_cluster_has_key(request)) ||
        GIB_UNLIKELY(!gib_cluster_is_current(client)) || GIB_UNLIKELY(client->gathered.end) ||
        GIB_UNLIKELY(client->queue.count)) {
        return call_any(client, request, reply);
    }
    return client->has_affinity ? call_key_with_affinity(client, request, reply)
                                : call_key(client, request->key, request, reply);
}
