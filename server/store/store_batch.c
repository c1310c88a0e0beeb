#include "store/store_batch.h"

#include "store/store_private.h"

enum {
    BYTES_OF_WORK = 1024,
    KEY_OF_WORK = 256, /* bytes of a key, as there may be a node for each */
};

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
    batch->scan.now = batch->begun;
    if (batch->paused) {
        gibs_scan_begin_after(&batch->scan, store, prefix, last_key(batch));
        place = batch->again ? visited_before(batch, store) : NULL;
    } else {
        gibs_scan_begin(&batch->scan, store, prefix);
    }
    return place ? place : gibs_scan_next(&batch->scan);
}

/* Ends a slice behind an item, or at it where it is to be visited again. Returns whether the batch
   goes on: without memory to remember the place it cannot. */
static bool pause_at(gibs_batch *batch, const gibs_item *item, bool again)
{
    bool noted = note_last(batch, gibs_item_key(item));
    batch->again = noted && again;
    batch->code = noted ? GIB_CODE_OK : GIB_CODE_MEM;
    return noted;
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

static bool is_passed_by(const gibs_batch *batch, const gibs_store *store, gibs_link link)
{
    return batch->scan.kind != GIBS_WALK_EXPIRING && gibs_link_expired(link, store->now);
}

bool gibs_batch_visit(gibs_batch *batch, gibs_store *store, gibson_bytes prefix,
                      gibs_walk_kind kind, size_t work, gibs_visitor *visitor, void *context)
{
    batch->scan.kind = kind;
    gibs_link *place = begin_slice(batch, store, prefix, work);
    for (; place; place = gibs_scan_next(&batch->scan)) {
        batch->work--;
        if (!gibs_link_is_item(*place)) {
            if (!delete_part(batch, store, place)) {
                return true;
            }
            continue;
        }
        const gibs_item *item = gibs_link_item(*place); /* it stays where there is no room for it */
        size_t key_work = item->key_size / KEY_OF_WORK; /* else it may be gone behind its visit */
        uint64_t looks = store->looks;
        gibs_visit visit = GIBS_VISIT_SKIP;
        if (!is_passed_by(batch, store, *place)) {
            visit = visitor(store, batch, &place, context);
        }
        if (visit == GIBS_VISIT_STOP) {
            return false;
        }
        if (visit == GIBS_VISIT_AGAIN || visit == GIBS_VISIT_PAUSE) {
            return pause_at(batch, item, visit == GIBS_VISIT_AGAIN);
        }
        charge_items(batch, store->looks - looks); /* those it had to be made room among */
        charge_items(batch, key_work);
        batch->count += visit == GIBS_VISIT_COUNT || visit == GIBS_VISIT_DELETE;
        if (!leave(batch, store, gibs_link_item(*place), visit)) {
            return true;
        }
    }
    return false;
}
