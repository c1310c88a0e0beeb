#include "support/async_loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/adapters/poll.h>

#include "support/samples.h"
#include "support/suite.h"

void async_note(gibson_async *async, const gibson_reply *reply, void *context)
{
    async_result *result = context;
    result->calls++;
    result->status = reply->status;
    result->opcode = reply->opcode;
    result->matches = sample_reply_matches(reply);
    if (reply->value.kind == GIBSON_KIND_NUMBER) {
        snprintf(result->value, sizeof result->value, "%" PRId64, reply->value.number);
    } else if (reply->value.kind == GIBSON_KIND_BYTES) {
        snprintf(result->value, sizeof result->value, "%.*s", (int)reply->value.bytes.size,
                 (const char *)reply->value.bytes.data);
    }
    const gibson_error *error = gibson_async_error(async);
    ck_assert_status(error->status, reply->status);
    snprintf(result->message, sizeof result->message, "%s", error->message);
}

static void changed(gibson_async *async, void *context)
{
    (void)async;
    ((async_told *)context)->changed++;
}

static void connection(gibson_async *async, gibson_status status, void *context)
{
    async_told *told = context;
    if (status == GIBSON_OK) {
        told->connected++;
    } else {
        told->lost++;
    }
    told->status = status;
    ck_assert_status(gibson_async_error(async)->status, status);
    snprintf(told->message, sizeof told->message, "%s", gibson_async_error(async)->message);
}

static void room(gibson_async *async, void *context)
{
    async_told *told = context;
    told->room++;
    if (told->on_room) {
        told->on_room(async);
    }
}

gibson_async *async_new(const peer *owner, const gibson_options *options, async_told *told)
{
    gibson_options settings;
    gibson_options_init(&settings);
    settings.timeout_ms = 5000;
    if (options) {
        settings = *options;
    }
    peer_point(owner, &settings);
    memset(told, 0, sizeof *told);
    gibson_async_hooks hooks;
    gibson_async_hooks_init(&hooks);
    hooks.context = told;
    hooks.changed = changed;
    hooks.connection = connection;
    hooks.room = room;
    gibson_async *async;
    gibson_error error;
    if (gibson_async_new(&async, &settings, &hooks, &error)) {
        fprintf(stderr, "cannot make a handle: %s\n", error.message);
        abort();
    }
    return async;
}

void async_turn(gibson_async *async, int most_ms)
{
    struct pollfd wait;
    int timeout_ms = most_ms;
    gibson_poll_prepare(async, &wait, &timeout_ms);
    poll(&wait, 1, timeout_ms);
    gibson_poll_finish(async, &wait);
}

void async_connect(gibson_async *async, const async_told *told)
{
    const int before = told->connected + told->lost;
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    async_until(async, told->connected + told->lost != before);
    ck_assert_msg(told->status == GIBSON_OK, "%s", told->message);
}

gibson_status async_submit(gibson_async *async, const gibson_request *request, int64_t timeout_ms,
                           async_result *result)
{
    memset(result, 0, sizeof *result);
    uint64_t id;
    const gibson_status status =
        gibson_async_submit(async, request, timeout_ms, async_note, result, &id);
    ck_assert_int_eq(status == GIBSON_OK, id != 0);
    return status;
}

async_result async_call(gibson_async *async, const gibson_request *request)
{
    async_result result;
    ck_assert_status(async_submit(async, request, 0, &result), GIBSON_OK);
    async_until(async, result.calls);
    return result;
}
