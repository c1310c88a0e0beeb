/* What the parts of the store share. */
#ifndef GIB_SERVER_STORE_PRIVATE_H
#define GIB_SERVER_STORE_PRIVATE_H

#include "store.h"

/* A value in the form in which it is stored. */
typedef struct gib_packed {
    gibson_bytes bytes;
    gib_encoding encoding;
} gib_packed;

static inline gibson_bytes gib_item_key(const gib_item *item)
{
    return (gibson_bytes){item->bytes, item->key_size};
}

/* The time by the calendar at a tick, in seconds since 1970. */
static inline int64_t gib_store_unix_time_of(const gib_store *store, uint32_t tick)
{
    return store->settings.unix_time + tick / GIB_TICKS_PER_S;
}

/* Compresses a value where that is due. The result borrows from the value, or from the store until
   the next call. */
gib_packed gib_store_pack(gib_store *store, gibson_bytes value);

/* Makes an item without a lock; a ttl of 0 or less is none. NULL, with the lack of memory noted,
   where it does not fit. */
gib_item *gib_store_make(gib_store *store, gibson_bytes key, gib_packed value, int64_t ttl);

/* Adds an item whose key is not there; frees it and returns false if memory runs out. */
bool gib_store_insert(gib_store *store, gib_item *item);

/* Gives the item in a place another value, keeping ttl and lock. The item may move. False, with
   nothing changed, if memory runs out. */
bool gib_store_change(gib_store *store, gib_link *place, gib_packed value);

/* Makes the item as if it had been set just now. */
void gib_store_renew(gib_store *store, gib_link *place, int64_t ttl);

/* Adds to the number in a place. VAL, NAN or MEM. */
gib_code gib_store_add_in(gib_store *store, gib_link *place, int64_t delta, int64_t *result);

void gib_store_set_ttl(gib_store *store, gib_link *place, int64_t ttl);
void gib_store_set_lock(gib_store *store, gib_link *place, int64_t lock);

/* Takes an item out of the tree, and frees it. */
void gib_store_take(gib_store *store, gib_item *item);
void gib_store_free_item(gib_store *store, gib_item *item);

/* Takes an item out of the tree in the midst of a walk, frees it, and lets the walk go on with the
   item behind it, through the whole tree. */
void gib_store_take_walking(gib_store *store, gib_item *item, gib_walk *walk);

static inline bool gib_link_expired(gib_link link, uint32_t now)
{
    return (link & GIB_LINK_TIMED) && gib_item_expired(gib_link_item(link), now);
}

static inline bool gib_link_locked(gib_link link, uint32_t now)
{
    return (link & GIB_LINK_TIMED) && gib_item_locked(gib_link_item(link), now);
}

#endif
