#include "aio_client.h"

#include <stddef.h>

#include <structmember.h>

#include "aio_import.h"
#include "endpoint.h"

/* -- calls ------------------------------------------------------------------------------------ */

static Connection *connection_of(PyObject *client)
{
    Connection *connection = ((AioClient *)client)->connection;
    if (!connection) {
        error_raise(module_state_of_type(Py_TYPE(client)), GIBSON_USAGE,
                    "Client.__init__ was not called");
    }
    return connection;
}

Connection *aio_client_begin(PyObject *client, const command_kind *kind)
{
    Connection *connection = connection_of(client);
    return connection && connection_begin(connection, kind) == 0 ? connection : NULL;
}

/* An exception of the arguments is raised where the Reply is awaited, unless it is one that is to
   end the program. */
static void run_operation(Reply *reply, const command_kind *kind, const call_arguments *call)
{
    operation op;
    if (operation_make(&op, kind, call) < 0) {
        reply_fail(reply, NULL);
        return;
    }
    submit_operation(reply, &op);
    operation_release(&op);
    connection_settle(reply->connection);
}

static PyObject *run_command(PyObject *self, const command_kind *kind, const call_arguments *call)
{
    Connection *connection = aio_client_begin(self, kind);
    Reply *reply = connection ? reply_new(connection, self, kind) : NULL;
    if (reply) {
        run_operation(reply, kind, call);
    }
    return (PyObject *)reply;
}

/* -- making a Client -------------------------------------------------------------------------- */

static int make(AioClient *self, module_state *state, const given_options *given)
{
    gibson_options options;
    option_owners owners = {NULL, NULL};
    if (options_take(&options, &owners, state, given) == 0) {
        self->connection = connection_new(state, &options);
    }
    Py_XDECREF(owners.host);
    Py_XDECREF(owners.unix_socket);
    return self->connection ? 0 : -1;
}

static int client_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    AioClient *self = (AioClient *)object;
    module_state *state = module_state_of_type(Py_TYPE(object));
    given_options given;
    if (!state || options_parse(&given, args, keywords) < 0 || aio_import(state) < 0) {
        return -1;
    }
    if (self->connection) {
        error_raise(state, GIBSON_USAGE, "Client.__init__ was called already");
        return -1;
    }
    return make(self, state, &given);
}

static int client_traverse(PyObject *object, visitproc visit, void *arg)
{
    AioClient *self = (AioClient *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->connection);
    Py_VISIT(self->attributes);
    return 0;
}

/* The connection stays: methods rely on it, and it can be cleared itself. */
static int client_clear(PyObject *self)
{
    Py_CLEAR(((AioClient *)self)->attributes);
    return 0;
}

static void client_dealloc(PyObject *object)
{
    AioClient *self = (AioClient *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs(object);
    }
    client_clear(object);
    if (self->connection) {
        connection_release(self->connection);
        Py_CLEAR(self->connection);
    }
    type->tp_free(object);
    Py_DECREF(type);
}

/* -- methods that run no command --------------------------------------------------------------- */

static PyObject *done(Reply *reply, PyObject *result)
{
    if (reply) {
        Py_INCREF(result);
        reply_resolve(reply, result);
    }
    return (PyObject *)reply;
}

/* As aio_client_begin; but once its loop is closed, anybody may close the Client. */
static Connection *begin_closing(PyObject *client, const command_kind *kind)
{
    Connection *connection = aio_client_begin(client, kind);
    if (connection || !((AioClient *)client)->connection) {
        return connection;
    }
    connection = ((AioClient *)client)->connection;
    if (!connection->watch.loop || connection_was_forked(connection)) {
        return NULL;
    }
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyObject *closed = PyObject_CallMethod(connection->watch.loop, "is_closed", NULL);
    if (closed == Py_True) {
        Py_XDECREF(type);
        Py_XDECREF(error);
        Py_XDECREF(traceback);
    } else {
        PyErr_Clear();
        PyErr_Restore(type, error, traceback);
        connection = NULL;
    }
    Py_XDECREF(closed);
    return connection;
}

