/* Which part of a key places it, so that keys that belong together are on one server, and a command
   on what they have in common goes there alone. No sockets, no clock. */
#ifndef GIB_CLUSTER_AFFINITY_H
#define GIB_CLUSTER_AFFINITY_H

#include <stdbool.h>
#include <stdint.h>

#include <gibson/value.h>

/* All zero: the whole key places it. */
typedef struct gib_affinity {
    char separator; /* with a depth: what is before the separator of that number, as in user:42 of
                       user:42:name with ':' and 2; the whole key, where there are fewer */
    uint32_t depth;
    bool hash_tag; /* what is between the first '{' and the next '}', unless that is nothing, as
                      Redis Cluster has it; else the whole key */
} gib_affinity;

static inline bool gib_affinity_is_none(const gib_affinity *affinity)
{
    return !affinity->depth && !affinity->hash_tag;
}

/* The part of a key that places it: a view of it, never empty where the key is not. */
gibson_bytes gib_affinity_of_key(const gib_affinity *affinity, gibson_bytes key);

/* Tells whether all keys that begin with a prefix are placed by the same part, and then sets *part
   to it. */
bool gib_affinity_of_prefix(const gib_affinity *affinity, gibson_bytes prefix, gibson_bytes *part);

#endif
