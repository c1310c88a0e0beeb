#include "loop/poller.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdlib.h>

typedef struct poll_poller {
    gibs_poller base;
    struct pollfd *watched; /* the first `count` are watched, in no order */
    void **owners;          /* of watched */
    size_t count;
    size_t capacity; /* of watched and owners */
    size_t next;     /* where looking for events begins, so that the last are not always late */
    size_t *index;   /* by descriptor: 1 + the index in watched, or 0 */
    size_t indexed;  /* descriptors that index has room for */
} poll_poller;

static bool reserve_fds(poll_poller *poller)
{
    if (poller->count < poller->capacity) {
        return true;
    }
    size_t capacity = poller->capacity ? poller->capacity * 2 : 64;
    struct pollfd *watched = realloc(poller->watched, capacity * sizeof *watched);
    if (watched) {
        poller->watched = watched;
    }
    void **owners = realloc(poller->owners, capacity * sizeof *owners);
    if (owners) {
        poller->owners = owners;
    }
    if (!watched || !owners) {
        return false;
    }
    poller->capacity = capacity;
    return true;
}

static bool reserve_index(poll_poller *poller, int descriptor)
{
    if ((size_t)descriptor < poller->indexed) {
        return true;
    }
    size_t indexed = ((size_t)descriptor + 1) * 2;
    size_t *index = realloc(poller->index, indexed * sizeof *index);
    if (!index) {
        return false;
    }
    for (size_t i = poller->indexed; i < indexed; i++) {
        index[i] = 0;
    }
    poller->index = index;
    poller->indexed = indexed;
    return true;
}

static short events_of(unsigned interest)
{
    int events = 0;
    events |= interest & GIBS_READABLE ? POLLIN : 0;
    events |= interest & GIBS_WRITABLE ? POLLOUT : 0;
    return (short)events;
}

static bool watch(gibs_poller *base, int descriptor, unsigned interest, void *owner)
{
    poll_poller *poller = (poll_poller *)base;
    if (!reserve_fds(poller) || !reserve_index(poller, descriptor)) {
        errno = ENOMEM;
        return false;
    }
    poller->watched[poller->count] =
        (struct pollfd){.fd = descriptor, .events = events_of(interest)};
    poller->owners[poller->count] = owner;
    poller->index[descriptor] = ++poller->count;
    return true;
}

static bool change(gibs_poller *base, int descriptor, unsigned interest, void *owner)
{
    poll_poller *poller = (poll_poller *)base;
    size_t at = poller->index[descriptor] - 1;
    poller->watched[at].events = events_of(interest);
    poller->owners[at] = owner;
    return true;
}

static void forget(gibs_poller *base, int descriptor)
{
    poll_poller *poller = (poll_poller *)base;
    size_t at = poller->index[descriptor] - 1;
    size_t last = --poller->count;
    poller->index[descriptor] = 0;
    if (at != last) {
        poller->watched[at] = poller->watched[last];
        poller->owners[at] = poller->owners[last];
        poller->index[poller->watched[at].fd] = at + 1;
    }
}

static unsigned ready_of(int events)
{
    unsigned ready = 0;
    ready |= events & (POLLIN | POLLERR | POLLHUP | POLLNVAL) ? GIBS_READABLE : 0u;
    ready |= events & (POLLOUT | POLLERR | POLLHUP | POLLNVAL) ? GIBS_WRITABLE : 0u;
    return ready;
}

static int wait_for(gibs_poller *base, gibs_event *events, size_t capacity, int timeout_ms)
{
    poll_poller *poller = (poll_poller *)base;
    int ready = poll(poller->watched, (nfds_t)poller->count, timeout_ms);
    size_t found = 0;
    size_t start = poller->next < poller->count ? poller->next : 0;
    for (size_t i = 0; ready > 0 && i < poller->count && found < capacity; i++) {
        size_t at = (start + i) % poller->count;
        if (poller->watched[at].revents) {
            events[found++] =
                (gibs_event){poller->owners[at], ready_of(poller->watched[at].revents)};
            poller->next = at + 1;
            ready--;
        }
    }
    return (int)found;
}

static void free_poller(gibs_poller *base)
{
    poll_poller *poller = (poll_poller *)base;
    free(poller->watched);
    free(poller->owners);
    free(poller->index);
    free(poller);
}

static const gibs_poller_methods methods = {"poll", watch, change, forget, wait_for, free_poller};

gibs_poller *gibs_poller_new_poll(void)
{
    poll_poller *poller = calloc(1, sizeof *poller);
    if (!poller) {
        return NULL;
    }
    poller->base.methods = &methods;
    return &poller->base;
}
