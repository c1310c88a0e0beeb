/* The arguments of Client(), Pool() and Cluster(): the one list of them, and what takes them. */
#ifndef PYGIBSON_OPTIONS_H
#define PYGIBSON_OPTIONS_H

#include <limits.h>

#include "module.h"

enum { OPTION_REFUSED = -2 }; /* None is no value for the option */

#define TEXT_OF(number) #number
#define TEXT(number) TEXT_OF(number)

/* X(name, kind, default, text, member, ...): the default as Python shows it, what help says without
   the full stop, and the member of gibson_options. A NUMBER, of 1 and more, also has the type of
   the member, what None stands for and the most; 0 stands for the default of libgibson. The first
   list can be given by position, in this order. A test compares _pygibson.pyi and README.md. */
#define ADDRESS_OPTIONS(X)                                                                         \
    X(addr, HOST, "'" GIBSON_DEFAULT_HOST "'",                                                     \
      "name, IPv4 or IPv6 address of the server; None for the default", host)                      \
    X(port, NUMBER, TEXT(GIBSON_DEFAULT_PORT), "its TCP port", port, uint16_t, OPTION_REFUSED,     \
      UINT16_MAX)                                                                                  \
    X(unix_socket, PATH, "None",                                                                   \
      "path of its unix socket, in place of addr and\n"                                            \
      "        port; '@' and a name for an abstract one",                                          \
      unix_socket)

#define TIMEOUT_OPTION(X)                                                                          \
    X(timeout, NUMBER, TEXT(GIBSON_DEFAULT_TIMEOUT_MS),                                            \
      "milliseconds for a whole operation, however the bytes trickle in; None\n"                   \
      "        waits for ever",                                                                    \
      timeout_ms, int64_t, GIBSON_NO_DEADLINE, INT64_MAX)

#define HOST_OPTION(X) X(host, HOST, "None", "another name of addr", host)

#define CONNECTION_OPTIONS(X)                                                                      \
    X(connect_timeout, NUMBER, TEXT(GIBSON_DEFAULT_CONNECT_TIMEOUT_MS),                            \
      "milliseconds to resolve the name and connect; None: for ever", connect_timeout_ms, int64_t, \
      GIBSON_NO_DEADLINE, INT64_MAX)                                                               \
    X(retry_repeatable, FLAG, "False",                                                             \
      "with reconnect, repeat once a command whose connection was\n"                               \
      "        lost under way, if doing it twice is the same as once. Never after a timeout",      \
      retry_repeatable)                                                                            \
    X(max_reply_size, NUMBER, "None", "most bytes of a reply; None for 64 MiB", max_reply_size,    \
      size_t, 0, UINT32_MAX)                                                                       \
    X(max_request_size, NUMBER, "None", "most bytes of a request; None for 4 MiB",                 \
      max_request_size, size_t, 0, UINT32_MAX)                                                     \
    X(max_key_size, NUMBER, "None",                                                                \
      "most bytes of a key or prefix; None for " TEXT(GIBSON_DEFAULT_MAX_KEY_SIZE), max_key_size,  \
      size_t, 0, UINT32_MAX)                                                                       \
    X(max_value_size, NUMBER, "None",                                                              \
      "most bytes of a value; None for what max_request_size leaves", max_value_size, size_t, 0,   \
      UINT32_MAX)                                                                                  \
    X(max_seconds, NUMBER, "None",                                                                 \
      "longest ttl or lock time in seconds; None to learn it from the\n"                           \
      "        server: 32767 unless the server says otherwise (STATS max_item_ttl)",               \
      max_seconds, int64_t, 0, INT64_MAX)                                                          \
    X(pipeline_window, NUMBER, "None",                                                             \
      "most requests under way; None for " TEXT(GIBSON_DEFAULT_PIPELINE_WINDOW), pipeline_window,  \
      uint32_t, 0, UINT32_MAX)                                                                     \
    X(pipeline_bytes, NUMBER, "None", "most bytes of requests under way; None for 16 MiB",         \
      pipeline_bytes, size_t, 0, INT64_MAX)                                                        \
    X(tcp_keepalive, NUMBER, TEXT(GIBSON_DEFAULT_TCP_KEEPALIVE_S),                                 \
      "seconds of silence before the peer is probed; None: off", tcp_keepalive_s, int, -1,         \
      INT_MAX)                                                                                     \
    X(tcp_user_timeout, NUMBER, "None",                                                            \
      "milliseconds that sent data may stay unacknowledged; None for\n"                            \
      "        the default of the system",                                                         \
      tcp_user_timeout_ms, unsigned int, 0, UINT_MAX)

