#include "program/activation.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST_PASSED = 3 };

/* The number in a variable of the environment, or -1. */
static int64_t variable(const char *name)
{
    const char *text = getenv(name);
    int64_t number;
    return text && gibs_config_read_number(GIBS_KIND_NUMBER, text, &number) ? number : -1;
}

gibson_status gibs_activation_take(gibson_server_config *config, gibson_error *error)
{
    bool ours = variable("LISTEN_PID") == getpid();
    int64_t passed = ours ? variable("LISTEN_FDS") : 0;
    gibson_status status = GIBSON_OK;
    for (int i = 0; status == GIBSON_OK && i < passed; i++) {
        fcntl(FIRST_PASSED + i, F_SETFD, FD_CLOEXEC);
        status = gibson_server_config_add_socket(config, FIRST_PASSED + i, error);
    }
    if (ours) { /* they are not for the children of this process */
        unsetenv("LISTEN_PID");
        unsetenv("LISTEN_FDS");
        unsetenv("LISTEN_FDNAMES");
    }
    return status;
}
