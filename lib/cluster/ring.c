#include "cluster/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cluster/md5.h"

enum {
    POINTS = 160,       /* of a server of average weight */
    POINTS_EACH = 4,    /* of one digest */
    PLAIN_PORT = 11211, /* which libmemcached leaves out of the name of a server */
    FEWEST_BITS = 8,
    LONGEST_NUMBER = sizeof ":65535-4294967295",
};

static uint64_t weight_of(const gib_ring_server *server)
{
    return server->weight ? server->weight : 1;
}

/* How many digests a server has points of. In single precision, as libmemcached computes it: where
   that rounds, the number of points shows. */
static uint32_t digests(const gib_ring_server *server, uint64_t total, size_t count)
{
    const float part = (float)weight_of(server) / (float)total;
    const float each = part * (float)POINTS;
    const float quarter = each / (float)POINTS_EACH;
    const float all = quarter * (float)count;
    return (uint32_t)(float)((double)all + 0.0000000001);
}

static uint64_t total_weight(const gib_ring_server *servers, size_t count)
{
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += weight_of(&servers[i]);
    }
    return total;
}

static uint64_t count_points(const gib_ring_server *servers, size_t count, uint64_t total)
{
    uint64_t points = 0;
    for (size_t i = 0; i < count; i++) {
        points += (uint64_t)digests(&servers[i], total, count) * POINTS_EACH;
    }
    return points;
}

/* Appends the points of a server. `name` has room for its host and LONGEST_NUMBER. */
static void add_points(gib_ring *ring, const gib_ring_server *server, uint32_t index,
                       uint32_t digest_count, char *name, size_t room)
{
    char port[8] = "";
    if (server->port != PLAIN_PORT) {
        snprintf(port, sizeof port, ":%u", server->port);
    }
    for (uint32_t i = 0; i < digest_count; i++) {
        const int size = snprintf(name, room, "%s%s-%u", server->host, port, i);
        const gib_md5 digest = gib_md5_of(name, (size_t)size);
        for (size_t word = 0; word < POINTS_EACH; word++) {
            ring->points[ring->count++] = (gib_ring_point){digest.words[word], index};
        }
    }
}

/* How many bits of a hash tell its part, where there are so many points. */
static unsigned int part_bits(uint64_t points)
{
    unsigned int bits = FEWEST_BITS;
    while (points >> (bits + 1)) {
        bits++;
    }
    return bits;
}

static void divide(gib_ring *ring)
{
    const uint32_t parts = UINT32_C(1) << (32 - ring->shift);
    uint32_t at = 0;
    for (uint32_t part = 0; part < parts; part++) {
        while (at < ring->count && ring->points[at].value >> ring->shift < part) {
            at++;
        }
        ring->begins[part] = at;
    }
}

static int compare(const void *left, const void *right)
{
    const gib_ring_point *a = left;
    const gib_ring_point *b = right;
    if (a->value != b->value) {
        return a->value < b->value ? -1 : 1;
    }
    return (a->server > b->server) - (a->server < b->server);
}

/* Bytes of the longest name of a point. */
static size_t longest_name(const gib_ring_server *servers, size_t count)
{
    size_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        const size_t size = strlen(servers[i].host);
        longest = size > longest ? size : longest;
    }
    return longest + LONGEST_NUMBER;
}

/* Makes room for points and parts, in one piece of memory. */
static bool make_room(gib_ring *ring, uint64_t points, const gibson_allocator *allocator)
{
    const unsigned int bits = part_bits(points);
    const size_t points_size = ((size_t)points + 1) * sizeof *ring->points;
    ring->points =
        gib_allocate(allocator, points_size + ((size_t)1 << bits) * sizeof *ring->begins);
    if (!ring->points) {
        return false;
    }
    ring->begins = (uint32_t *)(ring->points + points + 1);
    ring->shift = 32 - bits;
    return true;
}

static void finish(gib_ring *ring)
{
    qsort(ring->points, ring->count, sizeof *ring->points, compare);
    ring->points[ring->count] = (gib_ring_point){UINT32_MAX, ring->points[0].server};
    divide(ring);
}

bool gib_ring_make(gib_ring *ring, const gib_ring_server *servers, size_t count,
                   const gibson_allocator *allocator)
{
    *ring = (gib_ring){0};
    if (!count) {
        return true;
    }
    const uint64_t total = total_weight(servers, count);
    const uint64_t points = count_points(servers, count, total);
    const size_t room = longest_name(servers, count);
    if (points > INT32_MAX) {
        return false;
    }
    char *name = gib_allocate(allocator, room);
    const bool has_room = name && make_room(ring, points, allocator);
    for (size_t i = 0; has_room && i < count; i++) {
        add_points(ring, &servers[i], (uint32_t)i, digests(&servers[i], total, count), name, room);
    }
    gib_release(allocator, name);
    if (has_room) {
        finish(ring);
    }
    return has_room;
}

void gib_ring_clear(gib_ring *ring, const gibson_allocator *allocator)
{
    gib_release(allocator, ring->points);
    *ring = (gib_ring){0};
}

uint32_t gib_ring_hash(gibson_bytes key)
{
    return gib_md5_of(key.data, key.size).words[0];
}
