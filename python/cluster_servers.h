/* The list of servers of a Cluster, as Python gives it. */
#ifndef PYGIBSON_CLUSTER_SERVERS_H
#define PYGIBSON_CLUSTER_SERVERS_H

#include "module.h"

typedef struct server_list {
    gibson_cluster_server *servers; /* each with memory of its own, which texts[] owns */
    char **texts;
    size_t count;
} server_list;

/* Takes an iterable of addresses, or of pairs of an address and a weight. Returns 0, or -1 with an
   exception set and nothing to free. */
int server_list_take(server_list *made, const module_state *state, PyObject *given);
void server_list_free(server_list *taken);

#endif
