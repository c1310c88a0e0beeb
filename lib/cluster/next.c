/* Taking replies out of a pipeline. */
#include <gibson/cluster_pipeline.h>
#include <gibson/pipeline.h>

#include "base/error.h"
#include "cluster/cluster.h"

/* ---- Running what is queued ---- */

/* Tells whether a byte of what is queued on a server has to be sent yet, and can be. */
static bool is_unsent(const gib_link *link)
{
    return link->owed && link->lost == GIBSON_OK && link->client &&
           gib_session_unsent_frames(&link->client->connection.session);
}

/* Has what is queued sent by all servers. */
static void plan_flushes(gibson_cluster_client *client, bool is_aside)
{
    for (size_t i = 0; i < client->membership->count; i++) {
        const gib_link *link = &client->links[i];
        client->parts[i] = (gib_fanout_part){.kind = GIB_OPERATION_FLUSH, .is_aside = is_aside};
        if (is_unsent(link)) {
            client->parts[i].client = link->client;
        }
    }
}

/* Has the next reply of a server read, or what stands in its place. */
static void plan_next(gibson_cluster_client *client, size_t index, gib_owed owed)
{
    gib_link *link = &client->links[index];
    gib_fanout_part *part = &client->parts[index];
    *part = (gib_fanout_part){.kind = GIB_OPERATION_NEXT, .status = (gibson_status)owed.status};
    link->use = owed.is_ejected ? GIB_HEALTH_AVOID : GIB_HEALTH_USE;
    if (owed.status == GIBSON_OK) {
        part->client = link->client;
    }
}

/* Takes note of how a request has ended. */
static GIB_INLINE void note(gibson_cluster_client *client, gib_link *link, gibson_status status)
{
    if (GIB_UNLIKELY(!gib_cluster_has_answered(status))) {
        gib_cluster_lose(client, link, status);
    } else if (GIB_UNLIKELY(gib_link_is_troubled(link))) {
        gib_cluster_note(client->cluster, link->node, GIB_HEALTH_USE, status);
    }
}

/* Tells whether a part has come to an end that tells something of the server. */
static bool has_verdict(const gib_fanout_part *part)
{
    return part->client && part->status != GIBSON_WOULD_BLOCK &&
           !(part->kind == GIB_OPERATION_FLUSH && part->status == GIBSON_OK);
}

/* Runs what was planned, under a deadline of its own. */
static void run(gibson_cluster_client *client)
{
    const size_t count = client->membership->count;
    const int64_t now_ns = gib_now_ns();
    gib_fanout_run(client->parts, count, client->waits, gib_cluster_deadline(client, now_ns));
    client->queue.is_unsent = false;
    for (size_t i = 0; i < count; i++) {
        if (has_verdict(&client->parts[i])) {
            note(client, &client->links[i], client->parts[i].status);
        }
        client->queue.is_unsent = client->queue.is_unsent || is_unsent(&client->links[i]);
    }
}

/* ---- The reply that is due ---- */

static GIB_INLINE void settle(gib_link *link)
{
    link->owed--;
    if (!link->owed) {
        link->lost = GIBSON_OK;
    }
}

/* In place of a reply of a server that was not sent the request. */
static gibson_status take_failure(gibson_cluster_client *client, const gib_link *link,
                                  gib_owed owed, gibson_reply *reply)
{
    client->last = NULL;
    reply->status = owed.is_ejected
                        ? gib_cluster_is_avoided(client, link)
                        : gib_cluster_has_failed(link, (gibson_status)owed.status, &client->error);
    return reply->status;
}

/* Reads a reply, and while it waits for it has the others sent what is queued for them. */
static gibson_status read_one(gibson_cluster_client *client, size_t index, gibson_reply *reply)
{
    gibson_client *from = client->links[index].client;
    if (!client->queue.is_unsent || client->links[index].lost != GIBSON_OK) {
        return gibson_client_next(from, reply);
    }
    const gibson_status status = gib_next_held(from, reply);
    if (status != GIBSON_WOULD_BLOCK) {
        return status;
    }
    plan_flushes(client, true);
    plan_next(client, index, (gib_owed){GIBSON_OK, false});
    run(client);
    *reply = client->parts[index].reply;
    return client->parts[index].status;
}

