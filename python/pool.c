#include "pool.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>

#include <structmember.h>

#include "endpoint.h"
#include "errors.h"
#include "operation.h"
#include "options.h"
#include "wait.h"

/* Threads use it at once, and take no turns: libgibson lends each a connection of its own. */
typedef struct Pool {
    ENDPOINT_HEAD
    gibson_pool *_Atomic pool; /* NULL until __init__ has succeeded */
    atomic_flag begun;         /* __init__ runs, or has succeeded */
    _Atomic int64_t timeout_ms;
    int64_t acquire_timeout_ms;
    int64_t first_timeout_ms; /* that of the options */
    atomic_bool closed;
    option_owners owners;
    PyObject *weakrefs;
    PyObject *attributes; /* the dict of what was set on the instance, or NULL */
} Pool;

static Pool *pool_of(PyObject *object)
{
    return (Pool *)object;
}

/* -- calls into libgibson ------------------------------------------------------------------- */

/* Raises the exception for an error, unless a signal handler has raised one. Returns NULL. */
static PyObject *raise(const Pool *self, const gibson_error *error, const operation *op)
{
    if (PyErr_Occurred()) {
        return NULL;
    }
    failure failed = {*error, op->kind, op->key, self->server, op->refused, "Pool"};
    return failure_raise(self->state, &failed);
}

static int check_made(const Pool *self)
{
    if (self->pool) {
        return 0;
    }
    error_raise(self->state, GIBSON_USAGE, "Pool.__init__ was not called");
    return -1;
}

/* -- operations ----------------------------------------------------------------------------- */

static PyObject *run_operation(Pool *self, const operation *op)
{
    gibson_reply reply;
    gibson_owned_reply *owned;
    gibson_error error;
    waiting_call call;
    wait_enter(&call, self->state);
    const gibson_status status =
        gibson_pool_call(self->pool, &op->request, self->timeout_ms, &reply, &owned, &error);
    wait_leave(&call);
    if (status != GIBSON_OK) {
        error = wait_error(&call, &error);
        return raise(self, &error, op);
    }
    PyObject *result = gibson_yields_items(op->kind->yield) ? items_object(op->kind, reply.items)
                                                            : value_object(op->kind, &reply.value);
    gibson_owned_reply_free(owned);
    return result;
}

static PyObject *pool_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    Pool *self = pool_of(object);
    if (check_made(self) < 0) {
        return NULL;
    }
    self->closed = true;
    gibson_pool_close(self->pool);
    Py_RETURN_NONE;
}

/* END is for one connection, and all end with close. */
static PyObject *run_command(PyObject *object, const command_kind *kind, const call_arguments *call)
{
    Pool *self = pool_of(object);
    operation op;
    if (check_made(self) < 0 || operation_make(&op, kind, call) < 0) {
        return NULL;
    }
    PyObject *result =
        kind->effect == GIBSON_EFFECT_CLOSE ? pool_close(object, NULL) : run_operation(self, &op);
    operation_release(&op);
    return result;
}

/* Makes a connection, or finds one that is idle. */
static int try_connection(Pool *self, gibson_pool *pool, const operation *op)
{
    gibson_client *client;
    gibson_error error;
    waiting_call call;
    wait_enter(&call, self->state);
    const gibson_status status = gibson_pool_acquire(pool, 0, &client, &error);
    if (status == GIBSON_OK) {
        gibson_pool_release(pool, client);
    }
    wait_leave(&call);
    if (status != GIBSON_OK) {
        error = wait_error(&call, &error);
        raise(self, &error, op);
    }
    return PyErr_Occurred() ? -1 : 0;
}

