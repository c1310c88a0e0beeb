/* What eviction remembers beside the items: the newcomers, in about the order in which they came,
   and the ghosts, which are the keys of those that went. It takes what a full store has for them to
   say, some 1.2 bytes an item, and nothing before a store is full. */
#ifndef GIBS_EVICTION_H
#define GIBS_EVICTION_H

#include "store/item.h"

enum { GIBS_NEWCOMER_WAYS = 8 };

/* The latest first, NULL behind the last. */
typedef struct gibs_newcomers {
    gibs_item *ways[GIBS_NEWCOMER_WAYS];
} gibs_newcomers;

/* Both are tables of buckets, found by a hash of the key, and a bucket is a queue: so an item that
   is deleted is found in it without a link to it, and the queues of all buckets together have the
   length of one, give or take. */
typedef struct gibs_eviction {
    gibs_newcomers *newcomers; /* NULL where it is closed and nothing is remembered */
    uint64_t *ghosts;          /* buckets of four hashes of 16 bits, the latest in the lowest */
    uint64_t newcomer_buckets;
    uint64_t ghost_buckets;
    unsigned ways;  /* of a bucket of newcomers, in a store of few items less than there are */
    uint64_t items; /* it was made for so many */
    size_t bytes;   /* what it costs, see gibs_memory_cost */
    unsigned turn;  /* see gibs_evict_for_newcomer */
} gibs_eviction;

uint64_t gibs_key_hash(gibson_bytes key);

static inline bool gibs_eviction_is_open(const gibs_eviction *eviction)
{
    return eviction->newcomers;
}

/* Gets ready for a store of so many items, unless it is. What it has remembered is lost if the
   number is far from what it was made for. Without memory for that it stays closed. */
void gibs_eviction_open(gibs_eviction *eviction, uint64_t items);

void gibs_eviction_close(gibs_eviction *eviction);

/* The newcomer that has to leave before another with this hash can come; NULL while there is room.
 */
gibs_item *gibs_newcomers_oldest(const gibs_eviction *eviction, uint64_t hash);

/* Adds one, for which there has to be room. */
void gibs_newcomers_add(gibs_eviction *eviction, uint64_t hash, gibs_item *item);

/* Takes one out; nothing happens where it is none. */
void gibs_newcomers_remove(gibs_eviction *eviction, const gibs_item *item);

/* Tells whether an item is one. */
bool gibs_newcomers_have(const gibs_eviction *eviction, const gibs_item *item);

/* Puts another item with the same key in the place of one that may be a newcomer. */
void gibs_newcomers_exchange(gibs_eviction *eviction, const gibs_item *item, gibs_item *other);

void gibs_ghosts_add(gibs_eviction *eviction, uint64_t hash);

/* Takes a ghost out. Returns whether it was there; in rare cases it is that of another key. */
bool gibs_ghosts_take(gibs_eviction *eviction, uint64_t hash);

#endif
