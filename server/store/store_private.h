/* What the parts of the store share. */
#ifndef GIBS_STORE_PRIVATE_H
#define GIBS_STORE_PRIVATE_H

#include "store/memory.h"
#include "store/store.h"

static inline gibson_bytes gibs_item_key(const gibs_item *item)
{
    return (gibson_bytes){item->bytes, item->key_size};
}

/* The time by the calendar at a tick, in seconds since 1970. */
static inline int64_t gibs_store_unix_time_of(const gibs_store *store, uint32_t tick)
{
    return store->settings.unix_time + tick / GIBS_TICKS_PER_S;
}

/* Compresses a value where that is due. The result borrows from the value, or from the store until
   the next call. */
gibs_packed gibs_store_pack(gibs_store *store, gibson_bytes value);

/* Allocates an item with a key and a value and no more. NULL, with the lack of memory noted, if
   there is none; the limit is not looked at. */
gibs_item *gibs_store_allocate(gibs_store *store, gibson_bytes key, gibs_packed value);

/* What may be lost to pieces of pages between items besides the limit: a part of that, and some. */
enum { GIBS_PART_LOST = 16, GIBS_LOST_ANYWAY = 512 * 1024 };

static inline size_t gibs_store_lost(const gibs_store *store)
{
    return store->tree.heap ? gibs_heap_lost(store->tree.heap) : 0;
}

/* Tells whether no more is lost to such pieces with `cost` bytes more than that, and what is left
   of the limit; or else whether those fit in between. */
static inline bool gibs_store_is_tight(const gibs_store *store, size_t cost)
{
    const gibs_heap *heap = store->tree.heap;
    size_t limit = store->settings.max_memory;
    size_t used = gibs_store_used(store) + cost;
    size_t left = used < limit ? limit - used : 0;
    return gibs_store_lost(store) <= limit / GIBS_PART_LOST + GIBS_LOST_ANYWAY + left ||
           (cost && cost < GIBS_LARGE_BLOCK && !gibs_heap_growth(heap, cost));
}

static inline bool gibs_store_has_room(const gibs_store *store, size_t cost)
{
    size_t limit = store->settings.max_memory;
    return cost <= limit && gibs_store_used(store) <= limit - cost &&
           gibs_store_is_tight(store, cost);
}

/* Deletes items until `cost` bytes more are within the limit, or the hand has passed by so many. */
void gibs_evict(gibs_store *store, size_t cost, unsigned items);

/* Tells whether nothing can go. */
bool gibs_evict_is_in_vain(gibs_store *store);

/* What becomes of a new item while eviction remembers. */
typedef struct gibs_arrival {
    uint64_t hash;
    bool known; /* it was here not long ago */
} gibs_arrival;

/* To be called before an item is made, where eviction remembers: another newcomer may have to
   leave. */
gibs_arrival gibs_store_expect(gibs_store *store, gibson_bytes key, size_t cost);

gibs_arrival gibs_evict_arrival(gibs_store *store, gibson_bytes key);
void gibs_evict_for_newcomer(gibs_store *store, gibs_arrival arrival, size_t cost);

/* To be called when it is in the tree. */
void gibs_welcome(gibs_store *store, gibs_item *item, gibs_arrival arrival);

/* Allocates an item that does not count, with a key, and room for a value. NULL, with the lack of
   memory noted, if there is none. */
gibs_item *gibs_store_new_item(gibs_store *store, gibson_bytes key, gibs_packed value);

/* Takes over an item that was made outside the store: it counts from now on. */
void gibs_store_adopt(gibs_store *store, gibs_item *item);

/* Exchanges the item in a place for another one with the same key, which gets its ttl and is
   unlocked. */
void gibs_store_exchange(gibs_store *store, gibs_link *place, gibs_item *item);

/* What an item counts against the limit. */
static inline size_t gibs_store_cost(size_t key_size, size_t value_size)
{
    return gibs_memory_cost(gibs_item_size(key_size, value_size));
}

static inline size_t gibs_store_cost_of(const gibs_item *item)
{
    return gibs_store_cost(item->key_size, item->value_size);
}

/* Keeps the highest use of memory up to date after something was added. */
void gibs_store_note_peak(gibs_store *store);

/* Finds a live item; one that has expired is deleted on the way. */
gibs_link *gibs_store_find(gibs_store *store, gibson_bytes key);

/* Makes room for an item of that cost in place of a smaller one. Returns its place then, or NULL
   where there is none. */
gibs_link *gibs_store_afford_growth(gibs_store *store, gibs_link *place, size_t cost);

/* Begins the life of a new item: it counts as accessed, and its age begins. */
void gibs_store_begin(gibs_store *store, gibs_item *item, int64_t ttl);

/* Makes an item without a lock; a ttl of 0 or less is none. NULL, with the lack of memory noted,
   where it does not fit. */
gibs_item *gibs_store_make(gibs_store *store, gibson_bytes key, gibs_packed value, int64_t ttl);

/* Adds an item whose key is not there; frees it and returns false if memory runs out. */
bool gibs_store_insert(gibs_store *store, gibs_item *item);

/* Gives the item in a place another value, keeping ttl and lock. The item may move, and others may
   be deleted to make room: returns its place then, or NULL, with the item as it was, if memory runs
   out. */
gibs_link *gibs_store_change(gibs_store *store, gibs_link *place, gibs_packed value);

/* Makes the item as if it had been set just now. */
void gibs_store_renew(gibs_store *store, gibs_link *place, int64_t ttl);

/* Adds to the number in *place, which changes as in gibs_store_change. VAL, NAN or MEM. */
gib_code gibs_store_add_in(gibs_store *store, gibs_link **place, int64_t delta, int64_t *result);

void gibs_store_set_ttl(gibs_store *store, gibs_link *place, int64_t ttl);
void gibs_store_set_lock(gibs_store *store, gibs_link *place, int64_t lock);

/* Takes an item out of the tree, and frees it. */
void gibs_store_take(gibs_store *store, gibs_item *item);
void gibs_store_free_item(gibs_store *store, gibs_item *item);

/* Tells whether an item is held. */
bool gibs_store_is_held(const gibs_store *store, const gibs_item *item);

/* Ends one hold of an item. Returns whether that was the last, and the store is done with it. */
bool gibs_store_let_go(gibs_store *store, const gibs_item *item);

/* Leaves an item that the store is done with to those who hold it. False where nobody does. */
bool gibs_store_orphan(gibs_store *store, const gibs_item *item);

/* Takes all items below a place, of a node, out of the tree, and leaves them to be freed. */
void gibs_store_discard(gibs_store *store, const gibs_link *place);

/* Takes an item out of the tree in the midst of a walk, frees it, and lets the walk go on with the
   item behind it, through the whole tree. */
void gibs_store_take_walking(gibs_store *store, gibs_item *item, gibs_walk *walk);

static inline bool gibs_link_expired(gibs_link link, uint32_t now)
{
    return (link & GIBS_LINK_TIMED) && gibs_item_expired(gibs_link_item(link), now);
}

static inline bool gibs_link_locked(gibs_link link, uint32_t now)
{
    return (link & GIBS_LINK_TIMED) && gibs_item_locked(gibs_link_item(link), now);
}

#endif
