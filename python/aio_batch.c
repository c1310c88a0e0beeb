#include "aio_batch.h"

#include <stdio.h>

#include "aio_connection.h"
#include "aio_import.h"
#include "aio_pipeline.h"
#include "pipeline_error.h"

/* Tells whether the connection is lost, or the server silent, where an operation ended so. */
static bool breaks(gibson_status status)
{
    return status == GIBSON_TIMEOUT || status == GIBSON_CLOSED || status == GIBSON_UNREACHABLE ||
           status == GIBSON_PROTOCOL || status == GIBSON_SYSTEM;
}

/* What execute is to raise: a new reference; NULL where there is nothing to raise, or with an
   exception set. */
static PyObject *error_of(aio_batch *batch)
{
    if (batch->broken) {
        Py_INCREF(batch->broken);
        return batch->broken;
    }
    const Connection *connection = batch->reply->connection;
    const executed done = {connection->state, connection->server, batch->operations.first,
                           batch->results};
    return batch->raise_on_error ? pipeline_error_of(&done) : NULL;
}

/* All operations are done. */
static void finish(aio_batch *batch)
{
    PyObject *error = error_of(batch);
    aio_pipeline_set_results(batch->pipeline, batch->results);
    if (error || PyErr_Occurred()) {
        reply_fail(batch->reply, error);
        return;
    }
    PyObject *result = batch->quiet ? Py_None : batch->results;
    Py_INCREF(result);
    reply_resolve(batch->reply, result);
}

/* Sets what came of an operation, which is taken over. */
static void set(aio_batch *batch, size_t index, PyObject *result)
{
    batch->entries[index].id = 0;
    PyList_SetItem(batch->results, (Py_ssize_t)index, result);
    batch->left--;
}

/* An exception that was to be made, or that of why it was not. */
static PyObject *or_why_not(PyObject *made)
{
    return made ? made : aio_take_exception();
}

static void set_error(aio_batch *batch, size_t index, const gibson_error *error)
{
    const operation *op = &batch->operations.first[index];
    set(batch, index,
        or_why_not(
            connection_exception(batch->reply->connection, error, op->kind, op->key, op->refused)));
}

static bool is_done(const aio_batch *batch, size_t index)
{
    return index < batch->next && !batch->entries[index].id;
}

/* After the connection broke, nothing more is tried: a new one is for the next batch. */
static void give_up(aio_batch *batch, const char *why)
{
    gibson_error error = {.status = GIBSON_CLOSED};
    decode_drop(batch->reply);
    for (size_t i = 0; i < batch->operations.count && batch->left; i++) {
        if (!is_done(batch, i)) {
            gibson_async_cancel(batch->reply->connection->async, batch->entries[i].id);
            snprintf(error.message, sizeof error.message, "not %s: %.150s",
                     i < batch->next ? "answered" : "sent", why);
            set_error(batch, i, &error);
        }
    }
    batch->next = batch->operations.count;
}

/* An operation has failed. If that means that the others do too, they have. */
static void fail(aio_batch *batch, size_t index, const gibson_error *error)
{
    set_error(batch, index, error);
    if (breaks(error->status)) {
        batch->broken = PyList_GET_ITEM(batch->results, (Py_ssize_t)index);
        Py_INCREF(batch->broken);
        if (index >= batch->next) {
            batch->next = index + 1;
        }
        give_up(batch, error->message);
    }
}

void aio_batch_answer(aio_batch *batch, size_t index, PyObject *result)
{
    set(batch, index, or_why_not(result));
    if (!batch->left) {
        finish(batch);
    }
}

/* An operation that was under way has failed. Making the exception may run code of a key. */
static void failed(aio_batch *batch, size_t index, const gibson_error *error)
{
    const gibson_error copy = *error;
    Reply *reply = batch->reply;
    Py_INCREF(reply);
    fail(batch, index, &copy);
    if (!batch->left) {
        finish(batch);
    }
    Py_DECREF(reply);
}

