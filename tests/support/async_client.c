/* The functions of the blocking client over gibson/async.h: a handle, and a loop around poll that
   waits for one reply at a time. Test programs of the blocking client are linked with this in place
   of lib/client, as NAME_test.async, so that the same is asked of both.

   What the blocking client does itself is done here, too: it closes its connection over a timeout,
   and keeps replies until the next call. tests/async.cmake says which tests are left out, and why.
 */
#include <gibson/pipeline.h>

#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/adapters/poll.h>

#include "async/async.h"
#include "support/inside.h"

/* A reply that was called back. */
typedef struct kept {
    struct kept *next;
    bool called;
    gibson_reply reply;
    gibson_error error;
    gibson_owned_reply *owned;
} kept;

struct gibson_client {
    gibson_async *async;
    int64_t timeout_ms;
    gibson_error error;
    gibson_status connection; /* as the hook has told; GIBSON_WOULD_BLOCK until then */
    kept *first;              /* of a pipeline */
    kept **end;
    size_t pending;
    kept *last; /* whose views are lent, or NULL */
};

gib_connection *inside(gibson_client *client)
{
    return &client->async->connection;
}

/* ---- The loop ---- */

static void turn(gibson_client *client)
{
    struct pollfd wait;
    int timeout_ms = -1;
    gibson_poll_prepare(client->async, &wait, &timeout_ms);
    (void)poll(&wait, 1, timeout_ms);
    gibson_poll_finish(client->async, &wait);
}

static void note_connection(gibson_async *async, gibson_status status, void *context)
{
    (void)async;
    ((gibson_client *)context)->connection = status;
}

static void note_reply(gibson_async *async, const gibson_reply *reply, void *context)
{
    kept *self = context;
    if (self->called) {
        abort(); /* once is enough */
    }
    self->called = true;
    self->reply = *reply;
    self->error = *gibson_async_error(async);
    if (gibson_async_take_reply(async, &self->owned) == GIBSON_NOMEM) {
        self->reply = (gibson_reply){.status = GIBSON_NOMEM, .opcode = reply->opcode};
    }
}

/* ---- Errors and replies ---- */

static gibson_status fail(gibson_client *client, gibson_status status, const char *message)
{
    client->error = (gibson_error){.status = status};
    strncpy(client->error.message, message, sizeof client->error.message - 1);
    return status;
}

/* Takes over what the last call on the handle has told. */
static gibson_status take_error(gibson_client *client, gibson_status status)
{
    client->error = *gibson_async_error(client->async);
    return status;
}

static void free_kept(kept *self)
{
    if (self) {
        gibson_owned_reply_free(self->owned);
        free(self);
    }
}

/* The views of the last reply end; those of that one, which may be NULL, begin. */
static void lend(gibson_client *client, kept *next)
{
    free_kept(client->last);
    client->last = next;
}

/* A request that is under way is called back before the connection is closed for good. */
static void drop_pipeline(gibson_client *client)
{
    while (client->first) {
        kept *first = client->first;
        client->first = first->next;
        free_kept(first);
    }
    client->end = &client->first;
    client->pending = 0;
}

static void close_all(gibson_client *client)
{
    gibson_async_close(client->async);
    drop_pipeline(client);
    lend(client, NULL);
}

/* Hands a reply over to the caller, once it has been called back. */
static gibson_status hand_over(gibson_client *client, kept *self, gibson_reply *reply)
{
    while (!self->called) {
        turn(client);
    }
    *reply = self->reply;
    client->error = self->error;
    if (reply->status == GIBSON_TIMEOUT) {
        gibson_async_close(client->async);
        inside(client)->broken = self->error; /* which the next call refers to */
    }
    lend(client, self);
    return reply->status;
}

/* Submits a request. *made is NULL unless that succeeds. */
static gibson_status submit(gibson_client *client, const gibson_request *request, kept **made)
{
    *made = calloc(1, sizeof **made);
    if (!*made) {
        abort();
    }
    const gibson_status status =
        gibson_async_submit(client->async, request, client->timeout_ms, note_reply, *made, NULL);
    if (status != GIBSON_OK) {
        free(*made);
        *made = NULL;
        return take_error(client, status);
    }
    return fail(client, GIBSON_OK, "success");
}

/* ---- Making and connecting ---- */

gibson_status gibson_client_new(gibson_client **client, const gibson_options *options,
                                gibson_error *error)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    *client = NULL;
    gibson_client *made = calloc(1, sizeof *made);
    if (!made) {
        abort();
    }
    gibson_async_hooks hooks;
    gibson_async_hooks_init(&hooks);
    hooks.context = made;
    hooks.connection = note_connection;
    const gibson_status status = gibson_async_new(&made->async, options, &hooks, error);
    if (status != GIBSON_OK) {
        free(made);
        return status;
    }
    made->end = &made->first;
    *client = made;
    return GIBSON_OK;
}

