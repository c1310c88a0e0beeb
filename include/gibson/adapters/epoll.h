/* Running handles of gibson/async.h in an epoll set of the program's own (Linux).

       gibson_epoll watch;
       gibson_async_new(&async, &options, NULL, &error);
       gibson_epoll_attach(&watch, async, epoll);
       gibson_async_connect(async);
       for (;;) {
           struct epoll_event events[16];
           int count = epoll_wait(epoll, events, 16, gibson_epoll_timeout_ms(&watch));
           for (int i = 0; i < count; i++) {
               if (!gibson_epoll_dispatch(&watch, &events[i])) {
                   the program's own event
               }
           }
           gibson_epoll_finish(&watch);
       }

   Deadlines are kept by a timerfd, which is set when the next one changes: a turn of the loop costs
   no look at the clock but that of gibson_async_run, and no system call but epoll_wait. Several
   handles can share a set, each with a gibson_epoll: an event is given to one after the other.

   gibson_async_free, or gibson_async_detach before it, ends that; it has to come before the set is
   closed. */
#ifndef GIBSON_ADAPTERS_EPOLL_H
#define GIBSON_ADAPTERS_EPOLL_H

#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <gibson/async.h>

GIBSON_BEGIN_DECLS

/* gibson_epoll is the memory of the caller, who reads and writes no member. It has to stay until
   the handle is detached or freed, and where that is done in a callback, until
   gibson_epoll_dispatch or gibson_epoll_finish has returned. */
typedef struct gibson_epoll {
    gibson_async *async; /* NULL: none is attached */
    int epoll;
    int timer;
    int descriptor; /* that is in the set, or -1 */
    unsigned events;
    int64_t wake_ns; /* to which the timer is set */
    int soon;        /* it is to be run before the loop waits */
    int failed;      /* something could not be watched */
} gibson_epoll;

static inline int gibson_epoll_control(gibson_epoll *self, int operation, int descriptor,
                                       uint32_t events, void *pointer)
{
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = events;
    event.data.ptr = pointer;
    return epoll_ctl(self->epoll, operation, descriptor, &event) == 0;
}

/* Edges are enough of a timer: setting it makes the next one, and nothing has to be read. */
static inline int gibson_epoll_add_timer(gibson_epoll *self)
{
    self->wake_ns = GIBSON_ASYNC_NEVER;
    self->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
    if (self->timer >= 0 &&
        gibson_epoll_control(self, EPOLL_CTL_ADD, self->timer, EPOLLIN | EPOLLET, &self->timer)) {
        return 1;
    }
    if (self->timer >= 0) {
        close(self->timer);
    }
    self->timer = -1;
    return 0;
}

static inline int gibson_epoll_set_timer(gibson_epoll *self, int64_t wake_ns)
{
    struct itimerspec at;
    if (wake_ns == self->wake_ns) {
        return 1;
    }
    self->wake_ns = wake_ns;
    memset(&at, 0, sizeof at);
    if (wake_ns != GIBSON_ASYNC_NEVER) {
        at.it_value.tv_sec = (time_t)(wake_ns / 1000000000);
        at.it_value.tv_nsec = (long)(wake_ns % 1000000000);
    }
    return timerfd_settime(self->timer, TFD_TIMER_ABSTIME, &at, NULL) == 0;
}

static inline int gibson_epoll_watch_for(gibson_epoll *self, gibson_async_waits waits)
{
    const uint32_t events = (waits.events & GIBSON_ASYNC_READ ? (uint32_t)EPOLLIN : 0) |
                            (waits.events & GIBSON_ASYNC_WRITE ? (uint32_t)EPOLLOUT : 0);
    const int is_new = waits.descriptor != self->descriptor;
    if (!is_new && waits.events == self->events) {
        return 1;
    }
    if (is_new && self->descriptor >= 0) {
        (void)gibson_epoll_control(self, EPOLL_CTL_DEL, self->descriptor, 0, NULL);
    }
    self->descriptor = waits.descriptor;
    self->events = waits.events;
    return waits.descriptor < 0 ||
           gibson_epoll_control(self, is_new ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, waits.descriptor,
                                events, self);
}

