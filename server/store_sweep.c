/* Housekeeping of the store. */
#include "store_private.h"

void gib_store_sweep_begin(gib_store *store, bool collecting)
{
    gib_sweep *sweep = &store->sweep;
    if (!sweep->active) {
        sweep->active = true;
        sweep->collecting = collecting;
        sweep->last_size = 0;
        store->mortal_items = false; /* until one is met */
        if (collecting) {
            store->short_of_memory = false;
        }
    }
}

static bool doomed(const gib_store *store, gib_link link)
{
    if (gib_link_expired(link, store->now)) {
        return true;
    }
    return store->sweep.collecting && !gib_link_locked(link, store->now) &&
           gib_ticks_over(gib_link_item(link)->accessed, store->now, store->settings.gc_ratio);
}

bool gib_store_sweep(gib_store *store, size_t items)
{
    gib_sweep *sweep = &store->sweep;
    if (!sweep->active) {
        return false;
    }
    gib_walk walk;
    gib_link *place = NULL;
    const gib_item *last = NULL;
    gib_walk_begin_after(&walk, &store->tree, (gibson_bytes){sweep->last, sweep->last_size});
    while (items-- && (place = gib_walk_next(&walk))) {
        if (doomed(store, *place)) {
            gib_store_take_walking(store, gib_link_item(*place), &walk);
        } else {
            last = gib_link_item(*place);
            store->mortal_items |= (*place & GIB_LINK_TIMED) && last->ttl;
        }
    }
    if (last) {
        sweep->last_size = last->key_size;
        memcpy(sweep->last, last->bytes, last->key_size);
    }
    sweep->active = place;
    return sweep->active;
}

bool gib_store_reclaim(gib_store *store, size_t items)
{
    while (items--) {
        gib_item *item = gib_dismantle_next(&store->discarded, &store->tree);
        if (!item) {
            return false;
        }
        gib_store_free_item(store, item);
    }
    return true;
}
