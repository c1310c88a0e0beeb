/* The ring: which server has a key. Consistent hashing as libmemcached does it with
   MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED, so that the same list of servers places every key the same:
   each server has some 160 points on a circle of 2^32, in proportion to its weight, and a key
   belongs to the point at its hash or the next one after it. After D. Karger and others,
   "Consistent Hashing and Random Trees", STOC 1997, and R. Jones, "libketama", 2007.

   No sockets, no clock. Once made, it is only read. */
#ifndef GIB_CLUSTER_RING_H
#define GIB_CLUSTER_RING_H

#include <stdbool.h>

#include <gibson/value.h>

#include "base/alloc.h"

/* What of a server tells its place. */
typedef struct gib_ring_server {
    const char *host; /* or the path of a unix socket */
    uint16_t port;    /* 0 for a unix socket */
    uint32_t weight;  /* 0 counts as 1 */
} gib_ring_server;

typedef struct gib_ring_point {
    uint32_t value;
    uint32_t server; /* its index in the list */
} gib_ring_point;

typedef struct gib_ring {
    /* By value; NULL where there are none. Behind the last is the first once more, as that which a
       hash above all belongs to. */
    gib_ring_point *points;
    size_t count; /* not counting that */
    /* The first point of each of 2^(32 - shift) parts of the circle, or the first behind it: about
       as many as points, so that one or two have to be looked at. */
    uint32_t *begins;
    unsigned int shift;
} gib_ring;

/* Makes the ring of a list. False if memory runs out, or there are more points than 2^31. */
bool gib_ring_make(gib_ring *ring, const gib_ring_server *servers, size_t count,
                   const gibson_allocator *allocator);

/* Frees its memory; it is empty then. */
void gib_ring_clear(gib_ring *ring, const gibson_allocator *allocator);

/* The hash of a key. */
uint32_t gib_ring_hash(gibson_bytes key);

/* The index of the point that a hash belongs to. The ring must not be empty. */
static inline size_t gib_ring_find(const gib_ring *ring, uint32_t hash)
{
    size_t point = ring->begins[hash >> ring->shift];
    while (ring->points[point].value < hash) {
        point++;
    }
    return point;
}

/* The index of the point behind another, the first behind the last. */
static inline size_t gib_ring_next(const gib_ring *ring, size_t point)
{
    return point + 1 < ring->count ? point + 1 : 0;
}

#endif
