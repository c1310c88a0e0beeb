#include "aio_reply.h"

#include <stddef.h>

#include <structmember.h>

#include "aio_batch.h"
#include "aio_connection.h"
#include "aio_import.h"

Reply *reply_new(Connection *connection, PyObject *client, const command_kind *kind)
{
    PyTypeObject *type = connection->state->reply_type;
    Reply *self =
        module_check_alive(connection->state) == 0 ? (Reply *)type->tp_alloc(type, 0) : NULL;
    if (self) {
        Py_INCREF(connection);
        self->connection = connection;
        Py_INCREF(client);
        self->client = client;
        self->kind = kind;
    }
    return self;
}

/* -- the end -------------------------------------------------------------------------------- */

static void end(Reply *self, reply_role role)
{
    self->role = (char)role;
    if (self->list) {
        reply_move(self, &self->connection->ready);
    } else {
        Py_CLEAR(self->client);
    }
}

void reply_resolve(Reply *self, PyObject *result)
{
    if (!result) {
        reply_fail(self, NULL);
    } else if (reply_is_done(self)) {
        Py_DECREF(result);
    } else {
        Py_XSETREF(self->result, result);
        end(self, REPLY_DONE);
    }
}

void reply_fail(Reply *self, PyObject *error)
{
    error = error ? error : aio_take_exception();
    if (reply_is_done(self)) {
        Py_DECREF(error);
        return;
    }
    Py_CLEAR(self->result);
    self->error = error;
    self->unnoticed = true;
    self->pauses = !self->callback && !self->callbacks;
    end(self, REPLY_DONE);
}

/* -- cancelling ------------------------------------------------------------------------------ */

static PyObject *parse_message(PyObject *const *args, Py_ssize_t count, PyObject *keywords)
{
    const Py_ssize_t named = keywords ? PyTuple_GET_SIZE(keywords) : 0;
    if (count + named > 1 ||
        (named && PyUnicode_CompareWithASCIIString(PyTuple_GET_ITEM(keywords, 0), "msg"))) {
        PyErr_SetString(PyExc_TypeError, "cancel() takes msg only");
        return NULL;
    }
    return count + named ? args[0] : Py_None;
}

/* Returns whether it was cancelled, or -1 with an exception set. The message may be None. */
static int cancel(Reply *self, PyObject *message)
{
    self->unnoticed = false;
    if (reply_is_done(self)) {
        return 0;
    }
    if (connection_may_cancel(self->connection) < 0) {
        return -1;
    }
    if (message != Py_None) {
        Py_INCREF(message);
        Py_XSETREF(self->message, message);
    }
    Py_CLEAR(self->result);
    connection_withdraw(self->connection, self);
    end(self, REPLY_CANCELLED);
    submit_forget(self);
    connection_settle(self->connection);
    return 1;
}

static PyObject *reply_cancel(PyObject *object, PyObject *const *args, Py_ssize_t count,
                              PyObject *keywords)
{
    PyObject *message = parse_message(args, count, keywords);
    const int cancelled = message ? cancel((Reply *)object, message) : -1;
    return cancelled < 0 ? NULL : PyBool_FromLong(cancelled);
}

static PyObject *cancelled_error(Reply *self)
{
    return PyObject_CallFunctionObjArgs(self->connection->state->asyncio.cancelled_error,
                                        self->message, NULL);
}

static PyObject *reply_make_cancelled_error(PyObject *self, PyObject *unused)
{
    (void)unused;
    return cancelled_error((Reply *)self);
}

/* -- what it has come to --------------------------------------------------------------------- */

static void raise_cancelled(Reply *self)
{
    PyObject *error = cancelled_error(self);
    if (error) {
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
        Py_DECREF(error);
    }
}

/* Raises what is no result, of one that is done. */
static PyObject *raise_error(Reply *self)
{
    if (self->role == REPLY_CANCELLED) {
        raise_cancelled(self);
    } else {
        self->unnoticed = false;
        PyErr_SetObject((PyObject *)Py_TYPE(self->error), self->error);
    }
    return NULL;
}

