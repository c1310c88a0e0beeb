/* Putting requests into a pipeline. */
#include <gibson/cluster_pipeline.h>
#include <gibson/pipeline.h>

#include "base/error.h"
#include "cluster/cluster.h"
#include "session/queue.h"

/* A time at which it is nobody's turn to probe. */
#define NO_PROBE INT64_MIN

size_t gibson_cluster_outstanding(const gibson_cluster_client *client)
{
    return client ? client->queue.count : 0;
}

/* Ends a call with that, which leaves the last reply lent. */
static GIB_INLINE gibson_status end(gibson_cluster_client *client, gibson_status status)
{
    if (client->last) {
        client->lender = client->last;
        client->last = NULL;
    }
    client->error.status = status;
    return status;
}

static GIB_COLD gibson_status fail(gibson_cluster_client *client, gibson_status status,
                                   const char *message)
{
    gib_error_set(&client->error, status, "%s", message);
    return end(client, status);
}

void gib_cluster_lose(gibson_cluster_client *client, gib_link *link, gibson_status status)
{
    if (link->lost != GIBSON_OK) {
        return;
    }
    link->lost = status;
    gib_cluster_learn(client, link, GIB_HEALTH_USE, status);
}

/* ---- On one server ---- */

static GIB_INLINE void push_one(gibson_cluster_client *client, gib_link *link,
                                const gibson_request *request, gib_owed owed, size_t bytes)
{
    link->owed++;
    gib_queue_push(&client->queue, (gib_queued){
                                       .owed = owed,
                                       .server = (uint32_t)(link - client->links),
                                       .opcode = (uint32_t)request->opcode,
                                       .bytes = bytes,
                                   });
}

static GIB_INLINE void push_sent(gibson_cluster_client *client, gib_link *link,
                                 const gibson_request *request)
{
    push_one(client, link, request, (gib_owed){GIBSON_OK, false},
             gib_session_last_size(&link->client->connection.session));
}

/* The reply will be that. */
static gibson_status push_failed(gibson_cluster_client *client, gib_link *link,
                                 const gibson_request *request, gib_owed owed)
{
    push_one(client, link, request, owed, 0);
    return end(client, GIBSON_OK);
}

/* After a request that the client of a server has not queued. */
static GIB_COLD gibson_status refuse(gibson_cluster_client *client, gib_link *link,
                                     const gibson_request *request, gibson_status status)
{
    if (!gib_cluster_is_failure(status)) {
        client->error = *gibson_client_error(link->client);
        return end(client, status);
    }
    if (gib_cluster_check(client, request) == GIBSON_INVALID) {
        return end(client, GIBSON_INVALID); /* it had to connect before it looked at it */
    }
    gib_cluster_lose(client, link, status);
    return push_failed(client, link, request, (gib_owed){(uint16_t)status, false});
}

/* A server that may be asked. */
static gibson_status queue_on(gibson_cluster_client *client, gib_link *link,
                              const gibson_request *request)
{
    if (link->lost != GIBSON_OK) {
        return push_failed(client, link, request, (gib_owed){(uint16_t)link->lost, false});
    }
    if (!gib_cluster_connection(link)) {
        return fail(client, GIBSON_NOMEM, "no memory for a connection");
    }
    const gibson_status status = gibson_client_queue(link->client, request);
    if (status != GIBSON_OK) {
        return refuse(client, link, request, status);
    }
    push_sent(client, link, request);
    return end(client, GIBSON_OK);
}

static gibson_status is_interrupted(gibson_cluster_client *client)
{
    return fail(client, GIBSON_INTERRUPTED, "the interrupt callback ended a probe");
}

static gibson_status queue_one(gibson_cluster_client *client, gibson_bytes part,
                               const gibson_request *request, int64_t now_ns)
{
    const size_t point = gib_cluster_point(client, part);
    gib_health_use use = GIB_HEALTH_AVOID;
    size_t index = gib_cluster_find(client, point, now_ns, &use);
    if (use == GIB_HEALTH_PROBE) {
        const gibson_status status = gib_cluster_probe(client, index);
        if (status == GIBSON_INTERRUPTED) {
            return is_interrupted(client);
        }
        if (!gib_cluster_has_answered(status)) {
            index = gib_cluster_find(client, point, NO_PROBE, &use);
        }
    }
    if (index < client->membership->count) {
        return queue_on(client, &client->links[index], request);
    }
    gib_link *link = &client->links[gib_cluster_server_at(client, point)];
    return push_failed(client, link, request, (gib_owed){GIBSON_UNREACHABLE, true});
}

