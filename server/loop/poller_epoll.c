#include "loop/poller.h"

#if defined(__linux__)

#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { MOST_EVENTS = 256 };

typedef struct epoll_poller {
    gibs_poller base;
    int descriptor;
} epoll_poller;

static bool control(gibs_poller *poller, int operation, int descriptor, unsigned interest,
                    void *owner)
{
    struct epoll_event event = {.data.ptr = owner};
    event.events |= interest & GIBS_READABLE ? EPOLLIN : 0u;
    event.events |= interest & GIBS_WRITABLE ? EPOLLOUT : 0u;
    return epoll_ctl(((epoll_poller *)poller)->descriptor, operation, descriptor, &event) == 0;
}

static bool watch(gibs_poller *poller, int descriptor, unsigned interest, void *owner)
{
    return control(poller, EPOLL_CTL_ADD, descriptor, interest, owner);
}

static bool change(gibs_poller *poller, int descriptor, unsigned interest, void *owner)
{
    return control(poller, EPOLL_CTL_MOD, descriptor, interest, owner);
}

static void forget(gibs_poller *poller, int descriptor)
{
    control(poller, EPOLL_CTL_DEL, descriptor, 0, NULL);
}

static unsigned ready_of(unsigned events)
{
    unsigned ready = 0;
    ready |= events & (EPOLLIN | EPOLLERR | EPOLLHUP) ? GIBS_READABLE : 0u;
    ready |= events & (EPOLLOUT | EPOLLERR | EPOLLHUP) ? GIBS_WRITABLE : 0u;
    return ready;
}

static int wait_for(gibs_poller *poller, gibs_event *events, size_t capacity, int timeout_ms)
{
    struct epoll_event found[MOST_EVENTS];
    int room = capacity < MOST_EVENTS ? (int)capacity : MOST_EVENTS;
    int count = epoll_wait(((epoll_poller *)poller)->descriptor, found, room, timeout_ms);
    for (int i = 0; i < count; i++) {
        events[i] = (gibs_event){found[i].data.ptr, ready_of(found[i].events)};
    }
    return count < 0 ? 0 : count;
}

static void free_poller(gibs_poller *poller)
{
    close(((epoll_poller *)poller)->descriptor);
    free(poller);
}

static const gibs_poller_methods methods = {"epoll", watch, change, forget, wait_for, free_poller};

gibs_poller *gibs_poller_new_epoll(void)
{
    epoll_poller *poller = calloc(1, sizeof *poller);
    if (!poller) {
        return NULL;
    }
    poller->base.methods = &methods;
    poller->descriptor = epoll_create1(EPOLL_CLOEXEC);
    if (poller->descriptor < 0) {
        free(poller);
        return NULL;
    }
    return &poller->base;
}

#endif

gibs_poller *gibs_poller_new(bool use_poll)
{
#if defined(__linux__)
    if (!use_poll) {
        return gibs_poller_new_epoll();
    }
#endif
    (void)use_poll;
    return gibs_poller_new_poll();
}
