/* Several servers as one: keys are spread over them by consistent hashing. */
#ifndef GIBSON_CLUSTER_H
#define GIBSON_CLUSTER_H

#include <gibson/client.h>

GIBSON_BEGIN_DECLS

#define GIBSON_MOST_CLUSTER_SERVERS 65535
#define GIBSON_DEFAULT_CLUSTER_FAILURE_LIMIT 3
#define GIBSON_DEFAULT_CLUSTER_RETRY_DELAY_MS 1000
#define GIBSON_DEFAULT_CLUSTER_RETRY_MAX_DELAY_MS 30000

/* gibson_cluster is what is known of the servers: which there are, and which have failed. Threads
   share it. Each thread asks through a gibson_cluster_client of its own, which has a connection to
   each server that it has asked. See docs/cluster.md.

   A server is told from others by its address alone: where two lists have the same one, with
   whatever weight, connections and failures are kept.

   Thread rule: any number of threads may use a cluster at once; only gibson_cluster_free ends that.
   A gibson_cluster_client may be made by any thread, and used by one at a time.

   Fork: a child may go on with a cluster that its parent has made, whatever other threads of the
   parent were doing; each counts failures for itself from then on. The connections of a
   gibson_cluster_client are the parent's, as those of a gibson_client: the child makes others. */
typedef struct gibson_cluster gibson_cluster;
typedef struct gibson_cluster_client gibson_cluster_client;

/* gibson_cluster_server is one of the list. Strings are the caller's, and copied where they are
   kept. The order of the list does not matter but for the index that the functions below tell, and
   for points of the ring that two servers share, of which the first in the list has the keys. */
typedef struct gibson_cluster_server {
    const char *host;        /* name or address */
    const char *unix_socket; /* wins over host, where it is set */
    uint16_t port;           /* 0 for 10128 */
    uint32_t weight;         /* its share of the keys, in proportion to the others'; 0 for 1. One of
                                less than 1/40 of the average has none, as with libmemcached */
} gibson_cluster_server;

/* What becomes of the keys of a server that is ejected. */
typedef enum gibson_cluster_policy {
    GIBSON_CLUSTER_FAIL_FAST, /* requests for them return GIBSON_UNREACHABLE at once */
    GIBSON_CLUSTER_REHASH,    /* they go to the next server of the ring */
} gibson_cluster_policy;

/* gibson_cluster_options says how to place keys, and what to do about failures. Zero means the
   default for every member. Strings are copied. Durations are in milliseconds. */
typedef struct gibson_cluster_options {
    size_t struct_size; /* set by gibson_cluster_options_init; tells the version of the struct */

    /* Of every connection, and of the cluster itself (allocator); NULL for the defaults. Not used
       of it: host, port, unix_socket; reconnect, which is always on; reconnect_delay_ms and
       reconnect_max_delay_ms, in whose place are the options on failures below. timeout_ms, in
       milliseconds, holds over all that a call does, on however many servers; max_reply_size over
       what each of them sends. */
    const gibson_options *client;

    /* Affinity: which part of a key places it. By default the whole key does, and a command on a
       prefix goes to all servers. With a depth it is what is before the separator of that number,
       and a prefix that has so many goes to one server; a key that has fewer is placed as a whole.
       So is one with nothing before that separator. With hash_tag it is what is between the first
       '{' and the next '}', if that is something. */
    char separator; /* a byte; with depth, and not a space */
    uint32_t depth; /* separators */
    bool hash_tag;  /* not with depth */

    /* Failures. A server that fails so many times in a row is ejected: nobody asks it, but for one
       caller after a random delay between half and the whole of retry_delay_ms, doubled with every
       failure up to retry_max_delay_ms. Only what keeps a server from answering counts (TIMEOUT,
       CLOSED, UNREACHABLE, PROTOCOL), not what it answers. */
    uint32_t failure_limit;     /* requests; default 3 */
    int64_t retry_delay_ms;     /* milliseconds; default 1000 */
    int64_t retry_max_delay_ms; /* milliseconds; default 30000 */
    gibson_cluster_policy policy;
    /* A prefix of keys, NULL for none. What a server that comes back holds is from before: if this
       is set, all that begins with it, and is not locked, is deleted there before it is used; with
       GIBSON_CLUSTER_REHASH on the others, too, which have had its keys. */
    const char *flush_prefix;
} gibson_cluster_options;

