#include "program/activation.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_PASSED = 3 };

/* The number in a text, or -1. */
static int64_t number_in(const char *text)
{
    int64_t number;
    return text && gibs_config_read_number(GIBS_KIND_NUMBER, text, &number) ? number : -1;
}

/* Takes as many sockets as a text says. */
static gibson_status take(gibson_server_config *config, const char *text, gibson_error *error)
{
    int64_t passed = number_in(text);
    if (passed < 0) {
        return gib_error_set(error, GIBSON_INVALID, "LISTEN_FDS: '%.60s' is not a number", text);
    }
    gibson_status status = GIBSON_OK;
    for (int i = 0; status == GIBSON_OK && i < passed; i++) {
        fcntl(FIRST_PASSED + i, F_SETFD, FD_CLOEXEC);
        status = gibson_server_config_add_socket(config, FIRST_PASSED + i, error);
    }
    return status;
}

gibson_status gibs_activation_take(gibson_server_config *config, gibson_error *error)
{
    const char *passed = getenv("LISTEN_FDS");
    if (!passed || number_in(getenv("LISTEN_PID")) != getpid()) {
        return GIBSON_OK; /* there are none, or they were for another process */
    }
    gibson_status status = take(config, passed, error);
    unsetenv("LISTEN_PID"); /* they are not for the children of this process */
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return status;
}
