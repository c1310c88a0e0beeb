/* Making and losing the connection, and what that means for the requests. */
#include "async/async.h"
#include "connection/connecting.h"
#include "connection/settings.h"
#include "session/session.h"
#include "wire/command.h"

static void tell(gibson_async *async, gibson_status status)
{
    if (async->hooks.connection) {
        async->hooks.connection(async, status, async->hooks.context);
    }
}

/* Nothing is known of the server that the next connection goes to. */
static void forget_limit(gibson_async *async)
{
    const gib_limits limits = gib_settings_limits(&async->connection.settings);
    gib_session_set_seconds(&async->connection.session, limits.max_seconds, limits.seconds_source);
}

/* Drops all that the session holds, but for a reply that a callback is reading. */
static void forget_requests(gibson_async *async)
{
    gib_session *session = &async->connection.session;
    gib_session_break(session);
    gib_session_abandon_all(session);
    gib_session_renew(session);
    forget_limit(async);
    async->unsent = async->lost = async->list.last;
    async->cancelled = 0;
}

/* Takes the oldest request off, and frees what it holds. */
static gib_async_request pop(gibson_async *async)
{
    const uint64_t id = async->list.first;
    const gib_async_request request = gib_async_list_pop(&async->list);
    if (request.fate == GIB_FATE_HELD) {
        gib_async_drop_held(async, id);
    }
    return request;
}

void gib_async_call_without_reply(gibson_async *async, const gib_async_request *request)
{
    if (request->callback) {
        const gibson_reply reply = {.status = async->connection.error.status,
                                    .opcode = request->opcode};
        async->without_reply++;
        request->callback(async, &reply, request->context);
        async->without_reply--;
    }
}

void gib_async_fail_until(gibson_async *async, uint64_t id)
{
    if (async->fail_until) {
        async->fail_until = id > async->fail_until ? id : async->fail_until;
        return;
    }
    async->fail_until = id;
    const gibson_error why = async->connection.error;
    while (async->list.first < async->fail_until) {
        const gib_async_request request = pop(async);
        if (gib_async_is_called(&request)) {
            async->connection.error = why;
            gib_async_call_without_reply(async, &request);
        }
    }
    async->fail_until = 0;
    async->connection.error = why;
}

gibson_status gib_async_start(gibson_async *async)
{
    const gibson_status status =
        gib_connection_start(&async->connection, GIB_NO_DEADLINE, async->now_ns);
    if (status == GIBSON_OK) {
        async->state = GIB_ASYNC_CONNECTING;
    }
    return status;
}

gibson_status gib_async_start_again(gibson_async *async)
{
    const gibson_status status =
        gib_connection_start_again(&async->connection, GIB_NO_DEADLINE, async->now_ns);
    if (status == GIBSON_OK) {
        async->state = GIB_ASYNC_CONNECTING;
    }
    return status;
}

static void opened(gibson_async *async)
{
    async->state = GIB_ASYNC_OPEN;
    async->blocked = false;
    async->progress_ns = async->now_ns;
    async->connection.idle.since_ns = async->now_ns;
    tell(async, GIBSON_OK);
}

/* Connecting has failed, and why is in connection->error. */
static void not_opened(gibson_async *async, gibson_status status)
{
    const gibson_error why = async->connection.error;
    const uint64_t end = async->list.last;
    async->state = GIB_ASYNC_APART;
    forget_requests(async);
    tell(async, status);
    async->connection.error = why;
    gib_async_fail_until(async, end);
}

void gib_async_advance(gibson_async *async)
{
    gib_connector *connector = &async->connection.connector;
    gib_async_forget_descriptor(async); /* it may be closed, and the next one get its number */
    if (connector->count) {
        (void)poll(connector->waits, connector->count, 0);
    }
    const gibson_status status = gib_connection_step(&async->connection, async->now_ns);
    if (status == GIBSON_OK) {
        opened(async);
    } else if (status != GIBSON_WOULD_BLOCK) {
        not_opened(async, status);
    }
}

/* The number of the request behind the first so many that are in the session. */
static uint64_t behind_sent(const gib_async_list *list, size_t count)
{
    uint64_t id = list->first;
    while (count) {
        count -= gib_async_is_in_session(gib_async_list_at(list, id++));
    }
    return id;
}

/* Tells whether there are requests from that one on for which a connection is to be made. A new one
   is of no use to END, nor to what is behind it. */
static bool need_another(const gib_async_list *list, uint64_t id)
{
    while (id != list->last && gib_async_list_at(list, id)->fate == GIB_FATE_GONE) {
        id++;
    }
    return id != list->last && gib_command_connects(gib_async_list_at(list, id)->opcode);
}

void gib_async_lose(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    gib_session *session = &connection->session;
    gib_async_forget_descriptor(async);
    const gibson_error why = connection->error;
    gib_async_purge(async);
    uint64_t end = behind_sent(&async->list, gib_session_drop_sent(session));
    gib_connection_drop(connection);
    async->state = GIB_ASYNC_APART;
    async->lost = end;
    const bool has_long_time = gib_session_has_long_time(session);
    forget_limit(async);
    if (!connection->settings.reconnect || has_long_time || async->end == GIB_ASYNC_DIES ||
        !need_another(&async->list, end) || gib_async_start_again(async) != GIBSON_OK) {
        end = async->list.last;
        forget_requests(async);
    }
    tell(async, why.status);
    connection->error = why;
    gib_async_fail_until(async, end);
}

void gib_async_shut(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    gib_async_forget_descriptor(async);
    const gibson_error why = connection->error;
    gib_connection_drop(connection);
    connection->broken.status = GIBSON_OK; /* that is how the caller wants it */
    async->state = GIB_ASYNC_APART;
    forget_requests(async);
    connection->error = why;
    gib_async_fail_until(async, async->list.last);
}

bool gib_async_disown(gibson_async *async)
{
    if (async->state == GIB_ASYNC_APART || gib_connection_is_ours(&async->connection)) {
        return false;
    }
    gib_connection_parents(&async->connection);
    gib_async_shut(async);
    return true;
}
