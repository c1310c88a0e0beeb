/* Waiting for handles of gibson/async.h in a loop around poll. It shows what an adapter for another
   loop has to do: say what each handle waits for, and run it when that has come.

       for (;;) {
           struct pollfd wait;
           int timeout_ms = -1;
           gibson_poll_prepare(async, &wait, &timeout_ms);
           poll(&wait, 1, timeout_ms);
           gibson_poll_finish(async, &wait);
       }

   A loop that keeps a list of what it watches, as epoll does, has to be told of each change instead
   of asking each time: see gibson_async_attach, and gibson/adapters/libevent.h. */
#ifndef GIBSON_ADAPTERS_POLL_H
#define GIBSON_ADAPTERS_POLL_H

#include <poll.h>

#include <gibson/async.h>

GIBSON_BEGIN_DECLS

/* gibson_poll_prepare sets *wait to what the handle waits for, and makes *timeout_ms, which is an
   argument of poll, as small as the handle needs it. Several handles, and other descriptors, can
   share one call of poll. */
static inline void gibson_poll_prepare(const gibson_async *async, struct pollfd *wait,
                                       int *timeout_ms)
{
    const gibson_async_waits waits = gibson_async_wants(async);
    const int left_ms = gibson_async_timeout_ms(async);
    wait->fd = waits.descriptor; /* poll passes over a negative one */
    wait->events = 0;
    wait->revents = 0;
    if (waits.events & GIBSON_ASYNC_READ) {
        wait->events |= POLLIN;
    }
    if (waits.events & GIBSON_ASYNC_WRITE) {
        wait->events |= POLLOUT;
    }
    if (left_ms >= 0 && (*timeout_ms < 0 || left_ms < *timeout_ms)) {
        *timeout_ms = left_ms;
    }
}

/* gibson_poll_finish runs the handle after poll has returned, with what that has found. */
static inline void gibson_poll_finish(gibson_async *async, const struct pollfd *wait)
{
    unsigned events = 0;
    if (wait->revents & ~POLLOUT) { /* an error is read, too */
        events |= GIBSON_ASYNC_READ;
    }
    if (wait->revents & POLLOUT) {
        events |= GIBSON_ASYNC_WRITE;
    }
    if (events || gibson_async_timeout_ms(async) == 0) {
        (void)gibson_async_run(async, events);
    }
}

GIBSON_END_DECLS

#endif
