/* The commands on a prefix. */
#include "store/store_batch.h"
#include "store/store_private.h"

static bool is_locked(const gibs_store *store, const gibs_link *place)
{
    return gibs_link_locked(*place, store->now);
}

/* What an item without room for its new value comes to. */
static gibs_visit no_room(const gibs_store *store, gibs_batch *batch)
{
    if (store->unfinished) {
        return GIBS_VISIT_AGAIN;
    }
    batch->code = GIB_CODE_MEM;
    return GIBS_VISIT_STOP;
}

static gibs_visit mset_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    const gibs_packed *value = context;
    if (is_locked(store, *place)) {
        return GIBS_VISIT_SKIP;
    }
    gibs_link *changed = gibs_store_change(store, *place, *value);
    if (!changed) {
        return no_room(store, batch);
    }
    *place = changed;
    gibs_store_renew(store, *place, 0);
    gibs_batch_charge(batch, value->bytes.size);
    return GIBS_VISIT_COUNT;
}

/* A compressed value is compressed once, and kept between the slices. False if memory runs out. */
static bool pack(gibs_batch *batch, gibs_store *store, gibson_bytes value)
{
    gibs_packed packed = gibs_store_pack(store, value);
    batch->is_packed = packed.encoding == GIB_ENCODING_LZF;
    gibs_batch_prepare(batch);
    if (batch->is_packed) {
        if (!gib_buffer_make_room(&batch->packed, packed.bytes.size, false)) {
            return false;
        }
        memcpy(batch->packed.data, packed.bytes.data, packed.bytes.size);
        batch->packed.end = packed.bytes.size;
    }
    return true;
}

bool gibs_batch_mset(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, gibson_bytes value,
                     size_t work)
{
    if (!batch->paused && !pack(batch, store, value)) {
        batch->code = GIB_CODE_MEM;
        return false;
    }
    gibs_packed packed = {value, GIB_ENCODING_PLAIN};
    if (batch->is_packed) {
        packed = (gibs_packed){{batch->packed.data, batch->packed.end}, GIB_ENCODING_LZF};
    }
    return gibs_batch_visit(batch, store, prefix, work, mset_one, &packed);
}

static gibs_visit madd_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    const int64_t *delta = context;
    int64_t result;
    if (is_locked(store, *place)) {
        return GIBS_VISIT_SKIP;
    }
    gib_code code = gibs_store_add_in(store, place, *delta, &result);
    if (code == GIB_CODE_MEM) {
        return no_room(store, batch);
    }
    return code == GIB_CODE_VAL ? GIBS_VISIT_COUNT : GIBS_VISIT_SKIP;
}

bool gibs_batch_madd(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, int64_t delta,
                     size_t work)
{
    return gibs_batch_visit(batch, store, prefix, work, madd_one, &delta);
}

static gibs_visit mttl_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    (void)batch;
    gibs_store_set_ttl(store, *place, *(const int64_t *)context);
    return GIBS_VISIT_COUNT;
}

bool gibs_batch_mttl(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, int64_t ttl,
                     size_t work)
{
    return gibs_batch_visit(batch, store, prefix, work, mttl_one, &ttl);
}

static gibs_visit mlock_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    (void)batch;
    if (is_locked(store, *place)) {
        return GIBS_VISIT_SKIP;
    }
    gibs_store_set_lock(store, *place, *(const int64_t *)context);
    return GIBS_VISIT_COUNT;
}

bool gibs_batch_mlock(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, int64_t lock,
                      size_t work)
{
    return gibs_batch_visit(batch, store, prefix, work, mlock_one, &lock);
}

static gibs_visit munlock_one(gibs_store *store, gibs_batch *batch, gibs_link **place,
                              void *context)
{
    (void)batch;
    (void)context;
    gibs_item *item = gibs_link_item(**place);
    store->writes++;
    item->lock = GIBS_LOCK_NONE;
    **place = gibs_link_to(item);
    return GIBS_VISIT_COUNT;
}

bool gibs_batch_munlock(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work)
{
    return gibs_batch_visit(batch, store, prefix, work, munlock_one, NULL);
}

static gibs_visit count_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    (void)store;
    (void)batch;
    (void)place;
    (void)context;
    return GIBS_VISIT_COUNT;
}

bool gibs_batch_count(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work)
{
    return gibs_batch_visit(batch, store, prefix, work, count_one, NULL);
}

/* The first pass of MDEL tells what is below the prefix, from the links wherever they suffice. */
static gibs_visit look_at_one(gibs_store *store, gibs_batch *batch, gibs_link **place,
                              void *context)
{
    (void)context;
    gibs_link link = **place;
    bool live = !gibs_link_expired(link, store->now);
    batch->all++;
    batch->live += live;
    batch->locked += live && gibs_link_locked(link, store->now);
    batch->compressed += (link & GIBS_LINK_COMPRESSED) != 0;
    return GIBS_VISIT_SKIP;
}

static gibs_visit delete_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    (void)batch;
    (void)context;
    return is_locked(store, *place) ? GIBS_VISIT_SKIP : GIBS_VISIT_DELETE;
}

/* All at once: the items are only cut off, and freed later. */
static void discard(gibs_store *store, gibson_bytes prefix, gibs_batch *below)
{
    gibs_link detached = gibs_tree_detach(&store->tree, prefix);
    store->items -= below->all;
    store->compressed_items -= below->compressed;
    store->writes++;
    below->count = (int64_t)below->live;
    if (detached && gibs_link_is_item(detached)) {
        gibs_store_free_item(store, gibs_link_item(detached));
    } else if (detached) {
        gibs_dismantle_push(&store->discarded, detached);
    }
}

bool gibs_batch_mdel(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work)
{
    if (!batch->second) {
        if (!batch->paused) {
            batch->writes = store->writes;
        }
        batch->scan.expired_too = true;
        if (gibs_batch_visit(batch, store, prefix, work, look_at_one, NULL)) {
            return true;
        }
        if (!batch->locked && batch->writes == store->writes) {
            discard(store, prefix, batch);
            return false;
        }
        /* Locked items stay in between; or the count is no longer right. */
        batch->scan.expired_too = false;
        gibs_batch_rewind(batch);
    }
    return gibs_batch_visit(batch, store, prefix, work, delete_one, NULL);
}
