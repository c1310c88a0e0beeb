/* The requests of async_requests.c in a loop around poll.

       example_async_poll SOCKET                                                                  */
#include <stdio.h>

#include <gibson/adapters/poll.h>

#include "async_requests.h"

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: %s SOCKET\n", arguments[0]);
        return 2;
    }
    requests all = {0};
    gibson_async *async = requests_begin(&all, arguments[1]);
    while (async && !all.over) {
        struct pollfd wait;
        int timeout_ms = -1;
        gibson_poll_prepare(async, &wait, &timeout_ms);
        (void)poll(&wait, 1, timeout_ms);
        gibson_poll_finish(async, &wait);
    }
    const bool fine = async && !all.failed;
    gibson_async_free(async);
    return fine ? 0 : 1;
}
