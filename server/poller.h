/* Waiting for sockets: epoll where there is one, else poll. One thread. */
#ifndef GIB_SERVER_POLLER_H
#define GIB_SERVER_POLLER_H

#include <stdbool.h>
#include <stddef.h>

enum { GIB_READABLE = 1, GIB_WRITABLE = 2 };

/* Something that was ready. Errors and hang-ups count as both: the next call tells which. */
typedef struct gib_event {
    void *owner;
    unsigned ready; /* GIB_READABLE, GIB_WRITABLE */
} gib_event;

typedef struct gib_poller gib_poller;

/* What a way of waiting has to provide. */
typedef struct gib_poller_methods {
    const char *name;
    bool (*watch)(gib_poller *poller, int fd, unsigned interest, void *owner);
    bool (*change)(gib_poller *poller, int fd, unsigned interest, void *owner);
    void (*forget)(gib_poller *poller, int fd);
    int (*wait)(gib_poller *poller, gib_event *events, size_t capacity, int timeout_ms);
    void (*free)(gib_poller *poller);
} gib_poller_methods;

struct gib_poller {
    const gib_poller_methods *methods;
};

/* Make a poller, or return NULL with errno. gib_poller_new_epoll is there on Linux only. */
gib_poller *gib_poller_new_epoll(void);
gib_poller *gib_poller_new_poll(void);

/* The best there is; or poll. */
gib_poller *gib_poller_new(bool use_poll);

/* Begins to wait for what is in `interest` on a descriptor. False with errno if it cannot. */
static inline bool gib_poller_watch(gib_poller *poller, int fd, unsigned interest, void *owner)
{
    return poller->methods->watch(poller, fd, interest, owner);
}

/* Changes what is waited for on a descriptor that is watched. */
static inline bool gib_poller_change(gib_poller *poller, int fd, unsigned interest, void *owner)
{
    return poller->methods->change(poller, fd, interest, owner);
}

/* Ends waiting; to be called before the descriptor is closed. */
static inline void gib_poller_forget(gib_poller *poller, int fd)
{
    poller->methods->forget(poller, fd);
}

/* Waits up to timeout_ms (0: not at all). Returns how many events it filled in, 0 also where a
   signal came. */
static inline int gib_poller_wait(gib_poller *poller, gib_event *events, size_t capacity,
                                  int timeout_ms)
{
    return poller->methods->wait(poller, events, capacity, timeout_ms);
}

/* NULL is allowed. */
static inline void gib_poller_free(gib_poller *poller)
{
    if (poller) {
        poller->methods->free(poller);
    }
}

#endif
