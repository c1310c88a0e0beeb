#include "client.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <structmember.h>

#include "refusal.h"

static const char closed_text[] = "the client is closed";
static const char handler_text[] =
    "the connection is broken: an exception of a signal handler ended a call";

static const char own_text[] =
    "this thread is in a call of this Client already: a signal handler or "
    "finaliser must not use it";

/* -- turns --------------------------------------------------------------------------------- */

static int interrupt(void *context);

static gibson_client *new_gibson_client(Client *self, gibson_error *error)
{
    self->options.interrupt = interrupt;
    self->options.interrupt_context = self;
    gibson_client *made;
    gibson_client_new(&made, &self->options, error);
    return made;
}

/* In the child of a fork, in place of what a thread of the parent was using. The old client is left
   alone: nobody knows what state it is in. */
static int replace_after_fork(Client *self)
{
    gibson_error error;
    if (self->client) {
        self->client = new_gibson_client(self, &error);
        if (!self->client) {
            PyErr_NoMemory();
            return -1;
        }
    }
    self->shortened = false;
    if (!self->closed_because && !self->options.reconnect) {
        self->closed_because = endpoint_parent_text;
    }
    return 0;
}

/* The rest of the timeout is for the operation itself. */
static void shorten_timeout(Client *self, int64_t waited_ms)
{
    if (self->client && waited_ms > 0 && self->options.timeout_ms > 0) {
        int64_t left_ms = self->options.timeout_ms - waited_ms;
        gibson_client_set_timeout(self->client, left_ms > 0 ? left_ms : 1);
        self->shortened = true;
        self->waited_ms = waited_ms;
    }
}

static void raise_late(const Client *self, const operation *op)
{
    gibson_error error = {.status = GIBSON_TIMEOUT};
    snprintf(error.message, sizeof error.message,
             "other threads used this Client for all of the timeout (%lld ms)",
             (long long)self->options.timeout_ms);
    client_raise(self, &error, op);
}

static void raise_usage(const Client *self, const operation *op, const char *message)
{
    gibson_error error = {.status = GIBSON_USAGE};
    strncpy(error.message, message, sizeof error.message - 1);
    client_raise(self, &error, op);
}

static int wait_for_turn(Client *self, const operation *op)
{
    int64_t waited_ms = 0;
    switch (turn_wait(&self->turn, &self->state->forks, self->options.timeout_ms, &waited_ms)) {
    case TURN_TAKEN:
        shorten_timeout(self, waited_ms);
        return 0;
    case TURN_ORPHANED:
        if (replace_after_fork(self) == 0) {
            return 0;
        }
        turn_leave(&self->turn, self->state->forks);
        return -1;
    case TURN_LATE:
        raise_late(self, op);
        return -1;
    case TURN_OWN:
        raise_usage(self, op, own_text);
        return -1;
    default:
        return -1;
    }
}

static int take_turn(Client *self, const operation *op)
{
    return turn_try(&self->turn, self->state->forks) ? 0 : wait_for_turn(self, op);
}

int client_begin(Client *self, const operation *op)
{
    if (take_turn(self, op) < 0) {
        return -1;
    }
    if (!self->client) {
        turn_leave(&self->turn, self->state->forks);
        error_raise(self->state, GIBSON_USAGE, "Client.__init__ was not called");
        return -1;
    }
    return 0;
}

void client_end(Client *self)
{
    if (self->shortened) {
        gibson_client_set_timeout(self->client, self->options.timeout_ms);
        self->shortened = false;
    }
    bool connected = gibson_client_connected(self->client);
    if (connected) {
        self->broken_because = NULL;
    }
    atomic_store_explicit(&self->connected, connected, memory_order_relaxed);
    turn_leave(&self->turn, self->state->forks);
}

/* -- calls into libgibson ------------------------------------------------------------------- */

/* libgibson calls it within a wait. A handler that forks and returns comes back here twice: in the
   child the call must end, because the connection is the parent's. */
static int interrupt(void *context)
{
    Client *self = context;
    client_leave(self);
    unsigned long forks = self->state->forks;
    int raised = PyErr_CheckSignals();
    self->forked = self->state->forks != forks;
    client_enter(self);
    bool ends = raised || self->forked;
    if (ends && !self->options.reconnect) {
        self->broken_because = self->forked ? endpoint_parent_text : handler_text;
    }
    return ends;
}

bool client_is_closed(const Client *self, gibson_error *error)
{
    const char *because = self->closed_because;
    if (because) {
        *error = endpoint_closed(because);
    }
    return because != NULL;
}

gibson_error client_error(Client *self)
{
    gibson_error error = *gibson_client_error(self->client);
    if (error.status == GIBSON_INTERRUPTED && self->forked) {
        return endpoint_closed(endpoint_parent_text);
    }
    if (error.status == GIBSON_CLOSED && self->broken_because) {
        return endpoint_closed(self->broken_because);
    }
    if (error.status == GIBSON_TIMEOUT && self->shortened) {
        size_t size = strlen(error.message);
        snprintf(error.message + size, sizeof error.message - size,
                 "; other threads had used this Client for %lld of its %lld ms",
                 (long long)self->waited_ms, (long long)self->options.timeout_ms);
    }
    return error;
}