static PyObject *pool_connect(PyObject *object, PyObject *unused)
{
    (void)unused;
    Pool *self = pool_of(object);
    static const command_kind kind = {.name = "connect"};
    if (check_made(self) < 0) {
        return NULL;
    }
    gibson_pool_clear(self->pool);
    if (try_connection(self, self->pool, &(operation){.kind = &kind}) < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyObject *pool_clear_idle(PyObject *object, PyObject *unused)
{
    (void)unused;
    Pool *self = pool_of(object);
    if (check_made(self) < 0) {
        return NULL;
    }
    gibson_pool_clear(self->pool);
    Py_RETURN_NONE;
}

/* -- pipelines ------------------------------------------------------------------------------ */

/* What may be waited for a connection: 0 stands for acquire_timeout. */
static int64_t longest_wait_ms(const Pool *self, int64_t timeout_ms)
{
    const int64_t acquire_ms = self->acquire_timeout_ms;
    const bool is_shorter = timeout_ms != GIBSON_NO_DEADLINE &&
                            (acquire_ms == GIBSON_NO_DEADLINE || timeout_ms < acquire_ms);
    return is_shorter ? timeout_ms : 0;
}

static gibson_error batch_error(const batch *run)
{
    return wait_error(run->context, gibson_client_error(run->on));
}

static int pool_run_batch(PyObject *object, batch *run)
{
    Pool *self = pool_of(object);
    static const command_kind kind = {.name = "pipeline"};
    if (check_made(self) < 0) {
        return -1;
    }
    const int64_t timeout_ms = self->timeout_ms;
    gibson_client *client;
    gibson_error error;
    waiting_call call;
    wait_enter(&call, self->state);
    const gibson_status status =
        gibson_pool_acquire(self->pool, longest_wait_ms(self, timeout_ms), &client, &error);
    if (status == GIBSON_OK) {
        if (timeout_ms != self->first_timeout_ms) {
            (void)gibson_client_set_timeout(client, timeout_ms); /* undone by the release */
        }
        batch_way way = batch_client_way;
        way.error_of = batch_error;
        batch_run(run, &way, client, &call);
        gibson_pool_release(self->pool, client);
    }
    wait_leave(&call);
    if (status != GIBSON_OK) {
        error = wait_error(&call, &error);
        raise(self, &error, &(operation){.kind = &kind});
    }
    return PyErr_Occurred() ? -1 : 0;
}

/* -- making a Pool -------------------------------------------------------------------------- */

/* The name of the server, as a client has it that is not connected. */
static PyObject *server_name(const gibson_options *options, gibson_error *error)
{
    gibson_client *client;
    if (gibson_client_new(&client, options, error) != GIBSON_OK) {
        return NULL;
    }
    PyObject *name = PyUnicode_DecodeFSDefault(gibson_client_peer(client));
    gibson_client_free(client);
    return name;
}

static int make_connected(Pool *self, const gibson_pool_options *options)
{
    const operation none = {0};
    gibson_error error = {.status = GIBSON_NOMEM};
    gibson_pool *pool;
    Py_XSETREF(self->server, server_name(options->client, &error));
    if (!self->server || gibson_pool_new(&pool, options, &error) != GIBSON_OK) {
        raise(self, &error, &none);
        return -1;
    }
    if (try_connection(self, pool, &none) < 0) {
        gibson_pool_free(pool);
        return -1;
    }
    self->pool = pool;
    return 0;
}

static int take_options(Pool *self, const given_options *given)
{
    gibson_options client;
    gibson_pool_options options;
    if (options_take(&client, &self->owners, self->state, given) < 0 ||
        options_take_pool(&options, self->state, given) < 0) {
        return -1;
    }
    client.interrupt = wait_interrupt;
    options.client = &client;
    self->timeout_ms = self->first_timeout_ms = client.timeout_ms;
    self->acquire_timeout_ms =
        options.acquire_timeout_ms ? options.acquire_timeout_ms : GIBSON_DEFAULT_ACQUIRE_TIMEOUT_MS;
    return make_connected(self, &options);
}

static int pool_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    Pool *self = pool_of(object);
    given_options given;
    if (options_parse_pool(&given, args, keywords) < 0) {
        return -1;
    }
    if (atomic_flag_test_and_set(&self->begun)) {
        error_raise(self->state, GIBSON_USAGE, "Pool.__init__ was called already");
        return -1;
    }
    const int result = take_options(self, &given);
    if (result < 0) {
        atomic_flag_clear(&self->begun);
    }
    return result;
}

static PyObject *pool_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    module_state *state = module_state_of_type(type);
    Pool *self = state ? (Pool *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->state = state;
        self->run = pool_run_batch;
        atomic_flag_clear(&self->begun);
    }
    return (PyObject *)self;
}

static int pool_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(pool_of(self)->attributes);
    return 0;
}

static int pool_clear(PyObject *self)
{
    Py_CLEAR(pool_of(self)->attributes);
    return 0;
}

static void pool_dealloc(PyObject *object)
{
    Pool *self = pool_of(object);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs(object);
    }
    pool_clear(object);
    gibson_pool_free(self->pool);
    Py_XDECREF(self->owners.host);
    Py_XDECREF(self->owners.unix_socket);
    Py_XDECREF(self->server);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- what it tells of itself ---------------------------------------------------------------- */

/* Zeros, where there is no memory for the pool of a child of fork. */
static gibson_pool_stats stats_of(const Pool *self)
{
    gibson_pool_stats stats = {.struct_size = sizeof stats};
    if (self->pool) {
        (void)gibson_pool_get_stats(self->pool, &stats);
    }
    return stats;
}

static int add_number(PyObject *dict, const char *name, uint64_t number)
{
    PyObject *value = PyLong_FromUnsignedLongLong(number);
    const int added = value ? PyDict_SetItemString(dict, name, value) : -1;
    Py_XDECREF(value);
    return added;
}

