#include "cluster_clients.h"

#include "collected.h"

gibson_cluster_client *cluster_clients_lend(cluster_clients *clients, PyObject *owner,
                                            gibson_cluster *cluster)
{
    (void)owner; /* critical sections do not need it where there is the GIL */
    gibson_cluster_client *client = NULL;
    Py_BEGIN_CRITICAL_SECTION(owner);
    if (clients->count) {
        client = clients->idle[--clients->count];
    }
    Py_END_CRITICAL_SECTION();
    if (!client && gibson_cluster_client_new(&client, cluster) != GIBSON_OK) {
        PyErr_NoMemory();
    }
    return client;
}

/* Whether there is room for one more. */
static bool has_room(cluster_clients *clients)
{
    if (clients->count < clients->capacity) {
        return true;
    }
    const size_t capacity = clients->capacity * 2 + 4;
    gibson_cluster_client **idle = PyMem_Realloc(clients->idle, capacity * sizeof *idle);
    if (idle) {
        clients->idle = idle;
        clients->capacity = capacity;
    }
    return idle != NULL;
}

void cluster_clients_take_back(cluster_clients *clients, PyObject *owner,
                               gibson_cluster_client *client)
{
    (void)owner;
    bool is_kept;
    Py_BEGIN_CRITICAL_SECTION(owner);
    is_kept = !clients->closed && has_room(clients);
    if (is_kept) {
        clients->idle[clients->count++] = client;
    }
    Py_END_CRITICAL_SECTION();
    if (!is_kept) {
        gibson_cluster_client_free(client);
    }
}

void cluster_clients_close(cluster_clients *clients, PyObject *owner)
{
    (void)owner;
    cluster_clients former;
    Py_BEGIN_CRITICAL_SECTION(owner);
    former = *clients;
    *clients = (cluster_clients){.closed = true};
    Py_END_CRITICAL_SECTION();
    while (former.count) {
        gibson_cluster_client_free(former.idle[--former.count]);
    }
    PyMem_Free(former.idle);
}
