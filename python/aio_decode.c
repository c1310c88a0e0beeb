#include <stdlib.h>

#include "aio_batch.h"
#include "aio_connection.h"

/* What is made of a reply in one turn of the loop: about half a millisecond. */
enum { SLICE_ITEMS = 1000, SLICE_BYTES = 256 * 1024 };

typedef struct aio_decoding {
    struct aio_decoding *next;  /* of the connection */
    struct aio_decoding *other; /* of the same Reply */
    Reply *reply;
    const command_kind *kind;
    size_t index; /* of the operation, if it is a batch */
    gibson_owned_reply *owned;
    gibson_items items;
    PyObject *made; /* owned, and of nobody else before it is complete */
} aio_decoding;

static void answer(Reply *reply, size_t index, PyObject *made)
{
    if (reply->batch) {
        aio_batch_answer(reply->batch, index, made);
    } else {
        reply_resolve(reply, made);
    }
}

/* It may start a garbage collection, whose finalisers are not to use the Client meanwhile. */
static int go_on(aio_decoding *decoding)
{
    Connection *self = decoding->reply->connection;
    self->in_hook = true;
    const int result =
        items_go_on(decoding->kind, decoding->made, &decoding->items, SLICE_ITEMS, SLICE_BYTES);
    self->in_hook = false;
    return result;
}

static void append(Connection *self, aio_decoding *decoding)
{
    decoding->next = NULL;
    *(self->decodings ? &self->last_decoding->next : &self->decodings) = decoding;
    self->last_decoding = decoding;
    self->stale = true;
}

static void free_decoding(aio_decoding *decoding)
{
    gibson_owned_reply_free(decoding->owned);
    Py_XDECREF(decoding->made);
    free(decoding);
}

/* Takes over what is to be decoded later. Returns 0, or -1 with an exception set. */
static int keep(Reply *reply, aio_decoding decoding)
{
    Connection *self = reply->connection;
    aio_decoding *kept = malloc(sizeof *kept);
    if (!kept || gibson_async_take_reply(self->async, &decoding.owned) != GIBSON_OK) {
        free(kept);
        PyErr_NoMemory();
        return -1;
    }
    decoding.other = reply->decoding;
    *kept = decoding;
    reply->decoding = kept;
    if (!reply->batch) {
        reply->role = REPLY_DECODE;
    }
    append(self, kept);
    return 0;
}

void decode_begin(Reply *reply, const command_kind *kind, gibson_items items, size_t index)
{
    aio_decoding decoding = {.reply = reply, .kind = kind, .items = items, .index = index};
    decoding.made = items_begin(kind);
    int result = decoding.made ? 0 : -1;
    if (result == 0) {
        result = go_on(&decoding);
    }
    if (result == 0 && gibson_items_count(&decoding.items)) {
        PyObject_GC_UnTrack(decoding.made); /* nobody is to find it half made */
        result = keep(reply, decoding);
        if (result == 0) {
            return;
        }
    }
    if (result < 0) {
        Py_CLEAR(decoding.made);
    }
    answer(reply, index, decoding.made);
}

static void take_first(Connection *self)
{
    self->decodings = self->decodings->next;
}

static void leave_reply(aio_decoding *decoding)
{
    aio_decoding **at = &decoding->reply->decoding;
    while (*at != decoding) {
        at = &(*at)->other;
    }
    *at = decoding->other;
}

static void finish(aio_decoding *decoding, int result)
{
    PyObject *made = decoding->made;
    decoding->made = NULL;
    if (!PyObject_GC_IsTracked(made)) {
        PyObject_GC_Track(made);
    }
    if (result < 0) {
        Py_CLEAR(made);
    }
    leave_reply(decoding);
    answer(decoding->reply, decoding->index, made);
    free_decoding(decoding);
}

void decode_go_on(Connection *self)
{
    aio_decoding *decoding = self->decodings;
    if (!decoding) {
        return;
    }
    take_first(self);
    self->stale = true; /* there may be more of them */
    const int result = go_on(decoding);
    if (result == 0 && gibson_items_count(&decoding->items)) {
        append(self, decoding);
    } else {
        finish(decoding, result);
    }
}

static void take_out(Connection *self, const aio_decoding *decoding)
{
    aio_decoding *before = NULL;
    aio_decoding **at = &self->decodings;
    while (*at != decoding) {
        before = *at;
        at = &before->next;
    }
    *at = decoding->next;
    if (self->last_decoding == decoding) {
        self->last_decoding = before;
    }
}

void decode_drop(Reply *reply)
{
    while (reply->decoding) {
        aio_decoding *decoding = reply->decoding;
        reply->decoding = decoding->other;
        take_out(reply->connection, decoding);
        free_decoding(decoding);
    }
}
