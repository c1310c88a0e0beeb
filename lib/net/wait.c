#include "net/wait.h"

#include <errno.h>

#include "base/error.h"

gibson_status gib_interrupt_check(const gib_interrupt *interrupt, gibson_error *error)
{
    if (interrupt->callback && interrupt->callback(interrupt->context)) {
        return gib_error_set(error, GIBSON_INTERRUPTED, "the interrupt callback ended the call");
    }
    return GIBSON_OK;
}

gibson_status gib_wait(struct pollfd *fds, nfds_t count, gib_deadline deadline,
                       const gib_interrupt *interrupt, gibson_error *error)
{
    for (;;) {
        int left_ms = gib_deadline_left_ms(deadline);
        if (left_ms == 0) {
            /* Not even a look at the descriptors: a peer that always has one more byte must not
               stretch the deadline. */
            return gib_error_set(error, GIBSON_TIMEOUT, "the deadline has passed");
        }
        int ready = poll(fds, count, (int)gib_wait_slice_ms(interrupt, left_ms));
        if (ready > 0) {
            return GIBSON_OK;
        }
        if (ready < 0 && errno != EINTR) {
            return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "poll");
        }
        gibson_status status = gib_interrupt_check(interrupt, error);
        if (status != GIBSON_OK) {
            return status;
        }
    }
}
