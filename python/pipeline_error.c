#include "pipeline_error.h"

#include <structmember.h>

PyDoc_STRVAR(
    error_doc,
    "Operations of a batch failed; all of them were run.\n\n"
    "The message names the first of them. Attributes:\n"
    "    failures (list of PipelineFailure): each one that failed\n"
    "    results (list): the results of all operations in order, with the exception of\n"
    "        each that failed in its place\n"
    "    server (str): such as \"127.0.0.1:10128\" or \"unix:/run/gibson.sock\"; None of a\n"
    "        Cluster, where the error of each failure has its own\n");

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

static PyObject *make_failure(const executed *done, Py_ssize_t index)
{
    const operation *op = &done->operations[index];
    PyObject *made = module_check_alive(done->state) == 0
                         ? PyStructSequence_New(done->state->failure_type)
                         : NULL;
    PyObject *number = made ? PyLong_FromSsize_t(index) : NULL;
    PyObject *command = number ? PyUnicode_FromString(op->kind->name) : NULL;
    if (!command) {
        Py_XDECREF(number);
        Py_XDECREF(made);
        return NULL;
    }
    PyObject *key = op->key ? op->key : Py_None;
    PyObject *error = PyList_GET_ITEM(done->results, index);
    Py_INCREF(key);
    Py_INCREF(error);
    PyStructSequence_SetItem(made, 0, number);
    PyStructSequence_SetItem(made, 1, command);
    PyStructSequence_SetItem(made, 2, key);
    PyStructSequence_SetItem(made, 3, error);
    return made;
}

/* No command returns an exception. */
static int has_failed(const executed *done, Py_ssize_t index)
{
    return PyObject_TypeCheck(PyList_GET_ITEM(done->results, index),
                              (PyTypeObject *)done->state->base_error);
}

static PyObject *list_failures(const executed *done)
{
    PyObject *list = PyList_New(0);
    for (Py_ssize_t i = 0; list && i < PyList_GET_SIZE(done->results); i++) {
        if (!has_failed(done, i)) {
            continue;
        }
        PyObject *one = make_failure(done, i);
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
static PyObject *message_of(PyObject *failures, Py_ssize_t count)
{
    Py_ssize_t failed = PyList_GET_SIZE(failures);
    PyObject *message = PyUnicode_FromFormat("%zd of %zd operations failed:", failed, count);
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

static PyObject *make_error(const executed *done, PyObject *failures)
{
    PyObject *message = message_of(failures, PyList_GET_SIZE(done->results));
    if (!message) {
        return NULL;
    }
    PyObject *error = PyObject_CallFunctionObjArgs(done->state->pipeline_error, message, NULL);
    Py_DECREF(message);
    PyObject *server = done->server ? done->server : Py_None;
    if (error && (PyObject_SetAttrString(error, "failures", failures) < 0 ||
                  PyObject_SetAttrString(error, "results", done->results) < 0 ||
                  PyObject_SetAttrString(error, "server", server) < 0)) {
        Py_CLEAR(error);
    }
    return error;
}

PyObject *pipeline_error_of(const executed *done)
{
    PyObject *failures = list_failures(done);
    PyObject *error = NULL;
    if (failures && PyList_GET_SIZE(failures)) {
        error = make_error(done, failures);
    }
    Py_XDECREF(failures);
    return error;
}