static void replied(gibson_async *async, const gibson_reply *reply, void *context)
{
    batch_entry *entry = context;
    aio_batch *batch = entry->batch;
    const size_t index = (size_t)(entry - batch->entries);
    const command_kind *kind = batch->operations.first[index].kind;
    if (!batch->reply->connection->async) {
        return; /* it is being released */
    }
    if (reply->status != GIBSON_OK) {
        failed(batch, index, gibson_async_error(async));
    } else if (gibson_yields_items(kind->yield)) {
        decode_begin(batch->reply, kind, reply->items, index);
    } else {
        aio_batch_answer(batch, index, value_object(kind, &reply->value));
    }
}

/* Submits the next operation. Returns false if there is no room for it. The connection may be lost
   by that, and with it the batch; then the request, if there is one, is not wanted any more. */
static bool submit_next(aio_batch *batch)
{
    Connection *self = batch->reply->connection;
    const size_t index = batch->next;
    batch_entry *entry = &batch->entries[index];
    uint64_t id;
    const gibson_status status =
        gibson_async_submit(self->async, &batch->operations.first[index].request,
                            connection_timeout(self), replied, entry, &id);
    if (batch->next != index) {
        gibson_async_cancel(self->async, id);
        return true;
    }
    if (status == GIBSON_WOULD_BLOCK) {
        return false;
    }
    batch->next++;
    entry->id = id;
    if (status != GIBSON_OK) {
        const gibson_error error = *gibson_async_error(self->async);
        fail(batch, index, &error);
    }
    return true;
}

bool aio_batch_go_on(aio_batch *batch)
{
    Reply *reply = batch->reply;
    const size_t before = batch->next;
    while (batch->next < batch->operations.count) {
        if (!submit_next(batch)) {
            if (batch->next != before || reply->role != REPLY_BATCH_ROOM) {
                submit_wait(reply, REPLY_BATCH_ROOM, submit_until(reply->connection));
            }
            return false;
        }
    }
    if (reply_is_done(reply)) {
        return true;
    }
    reply->role = REPLY_BATCH;
    if (!batch->left) {
        finish(batch);
    } else {
        reply_put(reply, &reply->connection->requests);
    }
    return true;
}

static int make(aio_batch *batch)
{
    const size_t count = batch->operations.count;
    batch->results = PyList_New((Py_ssize_t)count);
    batch->entries = PyMem_Calloc(count ? count : 1, sizeof *batch->entries);
    if (!batch->results || !batch->entries) {
        PyErr_NoMemory();
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        Py_INCREF(Py_None);
        PyList_SET_ITEM(batch->results, (Py_ssize_t)i, Py_None);
        batch->entries[i].batch = batch;
    }
    batch->left = count;
    return 0;
}

int aio_batch_begin(Reply *reply, PyObject *pipeline, collected *operations, bool raise_on_error)
{
    aio_batch *batch = PyMem_Calloc(1, sizeof *batch);
    if (!batch) {
        collected_drop(operations);
        PyErr_NoMemory();
        return -1;
    }
    Py_INCREF(pipeline);
    batch->reply = reply;
    batch->pipeline = pipeline;
    batch->operations = *operations;
    batch->raise_on_error = raise_on_error;
    reply->batch = batch;
    return make(batch);
}

void aio_batch_cancel(aio_batch *batch)
{
    for (size_t i = 0; i < batch->next; i++) {
        if (batch->entries[i].id) {
            gibson_async_cancel(batch->reply->connection->async, batch->entries[i].id);
        }
    }
}

void aio_batch_break(aio_batch *batch, const gibson_error *error)
{
    batch->next++;
    fail(batch, batch->next - 1, error);
    finish(batch);
}

int aio_batch_traverse(const aio_batch *batch, visitproc visit, void *arg)
{
    Py_VISIT(batch->pipeline);
    Py_VISIT(batch->results);
    Py_VISIT(batch->broken);
    return collected_traverse(&batch->operations, visit, arg);
}

void aio_batch_free(aio_batch *batch)
{
    Py_XDECREF(batch->pipeline);
    Py_XDECREF(batch->results);
    Py_XDECREF(batch->broken);
    PyMem_Free(batch->entries);
    collected_drop(&batch->operations);
    PyMem_Free(batch);
}
