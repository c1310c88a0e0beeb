/* The clients of a cluster that no thread uses now: each call borrows one. */
#ifndef PYGIBSON_CLUSTER_CLIENTS_H
#define PYGIBSON_CLUSTER_CLIENTS_H

#include "module.h"

typedef struct cluster_clients {
    gibson_cluster_client **idle; /* the last used last, which is lent first */
    size_t count;
    size_t capacity;
    bool closed;
} cluster_clients;

/* Lends one, and makes it if there is none. `owner` is the object whose clients they are. NULL with
   an exception set if memory runs out. */
gibson_cluster_client *cluster_clients_lend(cluster_clients *clients, PyObject *owner,
                                            gibson_cluster *cluster);

/* Takes one back, and frees it if they are closed. */
void cluster_clients_take_back(cluster_clients *clients, PyObject *owner,
                               gibson_cluster_client *client);

/* Frees them, and those that are lent when they come back. */
void cluster_clients_close(cluster_clients *clients, PyObject *owner);

#endif
