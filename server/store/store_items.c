/* The items of the store: making and changing them, within the limit of memory. */
#include "store/store_private.h"

/* Begins the age of an item. */
static void begin_age(gibs_store *store, gibs_item *item, int64_t ttl)
{
    item->born = store->now;
    item->ttl = ttl > 0 ? (uint32_t)ttl : 0;
}

void gibs_store_begin(gibs_store *store, gibs_item *item, int64_t ttl)
{
    item->accessed = store->now;
    begin_age(store, item, ttl);
}

gibs_item *gibs_store_make(gibs_store *store, gibson_bytes key, gibs_packed value, int64_t ttl)
{
    size_t cost = gibs_store_cost(key.size, value.bytes.size);
    gibs_item *item =
        gibs_store_make_room(store, cost) ? gibs_store_allocate(store, key, value) : NULL;
    if (item) {
        gibs_store_begin(store, item, ttl);
    }
    return item;
}

bool gibs_store_insert(gibs_store *store, gibs_item *item)
{
    if (!gibs_tree_insert(&store->tree, item)) {
        store->short_of_memory = true;
        gibs_store_free_item(store, item);
        return false;
    }
    store->writes++;
    store->items++;
    store->last_item_unix = gibs_store_unix_time_of(store, store->now);
    if (!store->first_item_unix) {
        store->first_item_unix = store->last_item_unix;
    }
    gibs_store_note_peak(store);
    return true;
}

gibs_packed gibs_store_pack(gibs_store *store, gibson_bytes value)
{
    gibs_packed plain = {value, GIB_ENCODING_PLAIN};
    gib_buffer_empty(&store->scratch);
    if (value.size <= store->settings.compression ||
        value.size <= GIB_LONGEST_NUMBER || /* INC reads no compressed ones */
        !gib_buffer_reserve(&store->scratch, value.size)) {
        return plain;
    }
    size_t packed_size = gibs_value_compress(value, store->scratch.data);
    if (!packed_size) {
        return plain;
    }
    store->plain_bytes += value.size;
    store->packed_bytes += packed_size;
    return (gibs_packed){{store->scratch.data, packed_size}, GIB_ENCODING_LZF};
}

/* Exchanges the item for one with room for the value, which keeps its ttl. It has no lock that
   could be lost: a locked item is not changed. */
static bool move_to_new_item(gibs_store *store, gibs_link *place, gibs_packed value)
{
    gibs_item *old = gibs_link_item(*place);
    gibs_item *item = gibs_store_allocate(store, gibs_item_key(old), value);
    if (!item) {
        return false;
    }
    gibs_store_exchange(store, place, item);
    return true;
}

void gibs_store_exchange(gibs_store *store, gibs_link *place, gibs_item *item)
{
    gibs_item *old = gibs_link_item(*place);
    item->born = old->born;
    item->ttl = old->ttl;
    item->heat = old->heat;
    if (old->newcomer) {
        gibs_newcomers_exchange(&store->eviction, old, item);
    }
    *place = gibs_link_to(item);
    gibs_store_note_peak(store);
    gibs_store_free_item(store, old);
}

gibs_link *gibs_store_afford_growth(gibs_store *store, gibs_link *place, size_t cost)
{
    gibs_item *item = gibs_link_item(*place);
    uint64_t changes = store->tree.changes;
    size_t growth = cost - gibs_store_cost_of(item);
    store->pinned = item;
    bool tight = gibs_store_is_tight(store, cost);
    bool room = gibs_store_make_room(store, tight ? growth : cost);
    if (!room && !tight && !store->unfinished) { /* nothing else can go, for it to be tight */
        room = gibs_store_make_room(store, growth);
    }
    store->pinned = NULL;
    if (!room) {
        return NULL;
    }
    return changes == store->tree.changes ? place
                                          : gibs_tree_find(&store->tree, gibs_item_key(item));
}

gibs_link *gibs_store_change(gibs_store *store, gibs_link *place, gibs_packed value)
{
    gibs_item *item = gibs_link_item(*place);
    size_t before = gibs_store_cost_of(item);
    size_t after = gibs_store_cost(item->key_size, value.bytes.size);
    if (after > before) {
        place = gibs_store_afford_growth(store, place, after);
        if (!place) {
            return NULL;
        }
    }
    store->writes++;
    if (after == before && !gibs_store_is_held(store, item)) {
        store->compressed_items -= item->encoding == GIB_ENCODING_LZF;
        store->compressed_items += value.encoding == GIB_ENCODING_LZF;
        memmove(gibs_item_value(item), value.bytes.data, value.bytes.size);
        item->value_size = (uint32_t)value.bytes.size;
        item->encoding = (unsigned)value.encoding & 3;
    } else if (!move_to_new_item(store, place, value)) {
        return NULL;
    }
    item = gibs_link_item(*place);
    gibs_item_touch(item, store->now);
    *place = gibs_link_to(item);
    return place;
}

void gibs_store_set_ttl(gibs_store *store, gibs_link *place, int64_t ttl)
{
    gibs_item *item = gibs_link_item(*place);
    if (!gibs_item_locked(item, store->now)) {
        item->lock = GIBS_LOCK_NONE; /* or a lock that has run out would begin anew with the age */
    }
    uint64_t end = gibs_item_end(item);
    begin_age(store, item, ttl);
    *place = gibs_link_to(item);
    if (gibs_item_end(item) < end) {
        gibs_tree_note(&store->tree, item);
    }
}

void gibs_store_set_lock(gibs_store *store, gibs_link *place, int64_t lock)
{
    gibs_item *item = gibs_link_item(*place);
    store->writes++;
    item->lock = (int32_t)lock;
    item->born = store->now;
    *place = gibs_link_to(item);
    gibs_tree_note(&store->tree, item);
}

void gibs_store_renew(gibs_store *store, gibs_link *place, int64_t ttl)
{
    gibs_link_item(*place)->lock = GIBS_LOCK_NONE;
    gibs_store_set_ttl(store, place, ttl);
}
