#include "cluster.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <structmember.h>

#include "cluster_answers.h"
#include "cluster_batch.h"
#include "cluster_clients.h"
#include "cluster_route.h"
#include "cluster_servers.h"
#include "endpoint.h"
#include "errors.h"
#include "operation.h"
#include "options.h"
#include "wait.h"

/* An endpoint that has no server of its own. */
typedef struct Cluster {
    ENDPOINT_HEAD
    gibson_cluster *_Atomic cluster; /* NULL until __init__ has succeeded */
    atomic_flag begun;               /* __init__ runs, or has succeeded */
    cluster_clients clients;
    atomic_bool closed;
    int64_t timeout_ms;
    PyObject *weakrefs;
    PyObject *attributes; /* the dict of what was set on the instance, or NULL */
} Cluster;

static Cluster *cluster_of(PyObject *object)
{
    return (Cluster *)object;
}

static int check_open(const Cluster *self, const operation *op)
{
    if (!self->cluster) {
        error_raise(self->state, GIBSON_USAGE, "Cluster.__init__ was not called");
        return -1;
    }
    if (self->closed) {
        failure failed = {
            endpoint_closed("the cluster is closed"), op->kind, op->key, NULL, NULL, "Cluster"};
        failure_raise(self->state, &failed);
        return -1;
    }
    return 0;
}

static gibson_cluster_client *lend(Cluster *self)
{
    return cluster_clients_lend(&self->clients, (PyObject *)self, self->cluster);
}

static void take_back(Cluster *self, gibson_cluster_client *client)
{
    cluster_clients_take_back(&self->clients, (PyObject *)self, client);
}

/* Raises the exception for the error of the last call, unless a signal handler has raised one. */
static void raise(const Cluster *self, gibson_cluster_client *client, const waiting_call *call,
                  const operation *op)
{
    size_t count;
    const gibson_cluster_answer *answers = gibson_cluster_answers(client, &count);
    const gibson_error error = wait_error(call, gibson_cluster_error(client));
    if (PyErr_Occurred()) {
        return;
    }
    if (error.status == GIBSON_NOMEM) {
        PyErr_NoMemory();
        return;
    }
    const failure failed = {error, op->kind, op->key, NULL, op->refused, "Cluster"};
    PyObject *exception = answers_exception(self->state, &failed, answers, count);
    if (exception) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        Py_DECREF(exception);
    }
}

/* -- operations ----------------------------------------------------------------------------- */

static PyObject *run_operation(Cluster *self, const operation *op)
{
    gibson_cluster_client *client = lend(self);
    if (!client) {
        return NULL;
    }
    gibson_reply reply;
    waiting_call call;
    wait_enter(&call, self->state);
    const gibson_status status = gibson_cluster_call(client, &op->request, &reply);
    wait_leave(&call);
    PyObject *result = NULL;
    if (status != GIBSON_OK) {
        raise(self, client, &call, op);
    } else {
        result = gibson_yields_items(op->kind->yield) ? items_object(op->kind, reply.items)
                                                      : value_object(op->kind, &reply.value);
    }
    take_back(self, client);
    return result;
}

static PyObject *cluster_close(PyObject *object, PyObject *unused)
{
    (void)unused;
    Cluster *self = cluster_of(object);
    self->closed = true;
    cluster_clients_close(&self->clients, object);
    Py_RETURN_NONE;
}

static PyObject *run_command(PyObject *object, const command_kind *kind, const call_arguments *call)
{
    Cluster *self = cluster_of(object);
    operation op;
    if (operation_make(&op, kind, call) < 0) {
        return NULL;
    }
    PyObject *result = NULL;
    if (kind->effect == GIBSON_EFFECT_CLOSE) {
        result = cluster_close(object, NULL);
    } else if (check_open(self, &op) == 0) {
        result = run_operation(self, &op);
    }
    operation_release(&op);
    return result;
}