void gibson_client_free(gibson_client *client)
{
    if (client) {
        gibson_async_free(client->async);
        drop_pipeline(client);
        lend(client, NULL);
        free(client);
    }
}

gibson_status gibson_client_connect(gibson_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    close_all(client);
    client->connection = GIBSON_WOULD_BLOCK;
    const gibson_status status = gibson_async_connect(client->async);
    if (status != GIBSON_OK) {
        return take_error(client, status);
    }
    while (client->connection == GIBSON_WOULD_BLOCK) {
        turn(client);
    }
    return client->connection == GIBSON_OK ? fail(client, GIBSON_OK, "success")
                                           : take_error(client, client->connection);
}

void gibson_client_close(gibson_client *client)
{
    if (client) {
        close_all(client);
    }
}

bool gibson_client_connected(const gibson_client *client)
{
    return client && gibson_async_connected(client->async);
}

gibson_status gibson_client_set_timeout(gibson_client *client, int64_t timeout_ms)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    if (timeout_ms < 0 && timeout_ms != GIBSON_NO_DEADLINE) {
        return fail(client, GIBSON_INVALID, "timeout_ms is negative");
    }
    client->timeout_ms = timeout_ms ? timeout_ms : GIBSON_DEFAULT_TIMEOUT_MS;
    return fail(client, GIBSON_OK, "success");
}

int gibson_client_descriptor(const gibson_client *client)
{
    return client ? gibson_async_wants(client->async).descriptor : -1;
}

const char *gibson_client_peer(const gibson_client *client)
{
    return client ? gibson_async_peer(client->async) : "";
}

const gibson_error *gibson_client_error(gibson_client *client)
{
    static const gibson_error none = {.status = GIBSON_USAGE, .message = "client is NULL"};
    return client ? &client->error : &none;
}

/* ---- One request ---- */

gibson_status gibson_client_call(gibson_client *client, const gibson_request *request,
                                 gibson_reply *reply)
{
    if (reply) {
        *reply = (gibson_reply){.status = GIBSON_USAGE};
    }
    if (!client || !request || !reply) {
        return client ? fail(client, GIBSON_USAGE, "request or reply is NULL") : GIBSON_USAGE;
    }
    if (client->pending) {
        return fail(client, GIBSON_USAGE, "replies of the pipeline are unread");
    }
    kept *made;
    const gibson_status status = submit(client, request, &made);
    *reply = (gibson_reply){.status = status, .opcode = request->opcode};
    return made ? hand_over(client, made, reply) : status;
}

gibson_status gibson_client_take_reply(gibson_client *client, gibson_owned_reply **owned)
{
    if (owned) {
        *owned = NULL;
    }
    if (!client || !owned) {
        return client ? fail(client, GIBSON_USAGE, "owned is NULL") : GIBSON_USAGE;
    }
    if (!client->last || !client->last->owned) {
        return fail(client, GIBSON_USAGE, "the last call left no reply to take");
    }
    *owned = client->last->owned;
    client->last->owned = NULL;
    return fail(client, GIBSON_OK, "success");
}

static gibson_status missing(gibson_client *client)
{
    return client ? fail(client, GIBSON_USAGE, "an out-parameter is NULL") : GIBSON_USAGE;
}

static gibson_status run(gibson_client *client, gibson_opcode opcode, gibson_bytes key,
                         gibson_bytes value, int64_t argument, int64_t *number)
{
    const gibson_request request = gibson_request_make(opcode, key, value, argument);
    gibson_reply reply;
    const gibson_status status = gibson_client_call(client, &request, &reply);
    if (number) {
        *number = reply.value.number;
    }
    return status;
}

static gibson_status run_items(gibson_client *client, gibson_opcode opcode, gibson_bytes prefix,
                               int64_t limit, gibson_items *items)
{
    if (!items) {
        return missing(client);
    }
    const gibson_request request = gibson_request_key_number(opcode, prefix, limit);
    gibson_reply reply;
    const gibson_status status = gibson_client_call(client, &request, &reply);
    *items = reply.items;
    return status;
}

static const gibson_bytes none;

gibson_status gibson_client_set(gibson_client *client, gibson_bytes key, gibson_bytes value,
                                int64_t ttl_s)
{
    return run(client, GIBSON_OP_SET, key, value, ttl_s, NULL);
}

gibson_status gibson_client_mset(gibson_client *client, gibson_bytes prefix, gibson_bytes value,
                                 int64_t *changed)
{
    return run(client, GIBSON_OP_MSET, prefix, value, 0, changed);
}

gibson_status gibson_client_get(gibson_client *client, gibson_bytes key, gibson_value *value)
{
    if (!value) {
        return missing(client);
    }
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, key);
    gibson_reply reply;
    const gibson_status status = gibson_client_call(client, &request, &reply);
    *value = reply.value;
    return status;
}

gibson_status gibson_client_mget(gibson_client *client, gibson_bytes prefix, int64_t limit,
                                 gibson_items *items)
{
    return run_items(client, GIBSON_OP_MGET, prefix, limit, items);
}

