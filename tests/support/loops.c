#include "support/loops.h"

#include <fcntl.h>
#include <stdlib.h>

#include <gibson/adapters/poll.h>
#if defined(HAVE_EPOLL)
#include <gibson/adapters/epoll.h>
#endif
#if defined(HAVE_LIBUV)
#include <gibson/adapters/libuv.h>
#endif
#if defined(HAVE_LIBEVENT)
#include <gibson/adapters/libevent.h>
#endif
#if defined(HAVE_GLIB)
#include <gibson/adapters/glib.h>
#endif

/* A loop that cannot be made ends the program. */
static void *made(void *loop)
{
    if (!loop) {
        abort();
    }
    return loop;
}

/* ---- poll ---- */

enum { MOST_HANDLES = 8 };

typedef struct poll_loop {
    gibson_async *handles[MOST_HANDLES];
} poll_loop;

static void *poll_make(void)
{
    return made(calloc(1, sizeof(poll_loop)));
}

static void poll_changed(gibson_async *async, void *context)
{
    (void)async; /* it is asked each time */
    (void)context;
}

static void poll_detached(gibson_async *async, void *context)
{
    poll_loop *self = context;
    for (size_t i = 0; i < MOST_HANDLES; i++) {
        if (self->handles[i] == async) {
            self->handles[i] = NULL;
        }
    }
}

static gibson_status poll_attach(gibson_async *async, void *loop)
{
    poll_loop *self = loop;
    const gibson_status status = gibson_async_attach(async, poll_changed, poll_detached, loop);
    for (size_t i = 0; i < MOST_HANDLES && status == GIBSON_OK; i++) {
        if (!self->handles[i]) {
            self->handles[i] = async;
            break;
        }
    }
    return status;
}

static void poll_turn(void *loop, int most_ms)
{
    poll_loop *self = loop;
    struct pollfd waits[MOST_HANDLES];
    for (size_t i = 0; i < MOST_HANDLES; i++) {
        waits[i] = (struct pollfd){.fd = -1};
        if (self->handles[i]) {
            gibson_poll_prepare(self->handles[i], &waits[i], &most_ms);
        }
    }
    (void)poll(waits, MOST_HANDLES, most_ms);
    for (size_t i = 0; i < MOST_HANDLES; i++) {
        if (self->handles[i]) {
            gibson_poll_finish(self->handles[i], &waits[i]);
        }
    }
}

static void nothing_forked(void *loop)
{
    (void)loop;
}

static bool poll_destroy(void *loop)
{
    free(loop);
    return true;
}

/* ---- epoll ---- */

#if defined(HAVE_EPOLL)
typedef struct epoll_loop {
    int epoll;
    gibson_epoll watches[MOST_HANDLES];
} epoll_loop;

static int new_epoll(void)
{
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    if (epoll < 0) {
        abort();
    }
    return epoll;
}

static void *epoll_make(void)
{
    epoll_loop *self = made(calloc(1, sizeof *self));
    self->epoll = new_epoll();
    return self;
}

static gibson_status epoll_attach(gibson_async *async, void *loop)
{
    epoll_loop *self = loop;
    size_t i = 0;
    while (i + 1 < MOST_HANDLES && self->watches[i].async) {
        i++;
    }
    return gibson_epoll_attach(&self->watches[i], async, self->epoll);
}

static bool epoll_is_ours(epoll_loop *self, const struct epoll_event *event)
{
    bool found = false;
    for (size_t i = 0; i < MOST_HANDLES && !found; i++) {
        found = gibson_epoll_dispatch(&self->watches[i], event);
    }
    return found;
}

static void epoll_turn(void *loop, int most_ms)
{
    epoll_loop *self = loop;
    struct epoll_event events[2 * MOST_HANDLES];
    for (size_t i = 0; i < MOST_HANDLES; i++) {
        if (gibson_epoll_timeout_ms(&self->watches[i]) == 0) {
            most_ms = 0;
        }
    }
    const int count = epoll_wait(self->epoll, events, 2 * MOST_HANDLES, most_ms);
    for (int i = 0; i < count; i++) {
        if (!epoll_is_ours(self, &events[i])) {
            abort();
        }
    }
    for (size_t i = 0; i < MOST_HANDLES; i++) {
        gibson_epoll_finish(&self->watches[i]);
    }
}

static void epoll_forked(void *loop)
{
    epoll_loop *self = loop;
    close(self->epoll);
    self->epoll = new_epoll();
    for (size_t i = 0; i < MOST_HANDLES; i++) {
        if (gibson_epoll_forked(&self->watches[i], self->epoll)) {
            abort();
        }
    }
}

static bool epoll_destroy(void *loop)
{
    epoll_loop *self = loop;
    struct epoll_event event;
    const bool empty = epoll_wait(self->epoll, &event, 1, 0) == 0;
    close(self->epoll);
    free(self);
    return empty;
}
#endif

/* ---- libuv ---- */