/* A batch as a whole is no operation: it has no error of its own, but where it is not run. */
static int run_batch_of(PyObject *object, batch *run)
{
    Cluster *self = cluster_of(object);
    static const command_kind kind = {.name = "pipeline"};
    gibson_cluster_client *client =
        check_open(self, &(operation){.kind = &kind}) == 0 ? lend(self) : NULL;
    if (!client) {
        return -1;
    }
    waiting_call call;
    wait_enter(&call, self->state);
    batch_run(run, &cluster_batch_way, client, &call);
    wait_leave(&call);
    take_back(self, client);
    return PyErr_Occurred() ? -1 : 0;
}

/* -- the list of servers -------------------------------------------------------------------- */

static PyObject *address_object(gibson_cluster_client *client, size_t index)
{
    const char *address = gibson_cluster_server_at(client, index, NULL, NULL);
    return address ? PyUnicode_DecodeFSDefault(address) : PyErr_NoMemory();
}

/* Calls a function with a client and the key or prefix of a call; in place of what cannot be one it
   raises what an operation does. */
typedef PyObject *question(const Cluster *self, gibson_cluster_client *client, const operation *op);

static PyObject *ask(PyObject *object, const command_kind *kind, const call_arguments *call,
                     question *asked)
{
    Cluster *self = cluster_of(object);
    operation op;
    if (operation_make(&op, kind, call) < 0) {
        return NULL;
    }
    gibson_cluster_client *client = check_open(self, &op) == 0 ? lend(self) : NULL;
    PyObject *result = NULL;
    if (client && op.refused) {
        failure failed = {{.status = GIBSON_INVALID}, op.kind, op.key, NULL, op.refused, NULL};
        failure_raise(self->state, &failed);
    } else if (client) {
        result = asked(self, client, &op);
    }
    if (client) {
        take_back(self, client);
    }
    operation_release(&op);
    return result;
}

static PyObject *server_of(const Cluster *self, gibson_cluster_client *client, const operation *op)
{
    if (!op->request.key.size) {
        return error_raise(self->state, GIBSON_INVALID, "server_of(): the key is empty");
    }
    const size_t index = gibson_cluster_server_of(client, op->request.key);
    return index == SIZE_MAX ? PyErr_NoMemory() : address_object(client, index);
}

static PyObject *addresses(gibson_cluster_client *client, const size_t *indexes, size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *address = address_object(client, indexes[i]);
        if (!address) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, address);
    }
    return list;
}

static PyObject *servers_of(const Cluster *self, gibson_cluster_client *client, const operation *op)
{
    (void)self;
    /* The list can only change between calls on the client if that follows it. */
    const size_t count = gibson_cluster_servers_of(client, op->request.key, NULL, 0);
    size_t *indexes = count ? PyMem_Calloc(count, sizeof *indexes) : NULL;
    if (!indexes) {
        return PyErr_NoMemory();
    }
    const size_t found = gibson_cluster_servers_of(client, op->request.key, indexes, count);
    PyObject *list = addresses(client, indexes, found < count ? found : count);
    PyMem_Free(indexes);
    return list;
}

static PyObject *cluster_server_of(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                   PyObject *keywords)
{
    static const command_kind kind = {"server_of",
                                      GIBSON_OP_GET,
                                      GIBSON_ARGUMENTS_KEY,
                                      GIBSON_YIELD_VALUE,
                                      GIBSON_EFFECT_READ,
                                      {"key", NULL},
                                      1,
                                      1};
    return ask(object, &kind, &(call_arguments){args, count, keywords}, server_of);
}

static PyObject *cluster_servers_of(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                    PyObject *keywords)
{
    static const command_kind kind = {"servers_of",
                                      GIBSON_OP_COUNT,
                                      GIBSON_ARGUMENTS_PREFIX,
                                      GIBSON_YIELD_NUMBER,
                                      GIBSON_EFFECT_READ,
                                      {"prefix", NULL},
                                      1,
                                      1};
    return ask(object, &kind, &(call_arguments){args, count, keywords}, servers_of);
}

