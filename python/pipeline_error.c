#include "pipeline_error.h"

#include <structmember.h>

PyDoc_STRVAR(error_doc,
             "Operations of a batch failed; all of them were run.\n\n"
             "The message names the first of them. Attributes:\n"
             "    failures (list of PipelineFailure): each one that failed\n"
             "    results (list): the results of all operations in order, with the exception of\n"
             "        each that failed in its place\n"
             "    server (str): such as \"127.0.0.1:10128\" or \"unix:/run/gibson.sock\"\n");

/* How many failures a message names. */
enum { MOST_SHOWN = 20 };

static int add_error(PyObject *module, module_state *state)
{
    PyObject *attributes = Py_BuildValue("{s(),s()}", "failures", "results");
    if (!attributes) {
        return -1;
    }
    state->pipeline_error = PyErr_NewExceptionWithDoc("pygibson.PipelineError", error_doc,
                                                      state->base_error, attributes);
    Py_DECREF(attributes);
    return state->pipeline_error ? PyModule_AddType(module, (PyTypeObject *)state->pipeline_error)
                                 : -1;
}

static PyTypeObject *make_failure_type(void)
{
    PyStructSequence_Field fields[] = {
        {"index", "int: the place of the operation in the batch, from 0"},
        {"command", "str: the method, such as \"get\""},
        {"key", "str or bytes: the key or prefix as it was given, None where there is none"},
        {"error", "PyGibsonError: what the method of Client would have raised"},
        {NULL, NULL},
    };
    PyStructSequence_Desc desc = {
        .name = "pygibson.PipelineFailure",
        .doc = "An operation of a batch that failed: (index, command, key, error).",
        .fields = fields,
        .n_in_sequence = 4,
    };
    return PyStructSequence_NewType(&desc);
}

int pipeline_error_add(PyObject *module, module_state *state)
{
    state->failure_type = make_failure_type();
    if (!state->failure_type || PyModule_AddType(module, state->failure_type) < 0) {
        return -1;
    }
    return add_error(module, state);
}

static PyObject *make_failure(const batch *run, size_t index, PyObject *results)
{
    const operation *op = &run->operations[index];
    PyObject *made = PyStructSequence_New(run->client->state->failure_type);
    PyObject *number = made ? PyLong_FromSize_t(index) : NULL;
    PyObject *command = number ? PyUnicode_FromString(op->kind->name) : NULL;
    if (!command) {
        Py_XDECREF(number);
        Py_XDECREF(made);
        return NULL;
    }
    PyObject *key = op->key ? op->key : Py_None;
    PyObject *error = PyList_GET_ITEM(results, (Py_ssize_t)index);
    Py_INCREF(key);
    Py_INCREF(error);
    PyStructSequence_SetItem(made, 0, number);
    PyStructSequence_SetItem(made, 1, command);
    PyStructSequence_SetItem(made, 2, key);
    PyStructSequence_SetItem(made, 3, error);
    return made;
}

static PyObject *list_failures(const batch *run, PyObject *results)
{
    PyObject *list = PyList_New(0);
    for (size_t i = 0; list && i < run->count; i++) {
        if (run->outcomes[i].status == GIBSON_OK) {
            continue;
        }
        PyObject *one = make_failure(run, i, results);
        if (!one || PyList_Append(list, one) < 0) {
            Py_CLEAR(list);
        }
        Py_XDECREF(one);
    }
    return list;
}

/* Adds text to a message, and gives up its reference to both. */
static PyObject *append(PyObject *message, PyObject *text)
{
    PyObject *longer = message && text ? PyUnicode_Concat(message, text) : NULL;
    Py_XDECREF(message);
    Py_XDECREF(text);
    return longer;
}

/* Such as "2 of 9 operations failed: [0] get('a') on 127.0.0.1:10128: no such key; [8] ...". */
static PyObject *message_of(PyObject *failures, size_t count)
{
    Py_ssize_t failed = PyList_GET_SIZE(failures);
    PyObject *message = PyUnicode_FromFormat("%zd of %zu operations failed:", failed, count);
    for (Py_ssize_t i = 0; message && i < failed && i < MOST_SHOWN; i++) {
        PyObject *one = PyList_GET_ITEM(failures, i);
        message = append(message, PyUnicode_FromFormat("%s [%S] %S", i ? ";" : "",
                                                       PyStructSequence_GetItem(one, 0),
                                                       PyStructSequence_GetItem(one, 3)));
    }
    if (message && failed > MOST_SHOWN) {
        message = append(message, PyUnicode_FromFormat("; and %zd more", failed - MOST_SHOWN));
    }
    return message;
}

static PyObject *make_error(const batch *run, PyObject *failures, PyObject *results)
{
    PyObject *message = message_of(failures, run->count);
    if (!message) {
        return NULL;
    }
    const Client *client = run->client;
    PyObject *error = PyObject_CallFunctionObjArgs(client->state->pipeline_error, message, NULL);
    Py_DECREF(message);
    if (error && (PyObject_SetAttrString(error, "failures", failures) < 0 ||
                  PyObject_SetAttrString(error, "results", results) < 0 ||
                  PyObject_SetAttrString(error, "server", client->server) < 0)) {
        Py_CLEAR(error);
    }
    return error;
}

PyObject *pipeline_error_of(const batch *run, PyObject *results)
{
    PyObject *failures = list_failures(run, results);
    PyObject *error = NULL;
    if (failures && PyList_GET_SIZE(failures)) {
        error = make_error(run, failures, results);
    }
    Py_XDECREF(failures);
    return error;
}
