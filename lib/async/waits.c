/* What a handle waits for, and telling the loop that. */
#include "async/async.h"
#include "base/likely.h"

/* While attempts to connect race, the loop waits for the last of them; the others are looked at
   that often. */
enum { RACE_NS = 5000000 };

static void tell(gibson_async *async)
{
    if (async->hooks.changed) {
        async->hooks.changed(async, async->hooks.context);
    }
    if (async->loop.changed) {
        async->loop.changed(async, async->loop.context);
    }
}

static int64_t wake_while_connecting(const gibson_async *async)
{
    const gib_connection *connection = &async->connection;
    const gib_connector *connector = &connection->connector;
    int64_t wake_ns =
        async->next < connection->connect_until ? async->next : connection->connect_until;
    const int64_t step_ns = connector->count > 1 ? async->now_ns + RACE_NS : connector->wake_ns;
    return step_ns < wake_ns ? step_ns : wake_ns;
}

/* What the handle waits for, as it is now. */
static gibson_async_waits find_waits(const gibson_async *async)
{
    gibson_async_waits waits = {.descriptor = -1, .wake_ns = async->next};
    const gib_connector *connector = &async->connection.connector;
    if (async->state == GIB_ASYNC_CONNECTING) {
        waits.wake_ns = wake_while_connecting(async);
        if (connector->count) {
            const struct pollfd *wait = &connector->waits[connector->count - 1];
            waits.descriptor = wait->fd;
            waits.events = (wait->events & POLLIN ? GIBSON_ASYNC_READ : 0) |
                           (wait->events & POLLOUT ? GIBSON_ASYNC_WRITE : 0);
        }
    } else if (async->state == GIB_ASYNC_OPEN) {
        waits.descriptor = async->connection.transport.descriptor;
        waits.events = GIBSON_ASYNC_READ | (async->blocked ? GIBSON_ASYNC_WRITE : 0);
        if (gib_session_unsent_frames(&async->connection.session) && !async->blocked) {
            waits.wake_ns = 0;
        }
    }
    if (async->room_asked && gib_async_has_room_to_offer(async)) {
        waits.wake_ns = 0; /* the hook has asked for it itself, and made it */
    }
    return waits;
}

/* Tells what has changed of that. A time that is later than the one told, which has not come, is
   not worth a call, except that a handle without a connection is not to keep a loop alive. */
void gib_async_tell_waits(gibson_async *async)
{
    gibson_async_waits *told = &async->waits;
    const bool has_come = told->wake_ns <= async->now_ns;
    if (GIB_LIKELY(async->state == GIB_ASYNC_OPEN && told->events == GIBSON_ASYNC_READ &&
                   !async->blocked && !async->room_asked && !has_come &&
                   async->next >= told->wake_ns &&
                   !gib_session_unsent_frames(&async->connection.session))) {
        return;
    }
    if (async->list.first == async->list.last) {
        async->next = GIB_NO_DEADLINE;
    }
    const gibson_async_waits waits = find_waits(async);
    const bool exactly = has_come || async->state == GIB_ASYNC_APART;
    const bool used_up = has_come && async->has_run; /* a timer of the loop may not come again */
    async->has_run = false;
    if (!used_up && waits.descriptor == told->descriptor && waits.events == told->events &&
        (exactly ? waits.wake_ns == told->wake_ns : waits.wake_ns >= told->wake_ns)) {
        return;
    }
    *told = waits;
    tell(async);
}

void gib_async_forget_descriptor(gibson_async *async)
{
    if (async->waits.descriptor >= 0) {
        async->waits.descriptor = -1;
        async->waits.events = 0;
        tell(async);
    }
}

void gib_async_detach(gibson_async *async)
{
    const gib_async_loop loop = async->loop;
    async->loop = (gib_async_loop){0};
    if (loop.detached) {
        loop.detached(async, loop.context);
    }
}

gibson_status gibson_async_attach(gibson_async *async, gibson_async_hook *changed,
                                  gibson_async_hook *detached, void *context)
{
    if (!async || !changed || async->loop.changed || async->end == GIB_ASYNC_DIES) {
        return GIBSON_USAGE;
    }
    async->loop = (gib_async_loop){changed, detached, context};
    changed(async, context);
    return GIBSON_OK;
}

void gibson_async_detach(gibson_async *async)
{
    if (async) {
        gib_async_detach(async);
    }
}

gibson_async_waits gibson_async_wants(const gibson_async *async)
{
    return async ? async->waits
                 : (gibson_async_waits){.descriptor = -1, .wake_ns = GIBSON_ASYNC_NEVER};
}

int gibson_async_timeout_ms(const gibson_async *async)
{
    return async ? gib_deadline_left_ms(async->waits.wake_ns) : -1;
}
