/* What is called when a Reply is done. */
#include "aio_connection.h"
#include "aio_import.h"
#include "aio_reply.h"

/* Tells the loop of an exception that a callback has raised, or leaves it to the end of the turn.
 */
static void report(Reply *self)
{
    Connection *connection = self->connection;
    if (PyErr_ExceptionMatches(PyExc_Exception) || connection->raised) {
        PyObject *error = aio_take_exception();
        PyObject *context =
            Py_BuildValue("{s:s,s:O,s:O}", "message", "Exception in callback of a Reply",
                          "exception", error, "future", (PyObject *)self);
        PyObject *told = context ? PyObject_CallMethod(connection->watch.loop,
                                                       "call_exception_handler", "O", context)
                                 : NULL;
        Py_XDECREF(context);
        Py_DECREF(error);
        if (!told) {
            PyErr_WriteUnraisable((PyObject *)self);
        }
        Py_XDECREF(told);
    } else {
        connection->raised = aio_take_exception();
    }
}

/* A loop that was closed takes no calls, and nobody is there to miss them. */
static void failed_to_call(Reply *self)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyObject *closed = PyObject_CallMethod(self->connection->watch.loop, "is_closed", NULL);
    const bool is_closed = closed == Py_True;
    Py_XDECREF(closed);
    PyErr_Clear();
    PyErr_Restore(type, error, traceback);
    if (is_closed) {
        PyErr_Clear();
    } else {
        PyErr_WriteUnraisable((PyObject *)self);
    }
}

static void call_soon(Reply *self, PyObject *callback, PyObject *context)
{
    const Connection *connection = self->connection;
    PyObject *arguments[] = {callback, (PyObject *)self, context};
    PyObject *handle = PyObject_Vectorcall(connection->watch.call_soon, arguments, 2,
                                           connection->state->context_name);
    if (!handle) {
        failed_to_call(self);
    }
    Py_XDECREF(handle);
}

static void call_now(Reply *self, PyObject *callback, PyObject *context)
{
    if (PyContext_Enter(context) < 0) { /* somebody is within it */
        PyErr_Clear();
        call_soon(self, callback, context);
        return;
    }
    PyObject *done = PyObject_CallOneArg(callback, (PyObject *)self);
    if (!done) {
        report(self);
    }
    Py_XDECREF(done);
    if (PyContext_Exit(context) < 0) {
        PyErr_WriteUnraisable((PyObject *)self);
    }
}

static void call(Reply *self, void (*one)(Reply *, PyObject *, PyObject *))
{
    PyObject *callback = self->callback;
    PyObject *context = self->context;
    PyObject *others = self->callbacks;
    self->callback = self->context = self->callbacks = NULL;
    if (callback) {
        one(self, callback, context);
        Py_DECREF(callback);
        Py_DECREF(context);
    }
    for (Py_ssize_t i = 0; others && i < PyList_GET_SIZE(others); i++) {
        PyObject *pair = PyList_GET_ITEM(others, i);
        one(self, PyTuple_GET_ITEM(pair, 0), PyTuple_GET_ITEM(pair, 1));
    }
    Py_XDECREF(others);
    Py_CLEAR(self->client);
}

void reply_call_now(Reply *self)
{
    call(self, call_now);
}

void reply_call_soon(Reply *self)
{
    call(self, call_soon);
}

static int add_another(Reply *self, PyObject *callback, PyObject *context)
{
    if (!self->callbacks && !(self->callbacks = PyList_New(0))) {
        return -1;
    }
    PyObject *pair = PyTuple_Pack(2, callback, context);
    const int added = pair ? PyList_Append(self->callbacks, pair) : -1;
    Py_XDECREF(pair);
    return added;
}

static int add_callback(Reply *self, PyObject *callback, PyObject *context)
{
    if (reply_is_done(self) && !self->list) {
        call_soon(self, callback, context);
        return 0;
    }
    if (self->callback || self->callbacks) {
        return add_another(self, callback, context);
    }
    Py_INCREF(callback);
    Py_INCREF(context);
    self->callback = callback;
    self->context = context;
    return 0;
}

PyObject *reply_add_done_callback(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                  PyObject *keywords)
{
    const Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
    if (count != 1 || named > 1 ||
        (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0), "context"))) {
        PyErr_SetString(PyExc_TypeError, "add_done_callback() takes a function, and context");
        return NULL;
    }
    PyObject *context = named ? args[1] : Py_None;
    PyObject *copied = context == Py_None ? PyContext_CopyCurrent() : NULL;
    if (context == Py_None && !copied) {
        return NULL;
    }
    const int added = add_callback((Reply *)object, args[0], copied ? copied : context);
    Py_XDECREF(copied);
    if (added < 0) {
        return NULL;
    }
    Py_RETURN_NONE;
}

/* Takes the first callback out if it is that one. Returns how many that were, or -1. */
static int remove_first(Reply *self, PyObject *callback)
{
    PyObject *first = self->callback;
    Py_XINCREF(first);
    const int same = first ? PyObject_RichCompareBool(first, callback, Py_EQ) : 0;
    Py_XDECREF(first);
    if (same > 0 && self->callback == first) {
        Py_CLEAR(self->callback);
        Py_CLEAR(self->context);
    }
    return same;
}

/* The same for the others, of which what stays is put into `kept`. */
static int remove_others(PyObject *others, PyObject *callback, PyObject *kept)
{
    int removed = 0;
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(others); i++) {
        PyObject *pair = PyList_GET_ITEM(others, i);
        Py_INCREF(pair);
        const int same = PyObject_RichCompareBool(PyTuple_GET_ITEM(pair, 0), callback, Py_EQ);
        const int failed = same < 0 || (!same && PyList_Append(kept, pair) < 0);
        Py_DECREF(pair);
        if (failed) {
            return -1;
        }
        removed += same;
    }
    return removed;
}

PyObject *reply_remove_done_callback(PyObject *object, PyObject *callback)
{
    Reply *self = (Reply *)object;
    int removed = remove_first(self, callback);
    PyObject *others = self->callbacks;
    if (removed >= 0 && others) {
        PyObject *kept = PyList_New(0);
        Py_INCREF(others);
        const int more = kept ? remove_others(others, callback, kept) : -1;
        Py_DECREF(others);
        if (more >= 0 && self->callbacks == others) {
            Py_XSETREF(self->callbacks, kept);
            kept = NULL;
        }
        Py_XDECREF(kept);
        removed = more < 0 ? -1 : removed + more;
    }
    return removed < 0 ? NULL : PyLong_FromLong(removed);
}