/* gibson_cluster_options_init sets every member to its default. Thread rule: any thread.
   Since 0.3. */
#define gibson_cluster_options_init(options)                                                       \
    gibson_cluster_options_init_sized((options), sizeof(gibson_cluster_options))
GIBSON_API void gibson_cluster_options_init_sized(gibson_cluster_options *options,
                                                  size_t struct_size);

/* gibson_cluster_new makes a cluster of a list of 1 to GIBSON_MOST_CLUSTER_SERVERS servers, and
   connects to none. options may be NULL. *cluster is NULL unless the call succeeds; the caller
   frees it with gibson_cluster_free. Returns GIBSON_OK; GIBSON_NOMEM; GIBSON_INVALID with *error
   saying which option, or which server of the list: none may be without an address, and no address
   be there twice; GIBSON_USAGE if cluster is NULL. error may be NULL, here and below. Thread rule:
   any thread. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_new(gibson_cluster **cluster,
                                            const gibson_cluster_server *servers, size_t count,
                                            const gibson_cluster_options *options,
                                            gibson_error *error);

/* gibson_cluster_free gives the memory back once the last client of the cluster is freed: until
   then those clients may be used. NULL is allowed. Thread rule: one thread, once. Since 0.3. */
GIBSON_API void gibson_cluster_free(gibson_cluster *cluster);

/* gibson_cluster_set_servers replaces the list, at once for all: a call or a pipeline that is under
   way ends with the former, and those that begin later have the new one. It asks no server
   anything, and what moves to another server with it is not copied nor deleted. Returns as
   gibson_cluster_new; unless that is GIBSON_OK the list is as it was. Thread rule: any thread, also
   while others call. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_set_servers(gibson_cluster *cluster,
                                                    const gibson_cluster_server *servers,
                                                    size_t count, gibson_error *error);

/* gibson_cluster_answer is what one server has said to a request. */
typedef struct gibson_cluster_answer {
    const char *server;   /* its address, as gibson_client_peer writes it */
    gibson_status status; /* what gibson_client_call returns */
    int64_t number;       /* of a value that is a NUMBER, if status is GIBSON_OK; else 0 */
} gibson_cluster_answer;

/* gibson_cluster_client_new makes a client of a cluster, and connects to no server: that is done
   when one is first asked. *client is NULL unless the call succeeds; the caller frees it with
   gibson_cluster_client_free. Returns GIBSON_OK; GIBSON_NOMEM; GIBSON_USAGE if an argument is NULL.
   Thread rule: any thread. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_client_new(gibson_cluster_client **client,
                                                   gibson_cluster *cluster);

/* gibson_cluster_client_free closes its connections. NULL is allowed. Thread rule, here and below:
   one thread at a time. Since 0.3. */
GIBSON_API void gibson_cluster_client_free(gibson_cluster_client *client);

/* gibson_cluster_call runs a request, and fills in *reply, whose views live until the next call on
   the client.

   A request on a key goes to the server that has it, and one on a prefix to that which has all that
   can begin with it, where affinity tells that it is one: it returns what gibson_client_call does.
   If that server is ejected it returns GIBSON_UNREACHABLE, or with GIBSON_CLUSTER_REHASH goes to
   the next one. A request that has failed is not repeated on another server.

   Any other request on a prefix, and PING, goes to all servers at once, and takes as long as the
   slowest. If all have answered, the reply is that of all together: numbers are added, items put
   behind each other in the order of the list, up to the limit of MGET in all; GIBSON_NOT_FOUND if
   all say so, else GIBSON_OK, or else what the first server says that says neither. If any has not
   answered, or is ejected, the status is why, and there is neither number nor items: what the
   others have said, and done, gibson_cluster_answers tells.

   STATS and END are of one server, and return GIBSON_USAGE, as do an argument that is NULL, and a
   call while replies of a pipeline are outstanding.
   GIBSON_INVALID, for what the protocol or the limits do not allow, is returned before any server
   is asked anything; for a time of more than 32767 s that one of the servers does not keep, before
   any is sent the request, each having been asked what it keeps. GIBSON_NOMEM: there is no memory
   for a connection, for the list of servers, or for the items of all. After any of these the client
   is usable. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_call(gibson_cluster_client *client,
                                             const gibson_request *request, gibson_reply *reply);

/* gibson_cluster_take_reply makes the memory of the last reply the caller's, so that its views live
   until gibson_owned_reply_free. Returns GIBSON_OK; GIBSON_USAGE if the last call left nothing to
   take, or an argument is NULL; GIBSON_NOMEM, with the reply as it was. *owned is NULL unless it
   succeeds. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_take_reply(gibson_cluster_client *client,
                                                   gibson_owned_reply **owned);

/* gibson_cluster_answers returns what each server that the last call has asked, or would have, has
   said, and sets *count, which may be NULL, to how many those are. With GIBSON_CLUSTER_REHASH, the
   one of a request on a key is the one that was asked. The answers are the client's, and live until
   the next call on it. Since 0.3. */