static PyObject *result_of(Reply *self)
{
    if (self->role != REPLY_DONE || !self->result) {
        return raise_error(self);
    }
    Py_INCREF(self->result);
    return self->result;
}

static PyObject *invalid_state(const Reply *self, const char *what)
{
    return PyErr_Format(self->connection->state->asyncio.invalid_state_error, "%s is not set.",
                        what);
}

static PyObject *reply_result(PyObject *object, PyObject *unused)
{
    (void)unused;
    Reply *self = (Reply *)object;
    return reply_is_done(self) ? result_of(self) : invalid_state(self, "Result");
}

static PyObject *reply_exception(PyObject *object, PyObject *unused)
{
    (void)unused;
    Reply *self = (Reply *)object;
    if (!reply_is_done(self)) {
        return invalid_state(self, "Exception");
    }
    if (self->role == REPLY_CANCELLED) {
        return raise_error(self);
    }
    self->unnoticed = false;
    PyObject *error = self->error ? self->error : Py_None;
    Py_INCREF(error);
    return error;
}

static PyObject *reply_done(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(reply_is_done((Reply *)self));
}

static PyObject *reply_cancelled(PyObject *self, PyObject *unused)
{
    (void)unused;
    return PyBool_FromLong(((Reply *)self)->role == REPLY_CANCELLED);
}

static PyObject *loop_of(PyObject *self)
{
    PyObject *loop = ((Reply *)self)->connection->watch.loop;
    Py_INCREF(loop);
    return loop;
}

static PyObject *reply_get_loop(PyObject *self, PyObject *unused)
{
    (void)unused;
    return loop_of(self);
}

static PyObject *reply_loop(PyObject *self, void *closure)
{
    (void)closure;
    return loop_of(self);
}

/* -- the coroutine --------------------------------------------------------------------------- */

/* Goes on. Returns what is yielded, or NULL; then *result is what is returned, or an exception is
   set. */
static PyObject *go_on(Reply *self, PyObject **result)
{
    *result = NULL;
    PyObject *yielded = (PyObject *)self;
    if (self->pauses) {
        self->pauses = false;
        yielded = Py_None;
    } else if (reply_is_done(self)) {
        *result = result_of(self);
        return NULL;
    } else {
        self->blocking = true;
    }
    Py_INCREF(yielded);
    return yielded;
}

/* As a StopIteration would unpack a tuple or raise an exception, neither of which a result is, but
   for a list. */
static PyObject *reply_iternext(PyObject *self)
{
    PyObject *result;
    PyObject *yielded = go_on((Reply *)self, &result);
    if (result) {
        PyErr_SetObject(PyExc_StopIteration, result);
        Py_DECREF(result);
    }
    return yielded;
}

#if PY_VERSION_HEX >= 0x030A0000
static PySendResult reply_am_send(PyObject *self, PyObject *value, PyObject **result)
{
    (void)value;
    PyObject *yielded = go_on((Reply *)self, result);
    if (yielded) {
        *result = yielded;
        return PYGEN_NEXT;
    }
    return *result ? PYGEN_RETURN : PYGEN_ERROR;
}
#endif