/* ---- On all servers ---- */

/* Tells whether a server would have to be asked for its limit of times, and cannot be. */
static bool is_kept_from_asking(const gibson_cluster_client *client, const gibson_request *request)
{
    bool is_kept = false;
    if (gib_cluster_is_long_time(request)) {
        for (size_t i = 0; i < client->membership->count; i++) {
            const gibson_client *to = client->links[i].client;
            is_kept = is_kept || (to && gib_session_count(&to->connection.session) &&
                                  gib_session_lacks_seconds(&to->connection.session));
        }
    }
    return is_kept;
}

/* Begins with a server: queues the request, or says what has to be run for that. */
static gibson_status plan(gibson_cluster_client *client, size_t index,
                          const gibson_request *request)
{
    gib_link *link = &client->links[index];
    if (link->lost != GIBSON_OK) {
        return link->lost;
    }
    if (!gib_cluster_connection(link)) {
        return GIBSON_NOMEM;
    }
    if (gib_session_count(&link->client->connection.session)) {
        return gibson_client_queue(link->client, request);
    }
    client->parts[index] =
        (gib_fanout_part){.client = link->client, .kind = GIB_OPERATION_QUEUE, .request = request};
    return GIBSON_OK;
}

/* Finds out who is not to be asked. One server at most is probed. */
static gibson_status choose_all(gibson_cluster_client *client, gib_spread *spread, int64_t now_ns)
{
    gibson_status probed = GIBSON_OK;
    for (size_t i = 0; i < client->membership->count && probed != GIBSON_INTERRUPTED; i++) {
        const gib_health_use use = gib_cluster_ask_link(client, &client->links[i], now_ns);
        bool is_asked = use == GIB_HEALTH_USE;
        if (use == GIB_HEALTH_PROBE) {
            probed = gib_cluster_probe(client, i);
            is_asked = gib_cluster_has_answered(probed);
            now_ns = NO_PROBE;
        }
        if (!is_asked) {
            spread->owed[i] = (gib_owed){GIBSON_UNREACHABLE, true};
        }
    }
    return probed;
}

/* A server that refuses the time of a request does so for all: what the others have queued is taken
   back. GIBSON_INVALID, and the error says why; GIBSON_OK if none does. */
static gibson_status agree(gibson_cluster_client *client, const gib_spread *spread)
{
    const size_t count = client->membership->count;
    size_t refusing = 0;
    while (refusing < count && spread->owed[refusing].status != GIBSON_INVALID) {
        refusing++;
    }
    if (refusing == count) {
        return GIBSON_OK;
    }
    client->error = *gibson_client_error(client->links[refusing].client);
    for (size_t i = 0; i < count; i++) {
        if (spread->owed[i].status == GIBSON_OK) {
            gib_client_take_back(client->links[i].client);
        }
    }
    return GIBSON_INVALID;
}

/* Ends with a server. Returns the bytes that it is to be sent. */
static size_t conclude(gibson_cluster_client *client, size_t index, const gib_owed *owed)
{
    gib_link *link = &client->links[index];
    link->owed++;
    if (owed->status == GIBSON_OK) {
        return gib_session_last_size(&link->client->connection.session);
    }
    if (!owed->is_ejected && gib_cluster_is_failure((gibson_status)owed->status)) {
        gib_cluster_lose(client, link, (gibson_status)owed->status);
    }
    return 0;
}

/* Queues it with those that are asked. To connect, where that has to be, is done by all at once. */
static gibson_status queue_with_all(gibson_cluster_client *client, const gibson_request *request,
                                    gib_spread *spread, size_t *bytes)
{
    const size_t count = client->membership->count;
    *bytes = 0;
    for (size_t i = 0; i < count; i++) {
        client->parts[i] = (gib_fanout_part){.client = NULL};
        if (!spread->owed[i].is_ejected) {
            spread->owed[i].status = (uint16_t)plan(client, i, request);
        }
    }
    gib_fanout_run(client->parts, count, client->waits, gib_cluster_deadline(client, gib_now_ns()));
    for (size_t i = 0; i < count; i++) {
        if (client->parts[i].client) {
            spread->owed[i].status = (uint16_t)client->parts[i].status;
        }
    }
    const gibson_status status = agree(client, spread);
    for (size_t i = 0; i < count && status == GIBSON_OK; i++) {
        *bytes += conclude(client, i, &spread->owed[i]);
    }
    return status;
}

