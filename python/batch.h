/* Running many operations through libgibson at once, without the GIL. */
#ifndef PYGIBSON_BATCH_H
#define PYGIBSON_BATCH_H

#include "operation.h"

/* What servers of a cluster have said, with copies of their addresses behind it. */
typedef struct said {
    size_t count;
    gibson_cluster_answer answers[];
} said;

/* What came of one operation. */
typedef struct outcome {
    gibson_status status;
    bool queued;        /* it gets a reply */
    gibson_value value; /* its bytes are in `owned`, or at `offset` of the batch's memory */
    size_t offset;
    gibson_items items;        /* in `owned` */
    gibson_owned_reply *owned; /* or NULL */
    gibson_error *error;       /* of a status other than OK; NULL if there was no memory for it */
    said *said;                /* the same, of a Cluster: what its servers have said */
} outcome;

typedef struct batch batch;

/* The functions of libgibson that a batch runs with, on whatever it is given. */
typedef struct batch_way {
    gibson_status (*queue)(void *on, const gibson_request *request);
    gibson_status (*next)(void *on, gibson_reply *reply);
    gibson_status (*take_reply)(void *on, gibson_owned_reply **owned);
    bool (*is_broken)(void *on, gibson_status failed); /* nothing more is to be tried */
    gibson_error (*error_of)(const batch *run);        /* of the call just made, where it failed */
    /* To the operation that has failed, if it was asked. NULL if there is no memory, or where there
       is one server only: then the function is NULL. */
    said *(*listen)(void *on, bool asked);
} batch_way;

struct batch {
    const batch_way *way;
    void *on;
    void *context; /* for error_of */
    const operation *operations;
    size_t count;
    outcome *outcomes;
    size_t queued;         /* operations that were offered to libgibson */
    size_t answered;       /* of those, how many are done with */
    const outcome *broken; /* the operation at which the batch broke, or NULL */
    char *memory;          /* small values, one after the other */
    size_t used;
    size_t capacity;
};

/* The way of a gibson_client, but for its error_of. */
extern const batch_way batch_client_way;

/* Makes a batch. Returns false if there is no memory. */
bool batch_init(batch *made, const operation *operations, size_t count);
void batch_free(batch *made);

/* Runs all operations, until the connection breaks. Every outcome is set afterwards. What it runs
   on is the thread's own meanwhile, and it has given up the GIL. */
void batch_run(batch *run, const batch_way *way, void *on, void *context);

/* The value of an outcome with its bytes where they now are. */
gibson_value batch_value(const batch *run, const outcome *of);

#endif
