/* Housekeeping of the store. */
#include "store/store_private.h"

bool gibs_store_may_expire(const gibs_store *store)
{
    return store->sweep.active || store->now > gibs_tree_soonest(&store->tree);
}

void gibs_store_sweep_begin(gibs_store *store, bool collecting)
{
    gibs_sweep *sweep = &store->sweep;
    if (!sweep->active) {
        sweep->active = true;
        sweep->collecting = collecting;
        sweep->last_size = 0;
        if (collecting) {
            store->short_of_memory = false;
        }
    }
}

/* The count of those that are deleted for the same reason as this one; NULL where it stays. */
static uint64_t *doom_of(gibs_store *store, gibs_link link)
{
    if (gibs_link_item(link) == store->pinned) {
        return NULL;
    }
    if (gibs_link_expired(link, store->now)) {
        return &store->expired_items;
    }
    bool collected =
        store->sweep.collecting && !gibs_link_locked(link, store->now) &&
        gibs_ticks_over(gibs_link_item(link)->accessed, store->now, store->settings.gc_ratio);
    return collected ? &store->evicted_items : NULL;
}

/* Has the walk leave out what cannot be meant. */
static void look_for(const gibs_store *store, gibs_walk *walk)
{
    walk->kind = store->sweep.collecting ? GIBS_WALK_ALL : GIBS_WALK_EXPIRING;
    walk->now = store->now;
}

bool gibs_store_sweep(gibs_store *store, size_t items)
{
    gibs_sweep *sweep = &store->sweep;
    if (!sweep->active) {
        return false;
    }
    gibs_walk walk;
    gibs_link *place = NULL;
    const gibs_item *last = NULL;
    gibs_walk_begin_after(&walk, &store->tree, (gibson_bytes){sweep->last, sweep->last_size});
    look_for(store, &walk);
    while (items-- && (place = gibs_walk_next(&walk))) {
        uint64_t *doom = doom_of(store, *place);
        if (doom) {
            ++*doom;
            gibs_store_take_walking(store, gibs_link_item(*place), &walk);
            look_for(store, &walk);
        } else {
            last = gibs_link_item(*place);
        }
    }
    if (last) {
        sweep->last_size = last->key_size;
        memcpy(sweep->last, last->bytes, last->key_size);
    }
    sweep->active = place;
    return sweep->active;
}
