#include "store_private.h"

#include <stdlib.h>

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

size_t gib_store_used(const gib_store *store)
{
    return store->item_bytes + store->tree.node_bytes;
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
    gib_item *item = gib_store_make(store, key, value, ttl);
    return item && gib_store_insert(store, item) ? GIB_CODE_VAL : GIB_CODE_MEM;
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
        gib_buffer_empty(&store->scratch);
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
        return gib_store_unix_time_of(store, item->accessed);
    case GIBSON_META_CREATED:
        return gib_store_unix_time_of(store, item->born);
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
