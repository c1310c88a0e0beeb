#include "store/store_batch.h"

#include "store/store_private.h"

enum { BYTES_OF_WORK = 1024 };

void gibs_batch_prepare(gibs_batch *batch)
{
    if (!batch->last.allocator) {
        gib_buffer_init(&batch->last, &gib_default_allocator);
        gib_buffer_init(&batch->packed, &gib_default_allocator);
    }
}

void gibs_batch_clear(gibs_batch *batch)
{
    gibs_batch_prepare(batch);
    gib_buffer_clear(&batch->last);
    gib_buffer_clear(&batch->packed);
    *batch = (gibs_batch){0};
}

size_t gibs_batch_held(const gibs_batch *batch)
{
    return batch->last.capacity + batch->packed.capacity;
}

static void charge_items(gibs_batch *batch, size_t items)
{
    batch->work -= items < batch->work ? items : batch->work;
}

void gibs_batch_charge(gibs_batch *batch, size_t bytes)
{
    charge_items(batch, bytes / BYTES_OF_WORK);
}

void gibs_batch_rewind(gibs_batch *batch)
{
    batch->paused = false;
    batch->second = true;
}

/* Notes how far it has come. Where there is no memory for that the slice has to go on. */
static bool note_last(gibs_batch *batch, const gibs_item *item)
{
    gib_buffer_empty(&batch->last);
    if (!gib_buffer_make_room(&batch->last, item->key_size, false)) {
        batch->work = 1;
        return false;
    }
    memcpy(batch->last.data, item->bytes, item->key_size);
    batch->last.end = item->key_size;
    batch->paused = true;
    return true;
}

static gibson_bytes last_key(const gibs_batch *batch)
{
    return (gibson_bytes){batch->last.data, batch->last.end};
}

/* The place of the item that is to be visited again; NULL where it has gone. */
static gibs_link *visited_before(gibs_batch *batch, gibs_store *store)
{
    batch->again = false;
    gibs_link *place = gibs_tree_find(&store->tree, last_key(batch));
    return place && !gibs_link_expired(*place, store->now) ? place : NULL;
}

/* Returns the place of the first item. */
static gibs_link *begin_slice(gibs_batch *batch, gibs_store *store, gibson_bytes prefix,
                              size_t work)
{
    gibs_link *place = NULL;
    gibs_batch_prepare(batch);
    batch->work = work;
    batch->code = GIB_CODE_OK;
    if (batch->paused) {
        gibs_scan_begin_after(&batch->scan, store, prefix, last_key(batch));
        place = batch->again ? visited_before(batch, store) : NULL;
    } else {
        gibs_scan_begin(&batch->scan, store, prefix);
    }
    return place ? place : gibs_scan_next(&batch->scan, store);
}

/* Ends a slice in which there was no room for an item. Returns whether the batch goes on. */
static bool pause_at(gibs_batch *batch, const gibs_item *item)
{
    batch->again = note_last(batch, item);
    batch->code = batch->again ? GIB_CODE_OK : GIB_CODE_MEM;
    return batch->again;
}

/* Goes on behind an item that was visited. Returns whether the slice goes on. */
static bool leave(gibs_batch *batch, gibs_store *store, gibs_item *item, gibs_visit visit)
{
    bool deleted = visit == GIBS_VISIT_DELETE;
    bool goes_on = batch->work || !note_last(batch, item);
    if (deleted) {
        gibs_store_take(store, item);
    }
    gibs_scan_mend(&batch->scan, store, item);
    if (deleted) {
        gibs_store_free_item(store, item);
    }
    return goes_on;
}

bool gibs_batch_visit(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work,
                      gibs_visitor *visitor, void *context)
{
    gibs_link *place = begin_slice(batch, store, prefix, work);
    for (; place; place = gibs_scan_next(&batch->scan, store)) {
        const gibs_item *item = gibs_link_item(*place); /* it stays where there is no room for it */
        uint64_t looks = store->looks;
        batch->work--;
        gibs_visit visit = visitor(store, batch, &place, context);
        if (visit == GIBS_VISIT_STOP) {
            return false;
        }
        if (visit == GIBS_VISIT_AGAIN) {
            return pause_at(batch, item);
        }
        charge_items(batch, store->looks - looks); /* those it had to be made room among */
        batch->count += visit == GIBS_VISIT_COUNT || visit == GIBS_VISIT_DELETE;
        if (!leave(batch, store, gibs_link_item(*place), visit)) {
            return true;
        }
    }
    return false;
}