static PyObject *route(const Cluster *self, gibson_cluster_client *client, const operation *op)
{
    return cluster_route(self->state, client, op);
}

/* _route(name, key or prefix, takes_prefix), or _route(name) */
static PyObject *cluster_find_route(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    const char *name = count ? PyUnicode_AsUTF8(args[0]) : NULL;
    if (!name) {
        return PyErr_Occurred() ? NULL : PyErr_Format(PyExc_TypeError, "_route() lacks a name");
    }
    const bool has_prefix = count == 3 && args[2] == Py_True;
    const command_kind kind = {
        .name = name,
        .opcode = count < 2    ? GIBSON_OP_PING
                  : has_prefix ? GIBSON_OP_COUNT
                               : GIBSON_OP_GET,
        .arguments = count < 2    ? GIBSON_ARGUMENTS_NONE
                     : has_prefix ? GIBSON_ARGUMENTS_PREFIX
                                  : GIBSON_ARGUMENTS_KEY,
        .names = {has_prefix ? "prefix" : "key"},
        .required = count > 1,
        .most = count > 1,
    };
    return ask(object, &kind, &(call_arguments){args + 1, count > 1, NULL}, route);
}

static PyObject *cluster_take_note(PyObject *object, PyObject *args)
{
    Cluster *self = cluster_of(object);
    gibson_cluster_client *client = self->cluster ? lend(self) : NULL;
    if (!client) {
        return PyErr_Occurred() ? NULL : PyErr_NoMemory();
    }
    PyObject *none = cluster_note(client, args);
    take_back(self, client);
    return none;
}

static PyObject *server_object(const module_state *state, gibson_cluster_client *client,
                               size_t index)
{
    bool is_ejected;
    uint64_t ejections;
    const char *address = gibson_cluster_server_at(client, index, &is_ejected, &ejections);
    if (!address) {
        return NULL;
    }
    return answers_tuple(state, state->server_type, PyUnicode_DecodeFSDefault(address),
                         PyBool_FromLong(is_ejected), PyLong_FromUnsignedLongLong(ejections));
}

static PyObject *list_servers(const Cluster *self, gibson_cluster_client *client)
{
    PyObject *list = PyList_New(0);
    const size_t count = gibson_cluster_servers_of(client, gibson_bytes_of(NULL, 0), NULL, 0);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *server = server_object(self->state, client, i);
        if (!server && !PyErr_Occurred()) {
            break; /* the list is shorter by now */
        }
        if (!server || PyList_Append(list, server) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(server);
    }
    return list;
}

static PyObject *cluster_get_servers(PyObject *object, void *closure)
{
    (void)closure;
    Cluster *self = cluster_of(object);
    static const command_kind kind = {.name = "servers"};
    if (check_open(self, &(operation){.kind = &kind}) < 0) {
        return NULL;
    }
    gibson_cluster_client *client = lend(self);
    PyObject *list = client ? list_servers(self, client) : NULL;
    if (client) {
        take_back(self, client);
    }
    return list;
}

static PyObject *cluster_set_servers(PyObject *object, PyObject *given)
{
    Cluster *self = cluster_of(object);
    static const command_kind kind = {.name = "set_servers"};
    const operation op = {.kind = &kind};
    server_list list;
    if (check_open(self, &op) < 0 || server_list_take(&list, self->state, given) < 0) {
        return NULL;
    }
    gibson_error error;
    const gibson_status status =
        gibson_cluster_set_servers(self->cluster, list.servers, list.count, &error);
    server_list_free(&list);
    if (status != GIBSON_OK) {
        failure failed = {error, &kind, NULL, NULL, NULL, NULL};
        return failure_raise(self->state, &failed);
    }
    Py_RETURN_NONE;
}

/* -- making a Cluster ----------------------------------------------------------------------- */