#define RECONNECT_OPTIONS(X)                                                                       \
    X(reconnect, FLAG, "False",                                                                    \
      "connect again before the next operation when the connection broke", reconnect)              \
    X(reconnect_delay, NUMBER, TEXT(GIBSON_DEFAULT_RECONNECT_DELAY_MS),                            \
      "after a failure to connect, operations fail at once for so many\n"                          \
      "        milliseconds, doubled with every failure",                                          \
      reconnect_delay_ms, int64_t, 0, INT64_MAX)                                                   \
    X(reconnect_max_delay, NUMBER, TEXT(GIBSON_DEFAULT_RECONNECT_MAX_DELAY_MS),                    \
      "what that is doubled to at most", reconnect_max_delay_ms, int64_t, 0, INT64_MAX)

#define POSITIONAL_OPTIONS(X) ADDRESS_OPTIONS(X) TIMEOUT_OPTION(X)
#define KEYWORD_OPTIONS(X) HOST_OPTION(X) CONNECTION_OPTIONS(X) RECONNECT_OPTIONS(X)

#define ALL_OPTIONS(X) POSITIONAL_OPTIONS(X) KEYWORD_OPTIONS(X)

/* What Pool() takes as well: members of gibson_pool_options. */
#define POOL_OPTIONS(X)                                                                            \
    X(max_connections, NUMBER, TEXT(GIBSON_DEFAULT_POOL_MAX), "most connections at a time", max,   \
      uint32_t, OPTION_REFUSED, GIBSON_MOST_POOL_MAX)                                              \
    X(min_connections, NUMBER, "None",                                                             \
      "how many idle_timeout leaves; None for none. They are made when they are\n"                 \
      "        needed",                                                                            \
      min, uint32_t, 0, GIBSON_MOST_POOL_MAX)                                                      \
    X(acquire_timeout, NUMBER, TEXT(GIBSON_DEFAULT_ACQUIRE_TIMEOUT_MS),                            \
      "milliseconds, of those of the operation, to wait for a connection that\n"                   \
      "        is free, and to make one; None: no limit of its own",                               \
      acquire_timeout_ms, int64_t, GIBSON_NO_DEADLINE, INT64_MAX)                                  \
    X(idle_timeout, NUMBER, TEXT(GIBSON_DEFAULT_POOL_IDLE_TIMEOUT_MS),                             \
      "milliseconds that a connection may be unused; None: for ever", idle_timeout_ms, int64_t,    \
      GIBSON_NO_DEADLINE, INT64_MAX)                                                               \
    X(lifetime, NUMBER, TEXT(GIBSON_DEFAULT_POOL_LIFETIME_MS),                                     \
      "milliseconds that a connection may last, 10 % more or less at random; None:\n"              \
      "        for ever",                                                                          \
      lifetime_ms, int64_t, GIBSON_NO_DEADLINE, INT64_MAX)

/* What Cluster() takes beside TIMEOUT_OPTION, which comes second, and CONNECTION_OPTIONS: members
   of gibson_cluster_options. */
#define SERVERS_OPTION(X)                                                                          \
    X(servers, SERVERS, ,                                                                          \
      "the addresses: \"host\", \"host:port\", \"[IPv6]:port\" or\n"                               \
      "        \"unix:/path\", or pairs of one and its weight (int), its share of the keys", )
