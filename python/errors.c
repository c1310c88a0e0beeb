#include "errors.h"

#include <stdarg.h>
#include <string.h>

/* The one list of exceptions below PyGibsonError:
   X(STATUS, name, what it derives from beside PyGibsonError or NULL, docstring). */
#define ERROR_LIST(X)                                                                              \
    X(NOT_FOUND, NotFoundError, NULL,                                                              \
      "There is no such key, or no item under the prefix that the command could change.")          \
    X(NAN, NaNError, NULL,                                                                         \
      "Not a number: inc, dec, minc or mdec was asked to change a value that is no number.")       \
    X(SERVER_MEMORY, NoMemoryError, NULL, "The server has no free memory for the value.")          \
    X(LOCKED, LockedError, NULL, "The item is locked, so it was not changed.")                     \
    X(SERVER_ERROR, ServerError, NULL, "The server refused the request as malformed.")             \
    X(TRUNCATED, TruncatedError, PyExc_ValueError,                                                 \
      "The server stored something else than was sent, which stays stored.\n\n"                    \
      "The reference server cuts values and keys that are over its own limits.")                   \
    X(TIMEOUT, ServerTimeoutError, PyExc_TimeoutError,                                             \
      "The server did not answer in time. If anything had been sent, the connection is broken, "   \
      "so\n"                                                                                       \
      "that a late reply is never taken for that of another command.")                             \
    X(CLOSED, ConnectionLostError, PyExc_ConnectionError,                                          \
      "The connection was lost or closed, or it belongs to the parent process.")                   \
    X(UNREACHABLE, UnreachableError, PyExc_ConnectionError,                                        \
      "No connection could be made, or the host name does not resolve.")                           \
    X(PROTOCOL, ProtocolError, PyExc_ConnectionError,                                              \
      "The reply is malformed or does not fit the command. The connection is broken.")             \
    X(INVALID, InvalidArgumentError, PyExc_ValueError,                                             \
      "The protocol cannot carry an argument, or it is past a limit of the Client. Nothing was\n"  \
      "sent.")                                                                                     \
    X(USAGE, UsageError, PyExc_RuntimeError,                                                       \
      "The call does not fit the state of the Client: a signal handler or finaliser used a "       \
      "Client\n"                                                                                   \
      "in the middle of a call of its own thread.")                                                \
    X(SYSTEM, SystemCallError, PyExc_OSError,                                                      \
      "A system call failed; errno tells which way. The connection is broken.")

PyDoc_STRVAR(base_doc,
             "Any error of pygibson. The other exceptions derive from it.\n\n"
             "Attributes, None where they do not apply:\n"
             "    status (str): the name of the status in libgibson, such as \"not_found\"\n"
             "    command (str): the method that failed, such as \"get\"\n"
             "    key (str or bytes): the key or prefix as it was given\n"
             "    server (str): such as \"127.0.0.1:10128\" or \"unix:/run/gibson.sock\"\n"
             "    answers (list of ClusterAnswer): what each server of a Cluster has said to an\n"
             "        operation that goes to many\n");

/* How much of a key a message shows, in characters or bytes. */
enum { SHOWN_KEY = 48 };

static PyObject *make(const char *name, const char *doc, PyObject *bases, gibson_status status)
{
    PyObject *attributes =
        status == GIBSON_OK ? Py_BuildValue("{sOsOsOsOsO}", "status", Py_None, "command", Py_None,
                                            "key", Py_None, "server", Py_None, "answers", Py_None)
                            : Py_BuildValue("{ss}", "status", gibson_status_name(status));
    if (!attributes) {
        return NULL;
    }
    PyObject *error = PyErr_NewExceptionWithDoc(name, doc, bases, attributes);
    Py_DECREF(attributes);
    return error;
}

static int add(PyObject *module, const char *name, PyObject *error)
{
    Py_XINCREF(error);
    if (!error || PyModule_AddObject(module, name, error) < 0) {
        Py_XDECREF(error);
        return -1;
    }
    return 0;
}

static int add_derived(PyObject *module, module_state *state, gibson_status status,
                       const char *full_name, PyObject *builtin, const char *doc)
{
    PyObject *bases =
        builtin ? PyTuple_Pack(2, state->base_error, builtin) : PyTuple_Pack(1, state->base_error);
    if (!bases) {
        return -1;
    }
    state->errors[status] = make(full_name, doc, bases, status);
    Py_DECREF(bases);
    return add(module, strchr(full_name, '.') + 1, state->errors[status]);
}

