#include "pipeline.h"

#include <stddef.h>
#include <string.h>

#include "batch.h"
#include "cluster_answers.h"
#include "collected.h"
#include "endpoint.h"
#include "errors.h"
#include "pipeline_error.h"

typedef struct Pipeline {
    PyObject ob_base;
    PyObject *endpoint; /* the Client, Pool or Cluster that it is for */
    collected collected;
    PyObject *results;   /* a list, or NULL where the last run found none */
    bool raise_on_error; /* an operation that failed makes execute raise */
} Pipeline;

static PyObject *run_command(PyObject *object, const command_kind *kind, const call_arguments *call)
{
    return collected_add(&((Pipeline *)object)->collected, object, kind, call);
}

/* -- running -------------------------------------------------------------------------------- */

static PyObject *outcome_error(const Endpoint *on, const outcome *of, const operation *op)
{
    failure failed = {{.status = of->status}, op->kind, op->key, on->server, op->refused, NULL};
    if (of->error) {
        failed.error = *of->error;
    } else {
        strcpy(failed.error.message, gibson_status_text(of->status));
    }
    return of->said ? answers_exception(on->state, &failed, of->said->answers, of->said->count)
                    : failure_exception(on->state, &failed);
}

static PyObject *outcome_object(const Endpoint *on, const batch *run, const outcome *of,
                                const operation *op)
{
    if (of->status != GIBSON_OK) {
        return outcome_error(on, of, op);
    }
    if (gibson_yields_items(op->kind->yield)) {
        return items_object(op->kind, of->items);
    }
    gibson_value value = batch_value(run, of);
    return value_object(op->kind, &value);
}

static PyObject *results_object(const Endpoint *on, const batch *run)
{
    PyObject *results = PyList_New((Py_ssize_t)run->count);
    for (size_t i = 0; results && i < run->count; i++) {
        PyObject *result = outcome_object(on, run, &run->outcomes[i], &run->operations[i]);
        if (!result) {
            Py_CLEAR(results);
            break;
        }
        PyList_SET_ITEM(results, (Py_ssize_t)i, result);
    }
    return results;
}

static void set_results(Pipeline *self, PyObject *results)
{
    PyObject *former;
    Py_XINCREF(results);
    Py_BEGIN_CRITICAL_SECTION(self);
    former = self->results;
    self->results = results;
    Py_END_CRITICAL_SECTION();
    Py_XDECREF(former);
}

/* What execute is to raise: what broke the connection, or the exception for all that failed.
   Returns a new reference; NULL where there is nothing to raise, or with an exception set. */
static PyObject *error_of(const Pipeline *self, const batch *run, PyObject *results)
{
    if (run->broken) {
        PyObject *broken = PyList_GET_ITEM(results, run->broken - run->outcomes);
        Py_INCREF(broken);
        return broken;
    }
    const Endpoint *on = endpoint_of(self->endpoint);
    const executed done = {on->state, on->server, run->operations, results};
    return self->raise_on_error ? pipeline_error_of(&done) : NULL;
}

static PyObject *run_operations(Pipeline *self, const collected *list)
{
    batch run;
    if (!batch_init(&run, list->first, list->count)) {
        return PyErr_NoMemory();
    }
    PyObject *results = NULL;
    const Endpoint *on = endpoint_of(self->endpoint);
    if (on->run(self->endpoint, &run) == 0) {
        results = results_object(on, &run);
    }
    if (results) {
        PyObject *error = error_of(self, &run, results);
        set_results(self, results); /* from here on, others may change the list */
        if (error) {
            PyErr_SetObject((PyObject *)Py_TYPE(error), error);
            Py_DECREF(error);
        }
        if (PyErr_Occurred()) {
            Py_CLEAR(results);
        }
    }
    batch_free(&run);
    return results;
}

static PyObject *pipeline_execute(PyObject *object, PyObject *unused)
{
    (void)unused;
    Pipeline *self = (Pipeline *)object;
    collected list = collected_take(&self->collected, object);
    set_results(self, NULL); /* of an earlier run */
    PyObject *results = run_operations(self, &list);
    PyObject *type, *value, *traceback; /* dropping must not see, nor clear, an exception */
    PyErr_Fetch(&type, &value, &traceback);
    collected_drop(&list);
    PyErr_Restore(type, value, traceback);
    return results;
}

/* -- the context manager -------------------------------------------------------------------- */

static PyObject *pipeline_enter(PyObject *self, PyObject *unused)
{
    (void)unused;
    Py_INCREF(self);
    return self;
}

static PyObject *pipeline_exit(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count && args[0] != Py_None) {
        collected_forget(&((Pipeline *)self)->collected, self);
        Py_RETURN_NONE;
    }
    PyObject *results = pipeline_execute(self, NULL);
    if (!results) {
        return NULL;
    }
    Py_DECREF(results);
    Py_RETURN_NONE;
}

/* -- the rest of the type ------------------------------------------------------------------- */

