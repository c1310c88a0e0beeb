/* Waiting for sockets: epoll where there is one, else poll. One thread. */
#ifndef GIBS_POLLER_H
#define GIBS_POLLER_H

#include <stdbool.h>
#include <stddef.h>

enum { GIBS_READABLE = 1, GIBS_WRITABLE = 2 };

/* What an event is about: the first member of its owner. */
typedef enum gibs_source {
    GIBS_SOURCE_WAKER,
    GIBS_SOURCE_LISTENER,
    GIBS_SOURCE_CONNECTION,
} gibs_source;

/* Something that was ready. Errors and hang-ups count as both: the next call tells which. */
typedef struct gibs_event {
    void *owner;    /* a gibs_source is at its beginning */
    unsigned ready; /* GIBS_READABLE, GIBS_WRITABLE */
} gibs_event;

typedef struct gibs_poller gibs_poller;

/* What a way of waiting has to provide. */
typedef struct gibs_poller_methods {
    const char *name;
    bool (*watch)(gibs_poller *poller, int descriptor, unsigned interest, void *owner);
    bool (*change)(gibs_poller *poller, int descriptor, unsigned interest, void *owner);
    void (*forget)(gibs_poller *poller, int descriptor);
    int (*wait)(gibs_poller *poller, gibs_event *events, size_t capacity, int timeout_ms);
    void (*free)(gibs_poller *poller);
} gibs_poller_methods;

struct gibs_poller {
    const gibs_poller_methods *methods;
};

/* Make a poller, or return NULL with errno. gibs_poller_new_epoll is there on Linux only. */
gibs_poller *gibs_poller_new_epoll(void);
gibs_poller *gibs_poller_new_poll(void);

/* The best there is; or poll. */
gibs_poller *gibs_poller_new(bool use_poll);

/* Begins to wait for what is in `interest` on a descriptor. False with errno if it cannot. */
static inline bool gibs_poller_watch(gibs_poller *poller, int descriptor, unsigned interest,
                                     void *owner)
{
    return poller->methods->watch(poller, descriptor, interest, owner);
}

/* Changes what is waited for on a descriptor that is watched. */
static inline bool gibs_poller_change(gibs_poller *poller, int descriptor, unsigned interest,
                                      void *owner)
{
    return poller->methods->change(poller, descriptor, interest, owner);
}

/* Ends waiting; to be called before the descriptor is closed. */
static inline void gibs_poller_forget(gibs_poller *poller, int descriptor)
{
    poller->methods->forget(poller, descriptor);
}

/* Waits up to timeout_ms (0: not at all). Returns how many events it filled in, 0 also where a
   signal came. */
static inline int gibs_poller_wait(gibs_poller *poller, gibs_event *events, size_t capacity,
                                   int timeout_ms)
{
    return poller->methods->wait(poller, events, capacity, timeout_ms);
}

/* NULL is allowed. */
static inline void gibs_poller_free(gibs_poller *poller)
{
    if (poller) {
        poller->methods->free(poller);
    }
}

#endif
