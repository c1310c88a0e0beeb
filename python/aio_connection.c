#include "aio_connection.h"

#include <stdio.h>
#include <string.h>

#include "aio_batch.h"
#include "aio_import.h"
#include "turn.h"

const char connection_closed_text[] = "the client is closed";
static const char parent_text[] = "the connection belongs to the parent process";

/* -- who may call --------------------------------------------------------------------------- */

static int refuse(const Connection *self, const command_kind *kind, gibson_status status,
                  const char *message)
{
    gibson_error error = {.status = status};
    snprintf(error.message, sizeof error.message, "%s", message);
    const failure failed = {error, kind, NULL, self->server, NULL, "Client"};
    failure_raise(self->state, &failed);
    return -1;
}

static int refuse_fork(const Connection *self, const command_kind *kind)
{
    return refuse(self, kind, GIBSON_CLOSED, parent_text);
}

static int refuse_finaliser(const Connection *self, const command_kind *kind)
{
    return refuse(self, kind, GIBSON_USAGE,
                  "this thread is in a call of this Client already: a finaliser must not use it");
}

/* Compares the loop that runs here with the connection's, which one without gets. */
static int check_loop(Connection *self, const command_kind *kind)
{
    PyObject *running = aio_running_loop(self->state);
    if (!running) {
        return -1;
    }
    int result = 0;
    if (running == Py_None) {
        result = refuse(self, kind, GIBSON_USAGE, "no event loop runs in this thread");
    } else if (!self->watch.loop) {
        result = watch_bind(self, running);
    } else if (running != self->watch.loop) {
        result = refuse(self, kind, GIBSON_USAGE, "the Client belongs to another event loop");
    }
    Py_DECREF(running);
    return result;
}

int connection_begin(Connection *self, const command_kind *kind)
{
    if (connection_was_forked(self)) {
        return refuse_fork(self, kind);
    }
    if (self->turn != turn_this_thread() && check_loop(self, kind) < 0) {
        return -1;
    }
    return self->in_hook ? refuse_finaliser(self, kind) : 0;
}

static int loop_is(const Connection *self, const char *state)
{
    PyObject *is = PyObject_CallMethod(self->watch.loop, state, NULL);
    const int result = is ? PyObject_IsTrue(is) : -1;
    Py_XDECREF(is);
    return result;
}

int connection_may_cancel(Connection *self)
{
    static const command_kind kind = {.name = "cancel"};
    if (connection_was_forked(self)) {
        return refuse_fork(self, &kind);
    }
    if (self->turn == turn_this_thread()) {
        return self->in_hook ? refuse_finaliser(self, &kind) : 0;
    }
    PyObject *running = aio_running_loop(self->state);
    if (!running) {
        return -1;
    }
    const bool elsewhere = running != self->watch.loop;
    Py_DECREF(running);
    const int runs = elsewhere ? loop_is(self, "is_running") : 0;
    if (runs > 0) {
        return refuse(self, &kind, GIBSON_USAGE, "the Client belongs to another event loop");
    }
    return runs < 0 ? -1 : self->in_hook ? refuse_finaliser(self, &kind) : 0;
}

/* -- errors --------------------------------------------------------------------------------- */

PyObject *connection_exception(const Connection *self, const gibson_error *error,
                               const command_kind *kind, PyObject *key, PyObject *refused)
{
    if (error->status == GIBSON_NOMEM) {
        return PyErr_NoMemory();
    }
    const failure failed = {*error, kind, key, self->server, refused, "Client"};
    return failure_exception(self->state, &failed);
}

PyObject *connection_error(const Connection *self, const command_kind *kind, PyObject *key,
                           PyObject *refused)
{
    if (self->refused) {
        Py_INCREF(self->refused);
        return self->refused;
    }
    const gibson_error error = *gibson_async_error(self->async);
    return connection_exception(self, &error, kind, key, refused);
}

PyObject *connection_closed(const Connection *self, const command_kind *kind, PyObject *key)
{
    gibson_error error = {.status = GIBSON_CLOSED};
    snprintf(error.message, sizeof error.message, "%s", self->closed_because);
    return connection_exception(self, &error, kind, key, NULL);
}

/* -- connecting and closing ------------------------------------------------------------------ */

static void resolve_all(reply_list *list)
{
    while (list->first) {
        Reply *reply = list->first;
        PyObject *result = reply->result ? reply->result : Py_None;
        Py_INCREF(result);
        reply_resolve(reply, result);
    }
}

/* Fails all with what the library says now. */
static void fail_all(const Connection *self, reply_list *list)
{
    while (list->first) {
        Reply *reply = list->first;
        reply_fail(reply, connection_error(self, reply->kind, NULL, NULL));
    }
}