int errors_add(PyObject *module, module_state *state)
{
    state->base_error = make("pygibson.PyGibsonError", base_doc, PyExc_Exception, GIBSON_OK);
    if (add(module, "PyGibsonError", state->base_error) < 0) {
        return -1;
    }
#define ADD(STATUS, name, builtin, doc)                                                            \
    if (add_derived(module, state, GIBSON_##STATUS, "pygibson." #name, builtin, doc) < 0) {        \
        return -1;                                                                                 \
    }
    ERROR_LIST(ADD)
#undef ADD
    return 0;
}

/* repr of a key, of its first part only if it is long. */
static PyObject *shown_key(PyObject *key)
{
    Py_ssize_t size = PyObject_Size(key);
    if (size <= SHOWN_KEY) { /* also -1, for which repr will do no worse */
        PyErr_Clear();
        return PyObject_Repr(key);
    }
    PyObject *start = PySequence_GetSlice(key, 0, SHOWN_KEY);
    if (!start) {
        return NULL;
    }
    PyObject *text = PyUnicode_FromFormat("%R...", start);
    Py_DECREF(start);
    return text;
}

/* Such as "get('some_key') on 127.0.0.1:10128". */
static PyObject *shown_call(const failure *failed)
{
    const char *command = failed->kind ? failed->kind->name : failed->type;
    PyObject *text;
    if (failed->key) {
        PyObject *key = shown_key(failed->key);
        text = key ? PyUnicode_FromFormat("%s(%U)", command, key) : NULL;
        Py_XDECREF(key);
    } else {
        text = PyUnicode_FromFormat("%s()", command);
    }
    if (text && failed->server) {
        PyObject *longer = PyUnicode_FromFormat("%U on %U", text, failed->server);
        Py_DECREF(text);
        text = longer;
    }
    return text;
}

static const char *miss(const command_kind *kind)
{
    if (!takes_prefix(kind)) {
        return "no such key";
    }
    return gibson_yields_items(kind->yield) ? "no key is under the prefix"
                                            : "nothing under the prefix was changed";
}

/* What libgibson says of a miss is for any command, and some of its messages start with the name of
   the command, which is in front already. */
static const char *detail(const failure *failed)
{
    const char *message = failed->error.message;
    const char *colon = strchr(message, ':');
    if (failed->error.status == GIBSON_NOT_FOUND && failed->kind) {
        return miss(failed->kind);
    }
    if (failed->kind && colon && colon[1] == ' ' &&
        gibson_command_by_name(gibson_bytes_of(message, (size_t)(colon - message)))) {
        return colon + 2;
    }
    return message;
}

static PyObject *decoded(const char *text, size_t size)
{
    return PyUnicode_DecodeUTF8(text, (Py_ssize_t)size, "replace");
}

/* Where a message goes on behind the command's name in libgibson, which is not that of the method.
   NULL where it does not name it. *size is of what is in front. */
static const char *after_name(const failure *failed, const char *message, size_t *size)
{
    static const char before[] = "the reply to ";
    const gibson_command *command =
        failed->kind ? gibson_command_by_opcode((uint32_t)failed->kind->opcode) : NULL;
    const char *found = command ? strstr(message, before) : NULL;
    if (!found) {
        return NULL;
    }
    const char *name = found + sizeof before - 1;
    size_t length = strlen(command->name);
    *size = (size_t)(name - message);
    return strncmp(name, command->name, length) == 0 && name[length] == ' ' ? name + length : NULL;
}

static PyObject *detail_text(const failure *failed)
{
    if (failed->refused && failed->error.status == GIBSON_INVALID) {
        Py_INCREF(failed->refused);
        return failed->refused;
    }
    const char *text = detail(failed);
    size_t size;
    const char *rest = after_name(failed, text, &size);
    if (!rest) {
        return decoded(text, strlen(text));
    }
    PyObject *start = decoded(text, size);
    PyObject *end = decoded(rest, strlen(rest));
    PyObject *whole =
        start && end ? PyUnicode_FromFormat("%U%s%U", start, failed->kind->name, end) : NULL;
    Py_XDECREF(start);
    Py_XDECREF(end);
    return whole;
}

static PyObject *message_text(const failure *failed)
{
    PyObject *call = shown_call(failed);
    if (!call) {
        return NULL;
    }
    PyObject *tail = detail_text(failed);
    PyObject *message = tail ? PyUnicode_FromFormat("%U: %U", call, tail) : NULL;
    Py_DECREF(call);
    Py_XDECREF(tail);
    return message;
}

static int set_attributes(PyObject *error, const failure *failed)
{
    if (failed->kind) {
        PyObject *command = PyUnicode_FromString(failed->kind->name);
        int set = command ? PyObject_SetAttrString(error, "command", command) : -1;
        Py_XDECREF(command);
        if (set < 0) {
            return -1;
        }
    }
    if (failed->key && PyObject_SetAttrString(error, "key", failed->key) < 0) {
        return -1;
    }
    return failed->server ? PyObject_SetAttrString(error, "server", failed->server) : 0;
}

static PyObject *exception_of(const module_state *state, gibson_status status)
{
    PyObject *type = (size_t)status < STATUS_COUNT ? state->errors[status] : NULL;
    if (!type) {
        type = state->base_error;
    }
    return type ? type : PyExc_RuntimeError; /* the module is being torn down */
}

PyObject *failure_exception(const module_state *state, const failure *failed)
{
    PyObject *message = message_text(failed);
    if (!message) {
        return NULL;
    }
    PyObject *type = exception_of(state, failed->error.status);
    int system_errno = failed->error.system_errno;
    PyObject *error = NULL;
    if (system_errno && PyObject_IsSubclass(type, PyExc_OSError) == 1) {
        error = PyObject_CallFunction(type, "iO", system_errno, message);
    } else {
        error = PyObject_CallFunctionObjArgs(type, message, NULL);
    }
    Py_DECREF(message);
    if (error && set_attributes(error, failed) < 0) {
        Py_CLEAR(error);
    }
    return error;
}

PyObject *failure_raise(const module_state *state, const failure *failed)
{
    if (failed->error.status == GIBSON_NOMEM) {
        return PyErr_NoMemory();
    }
    PyObject *error = failure_exception(state, failed);
    if (error) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
    return NULL;
}

PyObject *error_raise(const module_state *state, gibson_status status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    PyErr_FormatV(exception_of(state, status), format, arguments);
    va_end(arguments);
    return NULL;
}