GIBSON_API const gibson_cluster_answer *gibson_cluster_answers(gibson_cluster_client *client,
                                                               size_t *count);

/* gibson_cluster_error returns what happened in the last call, as gibson_client_error does. It is
   the client's, and lives until the next call on it. Since 0.3. */
GIBSON_API const gibson_error *gibson_cluster_error(gibson_cluster_client *client);

/* gibson_cluster_server_of returns the index in the list of the server that has a key, all being
   well; SIZE_MAX if the key is empty, the client NULL, or there is no memory to follow the list.
   Nothing is sent. Since 0.3. */
GIBSON_API size_t gibson_cluster_server_of(gibson_cluster_client *client, gibson_bytes key);

/* gibson_cluster_servers_of tells which servers a request on a prefix would go to, all being well.
   Returns their number, and writes the indexes of the first `room` of them to servers[], which may
   be NULL. With an empty prefix, all; 0 if the client is NULL, or there is no memory to follow the
   list. Nothing is sent. Since 0.3. */
GIBSON_API size_t gibson_cluster_servers_of(gibson_cluster_client *client, gibson_bytes prefix,
                                            size_t *servers, size_t room);

/* gibson_cluster_server_at returns the address of the server with an index, as gibson_client_peer
   writes it, and tells whether it is ejected now, and how often it was since it came to the list;
   each of these may be NULL. NULL if there is no such server, the client is NULL, or there is no
   memory to follow the list. The text lives until the next call on the client. Nothing is sent.
   Since 0.3. */
GIBSON_API const char *gibson_cluster_server_at(gibson_cluster_client *client, size_t index,
                                                bool *is_ejected, uint64_t *ejections);

/* What is known of a server that a request may go to. */
typedef enum gibson_cluster_use {
    GIBSON_CLUSTER_FINE,    /* it answers */
    GIBSON_CLUSTER_FAILED,  /* it has not, the last time, and is not ejected yet */
    GIBSON_CLUSTER_PROBE,   /* it was ejected, and this request is to find out whether it is back */
    GIBSON_CLUSTER_EJECTED, /* it is not to be asked */
} gibson_cluster_use;

typedef struct gibson_cluster_target {
    const char *server; /* its address, as gibson_client_peer writes it */
    gibson_cluster_use use;
} gibson_cluster_target;

/* gibson_cluster_route and gibson_cluster_note are for those who have connections of their own, as
   programs with an event loop do: what gibson_cluster_call decides before it asks, and what it
   learns from the answer.

   gibson_cluster_route tells where a request goes: *count servers, in targets[], for which there
   must be room for as many as the cluster has servers, or one for a request on a key. Nothing is
   sent. After GIBSON_CLUSTER_PROBE, gibson_cluster_note has to follow; until then nobody else
   probes that server; flush_prefix is the caller's to delete before it asks. Addresses live until
   the next call on the client. Returns GIBSON_OK; what gibson_cluster_call returns for a request
   that it refuses; GIBSON_USAGE if an argument is NULL, or room is too small, which *count then
   tells. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_route(gibson_cluster_client *client,
                                              const gibson_request *request,
                                              gibson_cluster_target *targets, size_t room,
                                              size_t *count);

/* gibson_cluster_note tells the cluster how a request to a server has ended, with the status of
   gibson_client_call. It must be told what has failed, and, unless the use was GIBSON_CLUSTER_FINE,
   what was answered. GIBSON_INTERRUPTED says that nothing was learnt. A server that is not on the
   list any more is passed over. Since 0.3. */
GIBSON_API void gibson_cluster_note(gibson_cluster_client *client, const char *server,
                                    gibson_cluster_use use, gibson_status status);

GIBSON_END_DECLS

#endif
