#include "store/eviction.h"

#include <stdlib.h>

#include "store/memory.h"

enum {
    NEWCOMERS_OF = 50,  /* one of so many items is a newcomer */
    ITEMS_OF_GHOST = 2, /* half as many ghosts as items */
    GHOST_WAYS = 4,
    GHOST_BITS = 16,
    GROWN = 2, /* it is made anew for so many times the items, or for a part of them */
    SHRUNK = 4,
};

/* Eight bytes at a time, mixed as in the end of MurmurHash3 (A. Appleby, public domain). */
static uint64_t mix(uint64_t hash)
{
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    hash = (hash ^ (hash >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return hash ^ (hash >> 33);
}

uint64_t gibs_key_hash(gibson_bytes key)
{
    const uint8_t *bytes = key.data;
    uint64_t hash = key.size;
    size_t left = key.size;
    for (; left >= sizeof hash; left -= sizeof hash, bytes += sizeof hash) {
        hash = mix(hash ^ gib_load_u64(bytes));
    }
    uint64_t last = 0;
    for (size_t i = 0; i < left; i++) {
        last = last << 8 | bytes[i];
    }
    return mix(hash ^ last);
}

static uint64_t hash_of(const gibs_item *item)
{
    return gibs_key_hash((gibson_bytes){item->bytes, item->key_size});
}

/* One of so many buckets, by the upper half of the hash; the lower is left to the ghosts. */
static uint64_t bucket_of(uint64_t hash, uint64_t buckets)
{
    return ((hash >> 32) * buckets) >> 32;
}

static gibs_newcomers *newcomers_of(const gibs_eviction *eviction, uint64_t hash)
{
    return &eviction->newcomers[bucket_of(hash, eviction->newcomer_buckets)];
}

static bool fits(const gibs_eviction *eviction, uint64_t items)
{
    return items <= eviction->items * GROWN && items >= eviction->items / SHRUNK;
}

static uint64_t between(uint64_t least, uint64_t number, uint64_t most)
{
    number = number < most ? number : most;
    return number > least ? number : least;
}

void gibs_eviction_open(gibs_eviction *eviction, uint64_t items)
{
    if (gibs_eviction_is_open(eviction) && fits(eviction, items)) {
        return;
    }
    gibs_eviction_close(eviction);
    uint64_t newcomers = items / NEWCOMERS_OF;
    eviction->ways = (unsigned)between(1, newcomers, GIBS_NEWCOMER_WAYS);
    eviction->newcomer_buckets = between(1, newcomers / GIBS_NEWCOMER_WAYS, UINT32_MAX);
    eviction->ghost_buckets = between(1, items / ITEMS_OF_GHOST / GHOST_WAYS, UINT32_MAX);
    eviction->items = items;
    eviction->newcomers = calloc(eviction->newcomer_buckets, sizeof *eviction->newcomers);
    eviction->ghosts = calloc(eviction->ghost_buckets, sizeof *eviction->ghosts);
    if (!eviction->newcomers || !eviction->ghosts) {
        gibs_eviction_close(eviction);
        return;
    }
    eviction->bytes = gibs_memory_cost(eviction->newcomer_buckets * sizeof *eviction->newcomers) +
                      gibs_memory_cost(eviction->ghost_buckets * sizeof *eviction->ghosts);
}

void gibs_eviction_close(gibs_eviction *eviction)
{
    free(eviction->newcomers);
    free(eviction->ghosts);
    *eviction = (gibs_eviction){0};
}

gibs_item *gibs_newcomers_oldest(const gibs_eviction *eviction, uint64_t hash)
{
    return newcomers_of(eviction, hash)->ways[eviction->ways - 1];
}

void gibs_newcomers_add(gibs_eviction *eviction, uint64_t hash, gibs_item *item)
{
    gibs_newcomers *bucket = newcomers_of(eviction, hash);
    for (unsigned at = eviction->ways - 1; at; at--) {
        bucket->ways[at] = bucket->ways[at - 1];
    }
    bucket->ways[0] = item;
    item->newcomer = true;
}

/* The bucket that holds a newcomer, and in *at where, or NULL. An item may look like one that was
   forgotten with the rest. */
static gibs_newcomers *find_newcomer(const gibs_eviction *eviction, const gibs_item *item,
                                     unsigned *at)
{
    if (!item->newcomer || !gibs_eviction_is_open(eviction)) {
        return NULL;
    }
    gibs_newcomers *bucket = newcomers_of(eviction, hash_of(item));
    for (*at = 0; *at < eviction->ways; ++*at) {
        if (bucket->ways[*at] == item) {
            return bucket;
        }
    }
    return NULL;
}

bool gibs_newcomers_have(const gibs_eviction *eviction, const gibs_item *item)
{
    unsigned at;
    return find_newcomer(eviction, item, &at);
}

void gibs_newcomers_remove(gibs_eviction *eviction, const gibs_item *item)
{
    unsigned at;
    gibs_newcomers *bucket = find_newcomer(eviction, item, &at);
    if (bucket) {
        for (; at + 1 < eviction->ways; at++) {
            bucket->ways[at] = bucket->ways[at + 1];
        }
        bucket->ways[at] = NULL;
    }
}

void gibs_newcomers_exchange(gibs_eviction *eviction, const gibs_item *item, gibs_item *other)
{
    unsigned at;
    gibs_newcomers *bucket = find_newcomer(eviction, item, &at);
    if (bucket) {
        bucket->ways[at] = other;
        other->newcomer = true;
    }
}

/* 0 stands for none. */
static uint64_t ghost_of(uint64_t hash)
{
    uint64_t ghost = hash & ((1 << GHOST_BITS) - 1);
    return ghost ? ghost : 1;
}

void gibs_ghosts_add(gibs_eviction *eviction, uint64_t hash)
{
    uint64_t *bucket = &eviction->ghosts[bucket_of(hash, eviction->ghost_buckets)];
    *bucket = *bucket << GHOST_BITS | ghost_of(hash);
}

bool gibs_ghosts_take(gibs_eviction *eviction, uint64_t hash)
{
    uint64_t *bucket = &eviction->ghosts[bucket_of(hash, eviction->ghost_buckets)];
    uint64_t ghost = ghost_of(hash);
    for (unsigned at = 0; at < GHOST_WAYS * GHOST_BITS; at += GHOST_BITS) {
        if (((*bucket >> at) & ((1 << GHOST_BITS) - 1)) == ghost) {
            *bucket &= ~(ghost << at);
            return true;
        }
    }
    return false;
}
