#include "store_private.h"

#include <stdlib.h>

#include "memory.h"
#include "wire/number.h"

gib_store *gib_store_new(const gib_store_settings *settings)
{
    gib_store *store = calloc(1, sizeof *store);
    if (store) {
        store->settings = *settings;
        gib_buffer_init(&store->scratch, &gib_default_allocator);
    }
    return store;
}

void gib_store_free(gib_store *store)
{
    if (!store) {
        return;
    }
    gib_link all = gib_tree_detach(&store->tree, (gibson_bytes){"", 0});
    if (all && gib_link_is_item(all)) {
        gib_store_free_item(store, gib_link_item(all));
    } else if (all) {
        gib_dismantle_push(&store->discarded, all);
    }
    while (gib_store_reclaim(store, SIZE_MAX)) {
    }
    gib_buffer_clear(&store->scratch);
    free(store);
}

void gib_store_set_time(gib_store *store, int64_t elapsed_ms)
{
    store->now = (uint32_t)(elapsed_ms / GIB_TICK_MS);
}

void gib_store_set_unix_time(gib_store *store, int64_t unix_time)
{
    store->settings.unix_time = unix_time - store->now / GIB_TICKS_PER_S;
}

static int64_t unix_time_of(const gib_store *store, uint32_t tick)
{
    return store->settings.unix_time + tick / GIB_TICKS_PER_S;
}

size_t gib_store_used(const gib_store *store)
{
    return store->item_bytes + store->tree.node_bytes;
}

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

