/* A request on all servers, and what is done as one of them comes back. */
#include "base/error.h"
#include "cluster/cluster.h"
#include "cluster/gather.h"

/* ---- Who is asked what ---- */

/* Asks for a server, whose use is known, or not: GIB_HEALTH_AVOID. */
static void choose(gibson_cluster_client *client, size_t index, gib_health_use use)
{
    gib_link *link = &client->links[index];
    gib_fanout_part *part = &client->parts[index];
    *part = (gib_fanout_part){.kind = GIB_OPERATION_CALL, .status = GIBSON_UNREACHABLE};
    link->use = use;
    if (use != GIB_HEALTH_AVOID) {
        part->client = gib_cluster_connection(link);
        part->status = part->client ? GIBSON_OK : GIBSON_NOMEM;
    }
}

/* Asks for all servers that may be. Returns whether one of them comes back. */
static bool choose_all(gibson_cluster_client *client, int64_t now_ns)
{
    bool any = false;
    for (size_t i = 0; i < client->membership->count; i++) {
        choose(client, i, gib_cluster_ask_link(client, &client->links[i], now_ns));
        any = any || client->links[i].use == GIB_HEALTH_PROBE;
    }
    return any;
}

/* Tells whether a server is flushed as some come back: itself, if it is one of them. With
   GIBSON_CLUSTER_REHASH the others have had its keys, and would have them again. */
static bool is_flushed(const gibson_cluster_client *client, size_t index)
{
    const gibson_cluster *cluster = client->cluster;
    const gib_health_use use = client->links[index].use;
    return cluster->flush.key.size &&
           (use == GIB_HEALTH_PROBE ||
            (use == GIB_HEALTH_USE && cluster->policy == GIBSON_CLUSTER_REHASH));
}

static void flush_before(gibson_cluster_client *client)
{
    for (size_t i = 0; i < client->membership->count; i++) {
        client->parts[i].before = is_flushed(client, i) ? &client->cluster->flush : NULL;
    }
}

static void run(gibson_cluster_client *client, gib_operation_kind kind,
                const gibson_request *request, gib_deadline until)
{
    const size_t count = client->membership->count;
    for (size_t i = 0; i < count; i++) {
        client->parts[i].kind = kind;
        client->parts[i].request = request;
    }
    gib_fanout_run(client->parts, count, client->waits, until);
}

/* ---- What has become of it ---- */

/* Tells whether a server was to be flushed, and was not. */
static bool is_unclean(const gibson_cluster_client *client, size_t index)
{
    return client->parts[index].before && client->links[index].use != GIB_HEALTH_AVOID;
}

/* What a server has answered in place of being flushed is no answer to what was asked. */
static void judge(gibson_cluster_client *client)
{
    for (size_t i = 0; i < client->membership->count; i++) {
        gib_fanout_part *part = &client->parts[i];
        if (is_unclean(client, i) && gib_cluster_has_answered(part->status)) {
            part->status = GIBSON_UNREACHABLE;
        }
    }
}

/* The first server that would go on serving what was to be flushed, or their number. */
static size_t find_unclean(const gibson_cluster_client *client)
{
    size_t i = 0;
    while (i < client->membership->count &&
           !(client->links[i].use == GIB_HEALTH_USE && is_unclean(client, i))) {
        i++;
    }
    return i;
}

/* Takes note of what all have said, but one. None comes back while another serves what was to be
   flushed. */
static void note_all(gibson_cluster_client *client, size_t but)
{
    const bool all_clean = find_unclean(client) == client->membership->count;
    for (size_t i = 0; i < client->membership->count; i++) {
        const gib_link *link = &client->links[i];
        if (i != but && link->use != GIB_HEALTH_AVOID) {
            const bool stays_out = link->use == GIB_HEALTH_PROBE && !all_clean &&
                                   gib_cluster_has_answered(client->parts[i].status);
            gib_cluster_learn(client, link, link->use,
                              stays_out ? GIBSON_UNREACHABLE : client->parts[i].status);
        }
    }
}

gibson_status gib_cluster_has_failed(const gib_link *link, gibson_status status,
                                     gibson_error *error)
{
    const gibson_error *kept = link->client ? gibson_client_error(link->client) : NULL;
    if (kept && kept->status == status) {
        *error = *kept;
        return status;
    }
    return gib_error_set(error, status, "%.120s has failed before: %s", link->node->peer,
                         gibson_status_text(status));
}