gibson_status gibson_client_keys(gibson_client *client, gibson_bytes prefix, gibson_items *keys)
{
    return run_items(client, GIBSON_OP_KEYS, prefix, 0, keys);
}

gibson_status gibson_client_stats(gibson_client *client, gibson_items *stats)
{
    return run_items(client, GIBSON_OP_STATS, none, 0, stats);
}

/* Commands of a key or a prefix, and of that and a number. */
#define KEY(name, opcode)                                                                          \
    gibson_status gibson_client_##name(gibson_client *client, gibson_bytes key)                    \
    {                                                                                              \
        return run(client, opcode, key, none, 0, NULL);                                            \
    }
#define KEY_YIELDS(name, opcode)                                                                   \
    gibson_status gibson_client_##name(gibson_client *client, gibson_bytes key, int64_t *number)   \
    {                                                                                              \
        return run(client, opcode, key, none, 0, number);                                          \
    }
#define KEY_TAKES(name, opcode)                                                                    \
    gibson_status gibson_client_##name(gibson_client *client, gibson_bytes key, int64_t argument)  \
    {                                                                                              \
        return run(client, opcode, key, none, argument, NULL);                                     \
    }
#define KEY_TAKES_YIELDS(name, opcode)                                                             \
    gibson_status gibson_client_##name(gibson_client *client, gibson_bytes key, int64_t argument,  \
                                       int64_t *number)                                            \
    {                                                                                              \
        return run(client, opcode, key, none, argument, number);                                   \
    }

KEY(del, GIBSON_OP_DEL)
KEY(unlock, GIBSON_OP_UNLOCK)
KEY_YIELDS(inc, GIBSON_OP_INC)
KEY_YIELDS(dec, GIBSON_OP_DEC)
KEY_YIELDS(mdel, GIBSON_OP_MDEL)
KEY_YIELDS(minc, GIBSON_OP_MINC)
KEY_YIELDS(mdec, GIBSON_OP_MDEC)
KEY_YIELDS(munlock, GIBSON_OP_MUNLOCK)
KEY_TAKES(ttl, GIBSON_OP_TTL)
KEY_TAKES(lock, GIBSON_OP_LOCK)
KEY_TAKES_YIELDS(mttl, GIBSON_OP_MTTL)
KEY_TAKES_YIELDS(mlock, GIBSON_OP_MLOCK)

gibson_status gibson_client_count(gibson_client *client, gibson_bytes prefix, int64_t *number)
{
    return number ? run(client, GIBSON_OP_COUNT, prefix, none, 0, number) : missing(client);
}

gibson_status gibson_client_meta(gibson_client *client, gibson_bytes key, gibson_meta_field field,
                                 int64_t *number)
{
    return number ? run(client, GIBSON_OP_META, key, none, (int64_t)field, number)
                  : missing(client);
}

gibson_status gibson_client_ping(gibson_client *client)
{
    return run(client, GIBSON_OP_PING, none, none, 0, NULL);
}

gibson_status gibson_client_quit(gibson_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    gibson_status status = fail(client, GIBSON_OK, "success");
    if (!client->pending) {
        (void)gibson_async_run(client->async, GIBSON_ASYNC_READ); /* has it ended? */
        if (gibson_client_connected(client)) {
            status = run(client, GIBSON_OP_END, none, none, 0, NULL);
        }
    }
    const gibson_error error = client->error;
    gibson_client_close(client);
    client->error = error;
    return status;
}

/* ---- Pipelines ---- */

gibson_status gibson_client_queue(gibson_client *client, const gibson_request *request)
{
    if (!client || !request) {
        return client ? fail(client, GIBSON_USAGE, "request is NULL") : GIBSON_USAGE;
    }
    kept *made;
    const gibson_status status = submit(client, request, &made);
    if (made) {
        *client->end = made;
        client->end = &made->next;
        client->pending++;
    }
    return status;
}

/* What a socket does not take at once is waited for. */
gibson_status gibson_client_flush(gibson_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    (void)gibson_async_run(client->async, 0);
    while (gibson_async_wants(client->async).events & GIBSON_ASYNC_WRITE) {
        turn(client);
    }
    return fail(client, GIBSON_OK, "success");
}

gibson_status gibson_client_next(gibson_client *client, gibson_reply *reply)
{
    if (reply) {
        *reply = (gibson_reply){.status = GIBSON_USAGE};
    }
    if (!client || !reply) {
        return client ? fail(client, GIBSON_USAGE, "reply is NULL") : GIBSON_USAGE;
    }
    kept *first = client->first;
    if (!first) {
        lend(client, NULL);
        reply->status = GIBSON_END;
        return fail(client, GIBSON_END, "no reply is outstanding");
    }
    client->first = first->next;
    client->end = client->first ? client->end : &client->first;
    client->pending--;
    return hand_over(client, first, reply);
}

size_t gibson_client_outstanding(const gibson_client *client)
{
    return client ? client->pending : 0;
}