gib_item *gib_store_make(gib_store *store, gibson_bytes key, gib_packed value)
{
    size_t cost = gib_memory_cost(gib_item_size(key.size, value.bytes.size));
    gib_item *item = afford(store, cost) ? allocate_item(store, key, value) : NULL;
    if (item) {
        item->accessed = item->born = store->now;
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
    store->last_item_unix = unix_time_of(store, store->now);
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
    gib_buffer_consume(&store->scratch, gib_buffer_size(&store->scratch));
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

/* Exchanges the item for one with room for the value; what is known about it stays. */
static bool move_to_new_item(gib_store *store, gib_link *place, gib_packed value)
{
    gib_item *old = gib_link_item(*place);
    gib_item *item = allocate_item(store, gib_item_key(old), value);
    if (!item) {
        return false;
    }
    item->born = old->born;
    item->ttl = old->ttl;
    item->lock = old->lock;
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

static uint32_t seconds_to_live(gib_store *store, int64_t ttl)
{
    store->mortal_items |= ttl > 0;
    return ttl > 0 ? (uint32_t)ttl : 0;
}

void gib_store_set_ttl(gib_store *store, gib_link *place, int64_t ttl)
{
    gib_item *item = gib_link_item(*place);
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

/* Finds a live item; one that has expired is deleted on the way. */
static gib_link *find(gib_store *store, gibson_bytes key)
{
    gib_link *place = gib_tree_find(&store->tree, key);
    if (place && gib_link_expired(*place, store->now)) {
        gib_item *item = gib_link_item(*place);
        gib_store_take(store, item);
        gib_store_free_item(store, item);
        return NULL;
    }
    return place;
}

static gib_code add_new(gib_store *store, gibson_bytes key, gib_packed value, int64_t ttl)
{
    gib_item *item = gib_store_make(store, key, value);
    if (!item) {
        return GIB_CODE_MEM;
    }
    item->ttl = seconds_to_live(store, ttl);
    return gib_store_insert(store, item) ? GIB_CODE_VAL : GIB_CODE_MEM;
}

gib_code gib_store_set(gib_store *store, gibson_bytes key, gibson_bytes value, int64_t ttl)
{
    gib_link *place = find(store, key);
    if (place && gib_link_locked(*place, store->now)) {
        return GIB_CODE_LOCKED;
    }
    gib_packed packed = gib_store_pack(store, value);
    if (!place) {
        return add_new(store, key, packed, ttl);
    }
    if (!gib_store_change(store, place, packed)) {
        return GIB_CODE_MEM;
    }
    gib_store_renew(store, place, ttl);
    return GIB_CODE_VAL;
}

void gib_store_touch(gib_store *store, gib_item *item)
{
    item->accessed = store->now;
}

gib_item *gib_store_get(gib_store *store, gibson_bytes key)
{
    gib_link *place = find(store, key);
    if (!place) {
        return NULL;
    }
    gib_store_touch(store, gib_link_item(*place));
    return gib_link_item(*place);
}

gib_code gib_store_del(gib_store *store, gibson_bytes key)
{
    gib_link *place = find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    if (gib_link_locked(*place, store->now)) {
        return GIB_CODE_LOCKED;
    }
    gib_item *item = gib_link_item(*place);
    gib_store_take(store, item);
    gib_store_free_item(store, item);
    return GIB_CODE_OK;
}

/* The number that an item holds or spells. */
static bool read_number(gib_store *store, gib_item *item, int64_t *number)
{
    const uint8_t *text = gib_item_value(item);
    size_t size = gib_item_plain_size(item);
    switch (item->encoding) {
    case GIB_ENCODING_NUMBER:
        *number = gib_item_number(item);
        return true;
    case GIB_ENCODING_LZF: /* such a long text can be a number: 0, whatever follows the first 0 */
        gib_buffer_consume(&store->scratch, gib_buffer_size(&store->scratch));
        if (!gib_buffer_reserve(&store->scratch, size)) {
            return false;
        }
        gib_item_expand(item, store->scratch.data);
        text = store->scratch.data;
        break;
    default:
        break;
    }
    return gib_number_read(text, size, number);
}

gib_code gib_store_add_in(gib_store *store, gib_link *place, int64_t delta, int64_t *result)
{
    gib_item *item = gib_link_item(*place);
    int64_t number;
    if (!read_number(store, item, &number)) {
        return GIB_CODE_NAN;
    }
    uint8_t bytes[sizeof(int64_t)];
    *result = (int64_t)((uint64_t)number + (uint64_t)delta); /* past the end it wraps */
    gib_store_u64(bytes, (uint64_t)*result);
    gib_packed packed = {{bytes, sizeof bytes}, GIB_ENCODING_NUMBER};
    return gib_store_change(store, place, packed) ? GIB_CODE_VAL : GIB_CODE_MEM;
}

gib_code gib_store_add(gib_store *store, gibson_bytes key, int64_t delta, int64_t *result)
{
    gib_link *place = find(store, key);
    if (place) {
        return gib_link_locked(*place, store->now) ? GIB_CODE_LOCKED
                                                   : gib_store_add_in(store, place, delta, result);
    }
    uint8_t one[sizeof(int64_t)] = {1};
    *result = 1;
    return add_new(store, key, (gib_packed){{one, sizeof one}, GIB_ENCODING_NUMBER}, 0);
}

gib_code gib_store_ttl(gib_store *store, gibson_bytes key, int64_t ttl)
{
    gib_link *place = find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    gib_store_set_ttl(store, place, ttl);
    return GIB_CODE_OK;
}

gib_code gib_store_lock(gib_store *store, gibson_bytes key, int64_t lock)
{
    gib_link *place = find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    if (gib_link_locked(*place, store->now)) {
        return GIB_CODE_LOCKED;
    }
    gib_store_set_lock(store, place, lock);
    return GIB_CODE_OK;
}

gib_code gib_store_unlock(gib_store *store, gibson_bytes key)
{
    gib_link *place = find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    gib_item *item = gib_link_item(*place);
    item->lock = GIB_LOCK_NONE;
    *place = gib_link_to(item);
    return GIB_CODE_OK;
}

static int64_t seconds_left(const gib_store *store, const gib_item *item)
{
    int64_t age = (store->now - item->born) / GIB_TICKS_PER_S;
    return item->ttl ? (int64_t)item->ttl - age : -1;
}

static int64_t meta_of(const gib_store *store, const gib_item *item, gibson_meta_field field)
{
    switch (field) {
    case GIBSON_META_SIZE:
        return item->value_size;
    case GIBSON_META_ENCODING:
        return item->encoding;
    case GIBSON_META_ACCESS:
        return unix_time_of(store, item->accessed);
    case GIBSON_META_CREATED:
        return unix_time_of(store, item->born);
    case GIBSON_META_TTL:
        return item->ttl ? (int64_t)item->ttl : -1;
    case GIBSON_META_LEFT:
        return seconds_left(store, item);
    case GIBSON_META_LOCK:
        return gib_item_locked(item, store->now) ? item->lock : GIB_LOCK_NONE;
    }
    return 0;
}

gib_code gib_store_meta(gib_store *store, gibson_bytes key, gibson_meta_field field,
                        int64_t *number)
{
    gib_link *place = find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    *number = meta_of(store, gib_link_item(*place), field);
    return GIB_CODE_VAL;
}