static PyObject *pipeline_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    static const char *const names[] = {"client", "raise_on_error", NULL};
    module_state *state = module_state_of_type(type);
    PyObject *client;
    int raise_on_error = 1;
    if (!state || module_check_alive(state) < 0 ||
        !PyArg_ParseTupleAndKeywords(args, keywords, "O|$p:Pipeline", (char **)(uintptr_t)names,
                                     &client, &raise_on_error)) {
        return NULL;
    }
    if (!endpoint_check(state, client)) {
        PyErr_Format(PyExc_TypeError,
                     "Pipeline() argument 'client' must be Client, Pool or Cluster, not %.200s",
                     Py_TYPE(client)->tp_name);
        return NULL;
    }
    Pipeline *self = (Pipeline *)type->tp_alloc(type, 0);
    if (self) {
        Py_INCREF(client);
        self->endpoint = client;
        self->raise_on_error = raise_on_error;
    }
    return (PyObject *)self;
}

static int pipeline_traverse(PyObject *object, visitproc visit, void *arg)
{
    Pipeline *self = (Pipeline *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->endpoint);
    Py_VISIT(self->results);
    return collected_traverse(&self->collected, visit, arg);
}

/* The endpoint stays: methods rely on it, and what makes a circle through it can be cleared there.
 */
static int pipeline_clear(PyObject *object)
{
    Pipeline *self = (Pipeline *)object;
    Py_CLEAR(self->results);
    collected_forget(&self->collected, object);
    return 0;
}

static void pipeline_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    pipeline_clear(object);
    Py_XDECREF(((Pipeline *)object)->endpoint);
    type->tp_free(object);
    Py_DECREF(type);
}

static Py_ssize_t pipeline_length(PyObject *self)
{
    return (Py_ssize_t)((Pipeline *)self)->collected.count;
}

static PyObject *pipeline_get_results(PyObject *object, void *closure)
{
    (void)closure;
    PyObject *results;
    Py_BEGIN_CRITICAL_SECTION(object);
    results = ((Pipeline *)object)->results;
    if (!results) {
        results = Py_None;
    }
    Py_INCREF(results);
    Py_END_CRITICAL_SECTION();
    return results;
}

PyDoc_STRVAR(
    pipeline_doc,
    "Pipeline(client, *, raise_on_error=True)\n--\n\n"
    "Operations of a Client, Pool or Cluster that are sent together, so that they wait for one\n"
    "answer only.\n\n"
    "Made by their method pipeline. Its methods are those of Client but for quit: each notes the\n"
    "operation, sends nothing yet, and returns the Pipeline. A value that could change until\n"
    "then is copied.\n\n"
    "    with client.pipeline() as batch:\n"
    "        batch.set(\"a\", \"1\").get(\"a\")\n"
    "    print(batch.results)\n\n"
    "The end of the with statement runs execute; where an exception ends it, the operations\n"
    "are dropped.\n\n"
    "Arguments:\n"
    "    client (Client, Pool or Cluster): what to run them on. A Pool runs them on one\n"
    "        connection; a Cluster sends them to their servers at once.\n"
    "    raise_on_error (bool): whether execute raises PipelineError where operations failed.");

PyDoc_STRVAR(
    execute_doc,
    "execute($self, /)\n--\n\n"
    "Run the collected operations in order, and forget them.\n\n"
    "Returns a list with the result of each operation. One that fails does not keep the others\n"
    "from being run. In place of its result stands the exception (a PyGibsonError) that the\n"
    "method of Client would have raised, such as NotFoundError for a get of a missing key.\n"
    "Each reply may take the timeout (milliseconds) of the Client, Pool or Cluster from the one\n"
    "before.\n\n"
    "Raises PipelineError where any failed, after all were run, unless the Pipeline was made\n"
    "with raise_on_error=False. If the connection breaks, the exception of the operation at\n"
    "which it did is raised, whatever raise_on_error is. In both cases the results attribute\n"
    "has all results: after a break an exception for each operation that got no answer. Of a\n"
    "Cluster, a server that fails or is ejected makes its own operations fail, each with its\n"
    "exception; those of the other servers are run, and nothing breaks.");

/* END cannot be one of many, as nothing is answered after it. It comes last in the list, so its row
   ends the table. */
#define METHOD_NAME(effect, name) ((effect) == GIBSON_EFFECT_CLOSE ? NULL : (name))
#include "methods.h"

static PyMethodDef pipeline_methods[] = {
    {"execute", pipeline_execute, METH_NOARGS, execute_doc},
    {"__enter__", pipeline_enter, METH_NOARGS, "__enter__($self, /)\n--\n\nReturn self."},
    {"__exit__", (PyCFunction)(void (*)(void))pipeline_exit, METH_FASTCALL,
     "__exit__($self, /, *args)\n--\n\n"
     "Run execute, or after an exception drop the operations."},
    COMMAND_METHODS{NULL, NULL, 0, NULL},
};

static PyGetSetDef pipeline_attributes[] = {
    {"results", pipeline_get_results, NULL,
     "list or None: what the last execute found, in the order of the operations, also where it\n"
     "raised. None where it ran nothing: there was no connection, or a signal handler raised.",
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

PyType_Spec pipeline_spec = {
    .name = "pygibson.Pipeline",
    .basicsize = sizeof(Pipeline),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = pipeline_slots,
};