static inline void gibson_epoll_changed(gibson_async *async, void *context)
{
    gibson_epoll *self = (gibson_epoll *)context;
    const gibson_async_waits waits = gibson_async_wants(async);
    self->failed = !gibson_epoll_watch_for(self, waits);
    self->soon = waits.wake_ns == 0 || self->failed;
    if (waits.wake_ns != 0 && !gibson_epoll_set_timer(self, waits.wake_ns)) {
        self->failed = self->soon = 1;
    }
}

static inline void gibson_epoll_detached(gibson_async *async, void *context)
{
    gibson_epoll *self = (gibson_epoll *)context;
    (void)async;
    if (self->descriptor >= 0) {
        (void)gibson_epoll_control(self, EPOLL_CTL_DEL, self->descriptor, 0, NULL);
    }
    if (self->timer >= 0) {
        (void)gibson_epoll_control(self, EPOLL_CTL_DEL, self->timer, 0, NULL);
        close(self->timer);
    }
    self->async = NULL;
    self->descriptor = self->timer = -1;
    self->soon = 0;
}

/* gibson_epoll_attach makes *self run the handle, by events of the set, until that is detached or
   freed. Returns GIBSON_OK; GIBSON_SYSTEM, with errno, if there is no timer to be had; GIBSON_USAGE
   if async is NULL, or attached already: nothing is attached then, which the functions below allow.
   A descriptor that cannot be watched is closed, and the requests end with GIBSON_CLOSED. */
static inline gibson_status gibson_epoll_attach(gibson_epoll *self, gibson_async *async, int epoll)
{
    memset(self, 0, sizeof *self);
    self->epoll = epoll;
    self->descriptor = self->timer = -1;
    if (!async) {
        return GIBSON_USAGE;
    }
    if (!gibson_epoll_add_timer(self)) {
        return GIBSON_SYSTEM;
    }
    const gibson_status status =
        gibson_async_attach(async, gibson_epoll_changed, gibson_epoll_detached, self);
    if (status == GIBSON_OK) {
        self->async = async;
    } else {
        gibson_epoll_detached(async, self);
    }
    return status;
}

/* gibson_epoll_timeout_ms is for epoll_wait: 0 if the handle is to be run without waiting, else -1.
   Of several handles, the least but -1 holds; of several timeouts, too. */
static inline int gibson_epoll_timeout_ms(const gibson_epoll *self)
{
    return self->soon ? 0 : -1;
}

/* gibson_epoll_dispatch runs the handle if the event is its own, and tells whether it is. */
static inline int gibson_epoll_dispatch(gibson_epoll *self, const struct epoll_event *event)
{
    unsigned happened = 0;
    if (event->data.ptr != self) {
        if (event->data.ptr != &self->timer) {
            return 0;
        }
        self->soon = self->async != NULL;
        return 1;
    }
    if (event->events & ~(uint32_t)EPOLLOUT) { /* an error is read, too */
        happened |= GIBSON_ASYNC_READ;
    }
    if (event->events & EPOLLOUT) {
        happened |= GIBSON_ASYNC_WRITE;
    }
    (void)gibson_async_run(self->async, happened); /* which does nothing without a handle */
    return 1;
}

/* gibson_epoll_finish runs the handle if its time has come, after all events were dispatched. */
static inline void gibson_epoll_finish(gibson_epoll *self)
{
    if (!self->soon) {
        return;
    }
    self->soon = 0;
    if (self->failed) { /* nothing would be heard of it */
        gibson_async_close(self->async);
    } else {
        (void)gibson_async_run(self->async, 0);
    }
}

/* gibson_epoll_forked is for the child of a fork, before any function on the handle, as a set and a
   timer are shared with the parent: it goes on in another set, of the child's own, and in the next
   turn the requests that it has fail with GIBSON_CLOSED. Returns GIBSON_OK, or GIBSON_SYSTEM, with
   errno, if there is no timer to be had: the next turn closes the connection then. */
static inline gibson_status gibson_epoll_forked(gibson_epoll *self, int epoll)
{
    int made;
    if (!self->async) {
        return GIBSON_OK;
    }
    close(self->timer); /* the parent's stays, and in its set */
    self->epoll = epoll;
    self->descriptor = -1;
    made = gibson_epoll_add_timer(self);
    gibson_epoll_changed(self->async, self);
    self->soon = 1; /* what is the parent's is given up in the next turn */
    self->failed = self->failed || !made;
    return made ? GIBSON_OK : GIBSON_SYSTEM;
}

GIBSON_END_DECLS

#endif