static PyObject *close_client(PyObject *self, const command_kind *kind)
{
    Connection *connection = begin_closing(self, kind);
    if (!connection) {
        return NULL;
    }
    connection_close(connection, connection_closed_text);
    PyObject *reply = done(reply_new(connection, self, kind), Py_None);
    connection_settle(connection);
    return reply;
}

static PyObject *client_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    static const command_kind kind = {.name = "close"};
    return close_client(self, &kind);
}

static PyObject *client_drain(PyObject *self, PyObject *unused)
{
    (void)unused;
    static const command_kind kind = {.name = "drain"};
    Connection *connection = aio_client_begin(self, &kind);
    Reply *reply = connection ? reply_new(connection, self, &kind) : NULL;
    if (reply) {
        connection->closed_because = connection_closed_text;
        reply->role = REPLY_DRAIN;
        reply_enter(&connection->draining, reply);
        connection_settle(connection);
    }
    return (PyObject *)reply;
}

/* Has a Reply wait for the connection; `result` is what it returns. */
static PyObject *connect_client(PyObject *self, Connection *connection, const command_kind *kind,
                                PyObject *result)
{
    Reply *reply = reply_new(connection, self, kind);
    if (!reply) {
        return NULL;
    }
    gibson_error error;
    Py_INCREF(result);
    reply->result = result;
    reply->role = REPLY_CONNECT;
    reply_enter(&connection->connecting, reply);
    connection->closed_because = NULL;
    if (connection_connect(connection, &error) < 0) {
        reply_fail(reply, connection_exception(connection, &error, kind, NULL, NULL));
    }
    connection_settle(connection);
    return (PyObject *)reply;
}

static PyObject *client_connect(PyObject *self, PyObject *unused)
{
    (void)unused;
    static const command_kind kind = {.name = "connect"};
    Connection *connection = aio_client_begin(self, &kind);
    if (!connection) {
        return NULL;
    }
    if (gibson_async_connected(connection->async)) {
        connection_close(connection, NULL);
    }
    return connect_client(self, connection, &kind, Py_None);
}

static PyObject *client_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    static const command_kind kind = {.name = "connect"};
    Connection *connection = aio_client_begin(self, &kind);
    if (!connection) {
        return NULL;
    }
    if (gibson_async_connected(connection->async)) {
        return done(reply_new(connection, self, &kind), self);
    }
    return connect_client(self, connection, &kind, self);
}

static PyObject *client_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return client_close(self, NULL);
}

static PyObject *client_pipeline(PyObject *self, PyObject *args, PyObject *keywords)
{
    const module_state *state = module_state_of_type(Py_TYPE(self));
    return state ? endpoint_make_pipeline(state, state->aio_pipeline_type, self, args, keywords)
                 : NULL;
}

/* -- attributes ------------------------------------------------------------------------------- */

static bool is_connected(PyObject *self)
{
    const Connection *connection = ((AioClient *)self)->connection;
    return connection && !connection_was_forked(connection) &&
           gibson_async_connected(connection->async);
}

static PyObject *client_get_connected(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(is_connected(self));
}

static PyObject *client_get_server(PyObject *self, void *closure)
{
    (void)closure;
    const Connection *connection = ((AioClient *)self)->connection;
    PyObject *server = connection ? connection->server : Py_None;
    Py_INCREF(server);
    return server;
}

static PyObject *client_get_timeout(PyObject *self, void *closure)
{
    (void)closure;
    const Connection *connection = connection_of(self);
    if (!connection) {
        return NULL;
    }
    if (connection->timeout_ms == GIBSON_NO_DEADLINE) {
        Py_RETURN_NONE;
    }
    return PyLong_FromLongLong(connection->timeout_ms);
}

