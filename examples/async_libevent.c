/* The requests of async_requests.c in a loop of libevent.

       example_async_libevent SOCKET                                                              */
#include <stdio.h>

#include <gibson/adapters/libevent.h>

#include "async_requests.h"

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: %s SOCKET\n", arguments[0]);
        return 2;
    }
    struct event_base *base = event_base_new();
    requests all = {0};
    gibson_async *async = base ? requests_begin(&all, arguments[1]) : NULL;
    if (async && gibson_libevent_attach(async, base) == GIBSON_OK) {
        (void)event_base_dispatch(base); /* until the handle waits for nothing any more */
    }
    gibson_async_free(async);
    if (base) {
        event_base_free(base);
    }
    return all.over && !all.failed ? 0 : 1;
}