/* Why a server has not answered. */
static const char *reason(const gibson_cluster_client *client, size_t index, gibson_error *room)
{
    const gib_fanout_part *part = &client->parts[index];
    const char *peer = client->links[index].node->peer;
    if (client->links[index].use == GIB_HEALTH_AVOID) {
        gib_error_set(room, part->status, "%.150s is ejected after failures", peer);
    } else if (!part->client) {
        gib_error_set(room, part->status, "no memory for a connection to %.140s", peer);
    } else if (part->before && gib_cluster_has_answered(part->reply.status)) {
        gib_error_set(room, part->status, "flush_prefix was not deleted on %.100s: %.60s", peer,
                      gibson_status_text(part->reply.status));
    } else {
        gib_cluster_has_failed(&client->links[index], part->status, room);
    }
    return room->message;
}

static gibson_status not_answered(gibson_cluster_client *client, size_t first, size_t failed)
{
    gibson_error room;
    client->last = NULL;
    return gib_error_set(&client->error, client->parts[first].status,
                         "%zu of %zu servers have not answered: %.150s", failed,
                         client->membership->count, reason(client, first, &room));
}

gibson_status gib_cluster_clean(gibson_cluster_client *client, size_t index, gib_deadline until,
                                int64_t now_ns)
{
    if (!client->cluster->flush.key.size) {
        return GIBSON_OK;
    }
    const bool others = client->cluster->policy == GIBSON_CLUSTER_REHASH;
    for (size_t i = 0; i < client->membership->count; i++) {
        const gib_health_use use = i == index ? GIB_HEALTH_PROBE
                                   : others
                                       ? gib_cluster_ask_link(client, &client->links[i], now_ns)
                                       : GIB_HEALTH_AVOID;
        choose(client, i, use);
    }
    flush_before(client);
    run(client, GIB_OPERATION_CALL, NULL, until);
    judge(client);
    note_all(client, index);
    const size_t unclean = is_unclean(client, index) ? index : find_unclean(client);
    return unclean < client->membership->count ? not_answered(client, unclean, 1) : GIBSON_OK;
}

gibson_status gib_cluster_call_until(gibson_cluster_client *client, size_t index,
                                     const gibson_request *request, gibson_reply *reply,
                                     gib_deadline until)
{
    gib_fanout_part *part = &client->parts[index];
    *part = (gib_fanout_part){
        .client = client->links[index].client, .kind = GIB_OPERATION_CALL, .request = request};
    gib_fanout_run(part, 1, client->waits, until);
    *reply = part->reply;
    return part->status;
}

/* Writes down what each has said. Returns the first status that is no answer, or GIBSON_OK. */
static gibson_status collect(gibson_cluster_client *client)
{
    size_t failed = 0;
    size_t first = 0;
    client->answer_count = client->membership->count;
    for (size_t i = client->answer_count; i-- > 0;) {
        const gib_fanout_part *part = &client->parts[i];
        const int64_t number = part->status == GIBSON_OK ? part->reply.value.number : 0;
        client->answers[i] =
            (gibson_cluster_answer){client->links[i].node->peer, part->status, number};
        if (!gib_cluster_has_answered(part->status)) {
            first = i;
            failed++;
        }
    }
    return failed ? not_answered(client, first, failed) : GIBSON_OK;
}

gibson_status gib_cluster_merge(gibson_cluster_client *client, const gibson_request *request,
                                gibson_reply *reply)
{
    gib_cluster_forget_reply(client); /* the request may have been made of it */
    *reply = (gibson_reply){.opcode = request->opcode, .status = collect(client)};
    if (reply->status != GIBSON_OK) {
        return reply->status;
    }
    const gibson_status status =
        gib_gather(client->parts, client->membership->count, request, &client->gathered, reply);
    return gib_cluster_fail(client, status, gibson_status_text(status));
}

gibson_status gib_cluster_call_all(gibson_cluster_client *client, const gibson_request *request,
                                   gibson_reply *reply, int64_t now_ns)
{
    const gib_deadline until = gib_cluster_deadline(client, now_ns);
    gib_operation_kind kind = GIB_OPERATION_CALL;
    gibson_status status = GIBSON_OK;
    if (choose_all(client, now_ns)) {
        flush_before(client);
    }
    if (gib_cluster_may_disagree(client, request)) {
        run(client, GIB_OPERATION_QUEUE, request, until);
        status = gib_cluster_agree(client);
        kind = GIB_OPERATION_NEXT;
    }
    if (status == GIBSON_OK) {
        run(client, kind, request, until);
    }
    judge(client);
    note_all(client, client->membership->count);
    return status == GIBSON_OK ? gib_cluster_merge(client, request, reply)
                               : gib_cluster_refuse(client, request, reply, status);
}
