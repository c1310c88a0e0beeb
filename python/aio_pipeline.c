#include "aio_pipeline.h"

#include "aio_batch.h"
#include "aio_client.h"

typedef struct AioPipeline {
    PyObject ob_base;
    PyObject *client;
    collected collected;
    PyObject *results;   /* a list, or NULL where the last run found none */
    bool raise_on_error; /* an operation that failed makes execute raise */
} AioPipeline;

static PyObject *run_command(PyObject *object, const command_kind *kind, const call_arguments *call)
{
    return collected_add(&((AioPipeline *)object)->collected, object, kind, call);
}

void aio_pipeline_set_results(PyObject *pipeline, PyObject *results)
{
    Py_XINCREF(results);
    Py_XSETREF(((AioPipeline *)pipeline)->results, results);
}

/* Runs what was collected. `quiet` makes the result None. */
static PyObject *execute(PyObject *object, bool quiet)
{
    static const command_kind kind = {.name = "pipeline"};
    AioPipeline *self = (AioPipeline *)object;
    Connection *connection = aio_client_begin(self->client, &kind);
    Reply *reply = connection ? reply_new(connection, self->client, &kind) : NULL;
    if (!reply) {
        return NULL;
    }
    collected operations = collected_take(&self->collected, object);
    aio_pipeline_set_results(object, NULL); /* of an earlier run */
    if (aio_batch_begin(reply, object, &operations, self->raise_on_error) < 0) {
        reply_fail(reply, NULL);
        return (PyObject *)reply;
    }
    reply->batch->quiet = quiet;
    submit_batch(reply);
    connection_settle(connection);
    return (PyObject *)reply;
}

static PyObject *pipeline_execute(PyObject *self, PyObject *unused)
{
    (void)unused;
    return execute(self, false);
}

static PyObject *done(AioPipeline *self, const command_kind *kind, PyObject *result)
{
    Connection *connection = aio_client_begin(self->client, kind);
    Reply *reply = connection ? reply_new(connection, self->client, kind) : NULL;
    if (reply) {
        Py_INCREF(result);
        reply_resolve(reply, result);
    }
    return (PyObject *)reply;
}

static PyObject *pipeline_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    static const command_kind kind = {.name = "pipeline"};
    return done((AioPipeline *)self, &kind, self);
}

static PyObject *pipeline_exit(PyObject *object, PyObject *const *args, Py_ssize_t count)
{
    static const command_kind kind = {.name = "pipeline"};
    AioPipeline *self = (AioPipeline *)object;
    if (count && args[0] != Py_None) {
        collected_forget(&self->collected, object);
        return done(self, &kind, Py_None);
    }
    return execute(object, true);
}

/* -- the rest of the type ------------------------------------------------------------------- */

static PyObject *pipeline_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"client", "raise_on_error", NULL};
    module_state *state = module_state_of_type(type);
    PyObject *client;
    int raise_on_error = 1;
    if (!state || module_check_alive(state) < 0 ||
        !PyArg_ParseTupleAndKeywords(args, keywords, "O!|$p:Pipeline", (char **)(uintptr_t)names,
                                     state->aio_client_type, &client, &raise_on_error)) {
        return NULL;
    }
    AioPipeline *self = (AioPipeline *)type->tp_alloc(type, 0);
    if (self) {
        Py_INCREF(client);
        self->client = client;
        self->raise_on_error = raise_on_error;
    }
    return (PyObject *)self;
}

static int pipeline_traverse(PyObject *object, visitproc visit, void *arg)
{
    AioPipeline *self = (AioPipeline *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->client);
    Py_VISIT(self->results);
    return collected_traverse(&self->collected, visit, arg);
}

/* The client stays: methods rely on it, and what makes a circle through it can be cleared there. */
static int pipeline_clear(PyObject *object)
{
    AioPipeline *self = (AioPipeline *)object;
    Py_CLEAR(self->results);
    collected_forget(&self->collected, object);
    return 0;
}

static void pipeline_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    pipeline_clear(object);
    Py_XDECREF(((AioPipeline *)object)->client);
    type->tp_free(object);
    Py_DECREF(type);
}

static Py_ssize_t pipeline_length(PyObject *self)
{
    return (Py_ssize_t)((AioPipeline *)self)->collected.count;
}

static PyObject *pipeline_get_results(PyObject *self, void *closure)
{
    (void)closure;
    PyObject *results = ((AioPipeline *)self)->results;
    results = results ? results : Py_None;
    Py_INCREF(results);
    return results;
}

PyDoc_STRVAR(
    pipeline_doc,
    "Pipeline(client, *, raise_on_error=True)\n--\n\n"
    "Operations of a Client that are sent together, in one turn of the event loop.\n\n"
    "Made by Client.pipeline. Its methods are those of Client but for quit: each notes the\n"
    "operation, sends nothing yet, and returns the Pipeline. A value that could change until\n"
    "then is copied.\n\n"
    "    async with client.pipeline() as batch:\n"
    "        batch.set(\"a\", \"1\").get(\"a\")\n"
    "    print(batch.results)\n\n"
    "The end of the async with statement runs execute; where an exception ends it, the\n"
    "operations are dropped.\n\n"
    "Arguments:\n"
    "    client (Client): the connection to use.\n"
    "    raise_on_error (bool): whether execute raises PipelineError where operations failed.");

PyDoc_STRVAR(
    execute_doc,
    "execute($self, /)\n--\n\n"
    "Run the collected operations in order, and forget them.\n\n"
    "Returns a list with the result of each operation. One that fails does not keep the others\n"
    "from being run. In place of its result stands the exception (a PyGibsonError) that the\n"
    "method of Client would have raised, such as NotFoundError for a get of a missing key.\n"
    "Each operation may take the timeout of the Client from when there is room for it.\n\n"
    "Raises PipelineError where any failed, after all were run, unless the Pipeline was made\n"
    "with raise_on_error=False. If the connection breaks, or an operation times out, its\n"
    "exception is raised, whatever raise_on_error is, and the operations that are not answered\n"
    "by then are given up. In both cases the results attribute has all results.");

#define METHOD_NAME(effect, name) ((effect) == GIBSON_EFFECT_CLOSE ? NULL : (name))
#include "methods.h"

static PyMethodDef pipeline_methods[] = {
    {"execute", pipeline_execute, METH_NOARGS, execute_doc},
    {"__aenter__", pipeline_enter, METH_NOARGS, "__aenter__($self, /)\n--\n\nReturn self."},
    {"__aexit__", (PyCFunction)(void (*)(void))pipeline_exit, METH_FASTCALL,
     "__aexit__($self, /, *args)\n--\n\n"
     "Run execute, or after an exception drop the operations."},
    COMMAND_METHODS{NULL, NULL, 0, NULL},
};

static PyGetSetDef pipeline_attributes[] = {
    {"results", pipeline_get_results, NULL,
     "list or None: what the last execute found, in the order of the operations, also where it\n"
     "raised. None where it ran nothing, or was cancelled.",
     NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot pipeline_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)pipeline_doc},
    {Py_tp_new, pipeline_new},
    {Py_tp_dealloc, pipeline_dealloc},
    {Py_tp_traverse, pipeline_traverse},
    {Py_tp_clear, pipeline_clear},
    {Py_tp_methods, pipeline_methods},
    {Py_tp_getset, pipeline_attributes},
    {Py_sq_length, pipeline_length},
    {0, NULL},
};

PyType_Spec aio_pipeline_spec = {
    .name = "pygibson.aio.Pipeline",
    .basicsize = sizeof(AioPipeline),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = pipeline_slots,
};