static int add_stats(PyObject *dict, const gibson_pool_stats *stats)
{
#define ADD(type, name, text)                                                                      \
    if (add_number(dict, #name, stats->name) < 0) {                                                \
        return -1;                                                                                 \
    }
#define ADD_DROPPED(name, text) ADD(uint64_t, dropped_##name, text)
    GIBSON_POOL_STATS_LIST(ADD)
    GIBSON_POOL_DROP_LIST(ADD_DROPPED)
    return 0;
}

static PyObject *pool_get_stats(PyObject *object, PyObject *unused)
{
    (void)unused;
    Pool *self = pool_of(object);
    if (check_made(self) < 0) {
        return NULL;
    }
    const gibson_pool_stats stats = stats_of(self);
    PyObject *dict = PyDict_New();
    if (dict && add_stats(dict, &stats) < 0) {
        Py_CLEAR(dict);
    }
    return dict;
}

static PyObject *pool_get_connected(PyObject *object, void *closure)
{
    (void)closure;
    const gibson_pool_stats stats = stats_of(pool_of(object));
    return PyBool_FromLong(stats.idle + stats.in_use > stats.connecting);
}

static PyObject *pool_get_timeout(PyObject *object, void *closure)
{
    (void)closure;
    return endpoint_timeout_object(pool_of(object)->timeout_ms);
}

static int pool_set_timeout(PyObject *object, PyObject *given, void *closure)
{
    (void)closure;
    Pool *self = pool_of(object);
    int64_t timeout_ms = 0;
    if (!given) {
        PyErr_SetString(PyExc_AttributeError, "timeout cannot be deleted");
        return -1;
    }
    if (options_timeout(self->state, "Pool", given, &timeout_ms) < 0 || check_made(self) < 0) {
        return -1;
    }
    self->timeout_ms = timeout_ms;
    return 0;
}

static PyObject *pool_repr(PyObject *object)
{
    Pool *self = pool_of(object);
    const char *type = Py_TYPE(self)->tp_name;
    if (!self->pool) {
        return PyUnicode_FromFormat("<%s, not initialised>", type);
    }
    if (self->closed) {
        return PyUnicode_FromFormat("<%s %U, closed>", type, self->server);
    }
    const gibson_pool_stats stats = stats_of(self);
    return PyUnicode_FromFormat("<%s %U, %u in use, %u idle, %u waiting>", type, self->server,
                                (unsigned)stats.in_use, (unsigned)stats.idle,
                                (unsigned)stats.waiting);
}

/* -- the type ------------------------------------------------------------------------------- */

static PyObject *pool_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return pool_close(self, NULL);
}

#define DOC_STAT(type, name, text) "    " #name ": " text ".\n"
#define DOC_DROP(name, text) "    dropped_" #name ": connections dropped: " text ".\n"
#define DOC_POOL_STATS                                                                             \
    "pool_stats($self, /)\n--\n\n"                                                                 \
    "Tell what the pool has done, in this process.\n\n"                                            \
    "Returns a dict of str to int:\n\n" GIBSON_POOL_STATS_LIST(DOC_STAT)                           \
        GIBSON_POOL_DROP_LIST(DOC_DROP)

#include "methods.h"

static PyMethodDef pool_methods[] = {
    COMMAND_METHODS{"close", pool_close, METH_NOARGS,
                    "close($self, /)\n--\n\n"
                    "Close all connections: the idle ones at once, the others when their operation "
                    "ends.\n\n"
                    "Operations that wait for a connection, and those of later, raise "
                    "ConnectionLostError.\n"
                    "It waits for nothing, and cannot be undone. Closing twice is no error."},
    {"connect", pool_connect, METH_NOARGS,
     "connect($self, /)\n--\n\n"
     "Make a new connection, after what clear does.\n\n"
     "Raises UnreachableError, ServerTimeoutError, and ConnectionLostError once the Pool is "
     "closed."},
    {"clear", pool_clear_idle, METH_NOARGS,
     "clear($self, /)\n--\n\n"
     "Use new connections only from here on, as after a failover: close the idle ones, and the\n"
     "others when their operation ends."},
    {"pool_stats", pool_get_stats, METH_NOARGS, DOC_POOL_STATS},
    {"pipeline", (PyCFunction)(void (*)(void))endpoint_pipeline, METH_VARARGS | METH_KEYWORDS,
     DOC_PIPELINE},
    {"__enter__", endpoint_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn self."},
    {"__exit__", (PyCFunction)(void (*)(void))pool_exit, METH_FASTCALL,
     "__exit__($self, /, *args)\n--\n\nClose the connections."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef pool_attributes[] = {
    {"connected", pool_get_connected, NULL,
     "bool: whether there is a connection that, as far as the Pool knows, works.", NULL},
    {"server", endpoint_get_server, NULL,
     "str: where the Pool connects to, as Client.server has it.", NULL},
    {"timeout", pool_get_timeout, pool_set_timeout,
     "int or None: milliseconds for a whole operation, None for no end. It can be set, for those\n"
     "that begin later.",
     NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict,
     "dict: attributes that were set on this Pool, such as the method of a mock.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef pool_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Pool, weakrefs), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Pool, attributes), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot pool_slots[] = {
    {Py_tp_doc, DOC_POOL},
    {Py_tp_new, pool_new},
    {Py_tp_init, pool_init},
    {Py_tp_dealloc, pool_dealloc},
    {Py_tp_traverse, pool_traverse},
    {Py_tp_clear, pool_clear},
    {Py_tp_repr, pool_repr},
    {Py_tp_methods, pool_methods},
    {Py_tp_getset, pool_attributes},
    {Py_tp_members, pool_members},
    {0, NULL},
};

PyType_Spec pool_spec = {
    .name = "pygibson.Pool",
    .basicsize = sizeof(Pool),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = pool_slots,
};