static int client_set_timeout(PyObject *self, PyObject *given, void *closure)
{
    (void)closure;
    Connection *connection = connection_of(self);
    if (connection && !given) {
        PyErr_SetString(PyExc_AttributeError, "timeout cannot be deleted");
    }
    return connection && given
               ? options_timeout(connection->state, "Client", given, &connection->timeout_ms)
               : -1;
}

static PyObject *client_repr(PyObject *self)
{
    const Connection *connection = ((AioClient *)self)->connection;
    if (!connection) {
        return PyUnicode_FromFormat("<%s, not initialised>", Py_TYPE(self)->tp_name);
    }
    return PyUnicode_FromFormat("<%s %U, %s>", Py_TYPE(self)->tp_name, connection->server,
                                is_connected(self)           ? "connected"
                                : connection->closed_because ? "closed"
                                                             : "not connected");
}

/* -- the type --------------------------------------------------------------------------------- */

#include "methods.h"

static PyMethodDef client_methods[] = {
    COMMAND_METHODS{"close", client_close, METH_NOARGS,
                    "close($self, /)\n--\n\n"
                    "Close the connection. What is under way raises ConnectionLostError.\n\n"
                    "Afterwards operations raise ConnectionLostError until connect is called. "
                    "Closing twice is\n"
                    "no error. Once its event loop is closed, it can be called in any."},
    {"aclose", client_close, METH_NOARGS,
     "aclose($self, /)\n--\n\nThe same as close, for contextlib.aclosing."},
    {"drain", client_drain, METH_NOARGS,
     "drain($self, /)\n--\n\n"
     "Take no more operations, wait for those under way, and close the connection."},
    {"connect", client_connect, METH_NOARGS,
     "connect($self, /)\n--\n\n"
     "Connect, and close the connection first if there is one. An attempt that is being made\n"
     "already is waited for.\n\n"
     "Raises UnreachableError, ServerTimeoutError."},
    {"pipeline", (PyCFunction)(void (*)(void))client_pipeline, METH_VARARGS | METH_KEYWORDS,
     "pipeline($self, /, *, raise_on_error=True)\n--\n\n"
     "Return a new Pipeline, which collects operations and runs them at once.\n\n"
     "Arguments:\n"
     "    raise_on_error (bool): whether the end of the batch raises PipelineError where\n"
     "        operations failed; else their exceptions stand in the results only."},
    {"__aenter__", client_enter, METH_NOARGS,
     "__aenter__($self, /)\n--\n\nConnect, unless there is a connection, and return self."},
    {"__aexit__", (PyCFunction)(void (*)(void))client_exit, METH_FASTCALL,
     "__aexit__($self, /, *args)\n--\n\nClose the connection."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef client_attributes[] = {
    {"connected", client_get_connected, NULL,
     "bool: whether there is a connection that, as far as the Client knows, works.", NULL},
    {"server", client_get_server, NULL,
     "str: where the Client connects to, such as \"127.0.0.1:10128\" or\n"
     "\"unix:/run/gibson.sock\".",
     NULL},
    {"timeout", client_get_timeout, client_set_timeout,
     "int or None: milliseconds for a whole operation, None for no end. It can be set, for the "
     "operations that follow.",
     NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict,
     "dict: attributes that were set on this Client, such as the method of a mock.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef client_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(AioClient, weakrefs), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(AioClient, attributes), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot client_slots[] = {
    {Py_tp_doc, DOC_AIO_CLIENT},     {Py_tp_init, client_init},
    {Py_tp_dealloc, client_dealloc}, {Py_tp_traverse, client_traverse},
    {Py_tp_clear, client_clear},     {Py_tp_repr, client_repr},
    {Py_tp_methods, client_methods}, {Py_tp_getset, client_attributes},
    {Py_tp_members, client_members}, {0, NULL},
};

PyType_Spec aio_client_spec = {
    .name = "pygibson.aio.Client",
    .basicsize = sizeof(AioClient),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = client_slots,
};
