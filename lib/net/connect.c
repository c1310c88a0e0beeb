#include "net/connect.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"

/* Takes the steps, and waits between them. */
static gibson_status drive(gib_connector *connector, gib_deadline deadline,
                           const gib_interrupt *interrupt, gibson_error *error)
{
    gibson_status status;
    while ((status = gib_connector_step(connector, gib_now_ns(), error)) == GIBSON_WOULD_BLOCK) {
        const bool last = connector->wake_ns >= deadline;
        status = gib_wait(connector->waits, connector->count, last ? deadline : connector->wake_ns,
                          interrupt, error);
        if (status == GIBSON_TIMEOUT && last) {
            return gib_connector_timed_out(connector, error);
        }
        if (status != GIBSON_OK && status != GIBSON_TIMEOUT) {
            return status;
        }
    }
    return status;
}

gibson_status gib_connect(const gib_target *target, gib_deadline deadline,
                          const gib_interrupt *interrupt, int *fd, gibson_error *error)
{
    gib_connector connector;
    gibson_status status = gib_connector_start(&connector, target, error);
    if (status == GIBSON_OK) {
        status = drive(&connector, deadline, interrupt, error);
    }
    *fd = connector.fd;
    gib_connector_end(&connector);
    if (status == GIBSON_OK && fcntl(*fd, F_SETFL, 0)) { /* blocking from here on */
        status = gib_error_set_errno(error, GIBSON_SYSTEM, errno, "fcntl");
        close(*fd);
        *fd = -1;
    }
    return status;
}
