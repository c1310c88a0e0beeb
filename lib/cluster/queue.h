/* The requests of a pipeline that have no reply yet, in the order in which replies are due. */
#ifndef GIB_CLUSTER_QUEUE_H
#define GIB_CLUSTER_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gibson/status.h>

#include "base/alloc.h"
#include "session/session.h"

/* What one server owes to a request. */
typedef struct gib_owed {
    uint16_t status; /* GIBSON_OK: a reply; else the request was not sent, and why */
    bool is_ejected; /* that is why */
} gib_owed;

/* A request on a prefix that has gone to all servers. */
typedef struct gib_spread {
    int64_t number;  /* of the request */
    gib_owed owed[]; /* by the index of the server */
} gib_spread;

typedef struct gib_queued {
    gib_spread *spread; /* or NULL, and the next two say what is owed, and by which server */
    gib_owed owed;
    uint32_t server;
    uint32_t opcode;
    size_t bytes; /* of its frames */
} gib_queued;

typedef struct gib_queue {
    const gibson_allocator *allocator;
    gib_window window; /* over all servers */
    gib_queued *ring;  /* request number i is at `i & mask`; NULL while nothing was queued */
    size_t mask;
    size_t first; /* the number of the one whose reply is due */
    size_t count;
    size_t room;    /* how many fit: no more than the window has */
    size_t bytes;   /* of the frames of all */
    bool is_unsent; /* of some of them a byte may have to be sent yet */
} gib_queue;

/* Makes an empty one. */
void gib_queue_init(gib_queue *queue, gib_window window, const gibson_allocator *allocator);

/* Forgets all requests, and frees the memory. */
void gib_queue_clear(gib_queue *queue);

/* Tells whether a reply has to be read before one more is queued. */
static inline bool gib_queue_is_full(const gib_queue *queue)
{
    return queue->count >= queue->window.requests ||
           (queue->count && queue->bytes >= queue->window.bytes);
}

/* Tells whether one more can be queued with no more ado. */
static inline bool gib_queue_has_room(const gib_queue *queue)
{
    return queue->count < queue->room && (queue->bytes < queue->window.bytes || !queue->count);
}

/* Makes room for one more. False if memory runs out. */
bool gib_queue_reserve(gib_queue *queue);

/* Makes a request that went to `count` servers, each of which owes a reply. NULL if memory runs
   out; gib_queue_pop or gib_queue_clear frees it. */
gib_spread *gib_queue_spread(const gib_queue *queue, size_t count, int64_t number);

/* Appends a request. There must be room. */
static inline void gib_queue_push(gib_queue *queue, gib_queued queued)
{
    queue->ring[(queue->first + queue->count) & queue->mask] = queued;
    queue->count++;
    queue->bytes += queued.bytes;
    queue->is_unsent = true;
}

/* The request whose reply is due. There must be one. */
static inline const gib_queued *gib_queue_due(const gib_queue *queue)
{
    return &queue->ring[queue->first & queue->mask];
}

/* Takes it off the list. */
static inline void gib_queue_pop(gib_queue *queue)
{
    const gib_queued *due = gib_queue_due(queue);
    gib_release(queue->allocator, due->spread);
    queue->bytes -= due->bytes;
    queue->first++;
    queue->count--;
}

#endif
