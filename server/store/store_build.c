#include "store/store_build.h"

#include "store/store_private.h"

static void drop_item(gibs_build *build, gibs_store *store)
{
    if (build->item) {
        gibs_store_adopt(store, build->item); /* for being freed */
        gibs_store_free_item(store, build->item);
        build->item = NULL;
    }
}

void gibs_build_clear(gibs_build *build, gibs_store *store)
{
    if (build->packed.allocator) {
        gib_buffer_clear(&build->packed);
    }
    drop_item(build, store);
    *build = (gibs_build){0};
}

size_t gibs_build_held(const gibs_build *build)
{
    return build->packed.capacity + (build->item ? gibs_store_cost_of(build->item) : 0);
}

bool gibs_build_pack(gibs_build *build, gibs_store *store, gibson_bytes value)
{
    if (build->is_packed) {
        return false;
    }
    if (!build->packed.allocator) {
        gib_buffer_init(&build->packed, &store->buffers.allocator);
        build->compression.failed = value.size <= store->settings.compression ||
                                    !gib_buffer_make_room(&build->packed, value.size, false);
    }
    if (!build->compression.failed &&
        gibs_value_compress_piece(value, &build->compression, build->packed.data)) {
        return true;
    }
    build->is_packed = true;
    if (build->compression.failed) {
        gib_buffer_clear(&build->packed);
    } else {
        build->packed.end = build->compression.written;
        store->plain_bytes += value.size;
        store->packed_bytes += build->packed.end;
    }
    return false;
}

gibs_packed gibs_build_value(const gibs_build *build, gibson_bytes value)
{
    if (!build->packed.end) {
        return (gibs_packed){value, GIB_ENCODING_PLAIN};
    }
    return (gibs_packed){{build->packed.data, build->packed.end}, GIB_ENCODING_LZF};
}

bool gibs_build_begin(gibs_build *build, gibs_store *store, gibson_bytes key, gibson_bytes value)
{
    build->item = gibs_store_new_item(store, key, gibs_build_value(build, value));
    build->copied = 0;
    return build->item;
}

bool gibs_build_copy(gibs_build *build, gibson_bytes value)
{
    const uint8_t *bytes = gibs_build_value(build, value).bytes.data;
    size_t left = build->item->value_size - build->copied;
    size_t size = left < GIBS_PIECE ? left : GIBS_PIECE;
    memcpy(gibs_item_value(build->item) + build->copied, bytes + build->copied, size);
    build->copied += size;
    return size < left;
}

gib_code gibs_store_may_set(gibs_store *store, gibson_bytes key)
{
    gibs_link *place = gibs_store_find(store, key);
    return place && gibs_link_locked(*place, store->now) ? GIB_CODE_LOCKED : GIB_CODE_VAL;
}

static gib_code replace(gibs_build *build, gibs_store *store, gibs_link *place, int64_t ttl)
{
    size_t before = gibs_store_cost_of(gibs_link_item(*place));
    size_t after = gibs_store_cost_of(build->item);
    if (gibs_link_locked(*place, store->now)) {
        drop_item(build, store);
        return GIB_CODE_LOCKED;
    }
    if (after > before) {
        place = gibs_store_afford_growth(store, place, after);
        if (!place) {
            return GIB_CODE_MEM;
        }
    }
    gibs_store_adopt(store, build->item);
    gibs_store_exchange(store, place, build->item);
    build->item = NULL;
    gibs_item_touch(gibs_link_item(*place), store->now);
    gibs_store_renew(store, place, ttl);
    return GIB_CODE_VAL;
}

static gib_code add(gibs_build *build, gibs_store *store, int64_t ttl)
{
    gibs_item *item = build->item;
    size_t cost = gibs_store_cost_of(item);
    gibs_arrival arrival = {0};
    bool remembers = gibs_eviction_is_open(&store->eviction);
    if (remembers) {
        arrival = gibs_store_expect(store, gibs_item_key(item), cost);
    }
    if (!gibs_store_make_room(store, cost)) {
        return GIB_CODE_MEM;
    }
    build->item = NULL;
    gibs_store_adopt(store, item);
    gibs_store_begin(store, item, ttl);
    if (!gibs_store_insert(store, item)) {
        return GIB_CODE_MEM;
    }
    if (remembers) {
        gibs_welcome(store, item, arrival);
    }
    return GIB_CODE_VAL;
}

gib_code gibs_build_set(gibs_build *build, gibs_store *store, int64_t ttl, bool only)
{
    gibs_link *place = gibs_store_find(store, gibs_item_key(build->item));
    if (place) {
        return replace(build, store, place, ttl);
    }
    if (only) {
        drop_item(build, store);
        return GIB_CODE_NOT_FOUND;
    }
    return add(build, store, ttl);
}
