#include "store/store_private.h"

#include <stdlib.h>

#include "store/memory.h"
#include "wire/number.h"

gibs_store *gibs_store_new(const gibs_store_settings *settings)
{
    gibs_store *store = calloc(1, sizeof *store);
    if (store) {
        store->settings = *settings;
        store->tree.heap = GIBS_SANITIZED ? NULL : &store->heap;
        gibs_buffers_open(&store->buffers);
        store->hand.soonest = UINT64_MAX;
        gib_buffer_init(&store->scratch, &gib_default_allocator);
    }
    return store;
}

void gibs_store_free(gibs_store *store)
{
    if (!store) {
        return;
    }
    gibs_link all = gibs_tree_detach(&store->tree, gibson_str(""));
    if (all && gibs_link_is_item(all)) {
        gibs_store_free_item(store, gibs_link_item(all));
    } else if (all) {
        gibs_dismantle_push(&store->discarded, all);
    }
    while (gibs_store_reclaim(store, SIZE_MAX)) {
    }
    gib_buffer_clear(&store->scratch);
    gibs_buffers_close(&store->buffers);
    gibs_heap_close(&store->heap);
    free(store->holds);
    free(store);
}

void gibs_store_set_time(gibs_store *store, int64_t elapsed_ms)
{
    store->now = (uint32_t)(elapsed_ms / GIBS_TICK_MS);
}

void gibs_store_set_unix_time(gibs_store *store, int64_t unix_time)
{
    store->settings.unix_time = unix_time - store->now / GIBS_TICKS_PER_S;
}

gibs_link *gibs_store_find(gibs_store *store, gibson_bytes key)
{
    gibs_link *place = gibs_tree_find(&store->tree, key);
    if (place && gibs_link_expired(*place, store->now)) {
        gibs_item *item = gibs_link_item(*place);
        gibs_store_take(store, item);
        gibs_store_free_item(store, item);
        store->expired_items++;
        return NULL;
    }
    return place;
}

static gib_code add_new(gibs_store *store, gibson_bytes key, gibs_packed value, int64_t ttl)
{
    gibs_arrival arrival = {0};
    bool remembers = gibs_eviction_is_open(&store->eviction);
    if (remembers) {
        arrival = gibs_store_expect(store, key, gibs_store_cost(key.size, value.bytes.size));
    }
    gibs_item *item = gibs_store_make(store, key, value, ttl);
    if (!item || !gibs_store_insert(store, item)) {
        return GIB_CODE_MEM;
    }
    if (remembers) {
        gibs_welcome(store, item, arrival);
    }
    return GIB_CODE_VAL;
}

gib_code gibs_store_set(gibs_store *store, gibson_bytes key, gibson_bytes value, int64_t ttl)
{
    gibs_link *place = gibs_store_find(store, key);
    if (place && gibs_link_locked(*place, store->now)) {
        return GIB_CODE_LOCKED;
    }
    gibs_packed packed = gibs_store_pack(store, value);
    if (!place) {
        return add_new(store, key, packed, ttl);
    }
    place = gibs_store_change(store, place, packed);
    if (!place) {
        return GIB_CODE_MEM;
    }
    gibs_store_renew(store, place, ttl);
    return GIB_CODE_VAL;
}

void gibs_store_touch(gibs_store *store, gibs_item *item)
{
    gibs_item_touch(item, store->now);
}

gibs_item *gibs_store_get(gibs_store *store, gibson_bytes key)
{
    gibs_link *place = gibs_store_find(store, key);
    if (!place) {
        return NULL;
    }
    gibs_store_touch(store, gibs_link_item(*place));
    return gibs_link_item(*place);
}

gib_code gibs_store_del(gibs_store *store, gibson_bytes key)
{
    gibs_link *place = gibs_store_find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    if (gibs_link_locked(*place, store->now)) {
        return GIB_CODE_LOCKED;
    }
    gibs_item *item = gibs_link_item(*place);
    gibs_store_take(store, item);
    gibs_store_free_item(store, item);
    return GIB_CODE_OK;
}