#define CLUSTER_OPTIONS(X)                                                                         \
    X(depth, NUMBER, "None",                                                                       \
      "affinity: a key is placed by what is before so many separators; None: by\n"                 \
      "        the whole key",                                                                     \
      depth, uint32_t, 0, UINT32_MAX)                                                              \
    X(separator, CHARACTER, "':'", "one ASCII character; for depth", separator)                    \
    X(hash_tag, FLAG, "False", "affinity: a key is placed by what is between { and }", hash_tag)   \
    X(failure_limit, NUMBER, TEXT(GIBSON_DEFAULT_CLUSTER_FAILURE_LIMIT),                           \
      "failures in a row after which a server is ejected", failure_limit, uint32_t,                \
      OPTION_REFUSED, UINT32_MAX)                                                                  \
    X(retry_delay, NUMBER, TEXT(GIBSON_DEFAULT_CLUSTER_RETRY_DELAY_MS),                            \
      "milliseconds, half of them at least, until one operation asks an ejected\n"                 \
      "        server again; doubled with every failure",                                          \
      retry_delay_ms, int64_t, OPTION_REFUSED, INT64_MAX)                                          \
    X(retry_max_delay, NUMBER, TEXT(GIBSON_DEFAULT_CLUSTER_RETRY_MAX_DELAY_MS),                    \
      "what that is doubled to at most", retry_max_delay_ms, int64_t, OPTION_REFUSED, INT64_MAX)   \
    X(rehash, FLAG, "False",                                                                       \
      "keys of an ejected server go to the next; else operations on them fail at\n"                \
      "        once",                                                                              \
      policy)                                                                                      \
    X(flush_prefix, PREFIX, "None",                                                                \
      "what begins with it is deleted on a server that comes back, before\n"                       \
      "        it is used",                                                                        \
      flush_prefix)

/* The arguments as they were given: borrowed, NULL where they were not. */
typedef struct given_options {
    const char *type; /* what they were given to, for messages */
#define GIVEN(name, kind, ...) GIVEN_##kind(name)
#define GIVEN_HOST(name) PyObject *name;
#define GIVEN_PATH(name) PyObject *name;
#define GIVEN_NUMBER(name) PyObject *name;
#define GIVEN_FLAG(name) int name;
#define GIVEN_SERVERS(name) PyObject *name;
#define GIVEN_CHARACTER(name) PyObject *name;
#define GIVEN_PREFIX(name) PyObject *name;
    ALL_OPTIONS(GIVEN)
    POOL_OPTIONS(GIVEN)
    SERVERS_OPTION(GIVEN)
    CLUSTER_OPTIONS(GIVEN)
#undef GIVEN_PREFIX
#undef GIVEN_CHARACTER
#undef GIVEN_SERVERS
#undef GIVEN_FLAG
#undef GIVEN_NUMBER
#undef GIVEN_PATH
#undef GIVEN_HOST
#undef GIVEN
} given_options;

/* The objects that options point into, owned; NULL where they do not. */
typedef struct option_owners {
    PyObject *host;        /* str */
    PyObject *unix_socket; /* bytes */
} option_owners;

/* These return 0, or -1 with an exception set. */

int options_parse(given_options *given, PyObject *args, PyObject *keywords);
int options_parse_pool(given_options *given, PyObject *args, PyObject *keywords);
int options_parse_cluster(given_options *given, PyObject *args, PyObject *keywords);

/* Takes the timeout and those of CONNECTION_OPTIONS. */
int options_take_connection(gibson_options *options, const module_state *state,
                            const given_options *given);

/* Takes all of a client. Also replaces the owners. */
int options_take(gibson_options *options, option_owners *owners, const module_state *state,
                 const given_options *given);

/* Takes those of a pool alone. */
int options_take_pool(gibson_pool_options *options, const module_state *state,
                      const given_options *given);

/* Takes those of a cluster alone, but for the servers. *text owns what the options point into. */
int options_take_cluster(gibson_cluster_options *options, PyObject **text,
                         const module_state *state, const given_options *given);

/* Takes the timeout alone, as set on an object of that type. */
int options_timeout(const module_state *state, const char *type, PyObject *given,
                    int64_t *timeout_ms);

#endif
