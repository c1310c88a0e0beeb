/* One request on a client of a pool. */
#include <inttypes.h>

#include "base/cancel.h"
#include "base/error.h"
#include "pool/lend.h"
#include "session/owned_reply.h"

enum {
    NS_PER_MS = 1000000,
    COPIED_SIZE = 4096, /* a value of no more is copied, so that the client keeps its memory */
};

/* Makes the views of the reply outlive its lease. */
static gibson_status own(const gibson_pool *pool, gibson_client *client, gibson_reply *reply,
                         gibson_owned_reply **owned)
{
    if (gibson_items_count(&reply->items) || reply->value.bytes.size > COPIED_SIZE) {
        return gibson_client_take_reply(client, owned);
    }
    *owned = gib_owned_reply_copy(&pool->settings.allocator, &reply->value.bytes);
    return *owned ? GIBSON_OK : GIBSON_NOMEM;
}

/* Makes the reply the caller's: with what it owns, or without views. */
static gibson_status keep(const gibson_pool *pool, gibson_client *client, gibson_reply *reply,
                          gibson_owned_reply **owned)
{
    const bool has_views =
        reply->value.kind == GIBSON_KIND_BYTES || gibson_items_count(&reply->items);
    if (!has_views) {
        return GIBSON_OK;
    }
    const gibson_status status = owned ? own(pool, client, reply, owned) : GIBSON_OK;
    if (!owned || status != GIBSON_OK) {
        *reply = (gibson_reply){.status = reply->status, .opcode = reply->opcode};
    }
    return status;
}

/* Of the time of the whole, so much was spent waiting. Returns false if nothing is left. */
static bool set_left(gibson_pool *pool, gibson_client *client, int64_t timeout_ms,
                     int64_t waited_ms)
{
    if (timeout_ms == GIBSON_NO_DEADLINE) {
        waited_ms = 0;
    }
    if (waited_ms && waited_ms >= timeout_ms) {
        return false;
    }
    if (waited_ms || timeout_ms != pool->settings.timeout_ms) {
        (void)gibson_client_set_timeout(client, timeout_ms - waited_ms);
    }
    return true;
}

static gibson_status timed_out(int64_t timeout_ms, int64_t waited_ms, const gibson_error *of_client,
                               gibson_error *error)
{
    return gib_error_set(error, GIBSON_TIMEOUT,
                         "timeout of %" PRId64 " ms passed, %" PRId64
                         " ms of it while waiting for a client of the pool%s%.100s",
                         timeout_ms, waited_ms, of_client ? ": " : "",
                         of_client ? of_client->message : "");
}

static gibson_status run(const gibson_pool *pool, gibson_client *client,
                         const gibson_request *request, gibson_reply *reply,
                         gibson_owned_reply **owned)
{
    const gibson_status status = gibson_client_call(client, request, reply);
    return status == GIBSON_OK ? keep(pool, client, reply, owned) : status;
}

/* Runs the request in what is left of the time. */
static gibson_status run_in_time(gibson_pool *pool, gibson_client *client,
                                 const gibson_request *request, int64_t timeout_ms,
                                 int64_t waited_ms, gibson_reply *reply, gibson_owned_reply **owned,
                                 gibson_error *error)
{
    if (!set_left(pool, client, timeout_ms, waited_ms)) {
        return timed_out(timeout_ms, waited_ms, NULL, error);
    }
    const gibson_status status = run(pool, client, request, reply, owned);
    if (status == GIBSON_TIMEOUT && waited_ms) {
        return timed_out(timeout_ms, waited_ms, gibson_client_error(client), error);
    }
    if (status != GIBSON_OK && error) {
        *error = *gibson_client_error(client);
        if (error->status != status) { /* the request was answered, and the reply not kept */
            gib_error_set(error, status, "no memory to keep the reply");
        }
    }
    return status;
}

static gibson_status call(gibson_pool *pool, const gibson_request *request, int64_t timeout_ms,
                          gibson_reply *reply, gibson_owned_reply **owned, gibson_error *error)
{
    if (timeout_ms < GIBSON_NO_DEADLINE) {
        return gib_error_set(error, GIBSON_INVALID, "timeout_ms is negative: %" PRId64, timeout_ms);
    }
    const int64_t whole_ms = timeout_ms ? timeout_ms : pool->settings.timeout_ms;
    int64_t wait_ms = pool->policy.acquire_timeout_ms;
    const bool is_whole =
        wait_ms == GIBSON_NO_DEADLINE || (whole_ms != GIBSON_NO_DEADLINE && whole_ms <= wait_ms);
    wait_ms = is_whole ? whole_ms : wait_ms;
    gibson_client *client;
    const gib_pool_request lease = {pool, wait_ms, &client, error};
    const int64_t began_ns = gib_now_ns();
    gibson_status status = gib_pool_lend(pool, &lease, is_whole ? "timeout" : "acquire_timeout");
    if (status != GIBSON_OK) {
        return status;
    }
    const int64_t waited_ms = (gib_now_ns() - began_ns) / NS_PER_MS;
    status = run_in_time(pool, client, request, whole_ms, waited_ms, reply, owned, error);
    (void)gibson_pool_release(pool, client);
    return status;
}

gibson_status gibson_pool_call(gibson_pool *pool, const gibson_request *request, int64_t timeout_ms,
                               gibson_reply *reply, gibson_owned_reply **owned, gibson_error *error)
{
    if (owned) {
        *owned = NULL;
    }
    if (!pool || !request || !reply) {
        if (reply) {
            *reply = (gibson_reply){.status = GIBSON_USAGE};
        }
        return gib_error_set(error, GIBSON_USAGE, "an argument is NULL");
    }
    *reply = (gibson_reply){.opcode = request->opcode};
    const int cancel = gib_cancel_put_off();
    reply->status = call(pool, request, timeout_ms, reply, owned, error);
    gib_cancel_restore(cancel);
    return reply->status;
}
