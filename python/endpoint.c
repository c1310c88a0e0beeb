#include "endpoint.h"

#include <string.h>

const char endpoint_parent_text[] = "the connection belongs to the parent process";

bool endpoint_check(const module_state *state, PyObject *object)
{
    return PyObject_TypeCheck(object, state->client_type) ||
           PyObject_TypeCheck(object, state->pool_type) ||
           PyObject_TypeCheck(object, state->cluster_type);
}

gibson_error endpoint_closed(const char *because)
{
    gibson_error error = {.status = GIBSON_CLOSED};
    strncpy(error.message, because, sizeof error.message - 1);
    return error;
}

PyObject *endpoint_make_pipeline(const module_state *state, PyTypeObject *type, PyObject *self,
                                 PyObject *args, PyObject *keywords)
{
    if (module_check_alive(state) < 0) {
        return NULL;
    }
    if (PyTuple_GET_SIZE(args)) {
        PyErr_SetString(PyExc_TypeError, "pipeline() takes no positional arguments");
        return NULL;
    }
    PyObject *given = PyTuple_Pack(1, self);
    PyObject *made = given ? PyObject_Call((PyObject *)type, given, keywords) : NULL;
    Py_XDECREF(given);
    return made;
}

PyObject *endpoint_pipeline(PyObject *self, PyObject *args, PyObject *keywords)
{
    const module_state *state = endpoint_of(self)->state;
    return endpoint_make_pipeline(state, state->pipeline_type, self, args, keywords);
}

PyObject *endpoint_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    Py_INCREF(self);
    return self;
}

PyObject *endpoint_get_server(PyObject *self, void *closure)
{
    (void)closure;
    PyObject *server = endpoint_of(self)->server;
    server = server ? server : Py_None;
    Py_INCREF(server);
    return server;
}

PyObject *endpoint_timeout_object(int64_t timeout_ms)
{
    if (timeout_ms == GIBSON_NO_DEADLINE) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(timeout_ms);
}
