/* Running many operations through libgibson at once, without the GIL. */
#ifndef PYGIBSON_BATCH_H
#define PYGIBSON_BATCH_H

#include "operation.h"

/* What came of one operation. */
typedef struct outcome {
    gibson_status status;
    bool queued;        /* it gets a reply */
    gibson_value value; /* its bytes are in `owned`, or at `offset` of the batch's memory */
    size_t offset;
    gibson_items items;        /* in `owned` */
    gibson_owned_reply *owned; /* or NULL */
    gibson_error *error;       /* of a status other than OK; NULL if there was no memory for it */
} outcome;

typedef struct batch {
    gibson_client *client;
    gibson_error (*error_of)(const struct batch *run); /* of the call just made, where it failed */
    void *context;                                     /* for that */
    const operation *operations;
    size_t count;
    outcome *outcomes;
    size_t queued;         /* operations that were offered to libgibson */
    size_t answered;       /* of those, how many are done with */
    const outcome *broken; /* the operation at which the connection broke, or NULL */
    char *memory;          /* small values, one after the other */
    size_t used;
    size_t capacity;
} batch;

/* Makes a batch. Returns false if there is no memory. */
bool batch_init(batch *made, const operation *operations, size_t count);
void batch_free(batch *made);

/* Runs all operations, until the connection breaks. Every outcome is set afterwards. The client is
   the thread's own meanwhile, and it has given up the GIL. */
void batch_run(batch *run, gibson_client *client, gibson_error (*error_of)(const batch *run),
               void *context);

/* The value of an outcome with its bytes where they now are. */
gibson_value batch_value(const batch *run, const outcome *of);

#endif
