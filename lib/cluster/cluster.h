/* A cluster, as its own files see it.

   What threads share: options.c checks what a cluster is made with, cluster.c has the list and who
   has failed. What a thread has: client.c has its connections, route.c tells where a request goes,
   call.c asks one server, all.c asks many. fanout.c does that at once, gather.c makes one reply of
   theirs. Of pipelines queue.c is the list, pipeline.c puts requests into it, next.c takes replies
   out, and probe.c asks what has to be asked before. */
#ifndef GIB_CLUSTER_CLUSTER_H
#define GIB_CLUSTER_CLUSTER_H

#include "base/buffer.h"
#include "base/likely.h"
#include "cluster/affinity.h"
#include "cluster/fanout.h"
#include "cluster/membership.h"
#include "cluster/queue.h"
#include "wire/command.h"

struct gibson_cluster {
    atomic_uint references; /* its owner's, and one of each client */
    gib_node_settings settings;
    gib_affinity affinity;
    gibson_cluster_policy policy;
    gibson_request flush; /* what a server that comes back is asked first; no key: nothing */

    atomic_uint holder;           /* of the lock: see cluster.c */
    unsigned int fork_generation; /* of the process that had the lock last */
    atomic_uint generation;       /* of the membership */
    gib_membership *membership;
    char text[]; /* flush_prefix */
};

/* A client's connection to a server. */
typedef struct gib_link {
    gib_node *node;        /* the membership's */
    gibson_client *client; /* NULL as long as it is not needed */
    gib_health_use use;    /* for the request that goes to all */
    uint64_t seen;         /* the search that has been here last */
    size_t owed;           /* requests of the pipeline that have gone here, or should have */
    gibson_status lost;    /* why none of those is answered any more; or GIBSON_OK */
} gib_link;

struct gibson_cluster_client {
    gibson_cluster *cluster;
    unsigned int generation; /* of the membership */
    bool has_affinity;
    gib_membership *membership;
    gib_link *links;        /* by the index of the server */
    gib_fanout_part *parts; /* as many */
    gibson_cluster_answer *answers;
    size_t answer_count;
    uint64_t searches;
    gibson_client *last;      /* whose reply is lent, or whose error it is; or NULL */
    gib_buffer gathered;      /* what a reply of many is made of */
    struct pollfd *waits;     /* room for what all connections wait for */
    gibson_error error;       /* where `last` is NULL */
    gib_buffer scratch;       /* for frames that are made to see whether they can be */
    gib_queue queue;          /* requests of a pipeline without a reply */
    gibson_client *lender;    /* whose reply is lent while `last` is NULL; or NULL */
    gibson_owned_reply *held; /* the reply that is lent, of a client that had to be used; or NULL */
};

/* Fills in what a cluster is made with, but for its list and the text of the flush, which is the
   caller's. */
gibson_status gib_cluster_take_options(gibson_cluster *cluster,
                                       const gibson_cluster_options *options, gibson_error *error);

/* ---- What threads share ---- */

/* What to do with a server for a request, at the time: GIB_HEALTH_PROBE has to be followed by
   gib_cluster_note. */
gib_health_use gib_cluster_ask(gibson_cluster *cluster, gib_node *node, int64_t now_ns);

/* Tells whether a status is what a server has answered. */
static inline bool gib_cluster_has_answered(gibson_status status)
{
    return status <= GIBSON_TRUNCATED;
}

/* Tells whether a status is a failure of the server. */
bool gib_cluster_is_failure(gibson_status status);

/* Takes note of how a request has ended, unless that tells nothing of the server. */
void gib_cluster_note(gibson_cluster *cluster, gib_node *node, gib_health_use use,
                      gibson_status status);

/* Tells whether it is ejected, and how often it was. */
bool gib_cluster_is_ejected(gibson_cluster *cluster, const gib_node *node, uint64_t *ejections);

/* The membership as it is, with a reference that is the caller's, and its generation. */
gib_membership *gib_cluster_membership(gibson_cluster *cluster, unsigned int *generation);

/* ---- What a thread has ---- */

/* Takes note of how a request of the client has ended. What ends in a child of fork, as its parent
   had begun it, tells nothing. */
void gib_cluster_learn(gibson_cluster_client *client, const gib_link *link, gib_health_use use,
                       gibson_status status);

/* Ends a call with that. The last refuses a request before anything is sent; the error is set. */
gibson_status gib_cluster_fail(gibson_cluster_client *client, gibson_status status,
                               const char *message);
gibson_status gib_cluster_refuse(gibson_cluster_client *client, const gibson_request *request,
                                 gibson_reply *reply, gibson_status status);

/* Follows the list of servers, once no reply is outstanding: what is under way ends with the
   former. False if memory runs out, and then it still has that. */
bool gib_cluster_follow(gibson_cluster_client *client);

static inline bool gib_cluster_is_current(const gibson_cluster_client *client)
{
    return client->generation ==
           atomic_load_explicit(&client->cluster->generation, memory_order_acquire);
}

/* The connection to a server, made if there is none. NULL if memory runs out. */
gibson_client *gib_cluster_connection(gib_link *link);

static inline bool gib_link_is_troubled(const gib_link *link)
{
    return atomic_load_explicit(&link->node->is_troubled, memory_order_relaxed);
}

/* What to do with its server for a request. */
static inline gib_health_use gib_cluster_ask_link(gibson_cluster_client *client, gib_link *link,
                                                  int64_t now_ns)
{
    return gib_link_is_troubled(link) ? gib_cluster_ask(client->cluster, link->node, now_ns)
                                      : GIB_HEALTH_USE;
}

