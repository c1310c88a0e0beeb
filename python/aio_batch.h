/* The operations of an asynchronous pipeline, under way. */
#ifndef PYGIBSON_AIO_BATCH_H
#define PYGIBSON_AIO_BATCH_H

#include "aio_reply.h"
#include "collected.h"

struct AioPipeline;

typedef struct batch_entry {
    struct aio_batch *batch;
    uint64_t id; /* of the request while it is under way, else 0 */
} batch_entry;

typedef struct aio_batch {
    Reply *reply;         /* which has the batch */
    PyObject *pipeline;   /* owned */
    collected operations; /* owned */
    PyObject *results;    /* a list: None for what is not done */
    PyObject *broken;     /* the exception at which the connection broke, or NULL */
    batch_entry *entries; /* one for each operation */
    size_t next;          /* the first that was not submitted */
    size_t left;          /* how many are not done */
    bool raise_on_error;
    bool quiet; /* the result is None */
} aio_batch;

/* Makes a batch for a Reply, which has it from then on, and takes over the operations whatever
   happens. Returns 0, or -1 with an exception set. */
int aio_batch_begin(Reply *reply, PyObject *pipeline, collected *operations, bool raise_on_error);

/* Submits what there is room for. Returns whether all has been submitted. The batch may be done
   afterwards. */
bool aio_batch_go_on(aio_batch *batch);

/* What was decoded of the reply to one operation, which is taken over; NULL: an exception is set.
 */
void aio_batch_answer(aio_batch *batch, size_t index, PyObject *result);

/* Takes back all requests. */
void aio_batch_cancel(aio_batch *batch);

/* Fails all that are not done, as a batch that has waited too long for room. */
void aio_batch_break(aio_batch *batch, const gibson_error *error);

int aio_batch_traverse(const aio_batch *batch, visitproc visit, void *arg);
void aio_batch_free(aio_batch *batch);

#endif