static PyObject *reply_self(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static PyObject *reply_send(PyObject *self, PyObject *value)
{
    (void)value;
    return reply_iternext(self);
}

/* A task that was cancelled before its first step throws that into what it never awaited. */
static void cancel_unless_done(Reply *self, PyObject *thrown)
{
    if (PyErr_GivenExceptionMatches(thrown, self->connection->state->asyncio.cancelled_error) &&
        cancel(self, Py_None) < 0) {
        PyErr_Clear();
    }
}

/* Raises what was thrown in, as a coroutine that stands at an await does. */
static PyObject *reply_throw(PyObject *self, PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || count > 3) {
        PyErr_SetString(PyExc_TypeError, "throw() takes 1 to 3 arguments");
        return NULL;
    }
    PyObject *type = args[0];
    PyObject *value = count > 1 && args[1] != Py_None ? args[1] : NULL;
    PyObject *traceback = count > 2 && args[2] != Py_None ? args[2] : NULL;
    if (PyExceptionInstance_Check(type)) {
        value = type;
        type = (PyObject *)Py_TYPE(type);
    } else if (!PyExceptionClass_Check(type)) {
        return PyErr_Format(PyExc_TypeError, "throw() takes an exception, not %.200s",
                            Py_TYPE(type)->tp_name);
    }
    cancel_unless_done((Reply *)self, type);
    Py_INCREF(type);
    Py_XINCREF(value);
    Py_XINCREF(traceback);
    PyErr_Restore(type, value, traceback);
    return NULL;
}

static PyObject *reply_close(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    Py_RETURN_NONE;
}

/* -- the rest of the type --------------------------------------------------------------------- */

static PyObject *reply_repr(PyObject *object)
{
    Reply *self = (Reply *)object;
    return PyUnicode_FromFormat("<%s %s() on %U, %s>", Py_TYPE(self)->tp_name, self->kind->name,
                                self->connection->server,
                                !reply_is_done(self)            ? "pending"
                                : self->role == REPLY_CANCELLED ? "cancelled"
                                : self->error                   ? "failed"
                                                                : "done");
}

static int reply_traverse(PyObject *object, visitproc visit, void *arg)
{
    Reply *self = (Reply *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->connection);
    Py_VISIT(self->client);
    Py_VISIT(self->key);
    Py_VISIT(self->callback);
    Py_VISIT(self->context);
    Py_VISIT(self->callbacks);
    Py_VISIT(self->result);
    Py_VISIT(self->error);
    Py_VISIT(self->message);
    if (self->kept) {
        Py_VISIT(self->kept->key);
        Py_VISIT(self->kept->value);
    }
    return self->batch ? aio_batch_traverse(self->batch, visit, arg) : 0;
}

/* The connection stays: methods rely on it, and it can be cleared itself. */
static int reply_clear(PyObject *object)
{
    Reply *self = (Reply *)object;
    Py_CLEAR(self->client);
    Py_CLEAR(self->callback);
    Py_CLEAR(self->context);
    Py_CLEAR(self->callbacks);
    Py_CLEAR(self->message);
    if (self->role == REPLY_DONE) { /* methods rely on one of the two */
        Py_INCREF(Py_None);
        Py_XSETREF(self->result, Py_None);
        Py_CLEAR(self->error);
    } else {
        Py_CLEAR(self->result);
    }
    return 0;
}

/* As a Future does: says so if nobody ever asked for an error. */
static void reply_finalize(PyObject *object)
{
    Reply *self = (Reply *)object;
    if (!self->unnoticed || connection_was_forked(self->connection)) {
        return;
    }
    self->unnoticed = false;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *context =
        Py_BuildValue("{s:s,s:O,s:O}", "message", "Reply exception was never retrieved",
                      "exception", self->error, "future", object);
    PyObject *told = context ? PyObject_CallMethod(self->connection->watch.loop,
                                                   "call_exception_handler", "O", context)
                             : NULL;
    if (!told) {
        PyErr_WriteUnraisable(object);
    }
    Py_XDECREF(context);
    Py_XDECREF(told);
    PyErr_Restore(type, value, traceback);
}

