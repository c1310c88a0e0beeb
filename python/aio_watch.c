#include <time.h>

#include "aio_connection.h"

int64_t watch_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* -- what the loop calls --------------------------------------------------------------------- */

static PyObject *on_read(PyObject *self, PyObject *unused)
{
    (void)unused;
    return connection_turn((Connection *)self, GIBSON_ASYNC_READ);
}

static PyObject *on_write(PyObject *self, PyObject *unused)
{
    (void)unused;
    return connection_turn((Connection *)self, GIBSON_ASYNC_WRITE);
}

static PyObject *on_soon(PyObject *self, PyObject *unused)
{
    (void)unused;
    Connection *connection = (Connection *)self;
    connection->watch.soon = false;
    connection->stale = true; /* it may want another, and has no need to say so again */
    return connection_turn(connection, 0);
}

static PyObject *on_time(PyObject *self, PyObject *unused)
{
    (void)unused;
    Connection *connection = (Connection *)self;
    Py_CLEAR(connection->watch.timer);
    connection->stale = true; /* it is to wake again */
    return connection_turn(connection, 0);
}

static PyMethodDef read_def = {"read", on_read, METH_NOARGS, NULL};
static PyMethodDef write_def = {"write", on_write, METH_NOARGS, NULL};
static PyMethodDef soon_def = {"soon", on_soon, METH_NOARGS, NULL};
static PyMethodDef time_def = {"time", on_time, METH_NOARGS, NULL};

/* -- calling the loop ------------------------------------------------------------------------ */

/* Calls a method of the loop with an argument, which is taken over, and a function of the
   connection. Returns what that returns. */
static PyObject *call(Connection *self, PyObject *method, PyObject *argument, PyMethodDef *def)
{
    PyObject *function = argument ? PyCFunction_New(def, (PyObject *)self) : NULL;
    PyObject *result =
        function ? PyObject_CallFunctionObjArgs(method, argument, function, NULL) : NULL;
    Py_XDECREF(argument);
    Py_XDECREF(function);
    return result;
}

static int add(Connection *self, PyObject *method, int descriptor, PyMethodDef *def)
{
    PyObject *done = call(self, method, PyLong_FromLong(descriptor), def);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Failures do not matter: what is not there any more needs not be removed. */
static void remove_from(PyObject *method, int descriptor)
{
    PyObject *done = PyObject_CallFunction(method, "i", descriptor);
    if (!done) {
        PyErr_Clear();
    }
    Py_XDECREF(done);
}

/* -- the descriptor --------------------------------------------------------------------------- */

/* After a fork, the loop's list in the kernel is the parent's too. */
void watch_forget(Connection *self)
{
    aio_watch *watch = &self->watch;
    const int descriptor = watch->descriptor;
    const unsigned events = watch->events;
    watch->descriptor = -1;
    watch->events = 0;
    if (descriptor < 0 || connection_was_forked(self) || module_is_ending(self->state)) {
        return;
    }
    if (events & GIBSON_ASYNC_READ) {
        remove_from(watch->remove_reader, descriptor);
    }
    if (events & GIBSON_ASYNC_WRITE) {
        remove_from(watch->remove_writer, descriptor);
    }
}

static int watch_descriptor(Connection *self, const gibson_async_waits *waits)
{
    aio_watch *watch = &self->watch;
    if (watch->descriptor >= 0 || waits->descriptor < 0) {
        return 0;
    }
    if (waits->events & GIBSON_ASYNC_READ) {
        if (add(self, watch->add_reader, waits->descriptor, &read_def) < 0) {
            return -1;
        }
    }
    if (waits->events & GIBSON_ASYNC_WRITE) {
        if (add(self, watch->add_writer, waits->descriptor, &write_def) < 0) {
            remove_from(watch->remove_reader, waits->descriptor);
            return -1;
        }
    }
    watch->descriptor = waits->descriptor;
    watch->events = waits->events;
    return 0;
}

/* -- the time --------------------------------------------------------------------------------- */

int watch_soon(Connection *self)
{
    if (self->watch.soon) {
        return 0;
    }
    PyObject *function = PyCFunction_New(&soon_def, (PyObject *)self);
    PyObject *handle = function ? PyObject_CallOneArg(self->watch.call_soon, function) : NULL;
    self->watch.soon = handle != NULL;
    Py_XDECREF(function);
    Py_XDECREF(handle);
    return handle ? 0 : -1;
}

static void cancel_timer(Connection *self)
{
    PyObject *timer = self->watch.timer;
    self->watch.timer = NULL;
    if (timer && module_is_ending(self->state)) {
        Py_DECREF(timer);
    } else if (timer) {
        PyObject *done = PyObject_CallMethod(timer, "cancel", NULL);
        if (!done) {
            PyErr_Clear();
        }
        Py_XDECREF(done);
        Py_DECREF(timer);
    }
}

/* A timer that comes too early does no harm, so only one that would be late is set anew. */
static int watch_time(Connection *self, int64_t wake_ns)
{
    aio_watch *watch = &self->watch;
    if (wake_ns == GIBSON_ASYNC_NEVER || (watch->timer && watch->timer_ns <= wake_ns)) {
        return 0;
    }
    cancel_timer(self);
    const int64_t left_ns = wake_ns - watch_now_ns();
    const double left = left_ns > 0 ? (double)left_ns / 1e9 : 0;
    watch->timer = call(self, watch->call_later, PyFloat_FromDouble(left), &time_def);
    watch->timer_ns = wake_ns;
    return watch->timer ? 0 : -1;
}

int watch_update(Connection *self)
{
    const gibson_async_waits waits = gibson_async_wants(self->async);
    if (watch_descriptor(self, &waits) < 0) {
        return -1;
    }
    if ((waits.wake_ns == 0 || self->decodings) && watch_soon(self) < 0) {
        return -1;
    }
    const int64_t wake_ns = waits.wake_ns ? waits.wake_ns : GIBSON_ASYNC_NEVER;
    return watch_time(self, wake_ns < self->waiting_until_ns ? wake_ns : self->waiting_until_ns);
}

/* -- the beginning and the end ---------------------------------------------------------------- */

int watch_bind(Connection *self, PyObject *loop)
{
    aio_watch made = {.descriptor = -1};
    if (!(made.add_reader = PyObject_GetAttrString(loop, "add_reader")) ||
        !(made.remove_reader = PyObject_GetAttrString(loop, "remove_reader")) ||
        !(made.add_writer = PyObject_GetAttrString(loop, "add_writer")) ||
        !(made.remove_writer = PyObject_GetAttrString(loop, "remove_writer")) ||
        !(made.call_soon = PyObject_GetAttrString(loop, "call_soon")) ||
        !(made.call_later = PyObject_GetAttrString(loop, "call_later"))) {
        watch_clear(&made);
        return -1;
    }
    Py_INCREF(loop);
    made.loop = loop;
    self->watch = made;
    return 0;
}

void watch_end(Connection *self)
{
    watch_forget(self);
    if (!connection_was_forked(self)) {
        cancel_timer(self);
    }
}

void watch_clear(aio_watch *watch)
{
    Py_CLEAR(watch->add_reader);
    Py_CLEAR(watch->remove_reader);
    Py_CLEAR(watch->add_writer);
    Py_CLEAR(watch->remove_writer);
    Py_CLEAR(watch->call_soon);
    Py_CLEAR(watch->call_later);
    Py_CLEAR(watch->timer);
    Py_CLEAR(watch->loop);
}