static gibson_status next_of_one(gibson_cluster_client *client, const gib_queued *due,
                                 gibson_reply *reply)
{
    gib_link *link = &client->links[due->server];
    *reply = (gibson_reply){.opcode = (gibson_opcode)due->opcode};
    if (due->owed.status != GIBSON_OK) {
        take_failure(client, link, due->owed, reply);
    } else {
        client->last = link->client;
        note(client, link, read_one(client, due->server, reply));
    }
    gib_cluster_answered_by(client, link, reply, reply->status);
    settle(link);
    return reply->status;
}

static gibson_status next_of_all(gibson_cluster_client *client, const gib_queued *due,
                                 gibson_reply *reply)
{
    const size_t count = client->membership->count;
    gibson_request request = gibson_request_bare((gibson_opcode)due->opcode);
    request.number = due->spread->number;
    for (size_t i = 0; i < count; i++) {
        plan_next(client, i, due->spread->owed[i]);
    }
    run(client);
    for (size_t i = 0; i < count; i++) { /* where a message of why it has failed is to be found */
        client->parts[i].client = client->links[i].client;
        settle(&client->links[i]);
    }
    return gib_cluster_merge(client, &request, reply);
}

static GIB_NOINLINE gibson_status next_any(gibson_cluster_client *client, gibson_reply *reply)
{
    gib_cluster_forget_reply(client);
    client->answer_count = 0;
    if (!client->queue.count) {
        *reply = (gibson_reply){.status = GIBSON_END};
        return gib_cluster_fail(client, GIBSON_END, "no reply is outstanding");
    }
    const gib_queued *due = gib_queue_due(&client->queue);
    const gibson_status status =
        due->spread ? next_of_all(client, due, reply) : next_of_one(client, due, reply);
    gib_queue_pop(&client->queue);
    return status;
}

static GIB_COLD gibson_status refuse_null(gibson_cluster_client *client, gibson_reply *reply)
{
    if (reply) {
        *reply = (gibson_reply){.status = GIBSON_USAGE};
    }
    return client ? gib_cluster_fail(client, GIBSON_USAGE, "reply is NULL") : GIBSON_USAGE;
}

/* Tells whether no more is to be done for a reply than to read it. */
static inline bool is_common(const gibson_cluster_client *client)
{
    const gib_queue *queue = &client->queue;
    if (!queue->count || queue->is_unsent || client->gathered.end || client->held) {
        return false;
    }
    const gib_queued *due = gib_queue_due(queue);
    return !due->spread && due->owed.status == GIBSON_OK;
}

gibson_status gibson_cluster_next(gibson_cluster_client *client, gibson_reply *reply)
{
    if (GIB_UNLIKELY(!client) || GIB_UNLIKELY(!reply)) {
        return refuse_null(client, reply);
    }
    if (GIB_UNLIKELY(!is_common(client))) {
        return next_any(client, reply);
    }
    gib_link *link = &client->links[gib_queue_due(&client->queue)->server];
    client->last = link->client;
    const gibson_status status = gibson_client_next(link->client, reply);
    note(client, link, status);
    gib_cluster_answered_by(client, link, reply, status);
    settle(link);
    gib_queue_pop(&client->queue);
    return status;
}

/* ---- Sending ---- */

gibson_status gibson_cluster_flush(gibson_cluster_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    gib_cluster_forget_reply(client);
    gib_cluster_fail(client, GIBSON_OK, gibson_status_text(GIBSON_OK));
    client->answer_count = 0;
    if (!client->queue.is_unsent) {
        return GIBSON_OK;
    }
    plan_flushes(client, false);
    run(client);
    for (size_t i = 0; i < client->membership->count; i++) {
        const gib_fanout_part *part = &client->parts[i];
        if (part->client && part->status != GIBSON_OK) {
            client->error = *gibson_client_error(part->client);
            return part->status;
        }
    }
    return GIBSON_OK;
}
