/* Taking requests back. */
#include "async/async.h"
#include "session/session.h"

void gib_async_note_sent(gibson_async *async)
{
    const gib_async_list *list = &async->list;
    size_t count = gib_session_untouched(&async->connection.session);
    async->unsent = list->last;
    while (count) {
        count -= gib_async_is_in_session(gib_async_list_at(list, --async->unsent));
    }
}

typedef struct purge {
    gib_async_list *list;
    uint64_t id;
} purge;

/* Tells whether the next request of which nothing was sent is to stay. */
static bool stays(void *context)
{
    purge *next = context;
    gib_async_request *request;
    do {
        request = gib_async_list_at(next->list, next->id++);
    } while (!gib_async_is_in_session(request));
    if (request->fate != GIB_FATE_CANCELLED) {
        return true;
    }
    gib_async_list_set_fate(next->list, request, GIB_FATE_GONE);
    return false;
}

void gib_async_purge(gibson_async *async)
{
    if (async->cancelled) {
        const uint64_t first = async->list.first; /* the first that was not sent may have gone */
        purge next = {&async->list, async->unsent > first ? async->unsent : first};
        gib_session_filter(&async->connection.session, stays, &next);
        async->cancelled = 0;
    }
}

/* Gives up a request of which nothing was sent. They are taken out of the session many at a time,
   so that to cancel all takes time in proportion to them. */
static void cancel_unsent(gibson_async *async, gib_async_request *request)
{
    gib_async_list_set_fate(&async->list, request, GIB_FATE_CANCELLED);
    async->cancelled++;
    if (async->cancelled >= gib_session_unsent_frames(&async->connection.session) / 4) {
        gib_async_purge(async);
    }
}

void gib_async_give_up(gibson_async *async, uint64_t id)
{
    gib_async_request *request = gib_async_list_at(&async->list, id);
    if (request->fate == GIB_FATE_HELD) {
        gib_async_drop_held(async, id);
        gib_async_list_set_fate(&async->list, request, GIB_FATE_GONE);
    } else if (id < async->unsent) {
        gib_async_list_set_fate(&async->list, request, GIB_FATE_DROPPED);
    } else {
        cancel_unsent(async, request);
    }
}

bool gibson_async_cancel(gibson_async *async, uint64_t id)
{
    if (!async) {
        return false;
    }
    gib_async_enter(async);
    gib_async_request *request = gib_async_list_find(&async->list, id);
    if (request) {
        gib_async_give_up(async, id);
        if (request->fate == GIB_FATE_DROPPED) {
            gib_async_look_at(async, gib_async_overdue(async, request));
        }
    }
    gib_async_leave(async);
    return request;
}
