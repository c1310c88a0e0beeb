#include "batch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A value that is smaller is copied; to take over a reply moves what was read behind it. */
enum { TAKE_ABOVE = 16 * 1024 };

bool batch_init(batch *made, const operation *operations, size_t count)
{
    *made = (batch){.operations = operations, .count = count};
    made->outcomes = calloc(count ? count : 1, sizeof *made->outcomes);
    return made->outcomes != NULL;
}

void batch_free(batch *made)
{
    for (size_t i = 0; i < made->count; i++) {
        gibson_owned_reply_free(made->outcomes[i].owned);
        free(made->outcomes[i].error);
        free(made->outcomes[i].said);
    }
    free(made->outcomes);
    free(made->memory);
}

static bool copy_value(batch *run, outcome *of)
{
    size_t size = of->value.bytes.size;
    if (size > run->capacity - run->used) {
        size_t capacity = run->capacity * 2 + TAKE_ABOVE;
        char *memory = realloc(run->memory, capacity);
        if (!memory) {
            return false;
        }
        run->memory = memory;
        run->capacity = capacity;
    }
    if (size) {
        memcpy(run->memory + run->used, of->value.bytes.data, size);
    }
    of->offset = run->used;
    run->used += size;
    return true;
}

static void set_error(outcome *of, const gibson_error *error)
{
    of->status = error->status;
    of->error = malloc(sizeof *of->error);
    if (of->error) {
        *of->error = *error;
    }
}

static void no_memory(outcome *of)
{
    of->status = GIBSON_NOMEM;
}

/* Keeps what a reply holds beyond the next call. */
static void keep_reply(batch *run, const operation *op, const gibson_reply *reply, outcome *of)
{
    of->value = reply->value;
    of->items = reply->items;
    if (op->kind->yield == GIBSON_YIELD_ECHO) {
        of->value = (gibson_value){.kind = GIBSON_KIND_NONE}; /* it was checked */
    }
    bool kept = true;
    if (gibson_yields_items(op->kind->yield) || of->value.bytes.size > TAKE_ABOVE) {
        kept = run->way->take_reply(run->on, &of->owned) == GIBSON_OK;
    } else if (of->value.kind == GIBSON_KIND_BYTES) {
        kept = copy_value(run, of);
    }
    if (!kept) {
        no_memory(of);
    }
}

static void fail(batch *run, outcome *of)
{
    const gibson_status status = of->status;
    const gibson_error error = run->way->error_of(run);
    set_error(of, &error);
    of->said = run->way->listen ? run->way->listen(run->on, of->queued) : NULL;
    if (!run->broken && status > GIBSON_TRUNCATED && run->way->is_broken(run->on, status)) {
        run->broken = of;
    }
}

/* After the connection broke, nothing more is tried: a new one is for the next batch. */
static void give_up(batch *run)
{
    gibson_error error = {.status = GIBSON_CLOSED};
    snprintf(error.message, sizeof error.message, "not sent: %.150s",
             run->broken->error ? run->broken->error->message : "the connection is broken");
    for (; run->queued < run->count; run->queued++) {
        set_error(&run->outcomes[run->queued], &error);
    }
}

static void queue_more(batch *run)
{
    while (run->queued < run->count && !run->broken) {
        outcome *of = &run->outcomes[run->queued];
        of->status = run->way->queue(run->on, &run->operations[run->queued].request);
        if (of->status == GIBSON_WOULD_BLOCK) {
            return;
        }
        run->queued++;
        of->queued = of->status == GIBSON_OK;
        if (!of->queued) {
            fail(run, of);
        }
    }
    if (run->broken) {
        give_up(run);
    }
}

static void read_next(batch *run)
{
    outcome *of = &run->outcomes[run->answered];
    const operation *op = &run->operations[run->answered++];
    if (!of->queued) {
        return;
    }
    gibson_reply reply;
    of->status = run->way->next(run->on, &reply);
    if (of->status == GIBSON_OK) {
        keep_reply(run, op, &reply, of);
    } else {
        fail(run, of);
    }
}

static gibson_status queue(void *on, const gibson_request *request)
{
    return gibson_client_queue(on, request);
}

static gibson_status next(void *on, gibson_reply *reply)
{
    return gibson_client_next(on, reply);
}

static gibson_status take_reply(void *on, gibson_owned_reply **owned)
{
    return gibson_client_take_reply(on, owned);
}

static bool is_broken(void *on, gibson_status failed)
{
    (void)failed;
    return !gibson_client_connected(on);
}

const batch_way batch_client_way = {
    .queue = queue, .next = next, .take_reply = take_reply, .is_broken = is_broken};

void batch_run(batch *run, const batch_way *way, void *on, void *context)
{
    run->way = way;
    run->on = on;
    run->context = context;
    while (run->answered < run->count) {
        queue_more(run);
        read_next(run);
    }
}

gibson_value batch_value(const batch *run, const outcome *of)
{
    gibson_value value = of->value;
    if (value.kind == GIBSON_KIND_BYTES && !of->owned) {
        value.bytes.data = value.bytes.size ? run->memory + of->offset : "";
    }
    return value;
}