static int make_of(Cluster *self, const given_options *given, const gibson_cluster_options *options)
{
    server_list list;
    if (server_list_take(&list, self->state, given->servers) < 0) {
        return -1;
    }
    gibson_error error;
    gibson_cluster *made;
    const gibson_status status =
        gibson_cluster_new(&made, list.servers, list.count, options, &error);
    server_list_free(&list);
    if (status != GIBSON_OK) {
        failure failed = {error, NULL, NULL, NULL, NULL, "Cluster"};
        failure_raise(self->state, &failed);
        return -1;
    }
    self->cluster = made;
    return 0;
}

static int make(Cluster *self, const given_options *given)
{
    gibson_options client;
    gibson_cluster_options options;
    PyObject *text = NULL;
    int made = -1;
    if (options_take_connection(&client, self->state, given) == 0 &&
        options_take_cluster(&options, &text, self->state, given) == 0) {
        client.interrupt = wait_interrupt;
        options.client = &client;
        self->timeout_ms = client.timeout_ms;
        made = make_of(self, given, &options);
    }
    Py_XDECREF(text);
    return made;
}

static int cluster_init(PyObject *object, PyObject *args, PyObject *keywords)
{
    Cluster *self = cluster_of(object);
    given_options given;
    if (options_parse_cluster(&given, args, keywords) < 0) {
        return -1;
    }
    if (atomic_flag_test_and_set(&self->begun)) {
        error_raise(self->state, GIBSON_USAGE, "Cluster.__init__ was called already");
        return -1;
    }
    const int result = make(self, &given);
    if (result < 0) {
        atomic_flag_clear(&self->begun);
    }
    return result;
}

static PyObject *cluster_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    module_state *state = module_state_of_type(type);
    Cluster *self = state ? (Cluster *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        self->state = state;
        self->run = run_batch_of;
        atomic_flag_clear(&self->begun);
    }
    return (PyObject *)self;
}

static int cluster_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(cluster_of(self)->attributes);
    return 0;
}

static int cluster_clear(PyObject *self)
{
    Py_CLEAR(cluster_of(self)->attributes);
    return 0;
}

static void cluster_dealloc(PyObject *object)
{
    Cluster *self = cluster_of(object);
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs(object);
    }
    cluster_clear(object);
    cluster_clients_close(&self->clients, object);
    gibson_cluster_free(self->cluster);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -- the type ------------------------------------------------------------------------------- */

static PyObject *cluster_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    (void)args;
    (void)count;
    return cluster_close(self, NULL);
}

static PyObject *cluster_get_timeout(PyObject *object, void *closure)
{
    (void)closure;
    return endpoint_timeout_object(cluster_of(object)->timeout_ms);
}

static PyObject *cluster_repr(PyObject *object)
{
    Cluster *self = cluster_of(object);
    const char *type = Py_TYPE(self)->tp_name;
    if (!self->cluster || self->closed) {
        return PyUnicode_FromFormat("<%s, %s>", type, self->closed ? "closed" : "not initialised");
    }
    PyObject *servers = cluster_get_servers(object, NULL);
    PyObject *text =
        servers ? PyUnicode_FromFormat("<%s of %zd servers>", type, PyList_GET_SIZE(servers))
                : NULL;
    Py_XDECREF(servers);
    return text;
}

#include "methods.h"

