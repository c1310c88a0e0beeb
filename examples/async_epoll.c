/* The requests of async_requests.c in an epoll set.

       example_async_epoll SOCKET                                                                 */
#include <stdio.h>

#include <gibson/adapters/epoll.h>

#include "async_requests.h"

enum { MOST_EVENTS = 16 };

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: %s SOCKET\n", arguments[0]);
        return 2;
    }
    requests all = {0};
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    gibson_async *async = requests_begin(&all, arguments[1]);
    gibson_epoll watch;
    bool fine = gibson_epoll_attach(&watch, async, epoll) == GIBSON_OK;
    while (fine && !all.over) {
        struct epoll_event events[MOST_EVENTS];
        const int ready = epoll_wait(epoll, events, MOST_EVENTS, gibson_epoll_timeout_ms(&watch));
        for (int i = 0; i < ready; i++) {
            (void)gibson_epoll_dispatch(&watch, &events[i]); /* there are no others */
        }
        gibson_epoll_finish(&watch);
    }
    fine = fine && !all.failed;
    gibson_async_free(async);
    if (epoll >= 0) {
        close(epoll);
    }
    return fine ? 0 : 1;
}
