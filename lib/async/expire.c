/* Requests whose time is over, and replies that are overdue. */
#include <stdio.h>

#include "async/async.h"
#include "base/likely.h"
#include "connection/exchange.h"
#include "session/session.h"

/* How often to look at the most, so that looking costs little however many requests there are. */
enum { LOOK_EVERY_NS = 1000000 };

/* Sets the error: the time of a request is over. */
static void timed_out(gibson_async *async, const gib_async_request *request)
{
    gib_connection *connection = &async->connection;
    char waiting_for[160];
    if (async->state != GIB_ASYNC_OPEN) {
        snprintf(waiting_for, sizeof waiting_for, "connecting to %.120s", connection->peer);
    } else if (request->fate != GIB_FATE_DROPPED) {
        snprintf(waiting_for, sizeof waiting_for, "sending to %.120s", connection->peer);
    } else {
        snprintf(waiting_for, sizeof waiting_for, "waiting for the reply to %s from %.120s",
                 gibson_command_by_opcode(request->opcode)->name, connection->peer);
    }
    gib_connection_timed_out(connection, "timeout", request->timeout_ms, waiting_for);
}

static void end(gibson_async *async, uint64_t id)
{
    gib_async_request *entry = gib_async_list_at(&async->list, id);
    gib_async_give_up(async, id);
    const gib_async_request request = *entry;
    timed_out(async, &request);
    gib_async_call_without_reply(async, &request);
}

gib_deadline gib_async_overdue(const gibson_async *async, const gib_async_request *request)
{
    const gib_deadline silent =
        gib_deadline_after(async->progress_ns, async->connection.settings.timeout_ms);
    return request->deadline > silent ? request->deadline : silent;
}

/* Looks at a request whose reply is to be dropped. Returns whether the connection is to be given
   up. */
static bool look_at_dropped(gibson_async *async, uint64_t id)
{
    const gib_deadline until = gib_async_overdue(async, gib_async_list_at(&async->list, id));
    if (until > async->now_ns) {
        gib_async_look_at(async, until);
        return false;
    }
    if (async->state == GIB_ASYNC_OPEN && id == gib_async_list_due(&async->list)) {
        return true;
    }
    /* It is not due yet. */
    gib_async_look_at(async,
                      gib_deadline_after(async->now_ns, async->connection.settings.timeout_ms));
    return false;
}

/* The question for the limit of times waits for its reply as long as a request does that waits for
   the answer, each of which has its own time. */
static bool look_at_own(gibson_async *async, uint64_t id)
{
    if (async->held) {
        gib_async_look_at(async,
                          gib_deadline_after(async->now_ns, async->connection.settings.timeout_ms));
        return false;
    }
    return look_at_dropped(async, id);
}

/* Looks at one request, whose callback may do anything to the list. Returns whether the connection
   is to be given up. */
static bool look(gibson_async *async, uint64_t id)
{
    const gib_async_request *request = gib_async_list_at(&async->list, id);
    if (request->fate == GIB_FATE_DROPPED) {
        return look_at_dropped(async, id);
    }
    if (request->fate == GIB_FATE_OWN) {
        return look_at_own(async, id);
    }
    if (gib_async_is_callers(request) && request->deadline <= async->now_ns) {
        end(async, id);
        gib_async_look_at(async, async->now_ns); /* its reply may be overdue already */
    } else if (gib_async_is_callers(request)) {
        gib_async_look_at(async, request->deadline);
    }
    return false;
}

GIB_NOINLINE void gib_async_expire(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    const uint64_t last = async->list.last;
    async->next = GIB_NO_DEADLINE;
    bool dead = false;
    for (uint64_t id = async->list.first; id < last; id++) {
        id = id < async->list.first ? async->list.first : id;
        dead |= id < last && look(async, id);
    }
    gib_async_list_trim(&async->list);
    if (dead && async->state == GIB_ASYNC_OPEN) { /* which a callback may have closed */
        gib_connection_timed_out(connection, "timeout", connection->settings.timeout_ms,
                                 "waiting for a reply that nobody wants any more");
        gib_async_lose(async);
    }
    const gib_deadline soonest = async->now_ns + LOOK_EVERY_NS;
    async->next = async->next < soonest ? soonest : async->next;
}
