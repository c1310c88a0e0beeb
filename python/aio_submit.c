#include "aio_batch.h"
#include "aio_connection.h"

enum { NS_PER_MS = 1000000 };

/* How often Replies that wait for room are looked at, so that looking costs little however many
   there are. */
enum { LOOK_EVERY_NS = 1000000 };

/* -- answers ---------------------------------------------------------------------------------- */

static gibson_status submit(Reply *reply, const gibson_request *request, int64_t timeout_ms);
static int64_t left_ms(const Reply *reply);

/* Submits a request again whose connection was lost, if that is allowed. Returns whether it was. */
static bool repeat(Reply *self)
{
    const Connection *connection = self->connection;
    if (!self->kept || self->repeated || connection->closed_because) {
        return false;
    }
    self->repeated = true;
    const gibson_status status = submit(self, &self->kept->request, left_ms(self));
    if (status == GIBSON_WOULD_BLOCK) {
        submit_wait(self, REPLY_ROOM, self->until_ns);
    }
    return status == GIBSON_OK || status == GIBSON_WOULD_BLOCK;
}

/* Making the exception may run code of the key, which may cancel the Reply. */
static void fail(Reply *self, gibson_status status)
{
    if (status == GIBSON_CLOSED && repeat(self)) {
        return;
    }
    Py_INCREF(self);
    reply_fail(self, connection_error(self->connection, self->kind, self->key, NULL));
    Py_DECREF(self);
}

static void replied(gibson_async *async, const gibson_reply *reply, void *context)
{
    (void)async;
    Reply *self = context;
    const Connection *connection = self->connection;
    if (!connection->async) {
        return; /* it is being released */
    }
    if (reply->status != GIBSON_OK) {
        fail(self, reply->status);
    } else if (gibson_yields_items(self->kind->yield)) {
        decode_begin(self, self->kind, reply->items, 0);
    } else {
        reply_resolve(self, value_object(self->kind, &reply->value));
    }
}

/* -- submitting ------------------------------------------------------------------------------- */

/* Submits a request with what is left of its time. */
static gibson_status submit(Reply *reply, const gibson_request *request, int64_t timeout_ms)
{
    Connection *self = reply->connection;
    const gibson_status status =
        gibson_async_submit(self->async, request, timeout_ms, replied, reply, &reply->id);
    if (status == GIBSON_OK) {
        reply->role = REPLY_ANSWER;
        reply_put(reply, &self->requests);
    }
    return status;
}

int64_t submit_until(const Connection *self)
{
    const int64_t now_ns = watch_now_ns();
    return self->timeout_ms < 0 || self->timeout_ms > (INT64_MAX - now_ns) / NS_PER_MS
               ? GIBSON_ASYNC_NEVER
               : now_ns + self->timeout_ms * NS_PER_MS;
}

void submit_wait(Reply *reply, reply_role role, int64_t until_ns)
{
    Connection *self = reply->connection;
    reply->role = (char)role;
    reply->until_ns = until_ns;
    if (until_ns < self->waiting_until_ns) {
        self->waiting_until_ns = until_ns;
        self->stale = true;
    }
    if (reply->list != &self->waiting) {
        reply_put(reply, &self->waiting);
    }
}

/* Keeps the operation. Returns 0, or -1 if that has failed, and so the Reply. */
static int keep(Reply *reply, operation *op)
{
    operation *kept = PyMem_Malloc(sizeof *kept);
    if (!kept) {
        PyErr_NoMemory();
    } else if (operation_keep(op) < 0) {
        PyMem_Free(kept);
        kept = NULL;
    }
    if (!kept) {
        reply_fail(reply, NULL);
        return -1;
    }
    *kept = *op;
    *op = (operation){0};
    reply->kept = kept;
    reply->until_ns = submit_until(reply->connection);
    return 0;
}

void submit_forget(Reply *reply)
{
    operation *kept = reply->kept;
    if (kept) {
        reply->kept = NULL;
        operation_drop(kept);
        PyMem_Free(kept);
    }
}

/* Of END there is nobody to tell without a connection. */
static bool has_nobody_to_tell(const Connection *self)
{
    return self->closed_because || !gibson_async_connected(self->async);
}

/* Tells whether a request has to be kept in case that its connection is lost. */
static bool is_to_be_kept(const Connection *self, const command_kind *kind)
{
    return self->repeats &&
           (kind->effect == GIBSON_EFFECT_READ || kind->effect == GIBSON_EFFECT_REPEATABLE);
}

static void submit_or_wait(Reply *reply, operation *op)
{
    Connection *self = reply->connection;
    const operation *of = op;
    gibson_status status = GIBSON_WOULD_BLOCK;
    if (is_to_be_kept(self, op->kind)) {
        if (keep(reply, op) < 0) {
            return;
        }
        of = reply->kept;
    }
    if (!self->waiting.first) {
        status = submit(reply, &of->request, connection_timeout(self));
    }
    if (status == GIBSON_WOULD_BLOCK) {
        if (reply->kept || keep(reply, op) == 0) {
            submit_wait(reply, REPLY_ROOM, reply->until_ns);
        }
    } else if (status != GIBSON_OK) {
        reply_fail(reply, connection_error(self, of->kind, of->key, of->refused));
    }
}