PyObject *client_raise(const Client *self, const gibson_error *error, const operation *op)
{
    if (PyErr_Occurred()) {
        return NULL;
    }
    failure failed = {*error, op->kind, op->key, self->server, op->refused, "Client"};
    return failure_raise(self->state, &failed);
}

static gibson_status call_gibson(Client *self, const operation *op, gibson_reply *reply,
                                 gibson_owned_reply **owned)
{
    const gibson_request *request = &op->request;
    if (request->opcode == GIBSON_OP_GET) { /* libgibson has a short way for it */
        return gibson_client_get(self->client, request->key, &reply->value);
    }
    if (op->kind->effect == GIBSON_EFFECT_CLOSE) {
        return gibson_client_quit(self->client);
    }
    gibson_status status = gibson_client_call(self->client, request, reply);
    if (status == GIBSON_OK && gibson_yields_items(op->kind->yield)) {
        status = gibson_client_take_reply(self->client, owned);
    }
    return status;
}

static PyObject *run_operation(Client *self, const operation *op)
{
    if (client_begin(self, op) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    gibson_owned_reply *owned = NULL;
    gibson_reply reply = {.status = GIBSON_OK};
    gibson_error error;
    bool quits = op->kind->effect == GIBSON_EFFECT_CLOSE;
    bool ok = quits || !client_is_closed(self, &error);
    if (ok) {
        client_enter(self);
        ok = call_gibson(self, op, &reply, &owned) == GIBSON_OK;
        client_leave(self);
        if (!ok) {
            error = client_error(self);
        } else if (!owned) {
            result = value_object(op->kind, &reply.value);
        }
    }
    if (quits) {
        self->closed_because = closed_text;
    }
    client_end(self);
    if (!ok) {
        return client_raise(self, &error, op);
    }
    if (owned) { /* other threads need not wait while the objects are made */
        result = items_object(op->kind, reply.items);
        gibson_owned_reply_free(owned);
    }
    return result;
}

static PyObject *run_command(PyObject *self, const command_kind *kind, const call_arguments *call)
{
    Client *client = (Client *)self;
    operation op;
    if (operation_make(&op, kind, call) < 0) {
        return NULL;
    }
    PyObject *result = run_operation(client, &op);
    operation_release(&op);
    return result;
}

/* -- making a Client ------------------------------------------------------------------------ */

/* Connects a gibson_client, within a turn. Returns false with the error set. */
static bool connect_gibson(Client *self, gibson_error *error)
{
    client_enter(self);
    bool ok = gibson_client_connect(self->client) == GIBSON_OK;
    client_leave(self);
    if (!ok) {
        *error = client_error(self);
    }
    return ok;
}

static int make_connected(Client *self)
{
    gibson_error error;
    self->client = new_gibson_client(self, &error);
    if (self->client) {
        Py_XSETREF(self->server, PyUnicode_DecodeFSDefault(gibson_client_peer(self->client)));
        if (self->server && connect_gibson(self, &error)) {
            return 0;
        }
        gibson_client_free(self->client);
        self->client = NULL;
    }
    client_raise(self, &error, &(operation){0});
    return -1;
}

static int client_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    Client *self = (Client *)object;
    given_options given;
    if (options_parse(&given, args, keywords) < 0 || take_turn(self, &(operation){0}) < 0) {
        return -1;
    }
    int result = -1;
    if (self->client) {
        error_raise(self->state, GIBSON_USAGE, "Client.__init__ was called already");
    } else if (options_take(&self->options, &self->owners, self->state, &given) == 0) {
        result = make_connected(self);
    }
    client_end(self);
    return result;
}

static PyObject *client_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    module_state *state = module_state_of_type(type);
    Client *self = state ? (Client *)type->tp_alloc(type, 0) : NULL;
    if (!self) {
        return NULL;
    }
    self->state = state;
    self->run = client_run_batch;
    turn_init(&self->turn, state->forks);
    return (PyObject *)self;
}

static int client_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(((Client *)self)->attributes);
    return 0;
}

/* What else a Client has is str and bytes, through which no circle goes. */
static int client_clear(PyObject *self)
{
    Py_CLEAR(((Client *)self)->attributes);
    return 0;
}

static void client_dealloc(PyObject *object)
{
    Client *self = (Client *)object;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs(object);
    }
    client_clear(object);
    gibson_client_free(self->client);
    Py_XDECREF(self->owners.host);
    Py_XDECREF(self->owners.unix_socket);
    Py_XDECREF(self->server);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- methods that run no command ------------------------------------------------------------ */

static PyObject *client_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    Client *self = (Client *)object;
    static const command_kind kind = {.name = "close"};
    if (client_begin(self, &(operation){.kind = &kind}) < 0) {
        return NULL;
    }
    gibson_client_close(self->client);
    self->closed_because = closed_text;
    client_end(self);
    Py_RETURN_NONE;
}

