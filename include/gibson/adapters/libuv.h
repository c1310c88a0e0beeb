/* Running handles of gibson/async.h in a loop of libuv.

       gibson_async_new(&async, &options, NULL, &error);
       gibson_uv_attach(async, loop);
       gibson_async_connect(async);
       uv_run(loop, UV_RUN_DEFAULT);

   gibson_async_free, or gibson_async_detach before it, ends that. The loop has to run until then,
   and once more for libuv to close what the adapter has made: uv_loop_close returns UV_EBUSY until
   it has. A handle that has a connection or waits for a time keeps the loop alive. After a fork,
   the child calls uv_loop_fork before any function on the handle: else the loop of the parent would
   forget the descriptor. */
#ifndef GIBSON_ADAPTERS_LIBUV_H
#define GIBSON_ADAPTERS_LIBUV_H

#include <stdlib.h>

#include <uv.h>

#include <gibson/async.h>

GIBSON_BEGIN_DECLS

/* What watches one descriptor. libuv closes it later, so each descriptor has one of its own, which
   is freed then. */
typedef struct gibson_uv_watch {
    uv_poll_t poll;
    gibson_async *async;
} gibson_uv_watch;

/* What an attached handle has in the loop; freed when libuv has closed the timer. */
typedef struct gibson_uv {
    uv_timer_t timer;
    gibson_async *async;
    gibson_uv_watch *watch; /* or NULL */
    int descriptor;         /* that it watches, or -1 */
    int events;
    int failed; /* to watch it: memory or descriptors have run out */
} gibson_uv;

static inline void gibson_uv_freed(uv_handle_t *handle)
{
    free(handle->data);
}

static inline void gibson_uv_ready(uv_poll_t *poll, int status, int events)
{
    gibson_async *async = ((gibson_uv_watch *)poll->data)->async;
    unsigned happened = 0;
    if (status < 0 || events & UV_READABLE) { /* an error is read, too */
        happened |= GIBSON_ASYNC_READ;
    }
    if (events & UV_WRITABLE) {
        happened |= GIBSON_ASYNC_WRITE;
    }
    (void)gibson_async_run(async, happened);
}

static inline void gibson_uv_unwatch(gibson_uv *self)
{
    if (self->watch) {
        (void)uv_poll_stop(&self->watch->poll);
        uv_close((uv_handle_t *)&self->watch->poll, gibson_uv_freed);
    }
    self->watch = NULL;
    self->descriptor = -1;
    self->events = 0;
}

static inline int gibson_uv_watch_new(gibson_uv *self, int descriptor)
{
    gibson_uv_watch *watch = (gibson_uv_watch *)calloc(1, sizeof *watch);
    if (!watch || uv_poll_init(self->timer.loop, &watch->poll, descriptor) != 0) {
        free(watch);
        return 0;
    }
    watch->poll.data = watch;
    watch->async = self->async;
    self->watch = watch;
    self->descriptor = descriptor;
    return 1;
}

static inline int gibson_uv_watch_for(gibson_uv *self, gibson_async_waits waits)
{
    const int events = (waits.events & GIBSON_ASYNC_READ ? UV_READABLE : 0) |
                       (waits.events & GIBSON_ASYNC_WRITE ? UV_WRITABLE : 0);
    if (waits.descriptor == self->descriptor && events == self->events) {
        return 1;
    }
    if (waits.descriptor != self->descriptor) {
        gibson_uv_unwatch(self);
    }
    if (waits.descriptor < 0) {
        return 1;
    }
    if (!self->watch && !gibson_uv_watch_new(self, waits.descriptor)) {
        return 0;
    }
    self->events = events;
    return uv_poll_start(&self->watch->poll, events, gibson_uv_ready) == 0;
}

static inline void gibson_uv_tick(uv_timer_t *timer);

static inline void gibson_uv_changed(gibson_async *async, void *context)
{
    gibson_uv *self = (gibson_uv *)context;
    self->failed = !gibson_uv_watch_for(self, gibson_async_wants(async));
    const int left_ms = self->failed ? 0 : gibson_async_timeout_ms(async);
    if (left_ms < 0) {
        (void)uv_timer_stop(&self->timer);
    } else {
        (void)uv_timer_start(&self->timer, gibson_uv_tick, (uint64_t)left_ms, 0);
    }
}

/* The clock of the loop stands still while callbacks run, so the timer may be early. */
static inline void gibson_uv_tick(uv_timer_t *timer)
{
    gibson_uv *self = (gibson_uv *)timer->data;
    if (self->failed) { /* nothing would be heard of it */
        gibson_async_close(self->async);
    } else if (gibson_async_timeout_ms(self->async) == 0) {
        (void)gibson_async_run(self->async, 0);
    } else {
        gibson_uv_changed(self->async, self);
    }
}

static inline void gibson_uv_detached(gibson_async *async, void *context)
{
    gibson_uv *self = (gibson_uv *)context;
    (void)async;
    gibson_uv_unwatch(self);
    uv_close((uv_handle_t *)&self->timer, gibson_uv_freed);
}

/* gibson_uv_attach makes the loop run the handle, until that is detached or freed. Returns
   GIBSON_OK; GIBSON_NOMEM; GIBSON_USAGE if async is NULL, or attached already. A descriptor that
   cannot be watched, for want of memory, is closed. */
static inline gibson_status gibson_uv_attach(gibson_async *async, uv_loop_t *loop)
{
    gibson_uv *self = (gibson_uv *)calloc(1, sizeof *self);
    if (!self) {
        return GIBSON_NOMEM;
    }
    (void)uv_timer_init(loop, &self->timer);
    self->timer.data = self;
    self->async = async;
    self->descriptor = -1;
    const gibson_status status =
        gibson_async_attach(async, gibson_uv_changed, gibson_uv_detached, self);
    if (status != GIBSON_OK) {
        uv_close((uv_handle_t *)&self->timer, gibson_uv_freed);
    }
    return status;
}

GIBSON_END_DECLS

#endif
