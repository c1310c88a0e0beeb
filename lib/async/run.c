/* A turn of the loop: what has come is read and called back, what is over is ended, and what is to
   be sent is sent. */
#include "async/async.h"
#include "base/likely.h"
#include "connection/exchange.h"
#include "connection/look.h"
#include "session/question.h"
#include "session/queue.h"
#include "wire/command.h"

/* Takes the next reply, if it is there. Returns GIBSON_OK; GIBSON_WOULD_BLOCK; or why the
   connection is to be given up. */
static gibson_status take_reply(gib_connection *connection, gibson_reply *reply)
{
    gib_session *session = &connection->session;
    if (gib_session_take_value(session, GIB_LAST_SENT, reply) ||
        gib_session_take_value(session, GIB_LAST, reply)) {
        return GIBSON_OK;
    }
    gib_session_release_reply(session);
    if (!gib_session_has_input(session)) {
        return GIBSON_WOULD_BLOCK;
    }
    if (!gib_session_count(session)) { /* what these bytes stood before was cancelled meanwhile */
        return gib_session_scan_input(session, &(gib_session_scan){0}, &connection->error);
    }
    if (!gib_session_outstanding(session)) {
        const gibson_status status = gib_session_take_answers(session, &connection->error);
        return status == GIBSON_OK ? GIBSON_WOULD_BLOCK : status;
    }
    return gib_session_next(session, reply, &connection->error);
}

/* Takes a request that is not the oldest off, as older ones are held. */
static GIB_NOINLINE gib_async_request take_later(gib_async_list *list)
{
    gib_async_request *entry = gib_async_list_at(list, gib_async_list_due(list));
    const gib_async_request request = *entry;
    gib_async_list_set_fate(list, entry, GIB_FATE_GONE);
    gib_async_list_trim(list);
    return request;
}

static GIB_INLINE void call_back(gibson_async *async, const gibson_reply *reply)
{
    gib_async_list *list = &async->list;
    const gib_async_request *oldest = gib_async_list_at(list, list->first);
    gibson_async_callback callback = oldest->callback;
    void *context = oldest->context;
    if (GIB_LIKELY(oldest->fate == GIB_FATE_CALLED)) {
        list->first++;
    } else {
        const gib_async_request request = take_later(list);
        callback = gib_async_is_called(&request) ? request.callback : NULL;
        context = request.context;
    }
    async->connection.error.status = reply->status;
    if (callback) {
        callback(async, reply, context);
    }
}

/* Calls back for those replies that are values, and that others are sent behind. */
static GIB_INLINE void deliver_values(gibson_async *async, gibson_reply *reply)
{
    gib_session *session = &async->connection.session;
    gib_reply_begin_value(reply);
    while (GIB_LIKELY(gib_session_take_bytes(session, GIB_BEFORE_LAST, &reply->value))) {
        call_back(async, reply);
    }
}

/* Begins to use a connection on which nothing is under way, if it is to be trusted, so that the
   last callback can submit by the short way. Returns whether it has. */
static bool begin_again(gib_connection *connection, int64_t now_ns)
{
    if (gib_session_count(&connection->session) ||
        !gib_idle_begin_trusted(&connection->idle, now_ns)) {
        return false;
    }
    if (!gib_session_reopen(&connection->session)) {
        gib_idle_unused(&connection->idle);
        return false;
    }
    return true;
}

void gib_async_settle(gibson_async *async, bool begun)
{
    gib_session *session = &async->connection.session;
    gib_session_end_pipeline(session);
    if (!gib_session_count(session)) {
        gib_session_trim(session);
        if (begun) {
            gib_idle_unused(&async->connection.idle);
        }
    }
}

/* Calls back for those replies that have come. */
static void deliver(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    gibson_reply reply;
    gibson_status status = GIBSON_WOULD_BLOCK;
    bool begun = false;
    async->progress_ns = async->now_ns;
    do {
        deliver_values(async, &reply);
        status = take_reply(connection, &reply);
        if (status != GIBSON_OK) {
            break;
        }
        begun = begin_again(connection, async->now_ns);
        async->answered = reply.opcode;
        call_back(async, &reply);
        if (GIB_UNLIKELY(!gib_command_connects(reply.opcode)) && reply.status == GIBSON_OK &&
            async->state == GIB_ASYNC_OPEN) {
            status = gib_async_fail(async, GIBSON_CLOSED, "the connection was ended by END");
        }
    } while (status == GIBSON_OK && gib_session_has_input(&connection->session));
    gib_session_release_reply(&connection->session);
    if (GIB_LIKELY(status == GIBSON_OK || status == GIBSON_WOULD_BLOCK)) {
        gib_async_settle(async, begun);
    } else {
        gib_async_lose(async);
    }
}

void gib_async_take_in(gibson_async *async, gibson_status status)
{
    if (status == GIBSON_OK) {
        async->connection.idle.since_ns = async->now_ns; /* what has come is seen */
        deliver(async);
    } else if (status != GIBSON_WOULD_BLOCK) {
        gib_async_lose(async);
    }
}

static void receive(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    gib_async_take_in(async, gib_session_is_in_flight(&connection->session)
                                 ? gib_connection_receive(connection, MSG_DONTWAIT)
                                 : gib_connection_look(connection));
}

/* Sends what is to be sent. After a pause since the first of that was submitted, what may have come
   in between is looked at: it answers none of it. */
static void flush(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    gib_session *session = &connection->session;
    gib_async_purge(async);
    if (!gib_session_unsent_frames(session)) {
        return;
    }
    gibson_status status = GIBSON_OK;
    if (!gib_session_is_in_flight(session)) {
        async->progress_ns = async->now_ns;
        if (async->now_ns - async->queued_ns >= GIB_IDLE_NS) {
            status = gib_connection_look(connection);
        }
    }
    if (status == GIBSON_OK) {
        status = gib_connection_send(connection);
    }
    gib_async_note_sent(async);
    async->blocked = status == GIBSON_WOULD_BLOCK;
    if (status != GIBSON_OK && status != GIBSON_WOULD_BLOCK) {
        gib_async_lose(async);
    }
}

void gib_async_end_turn(gibson_async *async)
{
    if (GIB_UNLIKELY(async->now_ns >= async->next)) {
        gib_async_expire(async);
    }
    if (async->state == GIB_ASYNC_OPEN && !gib_async_disown(async)) {
        flush(async);
    }
    async->has_run = true;
    gib_async_leave(async);
}

GIB_NOINLINE gibson_status gib_async_run_any(gibson_async *async, unsigned events)
{
    gib_async_enter(async);
    if (async->state == GIB_ASYNC_CONNECTING) {
        gib_async_advance(async);
    } else if (async->state == GIB_ASYNC_OPEN && events & GIBSON_ASYNC_READ) {
        receive(async);
    }
    gib_async_end_turn(async);
    return GIBSON_OK;
}

gibson_status gibson_async_run(gibson_async *async, unsigned events)
{
    if (!async || async->depth) {
        return GIBSON_USAGE;
    }
    if (async->lone && events == GIBSON_ASYNC_READ) {
        return gib_async_run_lone(async);
    }
    return gib_async_run_any(async, events);
}
