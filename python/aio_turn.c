#include "aio_batch.h"
#include "aio_connection.h"
#include "turn.h"

/* Resumes the tasks that are ready now. It would be another turn of the loop, and a handle for each
   of them, to leave that to call_soon; here no task is running, and none of libgibson's callbacks:
   those have only put the Replies into the list. */
static void resume_ready(Connection *self)
{
    const Reply *last = self->ready.last;
    while (self->ready.first && !self->raised) {
        Reply *reply = self->ready.first;
        const bool is_last = reply == last;
        reply_take_out(reply);
        reply_call_now(reply);
        Py_DECREF(reply);
        if (is_last) {
            break;
        }
    }
}

/* Sends what those have submitted, without another turn of the loop. */
static void send_submitted(Connection *self)
{
    if (self->async && !connection_was_forked(self) &&
        gibson_async_wants(self->async).wake_ns == 0) {
        gibson_async_run(self->async, 0);
    }
}

static void run(Connection *self, unsigned events)
{
    gibson_async_run(self->async, events);
    submit_expire(self);
    decode_go_on(self);
    submit_waiting(self);
    resume_ready(self);
    send_submitted(self);
}

static PyObject *raise_out(Connection *self)
{
    PyObject *error = self->raised;
    if (!error) {
        Py_RETURN_NONE;
    }
    self->raised = NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
    return NULL;
}

PyObject *connection_turn(Connection *self, unsigned events)
{
    if (!self->async || self->turn || connection_was_forked(self)) {
        Py_RETURN_NONE;
    }
    Py_INCREF(self);
    self->turn = turn_this_thread();
    run(self, events);
    self->turn = 0;
    connection_settle(self);
    PyObject *result = raise_out(self);
    Py_DECREF(self);
    return result;
}