static gibson_status queue_all(gibson_cluster_client *client, const gibson_request *request,
                               int64_t now_ns)
{
    if (is_kept_from_asking(client, request)) {
        return fail(client, GIBSON_WOULD_BLOCK,
                    "a server has to be asked for its limit of times: read a reply first");
    }
    gib_spread *spread =
        gib_queue_spread(&client->queue, client->membership->count, request->number);
    if (!spread) {
        return fail(client, GIBSON_NOMEM, "no memory for the request");
    }
    if (choose_all(client, spread, now_ns) == GIBSON_INTERRUPTED) {
        gib_release(client->queue.allocator, spread);
        return is_interrupted(client);
    }
    size_t bytes;
    const gibson_status status = queue_with_all(client, request, spread, &bytes);
    if (status != GIBSON_OK) {
        gib_release(client->queue.allocator, spread);
        return end(client, status);
    }
    gib_queue_push(
        &client->queue,
        (gib_queued){.spread = spread, .opcode = (uint32_t)request->opcode, .bytes = bytes});
    return end(client, GIBSON_OK);
}

/* ---- Any request ---- */

/* Follows the list of servers, or says why it cannot. */
static gibson_status follow(gibson_cluster_client *client)
{
    if (gib_cluster_is_current(client)) {
        return GIBSON_OK;
    }
    if (client->queue.count) {
        return fail(client, GIBSON_WOULD_BLOCK,
                    "the list of servers was replaced: read all replies first");
    }
    return gib_cluster_hold_reply(client) && gib_cluster_follow(client)
               ? GIBSON_OK
               : fail(client, GIBSON_NOMEM, "no memory for the list of servers");
}

static gibson_status get_ready(gibson_cluster_client *client, const gibson_request *request)
{
    if (gib_queue_is_full(&client->queue)) {
        return fail(client, GIBSON_WOULD_BLOCK, "the pipeline is full: read a reply first");
    }
    gibson_status status = follow(client);
    if (status != GIBSON_OK) {
        return status;
    }
    status = gib_cluster_check(client, request);
    if (status != GIBSON_OK) {
        return end(client, status);
    }
    return gib_queue_reserve(&client->queue)
               ? GIBSON_OK
               : fail(client, GIBSON_NOMEM, "no memory for the request");
}

static GIB_NOINLINE gibson_status queue_any(gibson_cluster_client *client,
                                            const gibson_request *request)
{
    const int64_t now_ns = gib_now_ns();
    const gibson_status status = get_ready(client, request);
    if (status != GIBSON_OK) {
        return status;
    }
    gibson_bytes part;
    switch (gib_cluster_find_destination(client, request, &part)) {
    case GIB_TO_ONE:
        return queue_one(client, part, request, now_ns);
    case GIB_TO_ALL:
        return queue_all(client, request, now_ns);
    default:
        return end(client, gib_cluster_is_of_one(client));
    }
}

/* The common case: a key whose server is fine, and is connected to. */
static GIB_INLINE gibson_status queue_key(gibson_cluster_client *client, gibson_bytes part,
                                          const gibson_request *request)
{
    const size_t point = gib_cluster_point(client, part);
    gib_link *link = &client->links[gib_cluster_server_at(client, point)];
    if (GIB_UNLIKELY(!link->client) || GIB_UNLIKELY(gib_link_is_troubled(link)) ||
        GIB_UNLIKELY(link->lost != GIBSON_OK)) {
        return queue_any(client, request);
    }
    const gibson_status status = gibson_client_queue(link->client, request);
    if (GIB_UNLIKELY(status != GIBSON_OK)) {
        return refuse(client, link, request, status);
    }
    push_sent(client, link, request);
    return end(client, GIBSON_OK);
}

static GIB_NOINLINE gibson_status queue_key_with_affinity(gibson_cluster_client *client,
                                                          const gibson_request *request)
{
    return queue_key(client, gib_affinity_of_key(&client->cluster->affinity, request->key),
                     request);
}

gibson_status gibson_cluster_queue(gibson_cluster_client *client, const gibson_request *request)
{
    if (GIB_UNLIKELY(!client) || GIB_UNLIKELY(!request)) {
        return client ? fail(client, GIBSON_USAGE, "request is NULL") : GIBSON_USAGE;
    }
    if (GIB_UNLIKELY(!gib_cluster_has_key(request)) ||
        GIB_UNLIKELY(!gib_cluster_is_current(client)) ||
        GIB_UNLIKELY(!gib_queue_has_room(&client->queue))) {
        return queue_any(client, request);
    }
    return client->has_affinity ? queue_key_with_affinity(client, request)
                                : queue_key(client, request->key, request);
}