static void hook_connection(gibson_async *async, gibson_status status, void *context)
{
    (void)async;
    Connection *self = context;
    self->opened = status == GIBSON_OK; /* who waits for it is told once the loop watches it */
    if (!self->opened) {
        fail_all(self, &self->connecting);
    }
}

static void hook_changed(gibson_async *async, void *context)
{
    Connection *self = context;
    const gibson_async_waits waits = gibson_async_wants(async);
    const aio_watch *watch = &self->watch;
    self->stale = true;
    if (watch->descriptor >= 0 &&
        (waits.descriptor != watch->descriptor || waits.events != watch->events)) {
        self->in_hook = true;
        watch_forget(self);
        self->in_hook = false;
    }
}

static void hook_room(gibson_async *async, void *context)
{
    (void)async;
    ((Connection *)context)->has_room = true;
}

int connection_connect(Connection *self, gibson_error *error)
{
    self->fresh = false;
    if (gibson_async_connect(self->async) == GIBSON_OK) {
        return 0;
    }
    *error = *gibson_async_error(self->async);
    return -1;
}

/* Fails those that wait for room, with what the library says now. */
static void fail_waiting(Connection *self)
{
    const gibson_error error = *gibson_async_error(self->async);
    while (self->waiting.first) {
        submit_fail_waiting(self->waiting.first, &error);
    }
}

void connection_close(Connection *self, const char *because)
{
    self->closed_because = because;
    gibson_async_close(self->async);
    self->opened = false;
    fail_waiting(self);
    fail_all(self, &self->connecting);
    resolve_all(&self->draining);
}

void connection_withdraw(Connection *self, Reply *reply)
{
    switch (reply->role) {
    case REPLY_ANSWER:
        gibson_async_cancel(self->async, reply->id);
        break;
    case REPLY_DECODE:
        decode_drop(reply);
        break;
    case REPLY_BATCH:
    case REPLY_BATCH_ROOM:
        decode_drop(reply);
        aio_batch_cancel(reply->batch);
        break;
    case REPLY_CONNECT:
        if (reply->previous || reply->next || gibson_async_outstanding(self->async)) {
            break; /* somebody else wants it */
        }
        gibson_async_close(self->async);
        break;
    default:
        break;
    }
}

/* -- settling ------------------------------------------------------------------------------- */

static bool has_pending(const Connection *self)
{
    return self->requests.first || self->waiting.first || self->connecting.first;
}

/* Ends a drain once nothing waits any more. */
static void finish_draining(Connection *self)
{
    if (self->draining.first && !has_pending(self)) {
        connection_close(self, self->closed_because);
    }
}

static void call_ready_soon(Connection *self)
{
    while (self->ready.first) {
        Reply *reply = self->ready.first;
        reply_take_out(reply);
        reply_call_soon(reply);
        Py_DECREF(reply);
    }
}

/* The loop takes no descriptors, and an exception that says why is set. */
static void give_up_loop(Connection *self)
{
    self->refused = aio_take_exception();
    connection_close(self, self->closed_because);
    Py_CLEAR(self->refused);
}

/* Tells the loop what is waited for. */
static void tell_loop(Connection *self)
{
    while (self->stale && !connection_was_forked(self)) {
        self->stale = false;
        if (watch_update(self) < 0) {
            give_up_loop(self);
        }
    }
    if (self->opened) {
        self->opened = false;
        resolve_all(&self->connecting);
    }
}

void connection_settle(Connection *self)
{
    if (self->turn) { /* its end does */
        return;
    }
    Py_INCREF(self);
    do {
        submit_waiting(self);
        finish_draining(self);
        tell_loop(self);
        call_ready_soon(self); /* which may give up the last reference to the Client */
    } while (self->async && self->stale && !connection_was_forked(self));
    Py_DECREF(self);
}

/* -- the end -------------------------------------------------------------------------------- */

static void drop_list(reply_list *list)
{
    while (list->first) {
        Reply *reply = list->first;
        reply_take_out(reply);
        Py_DECREF(reply);
    }
}

/* Ends the gibson_async. Nothing of Python is called but the loop, to forget the descriptor. */
static void end(Connection *self)
{
    gibson_async *async = self->async;
    self->async = NULL;
    gibson_async_free(async);
    watch_end(self);
}

/* Whether the loop may be told something from here: it runs here, or nowhere. */
static bool is_at_hand(const Connection *self)
{
    if (!self->watch.loop || connection_was_forked(self) || module_is_ending(self->state)) {
        return true;
    }
    PyObject *running = aio_running_loop(self->state);
    const bool here = running == self->watch.loop;
    PyErr_Clear();
    Py_XDECREF(running);
    return here || loop_is(self, "is_running") <= 0;
}

