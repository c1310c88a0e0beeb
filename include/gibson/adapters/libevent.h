/* Running handles of gibson/async.h in a loop of libevent 2.

       gibson_async_new(&async, &options, NULL, &error);
       gibson_libevent_attach(async, base);
       gibson_async_connect(async);
       event_base_dispatch(base);

   gibson_async_free, or gibson_async_detach before it, ends that; it has to come before
   event_base_free. A handle that has a connection or waits for a time keeps the loop alive. After a
   fork, the child calls event_reinit before any function on the handle: else the loop of the parent
   would forget the descriptor. */
#ifndef GIBSON_ADAPTERS_LIBEVENT_H
#define GIBSON_ADAPTERS_LIBEVENT_H

#include <stdlib.h>

#include <event2/event.h>

#include <gibson/async.h>

GIBSON_BEGIN_DECLS

/* What an attached handle has in the loop. */
typedef struct gibson_libevent {
    struct event_base *base;
    gibson_async *async;
    struct event *timer;
    struct event *watch; /* of the descriptor, or NULL */
    int descriptor;      /* that it watches, or -1 */
    short events;
    int failed; /* to watch it: memory has run out */
} gibson_libevent;

static inline void gibson_libevent_ready(evutil_socket_t descriptor, short events, void *context)
{
    unsigned happened = 0;
    (void)descriptor;
    if (events & EV_READ) {
        happened |= GIBSON_ASYNC_READ;
    }
    if (events & EV_WRITE) {
        happened |= GIBSON_ASYNC_WRITE;
    }
    (void)gibson_async_run(((gibson_libevent *)context)->async, happened);
}

static inline void gibson_libevent_unwatch(gibson_libevent *self)
{
    if (self->watch) {
        event_free(self->watch);
    }
    self->watch = NULL;
    self->descriptor = -1;
    self->events = 0;
}

static inline int gibson_libevent_watch_for(gibson_libevent *self, gibson_async_waits waits)
{
    const short events = (short)((waits.events & GIBSON_ASYNC_READ ? EV_READ : 0) |
                                 (waits.events & GIBSON_ASYNC_WRITE ? EV_WRITE : 0));
    if (waits.descriptor == self->descriptor && events == self->events) {
        return 1;
    }
    gibson_libevent_unwatch(self);
    if (waits.descriptor < 0) {
        return 1;
    }
    self->watch = event_new(self->base, waits.descriptor, (short)(events | EV_PERSIST),
                            gibson_libevent_ready, self);
    self->descriptor = waits.descriptor;
    self->events = events;
    return self->watch && event_add(self->watch, NULL) == 0;
}

static inline void gibson_libevent_changed(gibson_async *async, void *context)
{
    gibson_libevent *self = (gibson_libevent *)context;
    self->failed = !gibson_libevent_watch_for(self, gibson_async_wants(async));
    const int left_ms = self->failed ? 0 : gibson_async_timeout_ms(async);
    if (left_ms < 0) {
        (void)event_del(self->timer);
    } else if (left_ms == 0) {
        event_active(self->timer, EV_TIMEOUT, 0); /* before the loop waits */
    } else {
        struct timeval left;
        left.tv_sec = left_ms / 1000;
        left.tv_usec = left_ms % 1000 * 1000L;
        (void)event_del(self->timer); /* which may be active */
        (void)event_add(self->timer, &left);
    }
}

/* The clock of the loop stands still while callbacks run, so the timer may be early. */
static inline void gibson_libevent_tick(evutil_socket_t descriptor, short events, void *context)
{
    gibson_libevent *self = (gibson_libevent *)context;
    (void)descriptor;
    (void)events;
    if (self->failed) { /* nothing would be heard of it */
        gibson_async_close(self->async);
    } else if (gibson_async_timeout_ms(self->async) == 0) {
        (void)gibson_async_run(self->async, 0);
    } else {
        gibson_libevent_changed(self->async, self);
    }
}

static inline void gibson_libevent_detached(gibson_async *async, void *context)
{
    gibson_libevent *self = (gibson_libevent *)context;
    (void)async;
    gibson_libevent_unwatch(self);
    event_free(self->timer);
    free(self);
}

/* gibson_libevent_attach makes the loop run the handle, until that is detached or freed. Returns
   GIBSON_OK; GIBSON_NOMEM; GIBSON_USAGE if async is NULL, or attached already. A descriptor that
   cannot be watched, for want of memory, is closed. */
static inline gibson_status gibson_libevent_attach(gibson_async *async, struct event_base *base)
{
    gibson_libevent *self = (gibson_libevent *)calloc(1, sizeof *self);
    if (!self) {
        return GIBSON_NOMEM;
    }
    self->base = base;
    self->async = async;
    self->descriptor = -1;
    self->timer = evtimer_new(base, gibson_libevent_tick, self);
    gibson_status status = GIBSON_NOMEM;
    if (self->timer) {
        status =
            gibson_async_attach(async, gibson_libevent_changed, gibson_libevent_detached, self);
    }
    if (status != GIBSON_OK) {
        if (self->timer) {
            event_free(self->timer);
        }
        free(self);
    }
    return status;
}

GIBSON_END_DECLS

#endif
