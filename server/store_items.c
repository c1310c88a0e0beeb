/* The items of the store: making, changing and freeing them, and what memory that takes. */
#include "store_private.h"

#include <stdlib.h>

#include "memory.h"

static size_t cost_of(const gib_item *item)
{
    return gib_memory_cost(gib_item_size(item->key_size, item->value_size));
}

/* Tells whether `cost` bytes more are within the limit. What was deleted but not yet freed must not
   be the reason to refuse. */
static bool afford(gib_store *store, size_t cost)
{
    enum { ITEMS_AT_ONCE = 64 };
    size_t limit = store->settings.max_memory;
    while (cost > limit || gib_store_used(store) > limit - cost) {
        if (cost > limit || !gib_store_reclaim(store, ITEMS_AT_ONCE)) {
            store->short_of_memory = true;
            return false;
        }
    }
    return true;
}

static void note_peak(gib_store *store)
{
    size_t used = gib_store_used(store);
    if (used > store->peak_bytes) {
        store->peak_bytes = used;
    }
}

static gib_item *allocate_item(gib_store *store, gibson_bytes key, gib_packed value)
{
    size_t size = gib_item_size(key.size, value.bytes.size);
    gib_item *item = malloc(gib_memory_room(size)); /* another value may then fit in place */
    if (!item) {
        store->short_of_memory = true;
        return NULL;
    }
    *item = (gib_item){.key_size = (uint16_t)key.size,
                       .value_size = (uint32_t)value.bytes.size,
                       .encoding = (uint8_t)value.encoding};
    memcpy(item->bytes, key.data, key.size);
    memcpy(gib_item_value(item), value.bytes.data, value.bytes.size);
    store->item_bytes += gib_memory_cost(size);
    store->allocated_items++;
    return item;
}

static uint32_t seconds_to_live(gib_store *store, int64_t ttl)
{
    store->mortal_items |= ttl > 0;
    return ttl > 0 ? (uint32_t)ttl : 0;
}

gib_item *gib_store_make(gib_store *store, gibson_bytes key, gib_packed value, int64_t ttl)
{
    size_t cost = gib_memory_cost(gib_item_size(key.size, value.bytes.size));
    gib_item *item = afford(store, cost) ? allocate_item(store, key, value) : NULL;
    if (item) {
        item->accessed = item->born = store->now;
        item->ttl = seconds_to_live(store, ttl);
    }
    return item;
}

void gib_store_free_item(gib_store *store, gib_item *item)
{
    store->item_bytes -= cost_of(item);
    store->allocated_items--;
    free(item);
}

bool gib_store_insert(gib_store *store, gib_item *item)
{
    if (!gib_tree_insert(&store->tree, item)) {
        store->short_of_memory = true;
        gib_store_free_item(store, item);
        return false;
    }
    store->items++;
    store->compressed_items += item->encoding == GIB_ENCODING_LZF;
    store->last_item_unix = gib_store_unix_time_of(store, store->now);
    if (!store->first_item_unix) {
        store->first_item_unix = store->last_item_unix;
    }
    note_peak(store);
    return true;
}

void gib_store_take(gib_store *store, gib_item *item)
{
    gib_tree_remove(&store->tree, gib_item_key(item));
    store->items--;
    store->compressed_items -= item->encoding == GIB_ENCODING_LZF;
}

void gib_store_take_walking(gib_store *store, gib_item *item, gib_walk *walk)
{
    gib_store_take(store, item);
    gib_walk_begin_after(walk, &store->tree, gib_item_key(item));
    gib_store_free_item(store, item);
}

gib_packed gib_store_pack(gib_store *store, gibson_bytes value)
{
    gib_packed plain = {value, GIB_ENCODING_PLAIN};
    gib_buffer_empty(&store->scratch);
    if (value.size <= store->settings.compression ||
        !gib_buffer_reserve(&store->scratch, value.size)) {
        return plain;
    }
    size_t packed_size = gib_value_compress(value, store->scratch.data);
    if (!packed_size) {
        return plain;
    }
    store->plain_bytes += value.size;
    store->packed_bytes += packed_size;
    return (gib_packed){{store->scratch.data, packed_size}, GIB_ENCODING_LZF};
}

/* Exchanges the item for one with room for the value, which keeps its ttl. It has no lock that
   could be lost: a locked item is not changed. */
static bool move_to_new_item(gib_store *store, gib_link *place, gib_packed value)
{
    gib_item *old = gib_link_item(*place);
    gib_item *item = allocate_item(store, gib_item_key(old), value);
    if (!item) {
        return false;
    }
    item->born = old->born;
    item->ttl = old->ttl;
    *place = gib_link_to(item);
    note_peak(store);
    gib_store_free_item(store, old);
    return true;
}

bool gib_store_change(gib_store *store, gib_link *place, gib_packed value)
{
    gib_item *item = gib_link_item(*place);
    size_t before = cost_of(item);
    size_t after = gib_memory_cost(gib_item_size(item->key_size, value.bytes.size));
    if (after > before && !afford(store, after - before)) {
        return false;
    }
    bool was_compressed = item->encoding == GIB_ENCODING_LZF;
    if (after == before) {
        memmove(gib_item_value(item), value.bytes.data, value.bytes.size);
        item->value_size = (uint32_t)value.bytes.size;
        item->encoding = (uint8_t)value.encoding;
    } else if (!move_to_new_item(store, place, value)) {
        return false;
    }
    store->compressed_items -= was_compressed;
    store->compressed_items += value.encoding == GIB_ENCODING_LZF;
    item = gib_link_item(*place);
    item->accessed = store->now;
    *place = gib_link_to(item);
    return true;
}

void gib_store_set_ttl(gib_store *store, gib_link *place, int64_t ttl)
{
    gib_item *item = gib_link_item(*place);
    if (!gib_item_locked(item, store->now)) {
        item->lock = GIB_LOCK_NONE; /* or a lock that has run out would begin anew with the age */
    }
    item->ttl = seconds_to_live(store, ttl);
    item->born = store->now;
    *place = gib_link_to(item);
}

void gib_store_set_lock(gib_store *store, gib_link *place, int64_t lock)
{
    gib_item *item = gib_link_item(*place);
    item->lock = (int32_t)lock;
    item->born = store->now;
    *place = gib_link_to(item);
}

void gib_store_renew(gib_store *store, gib_link *place, int64_t ttl)
{
    gib_link_item(*place)->lock = GIB_LOCK_NONE;
    gib_store_set_ttl(store, place, ttl);
}
