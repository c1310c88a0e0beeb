/* The store: the items, and what the commands do to them. It knows no sockets and no frames; time
   is told to it. One thread. */
#ifndef GIBS_STORE_H
#define GIBS_STORE_H

#include <gibson/command.h>

#include "base/buffer.h"
#include "store/buffers.h"
#include "store/eviction.h"
#include "store/tree.h"

typedef struct gibs_store_settings {
    size_t max_memory;  /* bytes of items and tree above which nothing is added */
    size_t compression; /* values of more bytes are compressed */
    bool evict;         /* and then others are deleted to make room */
    uint32_t gc_ratio;  /* seconds without access after which an item may be collected */
    int64_t unix_time;  /* seconds since 1970 at tick 0 */
} gibs_store_settings;

/* What a pass over all items is looking for. */
typedef struct gibs_sweep {
    bool active;
    bool collecting; /* not only the expired items, but those without access for gc_ratio as well */
    size_t last_size; /* bytes of the key it has come to */
    uint8_t last[GIBS_LONGEST_KEY];
} gibs_sweep;

/* The hand of the clock. */
typedef struct gibs_hand {
    uint64_t passed;  /* items it has passed by since something went */
    uint64_t soonest; /* of those the first is unlocked behind this tick */
    bool in_vain;     /* it has passed by all, and none can go before that tick, */
    uint64_t writes;  /* nor after other writes */
    size_t last_size; /* where it has come to in the order of the keys */
    uint8_t last[GIBS_LONGEST_KEY];
} gibs_hand;

/* An item that is being read in slices, and how often. */
typedef struct gibs_hold {
    gibs_item *item;
    unsigned count;
    bool orphaned; /* it is in the store no more */
} gibs_hold;

/* Members may be read; only the functions below write them. */
typedef struct gibs_store {
    gibs_store_settings settings;
    uint32_t now; /* tick */
    gibs_tree tree;
    gibs_heap heap;             /* of items and nodes, but for large items */
    gibs_dismantling discarded; /* deleted by prefix, not yet freed */
    gibs_sweep sweep;
    gibs_hand hand;
    gibs_eviction eviction;
    uint64_t looks;        /* at items, to make room */
    unsigned sweep_credit; /* items that may be looked at for expired ones to make room */
    size_t unfinished;     /* of what was refused last: bytes for which there may be room when it is
                              asked for again, for only its turn was over; or 0 */
    uint64_t writes; /* how often items were added, taken out, locked or unlocked, or got another
                        value */
    const gibs_item *pinned; /* not to be deleted to make room */
    bool short_of_memory;    /* an item was refused since collecting began last */
    gib_buffer scratch;      /* for compressing */
    gibs_waste waste;        /* large items, deleted, not yet freed; they count as used */
    gibs_buffers buffers;    /* what buffers outside the store are made of; they do not */
    gibs_hold *holds;        /* items that are read in slices */
    size_t hold_count, hold_room;

    uint64_t items;            /* in the tree, expired or not */
    uint64_t compressed_items; /* of the allocated ones */
    uint64_t evicted_items;    /* since the start */
    uint64_t expired_items;    /* the same */
    uint64_t allocated_items;  /* those, and the discarded ones */
    size_t item_bytes;         /* what all allocated items cost */
    size_t peak_bytes;         /* the most that gibs_store_used has been */
    uint64_t plain_bytes;      /* before and after, of all values compressed since the start */
    uint64_t packed_bytes;
    int64_t
        first_item_unix; /* seconds since 1970 at which the first and the last item were added, */
    int64_t last_item_unix; /* or 0 */
} gibs_store;

/* Makes an empty store, or returns NULL. */
gibs_store *gibs_store_new(const gibs_store_settings *settings);

/* Frees the store and all items. NULL is allowed. */
void gibs_store_free(gibs_store *store);

/* Tells the time, in milliseconds since the store was made; it must not run backwards. */
void gibs_store_set_time(gibs_store *store, int64_t elapsed_ms);