static void reply_dealloc(PyObject *object)
{
    Reply *self = (Reply *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->unnoticed && PyObject_CallFinalizerFromDealloc(object) < 0) {
        return;
    }
    PyObject_GC_UnTrack(object);
    if (self->weakrefs) {
        PyObject_ClearWeakRefs(object);
    }
    if (self->batch) {
        aio_batch_free(self->batch);
    }
    submit_forget(self);
    decode_drop(self);
    Py_CLEAR(self->client);
    Py_CLEAR(self->key);
    Py_CLEAR(self->callback);
    Py_CLEAR(self->context);
    Py_CLEAR(self->callbacks);
    Py_CLEAR(self->result);
    Py_CLEAR(self->error);
    Py_CLEAR(self->message);
    Py_CLEAR(self->connection);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMethodDef reply_methods[] = {
    {"add_done_callback", (PyCFunction)(void (*)(void))reply_add_done_callback,
     METH_FASTCALL | METH_KEYWORDS,
     "add_done_callback($self, fn, /, *, context=None)\n--\n\n"
     "Have fn called with the Reply when it is done, by the event loop."},
    {"remove_done_callback", reply_remove_done_callback, METH_O,
     "remove_done_callback($self, fn, /)\n--\n\n"
     "Call fn no more. Returns how often it was to be called."},
    {"cancel", (PyCFunction)(void (*)(void))reply_cancel, METH_FASTCALL | METH_KEYWORDS,
     "cancel($self, /, msg=None)\n--\n\n"
     "Take the request back. If it was sent, what the server did with it is not known.\n\n"
     "Returns False if it is done already."},
    {"result", reply_result, METH_NOARGS,
     "result($self, /)\n--\n\nReturn what an await would return, or raise what that would raise."},
    {"exception", reply_exception, METH_NOARGS,
     "exception($self, /)\n--\n\nReturn what an await would raise, or None."},
    {"done", reply_done, METH_NOARGS,
     "done($self, /)\n--\n\nReturn whether there is a result or an exception."},
    {"cancelled", reply_cancelled, METH_NOARGS,
     "cancelled($self, /)\n--\n\nReturn whether it was cancelled."},
    {"get_loop", reply_get_loop, METH_NOARGS,
     "get_loop($self, /)\n--\n\nReturn the event loop to which it belongs."},
    {"send", reply_send, METH_O, "send($self, value, /)\n--\n\nGo on, as a coroutine."},
    {"throw", (PyCFunction)(void (*)(void))reply_throw, METH_FASTCALL,
     "throw($self, type, value=None, traceback=None, /)\n--\n\nRaise an exception, as a coroutine "
     "that awaits."},
    {"close", reply_close, METH_NOARGS,
     "close($self, /)\n--\n\nEnd an await. The request goes on: see cancel."},
    {"_make_cancelled_error", reply_make_cancelled_error, METH_NOARGS, NULL},
    {"__class_getitem__", Py_GenericAlias, METH_O | METH_CLASS, "Reply[T] returns a T."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef reply_attributes[] = {
    {"_loop", reply_loop, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef reply_members[] = {
    {"_asyncio_future_blocking", T_BOOL, offsetof(Reply, blocking), 0, NULL},
    {"_cancel_message", T_OBJECT, offsetof(Reply, message), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Reply, weakrefs), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

PyDoc_STRVAR(reply_doc,
             "What a method of Client or Pipeline returns: await it for the result.\n\n"
             "It has the methods of an asyncio.Future, but for those that set a result. If it is\n"
             "dropped, the request goes on.");

static PyType_Slot reply_slots[] = {
    {Py_tp_doc, (void *)(uintptr_t)reply_doc},
    {Py_tp_new, aio_no_new},
    {Py_tp_dealloc, reply_dealloc},
    {Py_tp_traverse, reply_traverse},
    {Py_tp_clear, reply_clear},
    {Py_tp_finalize, reply_finalize},
    {Py_tp_repr, reply_repr},
    {Py_tp_iter, reply_self},
    {Py_tp_iternext, reply_iternext},
    {Py_am_await, reply_self},
#if PY_VERSION_HEX >= 0x030A0000
    {Py_am_send, reply_am_send},
#endif
    {Py_tp_methods, reply_methods},
    {Py_tp_getset, reply_attributes},
    {Py_tp_members, reply_members},
    {0, NULL},
};

PyType_Spec reply_spec = {
    .name = "pygibson.aio.Reply",
    .basicsize = sizeof(Reply),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = reply_slots,
};
