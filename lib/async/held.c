/* Requests whose time is longer than what every server can keep, and those behind them, wait until
   the server at hand has told its limit: see options.max_seconds. */
#include <string.h>

#include "async/async.h"
#include "connection/question.h"
#include "session/session.h"
#include "wire/command.h"
#include "wire/limits.h"

struct gib_held {
    gib_held *next;
    uint64_t id;
    gibson_request request; /* of the bytes below */
    size_t size;
    uint8_t bytes[];
};

/* Copies those bytes behind what is held already. */
static gibson_bytes keep(gib_held *held, gibson_bytes bytes)
{
    uint8_t *to = memcpy(held->bytes + held->size, bytes.data, bytes.size);
    held->size += bytes.size;
    return gibson_bytes_of(to, bytes.size);
}

/* A copy of a request that is allowed but for its time. */
static gib_held *copy(gibson_async *async, const gibson_request *request)
{
    const gibson_arguments arguments = gib_arguments_of(request->opcode);
    const bool has_key = arguments != GIBSON_ARGUMENTS_NONE;
    const bool has_value = gibson_takes(arguments, GIBSON_ARGUMENT_VALUE);
    const size_t size = (has_key ? request->key.size : 0) + (has_value ? request->value.size : 0);
    gib_held *held = gib_allocate(&async->connection.settings.allocator, sizeof *held + size);
    if (held) {
        *held = (gib_held){.request = {.opcode = request->opcode, .number = request->number}};
        if (has_key) {
            held->request.key = keep(held, request->key);
        }
        if (has_value) {
            held->request.value = keep(held, request->value);
        }
    }
    return held;
}

/* Takes one off. */
static void unlink_held(gibson_async *async, gib_held **at)
{
    gib_held *held = *at;
    *at = held->next;
    if (async->held_end == &held->next) {
        async->held_end = at;
    }
    async->held_count--;
    async->held_bytes -= held->size;
}

static void release(gibson_async *async, gib_held *held)
{
    gib_release(&async->connection.settings.allocator, held);
}

void gib_async_drop_held(gibson_async *async, uint64_t id)
{
    gib_held **at = &async->held;
    while (*at && (*at)->id != id) {
        at = &(*at)->next;
    }
    gib_held *held = *at;
    if (held) {
        unlink_held(async, at);
        release(async, held);
    }
}

/* Calls a held request back that cannot be sent, with connection->error. */
static void refuse_held(gibson_async *async, uint64_t id)
{
    gib_async_request *entry = gib_async_list_at(&async->list, id);
    const gib_async_request request = *entry;
    gib_async_list_set_fate(&async->list, entry, GIB_FATE_GONE);
    gib_async_call_without_reply(async, &request);
}

/* Makes a request of the session, now that it is known which times are allowed. */
static void send_held(gibson_async *async, const gib_held *held)
{
    gib_connection *connection = &async->connection;
    gib_async_request *entry = gib_async_list_at(&async->list, held->id);
    gib_async_list_set_fate(&async->list, entry, GIB_FATE_CALLED);
    if (held->id < async->unsent) {
        async->unsent = held->id;
    }
    const gibson_status status = gib_session_push(&connection->session, &held->request,
                                                  GIB_VALUE_COPIED, &connection->error);
    if (status != GIBSON_OK) {
        refuse_held(async, held->id);
    }
}

static void send_all_held(gibson_async *async)
{
    while (async->held && !gib_session_lacks_seconds(&async->connection.session)) {
        gib_held *held = async->held;
        unlink_held(async, &async->held);
        send_held(async, held);
        release(async, held);
    }
}

/* Fails those that are held now, with connection->error. */
static void fail_all_held(gibson_async *async)
{
    const gibson_error why = async->connection.error;
    const uint64_t end = async->list.last;
    while (async->held && async->held->id < end) {
        gib_held *held = async->held;
        const uint64_t id = held->id;
        unlink_held(async, &async->held);
        release(async, held);
        async->connection.error = why;
        refuse_held(async, id);
    }
}

static gibson_status ask(gibson_async *async);

/* The answer to STATS, or why there is none. */
static void answered(gibson_async *async, const gibson_reply *reply, void *context)
{
    (void)context;
    gib_connection *connection = &async->connection;
    /* Those that were held then are lost, too; others may be held for another connection. */
    const bool is_lost = async->fail_until && async->held;
    async->asking = false;
    gib_session_set_max_reply(&connection->session, async->max_reply_size);
    if (reply->status == GIBSON_OK || reply->status == GIBSON_SERVER_ERROR) {
        gib_question_take_seconds(connection, &reply->items);
        send_all_held(async);
    } else if (!is_lost || async->state == GIB_ASYNC_APART || ask(async) != GIBSON_OK) {
        fail_all_held(async);
    }
}

static gibson_status ask(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    gib_session *session = &connection->session;
    const gibson_request stats = gibson_request_bare(GIBSON_OP_STATS);
    const gibson_status status =
        gib_session_push(session, &stats, GIB_VALUE_COPIED, &connection->error);
    if (status != GIBSON_OK) {
        return status;
    }
    async->asking = true;
    async->max_reply_size = gib_session_set_max_reply(session, 0);
    gib_session_set_max_reply(session, async->max_reply_size > GIB_SAFE_REPLY_SIZE
                                           ? async->max_reply_size
                                           : GIB_SAFE_REPLY_SIZE);
    const int64_t timeout_ms = connection->settings.timeout_ms;
    const gib_deadline deadline = gib_deadline_after(async->now_ns, timeout_ms);
    gib_async_list_push(&async->list, (gib_async_request){.callback = answered,
                                                          .deadline = deadline,
                                                          .opcode = GIBSON_OP_STATS,
                                                          .fate = GIB_FATE_OWN});
    gib_async_look_at(async, deadline);
    return GIBSON_OK;
}

gibson_status gib_async_hold(gibson_async *async, const gibson_request *request)
{
    const gibson_allocator *allocator = &async->connection.settings.allocator;
    gib_held *held = copy(async, request);
    gibson_status status = held ? GIBSON_OK : GIBSON_NOMEM;
    if (status == GIBSON_OK && !async->asking &&
        gib_session_lacks_seconds(&async->connection.session)) {
        status = ask(async);
    }
    if (status == GIBSON_OK && !gib_async_list_reserve(&async->list, allocator)) {
        status = GIBSON_NOMEM;
    }
    if (status != GIBSON_OK) {
        gib_release(allocator, held);
        return gib_async_fail(async, status, "no memory for the request");
    }
    async->quick_until = 0;
    held->id = async->list.last;
    *async->held_end = held;
    async->held_end = &held->next;
    async->held_count++;
    async->held_bytes += held->size;
    return GIBSON_OK;
}