#if defined(HAVE_LIBUV)
typedef struct uv_test_loop {
    uv_loop_t loop;
    uv_timer_t alarm;
} uv_test_loop;

static void *libuv_make(void)
{
    uv_test_loop *self = made(malloc(sizeof *self));
    if (uv_loop_init(&self->loop) || uv_timer_init(&self->loop, &self->alarm)) {
        abort();
    }
    return self;
}

static gibson_status libuv_attach(gibson_async *async, void *loop)
{
    return gibson_uv_attach(async, &((uv_test_loop *)loop)->loop);
}

static void ring(uv_timer_t *timer)
{
    uv_stop(timer->loop); /* it is not to wait for another event */
}

static void libuv_turn(void *loop, int most_ms)
{
    uv_test_loop *self = loop;
    uv_update_time(&self->loop);
    uv_timer_start(&self->alarm, ring, (uint64_t)most_ms, 0);
    uv_run(&self->loop, UV_RUN_ONCE);
}

static void libuv_forked(void *loop)
{
    if (uv_loop_fork(&((uv_test_loop *)loop)->loop)) {
        abort();
    }
}

static bool libuv_destroy(void *loop)
{
    uv_test_loop *self = loop;
    uv_close((uv_handle_t *)&self->alarm, NULL);
    uv_run(&self->loop, UV_RUN_DEFAULT);
    const bool empty = uv_loop_close(&self->loop) == 0;
    free(self);
    return empty;
}
#endif

/* ---- libevent ---- */

#if defined(HAVE_LIBEVENT)
static void *libevent_make(void)
{
    return made(event_base_new());
}

static gibson_status libevent_attach(gibson_async *async, void *loop)
{
    return gibson_libevent_attach(async, loop);
}

static void libevent_ring(evutil_socket_t descriptor, short events, void *context)
{
    (void)descriptor;
    (void)events;
    (void)context;
}

static void libevent_turn(void *loop, int most_ms)
{
    struct event *alarm = made(evtimer_new(loop, libevent_ring, NULL));
    const struct timeval most = {.tv_sec = most_ms / 1000, .tv_usec = most_ms % 1000 * 1000L};
    evtimer_add(alarm, &most);
    event_base_loop(loop, EVLOOP_ONCE);
    event_free(alarm);
}

static void libevent_forked(void *loop)
{
    if (event_reinit(loop)) {
        abort();
    }
}

static int count_one(const struct event_base *base, const struct event *event, void *context)
{
    (void)base;
    (void)event;
    ++*(int *)context;
    return 0;
}

static bool libevent_destroy(void *loop)
{
    int left = 0;
    event_base_foreach_event(loop, count_one, &left);
    event_base_free(loop);
    return left == 0;
}
#endif

/* ---- GLib ---- */

#if defined(HAVE_GLIB)
/* A descriptor that was closed must not be waited for. */
static gint checked_poll(GPollFD *waits, guint count, gint timeout_ms)
{
    for (guint i = 0; i < count; i++) {
        if (fcntl(waits[i].fd, F_GETFD) < 0) {
            abort();
        }
    }
    return poll((struct pollfd *)waits, count, timeout_ms);
}

static void *glib_make(void)
{
    GMainContext *context = made(g_main_context_new());
    g_main_context_set_poll_func(context, checked_poll);
    return context;
}

static gibson_status glib_attach(gibson_async *async, void *loop)
{
    return gibson_glib_attach(async, loop);
}

static gboolean glib_ring(gpointer data)
{
    (void)data;
    return G_SOURCE_REMOVE;
}

static void glib_turn(void *loop, int most_ms)
{
    GSource *alarm = g_timeout_source_new((guint)most_ms);
    g_source_set_callback(alarm, glib_ring, NULL, NULL);
    g_source_attach(alarm, loop);
    g_main_context_iteration(loop, TRUE);
    g_source_destroy(alarm);
    g_source_unref(alarm);
}

static bool glib_destroy(void *loop)
{
    const bool empty = !g_main_context_pending(loop);
    g_main_context_unref(loop);
    return empty;
}
#endif

const loop_kind loop_kinds[] = {
    {"poll", poll_make, poll_attach, poll_turn, nothing_forked, poll_destroy},
#if defined(HAVE_EPOLL)
    {"epoll", epoll_make, epoll_attach, epoll_turn, epoll_forked, epoll_destroy},
#endif
#if defined(HAVE_LIBUV)
    {"libuv", libuv_make, libuv_attach, libuv_turn, libuv_forked, libuv_destroy},
#endif
#if defined(HAVE_LIBEVENT)
    {"libevent", libevent_make, libevent_attach, libevent_turn, libevent_forked, libevent_destroy},
#endif
#if defined(HAVE_GLIB)
    {"glib", glib_make, glib_attach, glib_turn, nothing_forked, glib_destroy},
#endif
};
const int loop_kind_count = (int)(sizeof loop_kinds / sizeof *loop_kinds);
