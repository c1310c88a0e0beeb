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
   each server that it has asked.

   A server is told by its address alone: where two lists have the same one, with whatever weight,
   connections and failures are kept. See docs/cluster.md.

   Thread rule: any number of threads may use a cluster at once. */
typedef struct gibson_cluster gibson_cluster;
typedef struct gibson_cluster_client gibson_cluster_client;

/* gibson_cluster_server is one of the list. The order of the list does not matter but for the index
   that the functions below tell, and for keys whose hash two servers share. */
typedef struct gibson_cluster_server {
    const char *host;        /* name or address */
    uint16_t port;           /* 0 for 10128 */
    const char *unix_socket; /* wins over host, where it is set */
    uint32_t weight;         /* its share of the keys, in proportion; 0 for 1 */
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

    /* Of every connection, but for host, port and unix_socket; NULL for the defaults. `reconnect`
       is always on. timeout_ms holds over all that a call does, on however many servers. */
    const gibson_options *client;

    /* Affinity: which part of a key places it. By default the whole key does, and a command on a
       prefix goes to all servers. With a depth it is what is before the separator of that number,
       and a prefix that has so many goes to one server. With hash_tag it is what is between the
       first '{' and the next '}'. */
    char separator;
    uint32_t depth;
    bool hash_tag;

    /* Failures. A server that fails so many times in a row is ejected: nobody asks it, but for one
       caller after a random delay between half and the whole of retry_delay_ms, doubled with every
       failure up to retry_max_delay_ms. Only what keeps a server from answering counts, not what
       it answers. */
    uint32_t failure_limit;     /* default 3 */
    int64_t retry_delay_ms;     /* default 1000 */
    int64_t retry_max_delay_ms; /* default 30000 */
    gibson_cluster_policy policy;
    /* What a server that comes back holds is from before. If this is set, all that begins with it
       is deleted there before it is used. */
    const char *flush_prefix;
} gibson_cluster_options;

/* gibson_cluster_options_init sets every member to its default. Thread rule: any thread.
   Since 0.3. */
#define gibson_cluster_options_init(options)                                                       \
    gibson_cluster_options_init_sized((options), sizeof(gibson_cluster_options))
GIBSON_API void gibson_cluster_options_init_sized(gibson_cluster_options *options,
                                                  size_t struct_size);

/* gibson_cluster_new makes a cluster of a list of servers, and connects to none. options may be
   NULL. *cluster is NULL unless the call succeeds; the caller frees it with gibson_cluster_free.
   Returns GIBSON_OK; GIBSON_NOMEM; GIBSON_INVALID with *error saying which option, or which server
   of the list: there must be one at least, none without an address, and no address twice;
   GIBSON_USAGE if cluster is NULL. error may be NULL, here and below. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_new(gibson_cluster **cluster,
                                            const gibson_cluster_server *servers, size_t count,
                                            const gibson_cluster_options *options,
                                            gibson_error *error);

/* gibson_cluster_free gives the memory back once the last client of the cluster is freed. NULL is
   allowed. Since 0.3. */
GIBSON_API void gibson_cluster_free(gibson_cluster *cluster);

/* gibson_cluster_set_servers replaces the list. A call that is under way ends with the old one, and
   those that begin later have the new one. Returns as gibson_cluster_new; unless that is GIBSON_OK
   the list is as it was. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_set_servers(gibson_cluster *cluster,
                                                    const gibson_cluster_server *servers,
                                                    size_t count, gibson_error *error);

/* gibson_cluster_answer is what one server has said to a request. */
typedef struct gibson_cluster_answer {
    const char *server;   /* its address, as gibson_client_peer writes it */
    gibson_status status; /* what gibson_client_call returns */
    int64_t number;       /* of commands that yield NUMBER, if status is GIBSON_OK; else 0 */
} gibson_cluster_answer;

/* gibson_cluster_client_new makes a client of a cluster, and connects to no server: that is done
   when one is first asked. *client is NULL unless the call succeeds; the caller frees it with
   gibson_cluster_client_free. Returns GIBSON_OK; GIBSON_NOMEM; GIBSON_USAGE if an argument is NULL.

   Thread rule, here and below: any thread may make one; one thread at a time may use it. After a
   fork its connections are the parent's, as those of a gibson_client. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_client_new(gibson_cluster_client **client,
                                                   gibson_cluster *cluster);

/* gibson_cluster_client_free closes its connections. NULL is allowed. Since 0.3. */
GIBSON_API void gibson_cluster_client_free(gibson_cluster_client *client);

/* gibson_cluster_call runs a request, and fills in *reply, whose views live until the next call on
   the client.

   A request on a key goes to the server that has it, and one on a prefix to that which has all that
   can begin with it, where affinity tells that it is one: it returns what gibson_client_call does.
   If that server is ejected it returns GIBSON_UNREACHABLE, or with GIBSON_CLUSTER_REHASH goes to
   the next one. A request that has failed is not repeated on another server.

   Any other request on a prefix, and PING, goes to all servers at once, and takes as long as the
   slowest. If all have answered, the reply is that of all together: numbers are added, items put
   behind each other, up to the limit of MGET in all; GIBSON_NOT_FOUND if all say so, else
   GIBSON_OK, or else what the first server says that says neither. If any has not answered, or is
   ejected, the status is why, and there is neither number nor items: what the others have said, and
   done, gibson_cluster_answers tells.

   STATS and END are of one server, and return GIBSON_USAGE. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_call(gibson_cluster_client *client,
                                             const gibson_request *request, gibson_reply *reply);

/* gibson_cluster_take_reply does what gibson_client_take_reply does. Since 0.3. */
GIBSON_API gibson_status gibson_cluster_take_reply(gibson_cluster_client *client,
                                                   gibson_owned_reply **owned);

/* gibson_cluster_answers returns what each server that the last call has asked, or would have, has
   said, and sets *count to how many those are. It lives until the next call on the client.
   Since 0.3. */
GIBSON_API const gibson_cluster_answer *gibson_cluster_answers(gibson_cluster_client *client,
                                                               size_t *count);

/* gibson_cluster_error returns what happened in the last call, as gibson_client_error does.
   Since 0.3. */
GIBSON_API const gibson_error *gibson_cluster_error(gibson_cluster_client *client);

/* gibson_cluster_servers_of tells which servers a request on a prefix would go to, all being well:
   their number, and the first `room` of them in servers[], as indexes of the list, in no order.
   With an empty prefix, all. Since 0.3. */
GIBSON_API size_t gibson_cluster_servers_of(gibson_cluster_client *client, gibson_bytes prefix,
                                            size_t *servers, size_t room);

/* gibson_cluster_server_of returns the index of the server that has a key, all being well.
   Since 0.3. */
GIBSON_API size_t gibson_cluster_server_of(gibson_cluster_client *client, gibson_bytes key);

GIBSON_END_DECLS

#endif