/* The deadline of a call that begins now. */
static inline gib_deadline gib_cluster_deadline(const gibson_cluster_client *client, int64_t now_ns)
{
    return gib_deadline_after(now_ns, client->cluster->settings.client.timeout_ms);
}

/* Writes down what one server has said to a request that went to no other. */
static GIB_INLINE void gib_cluster_answered_by(gibson_cluster_client *client, const gib_link *link,
                                               const gibson_reply *reply, gibson_status status)
{
    client->answers[0] = (gibson_cluster_answer){link->node->peer, status, reply->value.number};
    client->answer_count = 1;
}

/* Sets the error to why a server has failed with that status, which its client may have kept. */
gibson_status gib_cluster_has_failed(const gib_link *link, gibson_status status,
                                     gibson_error *error);

/* Sets the error of the client: the server is not asked. */
gibson_status gib_cluster_is_avoided(gibson_cluster_client *client, const gib_link *link);

/* Keeps the last reply, whose views stay, from connections that are to be used, or freed: until
   gib_cluster_forget_reply. False if memory runs out. The second does so if a request is made of
   it.
 */
bool gib_cluster_hold_reply(gibson_cluster_client *client);
bool gib_cluster_hold_reply_of(gibson_cluster_client *client, const gibson_request *request);

/* Ends the views of the last reply, but for those that a connection lends. */
void gib_cluster_forget_reply(gibson_cluster_client *client);

/* ---- Where a request goes ---- */

/* Tells whether a request is on a key that can be hashed. One that is empty is refused by the
   client of whichever server. */
static inline bool gib_cluster_has_key(const gibson_request *request)
{
    const uint32_t opcode = (uint32_t)request->opcode;
    return opcode < sizeof gib_commands / sizeof *gib_commands &&
           gibson_takes(gib_commands[opcode].arguments, GIBSON_ARGUMENT_KEY) && request->key.data;
}

/* What of a key places it. */
static inline gibson_bytes gib_cluster_part(const gibson_cluster *cluster, gibson_bytes key)
{
    return GIB_LIKELY(gib_affinity_is_none(&cluster->affinity))
               ? key
               : gib_affinity_of_key(&cluster->affinity, key);
}

/* The point of the ring that has it. */
static inline size_t gib_cluster_point(const gibson_cluster_client *client, gibson_bytes part)
{
    return gib_ring_find(&client->membership->ring, gib_ring_hash(part));
}

static inline size_t gib_cluster_server_at(const gibson_cluster_client *client, size_t point)
{
    return client->membership->ring.points[point].server;
}

/* Where a request goes. */
typedef enum gib_destination {
    GIB_TO_ONE, /* the server that has *part */
    GIB_TO_ALL,
    GIB_TO_NONE, /* it is of one server, which the caller has to choose */
} gib_destination;

gib_destination gib_cluster_find_destination(const gibson_cluster_client *client,
                                             const gibson_request *request, gibson_bytes *part);

/* Refuses what must not be sent to any server. */
gibson_status gib_cluster_check(gibson_cluster_client *client, const gibson_request *request);

/* Begins a request: follows the list of servers, and refuses what must not be sent to any. Else
   than GIBSON_OK, the error says why. */
gibson_status gib_cluster_get_ready(gibson_cluster_client *client, const gibson_request *request);

/* Refuses a command that is of one server. */
gibson_status gib_cluster_is_of_one(gibson_cluster_client *client);

/* The first server from a point of the ring on that may be asked. Returns its index, or the number
   of servers if there is none. */
size_t gib_cluster_find(gibson_cluster_client *client, size_t point, int64_t now_ns,
                        gib_health_use *use);

/* ---- Asking more than one ---- */

/* Tells whether a request has a time that not every server keeps: each has to be asked. */
bool gib_cluster_is_long_time(const gibson_request *request);

/* Tells whether some servers may refuse the time of a request: it is a long one, or some are known
   to. With GIB_OPERATION_QUEUE, all are heard then before any is sent the request. */
bool gib_cluster_may_disagree(const gibson_cluster_client *client, const gibson_request *request);

/* Follows on that. If a server of the parts does not keep the time, or the caller is not to wait,
   what the others have queued is taken back: that is their status then. Returns GIBSON_OK to go on
   with those that are; or GIBSON_INVALID, and the client's error says why. */
gibson_status gib_cluster_agree(gibson_cluster_client *client);

/* Runs a request on all servers. */
gibson_status gib_cluster_call_all(gibson_cluster_client *client, const gibson_request *request,
                                   gibson_reply *reply, int64_t now_ns);

/* Deletes what is not to be served any more, as a server comes back. GIBSON_OK once that is done;
   else the client's error says why it is not. */
gibson_status gib_cluster_clean(gibson_cluster_client *client, size_t index, gib_deadline until,
                                int64_t now_ns);

/* Makes one reply of those of all parts, and writes down what each has said. */
gibson_status gib_cluster_merge(gibson_cluster_client *client, const gibson_request *request,
                                gibson_reply *reply);

/* Runs a request on one server that has a connection, and ends at a deadline. */
gibson_status gib_cluster_call_until(gibson_cluster_client *client, size_t index,
                                     const gibson_request *request, gibson_reply *reply,
                                     gib_deadline until);

/* ---- Pipelines ---- */

/* Finds out whether a server whose turn it is is back, and takes note. Returns the status of that,
   or GIBSON_WOULD_BLOCK if it cannot be asked while replies are outstanding. */
gibson_status gib_cluster_probe(gibson_cluster_client *client, size_t index);

/* Takes note, once, of what has kept a server from answering the requests of the pipeline. */
void gib_cluster_lose(gibson_cluster_client *client, gib_link *link, gibson_status status);

#endif