/* The number that an item holds or spells. */
static bool read_number(gibs_item *item, int64_t *number)
{
    const uint8_t *text = gibs_item_value(item);
    size_t size = gibs_item_plain_size(item);
    uint8_t start[GIBS_ITEM_START];
    switch (item->encoding) {
    case GIB_ENCODING_NUMBER:
        *number = gibs_item_number(item);
        return true;
    case GIB_ENCODING_LZF: /* too long for a number, unless it is 0 with anything behind it */
        gibs_item_expand_start(item, start);
        return gib_number_read(start, sizeof start, number) && *number == 0;
    default:
        return gib_number_read(text, size, number);
    }
}

gib_code gibs_store_add_in(gibs_store *store, gibs_link **place, int64_t delta, int64_t *result)
{
    gibs_item *item = gibs_link_item(**place);
    int64_t number;
    if (!read_number(item, &number)) {
        return GIB_CODE_NAN;
    }
    uint8_t bytes[sizeof(int64_t)];
    *result = (int64_t)((uint64_t)number + (uint64_t)delta); /* past the end it wraps */
    gib_store_u64(bytes, (uint64_t)*result);
    gibs_packed packed = {{bytes, sizeof bytes}, GIB_ENCODING_NUMBER};
    gibs_link *changed = gibs_store_change(store, *place, packed);
    *place = changed ? changed : *place;
    return changed ? GIB_CODE_VAL : GIB_CODE_MEM;
}

gib_code gibs_store_add(gibs_store *store, gibson_bytes key, int64_t delta, int64_t *result)
{
    gibs_link *place = gibs_store_find(store, key);
    if (place) {
        return gibs_link_locked(*place, store->now)
                   ? GIB_CODE_LOCKED
                   : gibs_store_add_in(store, &place, delta, result);
    }
    uint8_t one[sizeof(int64_t)] = {1};
    *result = 1;
    return add_new(store, key, (gibs_packed){{one, sizeof one}, GIB_ENCODING_NUMBER}, 0);
}

gib_code gibs_store_ttl(gibs_store *store, gibson_bytes key, int64_t ttl)
{
    gibs_link *place = gibs_store_find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    gibs_store_set_ttl(store, place, ttl);
    return GIB_CODE_OK;
}

gib_code gibs_store_lock(gibs_store *store, gibson_bytes key, int64_t lock)
{
    gibs_link *place = gibs_store_find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    if (gibs_link_locked(*place, store->now)) {
        return GIB_CODE_LOCKED;
    }
    gibs_store_set_lock(store, place, lock);
    return GIB_CODE_OK;
}

gib_code gibs_store_unlock(gibs_store *store, gibson_bytes key)
{
    gibs_link *place = gibs_store_find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    gibs_item *item = gibs_link_item(*place);
    store->writes++;
    item->lock = GIBS_LOCK_NONE;
    *place = gibs_link_to(item);
    return GIB_CODE_OK;
}

static int64_t seconds_left(const gibs_store *store, const gibs_item *item)
{
    int64_t age = (store->now - item->born) / GIBS_TICKS_PER_S;
    return item->ttl ? (int64_t)item->ttl - age : -1;
}

static int64_t meta_of(const gibs_store *store, const gibs_item *item, gibson_meta_field field)
{
    switch (field) {
    case GIBSON_META_SIZE:
        return item->value_size;
    case GIBSON_META_ENCODING:
        return item->encoding;
    case GIBSON_META_ACCESS:
        return gibs_store_unix_time_of(store, item->accessed);
    case GIBSON_META_CREATED:
        return gibs_store_unix_time_of(store, item->born);
    case GIBSON_META_TTL:
        return item->ttl ? (int64_t)item->ttl : -1;
    case GIBSON_META_LEFT:
        return seconds_left(store, item);
    case GIBSON_META_LOCK:
        return gibs_item_locked(item, store->now) ? item->lock : GIBS_LOCK_NONE;
    }
    return 0;
}

gib_code gibs_store_meta(gibs_store *store, gibson_bytes key, gibson_meta_field field,
                         int64_t *number)
{
    gibs_link *place = gibs_store_find(store, key);
    if (!place) {
        return GIB_CODE_NOT_FOUND;
    }
    *number = meta_of(store, gibs_link_item(*place), field);
    return GIB_CODE_VAL;
}
