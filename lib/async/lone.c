/* The short way of a turn, for a caller that has one get under way and submits the next from its
   callback. Whatever is uncommon goes on by run.c in the state it has reached. */
#include <errno.h>

#include "async/async.h"
#include "base/likely.h"
#include "connection/exchange.h"
#include "connection/single.h"
#include "net/fork.h"
#include "session/lone.h"
#include "session/queue.h"

bool gib_async_is_lone(const gibson_async *async)
{
    const gib_connection *connection = &async->connection;
    return async->state == GIB_ASYNC_OPEN && async->end == GIB_ASYNC_STAYS && !async->held &&
           !async->room_asked && async->waits.events == GIBSON_ASYNC_READ &&
           !connection->transport.ops && gib_session_is_lone(&connection->session) &&
           gib_async_list_at(&async->list, async->list.first)->fate == GIB_FATE_CALLED;
}

/* What gib_async_enter does, but for what only gib_async_leave and a flush want to know. */
static inline void enter(gibson_async *async)
{
    async->depth = 1;
    async->usual.deadline =
        gib_deadline_after(async->now_ns, async->connection.settings.timeout_ms);
}

/* What gib_async_leave does, in this state. */
static inline void leave(gibson_async *async)
{
    async->depth = 0;
    async->quick_until = 0;
    gib_async_look_at(async, async->usual.deadline);
    if (GIB_UNLIKELY(async->now_ns >= async->waits.wake_ns) ||
        GIB_UNLIKELY(async->next < async->waits.wake_ns)) {
        gib_async_tell_waits(async);
    }
    GIB_ASYNC_ASSERT(async);
}

/* Lets the callback submit by the short way, if the connection is to be trusted for that. */
static inline bool begin(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    connection->idle.since_ns = async->now_ns; /* what has come is seen */
    const bool trusted = gib_idle_begin_trusted(&connection->idle, async->now_ns);
    const bool open = gib_session_open_lone(&connection->session, trusted);
    if (GIB_LIKELY(open)) {
        async->quick_until = async->list.last + 1;
    } else if (trusted) {
        gib_idle_unused(&connection->idle);
    }
    return open;
}

/* Calls back for the only request. */
static inline void call_back(gibson_async *async, const gibson_reply *reply)
{
    const gib_async_request *request = gib_async_list_at(&async->list, async->list.first++);
    async->connection.error.status = GIBSON_OK;
    async->answered = GIBSON_OP_GET;
    if (GIB_LIKELY(request->callback != NULL)) {
        request->callback(async, reply, request->context);
    }
}

/* Sends the get that the callback has submitted. False if there is none, if anything else was done
   to the handle, or if not all was sent. */
static inline bool send_next(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    gib_session *session = &connection->session;
    const size_t size = GIB_LIKELY(async->lone) ? gib_session_lone_frame(session) : 0;
    if (GIB_UNLIKELY(!size)) {
        return false;
    }
    const gib_exchanged done = gib_connection_send_single(connection, size);
    if (GIB_UNLIKELY(!gib_exchanged_is_sent(done))) {
        if (done.sent > 0) {
            gib_session_sent(session, (size_t)done.sent);
        }
        return false;
    }
    gib_session_lone_sent(session);
    async->unsent = async->list.last;
    return true;
}

/* Goes on with what was read, and is not the value. */
static GIB_NOINLINE void go_on(gibson_async *async, ssize_t received, int failure)
{
    gib_connection *connection = &async->connection;
    gib_async_enter(async);
    gib_session_release_reply(&connection->session);
    errno = failure;
    gib_async_take_in(async, gib_connection_received(connection, received));
    gib_async_end_turn(async);
}

/* Goes on behind the callback. */
static GIB_NOINLINE void go_on_behind(gibson_async *async, bool begun)
{
    async->lone = false;
    async->entered_at = 0; /* something may have been submitted */
    async->queued_ns = async->now_ns;
    gib_session_release_reply(&async->connection.session);
    gib_async_settle(async, begun);
    gib_async_end_turn(async);
}

GIB_NOINLINE gibson_status gib_async_run_lone(gibson_async *async)
{
    gib_connection *connection = &async->connection;
    gib_session *session = &connection->session;
    async->now_ns = gib_now_ns();
    if (GIB_UNLIKELY(connection->fork_generation != gib_fork_generation()) ||
        GIB_UNLIKELY(async->now_ns >= async->next)) {
        return gib_async_run_any(async, GIBSON_ASYNC_READ);
    }
    size_t size;
    uint8_t *room = gib_session_lone_input(session, &size);
    const ssize_t received = recv(connection->transport.descriptor, room, size, MSG_DONTWAIT);
    gibson_reply reply;
    if (!gib_session_take_lone(session, received, &reply.value)) {
        go_on(async, received, errno);
        return GIBSON_OK;
    }
    gib_reply_begin_value(&reply);
    enter(async);
    async->progress_ns = async->now_ns;
    async->has_run = true;
    const bool begun = begin(async);
    call_back(async, &reply);
    if (GIB_LIKELY(send_next(async))) {
        leave(async);
    } else {
        go_on_behind(async, begun);
    }
    return GIBSON_OK;
}