static PyObject *client_connect(PyObject *object, PyObject *unused)
{
    (void)unused;
    Client *self = (Client *)object;
    static const command_kind kind = {.name = "connect"};
    const operation op = {.kind = &kind};
    if (client_begin(self, &op) < 0) {
        return NULL;
    }
    gibson_error error;
    self->broken_because = NULL;
    bool ok = connect_gibson(self, &error);
    self->closed_because = NULL;
    client_end(self);
    if (!ok) {
        return client_raise(self, &error, &op);
    }
    Py_RETURN_NONE;
}

static PyObject *client_context_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return client_close(self, NULL);
}

/* -- attributes ----------------------------------------------------------------------------- */

static bool is_connected(Client *self)
{
    if (!turn_try(&self->turn, self->state->forks)) {
        return self->turn.forks == self->state->forks && atomic_load(&self->connected);
    }
    bool connected = gibson_client_connected(self->client);
    turn_leave(&self->turn, self->state->forks);
    return connected;
}

static PyObject *client_get_connected(PyObject *self, void *closure)
{
    (void)closure;
    return PyBool_FromLong(is_connected((Client *)self));
}

static PyObject *client_get_timeout(PyObject *object, void *closure)
{
    (void)closure;
    Client *self = (Client *)object;
    return endpoint_timeout_object(self->options.timeout_ms);
}

static int client_set_timeout(PyObject *object, PyObject *given, void *closure)
{
    (void)closure;
    Client *self = (Client *)object;
    int64_t timeout_ms = 0;
    if (!given) {
        PyErr_SetString(PyExc_AttributeError, "timeout cannot be deleted");
        return -1;
    }
    if (options_timeout(self->state, "Client", given, &timeout_ms) < 0 ||
        client_begin(self, &(operation){0}) < 0) {
        return -1;
    }
    self->options.timeout_ms = timeout_ms;
    gibson_client_set_timeout(self->client, timeout_ms);
    self->shortened = false;
    client_end(self);
    return 0;
}

static PyObject *client_repr(PyObject *object)
{
    Client *self = (Client *)object;
    if (!self->server) {
        return PyUnicode_FromFormat("<%s, not initialised>", Py_TYPE(self)->tp_name);
    }
    return PyUnicode_FromFormat("<%s %U, %s>", Py_TYPE(self)->tp_name, self->server,
                                is_connected(self)     ? "connected"
                                : self->closed_because ? "closed"
                                                       : "not connected");
}

/* -- the type ------------------------------------------------------------------------------- */

#include "methods.h"

static PyMethodDef client_methods[] = {
    COMMAND_METHODS{"close", client_close, METH_NOARGS,
                    "close($self, /)\n--\n\n"
                    "Close the connection, waiting for a command of another thread to end.\n\n"
                    "Afterwards operations raise ConnectionLostError until connect is called. "
                    "Closing twice is\n"
                    "no error."},
    {"connect", client_connect, METH_NOARGS,
     "connect($self, /)\n--\n\n"
     "Connect, and close the connection first if there is one.\n\n"
     "Raises UnreachableError, ServerTimeoutError."},
    {"pipeline", (PyCFunction)(void (*)(void))endpoint_pipeline, METH_VARARGS | METH_KEYWORDS,
     DOC_PIPELINE},
    {"__enter__", endpoint_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn self."},
    {"__exit__", (PyCFunction)(void (*)(void))client_context_exit, METH_FASTCALL,
     "__exit__($self, /, *args)\n--\n\nClose the connection."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef client_attributes[] = {
    {"connected", client_get_connected, NULL,
     "bool: whether there is a connection that, as far as the Client knows, works. It does not\n"
     "look whether the server has gone. While another thread runs an operation: what it was\n"
     "before that.",
     NULL},
    {"server", endpoint_get_server, NULL,
     "str: where the Client connects to, such as \"127.0.0.1:10128\" or\n"
     "\"unix:/run/gibson.sock\".",
     NULL},
    {"timeout", client_get_timeout, client_set_timeout,
     "int or None: milliseconds for a whole operation, None for no end. It can be set, which "
     "waits for a call of another thread to end.",
     NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict,
     "dict: attributes that were set on this Client, such as the method of a mock.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef client_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Client, weakrefs), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Client, attributes), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot client_slots[] = {
    {Py_tp_doc, DOC_CLIENT},
    {Py_tp_new, client_new},
    {Py_tp_init, client_init},
    {Py_tp_dealloc, client_dealloc},
    {Py_tp_traverse, client_traverse},
    {Py_tp_clear, client_clear},
    {Py_tp_repr, client_repr},
    {Py_tp_methods, client_methods},
    {Py_tp_getset, client_attributes},
    {Py_tp_members, client_members},
    {0, NULL},
};

PyType_Spec client_spec = {
    .name = "pygibson.Client",
    .basicsize = sizeof(Client),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = client_slots,
};
