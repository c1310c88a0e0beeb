/* Cluster._route and _note: where an operation goes, for aio.Cluster, which has connections of its
   own. */
#ifndef PYGIBSON_CLUSTER_ROUTE_H
#define PYGIBSON_CLUSTER_ROUTE_H

#include "module.h"
#include "operation.h"

/* Returns a list of (address, use), or NULL with an exception set. */
PyObject *cluster_route(const module_state *state, gibson_cluster_client *client,
                        const operation *op);

/* Tells the cluster how a request has ended: `status` is as of PyGibsonError.status, None for an
   answer. Returns None, or NULL with an exception set. */
PyObject *cluster_note(gibson_cluster_client *client, PyObject *args);

#endif
