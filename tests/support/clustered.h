/* A cluster of servers in threads, each behind a proxy that can break it. Whatever fails here fails
   the test. */
#ifndef SUPPORT_CLUSTERED_H
#define SUPPORT_CLUSTERED_H

#include <gibson/cluster.h>

#include "proxy/proxy.h"
#include "test_server.h"

enum { CLUSTERED_MOST = 8, CLUSTERED_PATIENCE_MS = 20000 };

typedef struct clustered {
    size_t count;
    test_server servers[CLUSTERED_MOST];
    gibp_proxy *proxies[CLUSTERED_MOST];
    gibson_options of_clients; /* long deadlines */
    gibson_cluster_options options;
    gibson_cluster *cluster;
    gibson_cluster_client *client;
} clustered;

/* Starts servers and proxies. The options may be changed before clustered_make: a server is ejected
   by two failures, and left alone for a minute. */
void clustered_start(clustered *all, size_t count);

/* Makes the cluster and a client of it. */
void clustered_make(clustered *all);

/* Frees and stops all. */
void clustered_stop(clustered *all);

/* The list of servers, as they are behind their proxies, or as they are. */
void clustered_list(const clustered *all, gibson_cluster_server *list);
void clustered_list_direct(const clustered *all, gibson_cluster_server *list);

/* Breaks a server for all connections from now on, as soon as something is sent to it; and makes it
   whole again. */
void clustered_break(clustered *all, size_t index, gibp_fault_kind kind);
void clustered_heal(clustered *all, size_t index);

/* A key of a space that a server has: one for each number. */
gibson_bytes clustered_key(clustered *all, size_t index, const char *space, unsigned number,
                           char to[64]);

/* Runs a request, which has to end so. */
gibson_reply clustered_call(clustered *all, gibson_request request, gibson_status expected);

/* Runs requests on a key until the server is ejected. */
void clustered_eject(clustered *all, size_t index);

/* Tells whether a server is ejected, as a client sees it. */
bool clustered_is_ejected(gibson_cluster_client *client, size_t index);

/* Asks for a key until the server that has it has answered, which has to be in time. */
gibson_status clustered_await(gibson_cluster_client *client, gibson_bytes key);

#endif