static PyMethodDef cluster_methods[] = {
    COMMAND_METHODS{"close", cluster_close, METH_NOARGS,
                    "close($self, /)\n--\n\n"
                    "Close the connections: those that are in use when their operation ends.\n\n"
                    "Operations of later raise ConnectionLostError. Closing twice is no error."},
    {"server_of", (PyCFunction)(void (*)(void))cluster_server_of, METH_FASTCALL | METH_KEYWORDS,
     "server_of($self, /, key)\n--\n\n"
     "Tell which server has a key, all being well. Nothing is sent.\n\n"
     "Arguments:\n" DOC_KEY "\nReturns its address (str)."},
    {"servers_of", (PyCFunction)(void (*)(void))cluster_servers_of, METH_FASTCALL | METH_KEYWORDS,
     "servers_of($self, /, prefix)\n--\n\n"
     "Tell which servers an operation on a prefix goes to, all being well: one, where affinity\n"
     "tells that it has all that can begin with it, or all. Nothing is sent.\n\n"
     "Arguments:\n"
     "    prefix (str or bytes): as of the operation; an empty one is of all keys.\n\n"
     "Returns their addresses (list of str)."},
    {"set_servers", cluster_set_servers, METH_O,
     "set_servers($self, servers, /)\n--\n\n"
     "Replace the list of servers, at once for all threads. An operation that is under way ends\n"
     "with the former list. Connections and failures of servers that are on both are kept. What\n"
     "moves to another server is not copied, nor deleted.\n\n"
     "Arguments:\n"
     "    servers (iterable of str, or of pairs of str and int): as of Cluster().\n\n"
     "Raises InvalidArgumentError, after which the list is as it was."},
    {"pipeline", (PyCFunction)(void (*)(void))endpoint_pipeline, METH_VARARGS | METH_KEYWORDS,
     DOC_PIPELINE},
    {"_route", (PyCFunction)(void (*)(void))cluster_find_route, METH_FASTCALL,
     "Where an operation goes: see cluster_route.h."},
    {"_note", cluster_take_note, METH_VARARGS, "How a request has ended: see cluster_route.h."},
    {"__enter__", endpoint_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn self."},
    {"__exit__", (PyCFunction)(void (*)(void))cluster_exit, METH_FASTCALL,
     "__exit__($self, /, *args)\n--\n\nClose the connections."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef cluster_attributes[] = {
    {"servers", cluster_get_servers, NULL,
     "list of ClusterServer: (server, is_ejected, ejections) of each, in the order of the list.",
     NULL},
    {"timeout", cluster_get_timeout, NULL,
     "int or None: milliseconds for a whole operation, None for no end.", NULL},
    {"__dict__", PyObject_GenericGetDict, PyObject_GenericSetDict,
     "dict: attributes that were set on this Cluster, such as the method of a mock.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef cluster_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Cluster, weakrefs), READONLY, NULL},
    {"__dictoffset__", T_PYSSIZET, offsetof(Cluster, attributes), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot cluster_slots[] = {
    {Py_tp_doc, DOC_CLUSTER},
    {Py_tp_new, cluster_new},
    {Py_tp_init, cluster_init},
    {Py_tp_dealloc, cluster_dealloc},
    {Py_tp_traverse, cluster_traverse},
    {Py_tp_clear, cluster_clear},
    {Py_tp_repr, cluster_repr},
    {Py_tp_methods, cluster_methods},
    {Py_tp_getset, cluster_attributes},
    {Py_tp_members, cluster_members},
    {0, NULL},
};

static PyType_Spec cluster_spec = {
    .name = "pygibson.Cluster",
    .basicsize = sizeof(Cluster),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC,
    .slots = cluster_slots,
};

static PyTypeObject *make_server_type(void)
{
    PyStructSequence_Field fields[] = {
        {"server", "str: its address"},
        {"is_ejected", "bool: whether it is not asked now, because it has failed"},
        {"ejections", "int: how often that was, since it came to the list"},
        {NULL, NULL},
    };
    PyStructSequence_Desc desc = {
        .name = "pygibson.ClusterServer",
        .doc = "A server of a Cluster: (server, is_ejected, ejections).",
        .fields = fields,
        .n_in_sequence = 3,
    };
    return PyStructSequence_NewType(&desc);
}

int cluster_add(PyObject *module, module_state *state)
{
    state->answer_type = answers_make_type();
    state->server_type = make_server_type();
    state->cluster_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &cluster_spec, NULL);
    PyTypeObject *types[] = {state->answer_type, state->server_type, state->cluster_type};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        if (!types[i] || PyModule_AddType(module, types[i]) < 0) {
            return -1;
        }
    }
    return 0;
}