/* Tells whether requests are taken, and connects for the first. Otherwise fails the Reply. */
static bool takes_requests(Reply *reply)
{
    Connection *self = reply->connection;
    gibson_error error;
    if (self->closed_because) {
        reply_fail(reply, connection_closed(self, reply->kind, reply->key));
        return false;
    }
    if (self->fresh && connection_connect(self, &error) < 0) {
        reply_fail(reply, connection_exception(self, &error, reply->kind, reply->key, NULL));
        return false;
    }
    return true;
}

void submit_operation(Reply *reply, operation *op)
{
    Connection *self = reply->connection;
    const bool quits = op->kind->effect == GIBSON_EFFECT_CLOSE;
    reply->key = op->key;
    Py_XINCREF(op->key);
    if (quits && has_nobody_to_tell(self)) {
        Py_INCREF(Py_None);
        reply_resolve(reply, Py_None);
    } else if (takes_requests(reply)) {
        submit_or_wait(reply, op);
    }
    if (quits) {
        self->closed_because = connection_closed_text;
    }
}

void submit_batch(Reply *reply)
{
    if (!takes_requests(reply)) {
        return;
    }
    if (reply->connection->waiting.first) {
        submit_wait(reply, REPLY_BATCH_ROOM, submit_until(reply->connection));
    } else {
        aio_batch_go_on(reply->batch);
    }
}

/* -- waiting for room ------------------------------------------------------------------------- */

static int64_t left_ms(const Reply *reply)
{
    if (reply->until_ns == GIBSON_ASYNC_NEVER) {
        return GIBSON_NO_DEADLINE;
    }
    const int64_t left_ns = reply->until_ns - watch_now_ns();
    return left_ns > NS_PER_MS ? left_ns / NS_PER_MS : 1;
}

/* Lets the first of those in. Returns whether there is room for another. */
static bool let_in(Reply *reply)
{
    if (reply->role == REPLY_BATCH_ROOM) {
        return aio_batch_go_on(reply->batch);
    }
    const gibson_status status = submit(reply, &reply->kept->request, left_ms(reply));
    if (status != GIBSON_OK && status != GIBSON_WOULD_BLOCK) {
        reply_fail(reply, connection_error(reply->connection, reply->kind, reply->key,
                                           reply->kept->refused));
    }
    return status != GIBSON_WOULD_BLOCK;
}

void submit_waiting(Connection *self)
{
    if (!self->has_room || !self->async) {
        return;
    }
    self->has_room = false;
    while (self->async && self->waiting.first && let_in(self->waiting.first)) {
    }
}

static gibson_error timeout_error(const Connection *self)
{
    gibson_error error = {.status = GIBSON_TIMEOUT};
    PyOS_snprintf(error.message, sizeof error.message,
                  "timeout of %lld ms has passed while waiting for room: pipeline_window requests, "
                  "or pipeline_bytes, are under way",
                  (long long)self->timeout_ms);
    return error;
}

void submit_fail_waiting(Reply *reply, const gibson_error *error)
{
    Connection *self = reply->connection;
    Py_INCREF(reply);
    if (reply->role == REPLY_BATCH_ROOM) {
        aio_batch_break(reply->batch, error);
    } else {
        reply_fail(reply, connection_exception(self, error, reply->kind, reply->key, NULL));
    }
    Py_DECREF(reply);
}

/* Moves those whose time is over to a list. Returns when the others have to be looked at. */
static int64_t find_late(Connection *self, int64_t now_ns, reply_list *late)
{
    int64_t until_ns = GIBSON_ASYNC_NEVER;
    Reply *next;
    for (Reply *reply = self->waiting.first; reply; reply = next) {
        next = reply->next;
        if (reply->until_ns <= now_ns) {
            reply_move(reply, late);
        } else if (reply->until_ns < until_ns) {
            until_ns = reply->until_ns;
        }
    }
    const int64_t soonest_ns = now_ns + LOOK_EVERY_NS;
    return until_ns < soonest_ns ? soonest_ns : until_ns;
}

void submit_expire(Connection *self)
{
    int64_t now_ns;
    if (self->waiting_until_ns == GIBSON_ASYNC_NEVER ||
        (now_ns = watch_now_ns()) < self->waiting_until_ns) {
        return;
    }
    reply_list late = {NULL, NULL};
    self->waiting_until_ns = find_late(self, now_ns, &late);
    self->stale = true;
    const gibson_error error = timeout_error(self);
    while (late.first) {
        submit_fail_waiting(late.first, &error);
    }
}