/* Tells what time it is now by the calendar, in seconds since 1970, where that has changed. */
void gibs_store_set_unix_time(gibs_store *store, int64_t unix_time);

/* The bytes that items, tree and eviction take from the heap. */
size_t gibs_store_used(const gibs_store *store);

/* The commands on one key. Each returns the code of the reply: NOT_FOUND, LOCKED, NAN or MEM where
   it did nothing. Items that have expired are gone for all of them. ttl and lock are in seconds; a
   ttl of 0 or less is none. */

/* VAL: stored. */
gib_code gibs_store_set(gibs_store *store, gibson_bytes key, gibson_bytes value, int64_t ttl);

/* The item, which is marked as accessed, or NULL. It lives until the next call that changes it. */
gibs_item *gibs_store_get(gibs_store *store, gibson_bytes key);

gib_code gibs_store_del(gibs_store *store, gibson_bytes key);

/* VAL: the number is now *result. A key that is not there is created as 1 whatever the delta: the
   reference server does so for DEC as well. */
gib_code gibs_store_add(gibs_store *store, gibson_bytes key, int64_t delta, int64_t *result);

/* OK. Both start the age of the item anew, for ttl and lock. */
gib_code gibs_store_ttl(gibs_store *store, gibson_bytes key, int64_t ttl);
gib_code gibs_store_lock(gibs_store *store, gibson_bytes key, int64_t lock);

gib_code gibs_store_unlock(gibs_store *store, gibson_bytes key);

/* VAL. Does not count as an access. */
gib_code gibs_store_meta(gibs_store *store, gibson_bytes key, gibson_meta_field field,
                         int64_t *number);

/* Keeps an item as it is until it is released, for reading it in slices: when it is changed or
   deleted meanwhile, the store has another one or none, and this one counts no longer as used.
   False where there is no memory for that. */
bool gibs_store_hold(gibs_store *store, gibs_item *item);
void gibs_store_release(gibs_store *store, gibs_item *item);

/* The bytes of an item that only those keep who hold it: 0 while the store has it as well. */
size_t gibs_store_held_size(const gibs_store *store, const gibs_item *item);

/* Marks an item as accessed. */
void gibs_store_touch(gibs_store *store, gibs_item *item);

/* Tells whether some item may have expired. */
bool gibs_store_may_expire(const gibs_store *store);

/* Housekeeping, in slices that a caller puts between other work. */

/* Begins a pass over all items, unless one is under way, that deletes those expired; with
   `collecting` also those without access for gc_ratio seconds that are not locked. */
void gibs_store_sweep_begin(gibs_store *store, bool collecting);

/* Looks at up to `items` items. Returns whether the pass is still under way. */
bool gibs_store_sweep(gibs_store *store, size_t items);

/* Takes over settings, but for the limit of memory and the time. */
void gibs_store_configure(gibs_store *store, const gibs_store_settings *settings);

/* Makes room for `bytes` more, as far as a turn goes. Returns whether there is; if not,
   `unfinished` tells whether to go on. */
bool gibs_store_make_room(gibs_store *store, size_t bytes);

/* Brings max_memory to a limit: at once if what is used, and lost to pieces of pages, is below it
   or nothing is evicted, else a step nearer, for which some items go, so that no request has to
   wait until all have gone. Returns whether it is there. */
bool gibs_store_move_limit(gibs_store *store, size_t limit);

/* Takes max_memory back to what holds, if it was set to less: what was locked then may be unlocked
   by now, for gibs_store_move_limit to go on. */
void gibs_store_resume_limit(gibs_store *store);

/* Frees up to `items` items that were deleted by prefix, of large ones fewer. Returns whether there
   are more. */
bool gibs_store_reclaim(gibs_store *store, size_t items);

/* Tells whether there are any. */
static inline bool gibs_store_has_waste(const gibs_store *store)
{
    return store->discarded.node || store->waste.first;
}

#endif
