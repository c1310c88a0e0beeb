/* Making room within the limit of memory. What goes first was deleted already and is only to be
   freed; then what has expired, as far as it is found; then what eviction chooses. */
#include "base/likely.h"
#include "store/store_private.h"

enum {
    ITEMS_AT_ONCE = 64,
    /* So many items may a request look at, in a turn: about a millisecond. */
    ITEMS_OF_TURN = 2048,
    ITEMS_SWEPT = 4096, /* where nothing else can be done */
    /* Else so many for expired ones. What is not used is left to those that follow, up to what
       takes a turn or two. */
    SWEPT_BY_EACH = 16,
    MOST_CREDIT = 4096,
};

/* Looks for what has expired. Where many have, it costs nothing but the looking. */
static void look_for_expired(gibs_store *store)
{
    uint64_t before = store->expired_items;
    gibs_store_sweep_begin(store, false);
    gibs_store_sweep(store, ITEMS_AT_ONCE);
    if (before == store->expired_items && store->settings.evict) {
        store->sweep_credit -= ITEMS_AT_ONCE;
    }
}

/* Makes some room where that may be possible: `items` is how many may still be looked at. Returns
   whether it makes sense to go on. */
static bool make_some_room(gibs_store *store, size_t bytes, unsigned *items)
{
    if (gibs_store_reclaim(store, ITEMS_AT_ONCE)) {
        return true;
    }
    if (!*items) {
        return false;
    }
    *items -= ITEMS_AT_ONCE;
    store->looks += ITEMS_AT_ONCE;
    bool may_look = !store->settings.evict || store->sweep_credit >= ITEMS_AT_ONCE;
    if (may_look && gibs_store_may_expire(store)) {
        look_for_expired(store);
        return true;
    }
    if (!store->settings.evict || gibs_evict_is_in_vain(store)) {
        return false;
    }
    gibs_eviction_open(&store->eviction, store->items);
    gibs_evict(store, bytes, ITEMS_AT_ONCE);
    return true;
}

GIB_COLD static bool make_room(gibs_store *store, size_t bytes)
{
    bool evicts = store->settings.evict;
    unsigned items = evicts ? ITEMS_OF_TURN : ITEMS_SWEPT;
    bool goes_on = bytes <= store->settings.max_memory;
    store->sweep_credit += store->sweep_credit < MOST_CREDIT ? SWEPT_BY_EACH : 0;
    while (goes_on && !gibs_store_has_room(store, bytes)) {
        goes_on = make_some_room(store, bytes, &items);
    }
    if (gibs_store_has_room(store, bytes)) {
        return true;
    }
    bool unfinished = evicts && bytes <= store->settings.max_memory && !items;
    store->unfinished = unfinished ? bytes : 0;
    store->short_of_memory = store->short_of_memory || !unfinished;
    return false;
}

bool gibs_store_make_room(gibs_store *store, size_t bytes)
{
    store->unfinished = 0;
    return gibs_store_has_room(store, bytes) || make_room(store, bytes);
}
