#include "cluster_route.h"

#include <string.h>

#include "errors.h"

static PyObject *target_object(const gibson_cluster_target *target)
{
    return Py_BuildValue("Ni", PyUnicode_DecodeFSDefault(target->server), (int)target->use);
}

static PyObject *targets_object(const gibson_cluster_target *targets, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *target = target_object(&targets[i]);
        if (!target) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, target);
    }
    return list;
}

static PyObject *raise(const module_state *state, gibson_cluster_client *client,
                       const operation *op)
{
    failure failed = {*gibson_cluster_error(client), op->kind, op->key, NULL, op->refused, NULL};
    return failure_raise(state, &failed);
}

/* The list of servers may become longer between two calls, so room is made anew. */
PyObject *cluster_route(const module_state *state, gibson_cluster_client *client,
                        const operation *op)
{
    gibson_cluster_target one;
    gibson_cluster_target *targets = &one;
    size_t room = 1;
    size_t count;
    gibson_status status;
    while ((status = gibson_cluster_route(client, &op->request, targets, room, &count)) ==
               GIBSON_USAGE &&
           count > room) {
        room = count;
        gibson_cluster_target *more =
            PyMem_Realloc(targets == &one ? NULL : targets, room * sizeof *targets);
        if (!more) {
            status = GIBSON_NOMEM;
            break;
        }
        targets = more;
    }
    PyObject *list = NULL;
    if (status == GIBSON_OK) {
        list = targets_object(targets, count);
    } else if (status == GIBSON_NOMEM) {
        PyErr_NoMemory();
    } else {
        raise(state, client, op);
    }
    if (targets != &one) {
        PyMem_Free(targets);
    }
    return list;
}

static gibson_status status_by_name(const char *name)
{
    for (int status = GIBSON_OK; status < STATUS_COUNT; status++) {
        if (strcmp(gibson_status_name((gibson_status)status), name) == 0) {
            return (gibson_status)status;
        }
    }
    return GIBSON_INTERRUPTED; /* from which nothing is learnt */
}

PyObject *cluster_note(gibson_cluster_client *client, PyObject *args)
{
    PyObject *server;
    int use;
    const char *name;
    if (!PyArg_ParseTuple(args, "O&iz:_note", PyUnicode_FSConverter, &server, &use, &name)) {
        return NULL;
    }
    gibson_cluster_note(client, PyBytes_AS_STRING(server), (gibson_cluster_use)use,
                        name ? status_by_name(name) : GIBSON_OK);
    Py_DECREF(server);
    Py_RETURN_NONE;
}
