/* Waiting for descriptors before a deadline. */
#ifndef GIB_NET_WAIT_H
#define GIB_NET_WAIT_H

#include <poll.h>

#include <gibson/status.h>

#include "base/clock.h"

/* The caller's say in what a signal does: see gibson_options. */
typedef struct gib_interrupt {
    int (*callback)(void *context); /* NULL: signals are ignored */
    void *context;
} gib_interrupt;

/* The longest wait without a call of the callback, in milliseconds. */
enum { GIB_INTERRUPT_SLICE_MS = 50 };

/* The longest time to block in one system call, in milliseconds: all of `left_ms`, which is -1 for
   ever, or a slice. */
static inline int64_t gib_wait_slice_ms(const gib_interrupt *interrupt, int64_t left_ms)
{
    return interrupt->callback && (left_ms < 0 || left_ms > GIB_INTERRUPT_SLICE_MS)
               ? GIB_INTERRUPT_SLICE_MS
               : left_ms;
}

/* Asks the callback whether to go on. Returns GIBSON_OK or GIBSON_INTERRUPTED. */
gibson_status gib_interrupt_check(const gib_interrupt *interrupt, gibson_error *error);

/* Waits for an event on one of the descriptors. Returns GIBSON_OK with the events set;
   GIBSON_TIMEOUT, GIBSON_INTERRUPTED or GIBSON_SYSTEM with an error. */
gibson_status gib_wait(struct pollfd *fds, nfds_t count, gib_deadline deadline,
                       const gib_interrupt *interrupt, gibson_error *error);

#endif
