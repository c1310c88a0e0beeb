#include "store/store_batch.h"

#include "store/store_private.h"

enum { BYTES_OF_WORK = 1024 };

void gibs_batch_prepare(gibs_batch *batch)
{
    if (!batch->last.allocator) {
        gib_buffer_init(&batch->last, &gib_default_allocator);
    }
}

void gibs_batch_clear(gibs_batch *batch, gibs_store *store)
{
    gibs_batch_prepare(batch);
    gib_buffer_clear(&batch->last);
    gibs_build_clear(&batch->build, store);
    *batch = (gibs_batch){0};
}

size_t gibs_batch_held(const gibs_batch *batch)
{
    return batch->last.capacity + gibs_build_held(&batch->build);
}

void gibs_batch_charge(gibs_batch *batch, size_t bytes)
{
    size_t work = bytes / BYTES_OF_WORK;
    batch->work -= work < batch->work ? work : batch->work;
}

void gibs_batch_rewind(gibs_batch *batch)
{
    batch->paused = false;
    batch->second = true;
}

/* Notes how far it has come. Where there is no memory for that the slice has to go on. */
static bool note_last(gibs_batch *batch, gibson_bytes key)
{
    gib_buffer_empty(&batch->last);
    if (!gib_buffer_make_room(&batch->last, key.size, false)) {
        batch->work = 1;
        return false;
    }
    memcpy(batch->last.data, key.data, key.size);
    batch->last.end = key.size;
    batch->paused = true;
    return true;
}

static void begin_slice(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work)
{
    gibs_batch_prepare(batch);
    batch->work = work;
    batch->code = GIB_CODE_OK;
    batch->scan.now = batch->begun;
    if (batch->paused) {
        gibs_scan_begin_after(&batch->scan, store, prefix,
                              (gibson_bytes){batch->last.data, batch->last.end});
    } else {
        gibs_scan_begin(&batch->scan, store, prefix);
    }
}

/* Goes on behind an item that was visited. Returns whether the slice goes on. */
static bool leave(gibs_batch *batch, gibs_store *store, gibs_item *item, gibs_visit visit)
{
    bool deleted = visit == GIBS_VISIT_DELETE || visit == GIBS_VISIT_DROP;
    bool goes_on = batch->work || !note_last(batch, gibs_item_key(item));
    if (deleted) {
        gibs_store_take(store, item);
    }
    gibs_scan_mend(&batch->scan, store, gibs_item_key(item));
    if (deleted) {
        gibs_store_free_item(store, item);
    }
    return goes_on;
}

/* Ends the slice behind an item, for there is more to be done with it. Without memory it cannot. */
static bool pause_at(gibs_batch *batch, const gibs_item *item)
{
    bool noted = note_last(batch, gibs_item_key(item));
    batch->code = noted ? GIB_CODE_OK : GIB_CODE_MEM;
    return noted;
}

/* Deletes all items below a place. Returns whether the slice goes on. */
static bool delete_part(gibs_batch *batch, gibs_store *store, const gibs_link *place)
{
    gibson_bytes last = gibs_item_key(gibs_tree_last(place));
    bool goes_on = batch->work || !note_last(batch, last);
    batch->count += gibs_tree_items(place);
    gibs_store_discard(store, place);
    gibs_scan_mend(&batch->scan, store, last); /* which is discarded, but not yet freed */
    return goes_on;
}

bool gibs_batch_visit(gibs_batch *batch, gibs_store *store, gibson_bytes prefix,
                      gibs_walk_kind kind, size_t work, gibs_visitor *visitor, void *context)
{
    batch->scan.kind = kind;
    begin_slice(batch, store, prefix, work);
    gibs_link *place;
    while ((place = gibs_scan_next(&batch->scan))) {
        batch->work--;
        if (!gibs_link_is_item(*place)) {
            if (!delete_part(batch, store, place)) {
                return true;
            }
            continue;
        }
        bool passed_by = kind != GIBS_WALK_EXPIRING && gibs_link_expired(*place, store->now);
        gibs_visit visit = passed_by ? GIBS_VISIT_SKIP : visitor(store, batch, &place, context);
        if (visit == GIBS_VISIT_STOP) {
            return false;
        }
        if (visit == GIBS_VISIT_PAUSE) {
            return pause_at(batch, gibs_link_item(*place));
        }
        batch->count += visit == GIBS_VISIT_COUNT || visit == GIBS_VISIT_DELETE;
        if (!leave(batch, store, gibs_link_item(*place), visit)) {
            return true;
        }
    }
    return false;
}
