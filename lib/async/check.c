/* Whether the state of a handle is sound. */
#include "async/async.h"

#if defined(GIB_CHECK_STATE)
#include <stdio.h>
#include <stdlib.h>

static const char *check(const gibson_async *async)
{
    size_t called = 0;
    size_t in_session = 0;
    size_t held = 0;
    size_t cancelled = 0;
    size_t unsent = 0;
    for (uint64_t id = async->list.first; id != async->list.last; id++) {
        const gib_async_request *request = gib_async_list_at(&async->list, id);
        called += gib_async_is_callers(request);
        in_session += gib_async_is_in_session(request);
        held += request->fate == GIB_FATE_HELD;
        cancelled += request->fate == GIB_FATE_CANCELLED;
        unsent += gib_async_is_in_session(request) && id >= async->unsent;
    }
    return called != gib_async_list_called(&async->list)
               ? "the count of requests to call back is wrong"
           : in_session != gib_session_outstanding(&async->connection.session)
               ? "the list is not that of the session"
           : cancelled != async->cancelled ? "the count of cancelled requests is wrong"
           : unsent != gib_session_untouched(&async->connection.session)
               ? "the first request of which nothing was sent is another"
           : held != async->held_count ? "the list is not that of what is held"
           : (async->state == GIB_ASYNC_OPEN) != gib_connection_is_open(&async->connection)
               ? "the connection is open, or not, and the handle thinks otherwise"
               : gib_session_check(&async->connection.session);
}

void gib_async_assert(const gibson_async *async)
{
    const char *fault = check(async);
    if (fault) {
        fprintf(stderr, "libgibson: the state of an asynchronous handle is not sound: %s\n", fault);
        abort();
    }
}
#endif