static PyObject *release_later(PyObject *self, PyObject *unused)
{
    (void)unused;
    if (((Connection *)self)->async) {
        end((Connection *)self);
    }
    Py_RETURN_NONE;
}

static PyMethodDef release_def = {"release", release_later, METH_NOARGS, NULL};

/* Has the thread of the loop do it. If there is no such thread any more, the loop's end will. */
static void release_elsewhere(Connection *self)
{
    PyObject *function = PyCFunction_New(&release_def, (PyObject *)self);
    PyObject *told =
        function ? PyObject_CallMethod(self->watch.loop, "call_soon_threadsafe", "O", function)
                 : NULL;
    Py_XDECREF(function);
    Py_XDECREF(told);
}

void connection_release(Connection *self)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    if (self->async) {
        if (is_at_hand(self)) {
            end(self);
        } else {
            release_elsewhere(self);
        }
    }
    PyErr_Clear();
    PyErr_Restore(type, error, traceback);
}

/* -- the type ------------------------------------------------------------------------------- */

Connection *connection_new(module_state *state, const gibson_options *options)
{
    PyTypeObject *type = state->connection_type;
    Connection *self =
        module_check_alive(state) == 0 ? (Connection *)type->tp_alloc(type, 0) : NULL;
    if (!self) {
        return NULL;
    }
    gibson_async_hooks hooks;
    gibson_async_hooks_init(&hooks);
    hooks.context = self;
    hooks.changed = hook_changed;
    hooks.connection = hook_connection;
    hooks.room = hook_room;
    gibson_error error;
    self->state = state;
    self->forks = state->forks;
    self->timeout_ms = self->told_ms = options->timeout_ms;
    self->repeats = options->reconnect && options->retry_repeatable;
    self->watch.descriptor = -1;
    self->waiting_until_ns = GIBSON_ASYNC_NEVER;
    self->fresh = true;
    if (gibson_async_new(&self->async, options, &hooks, &error) != GIBSON_OK) {
        failure_raise(state, &(failure){.error = error, .type = "Client"});
        Py_CLEAR(self);
    } else if (!(self->server = PyUnicode_DecodeFSDefault(gibson_async_peer(self->async)))) {
        Py_CLEAR(self);
    }
    return self;
}

static int visit_list(const reply_list *list, visitproc visit, void *arg)
{
    for (Reply *reply = list->first; reply; reply = reply->next) {
        Py_VISIT(reply);
    }
    return 0;
}

static int visit_watch(const aio_watch *watch, visitproc visit, void *arg)
{
    Py_VISIT(watch->loop);
    Py_VISIT(watch->add_reader);
    Py_VISIT(watch->remove_reader);
    Py_VISIT(watch->add_writer);
    Py_VISIT(watch->remove_writer);
    Py_VISIT(watch->call_soon);
    Py_VISIT(watch->call_later);
    Py_VISIT(watch->timer);
    return 0;
}

static int connection_traverse(PyObject *object, visitproc visit, void *arg)
{
    Connection *self = (Connection *)object;
    const reply_list *lists[] = {&self->requests, &self->waiting, &self->connecting,
                                 &self->draining, &self->ready};
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->refused);
    Py_VISIT(self->raised);
    int result = visit_watch(&self->watch, visit, arg);
    for (size_t i = 0; !result && i < sizeof lists / sizeof *lists; i++) {
        result = visit_list(lists[i], visit, arg);
    }
    return result;
}

/* What waited waits for ever: it is part of what is cleared. */
static int connection_clear(PyObject *object)
{
    Connection *self = (Connection *)object;
    reply_list *lists[] = {&self->requests, &self->waiting, &self->connecting, &self->draining,
                           &self->ready};
    connection_release(self);
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        drop_list(lists[i]);
    }
    watch_clear(&self->watch);
    Py_CLEAR(self->refused);
    Py_CLEAR(self->raised);
    return 0;
}

static void connection_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    connection_clear(object);
    Py_CLEAR(((Connection *)object)->server);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyType_Slot connection_slots[] = {
    {Py_tp_new, aio_no_new},
    {Py_tp_dealloc, connection_dealloc},
    {Py_tp_traverse, connection_traverse},
    {Py_tp_clear, connection_clear},
    {0, NULL},
};

PyType_Spec connection_spec = {
    .name = "pygibson.aio._Connection",
    .basicsize = sizeof(Connection),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
    .slots = connection_slots,
};
