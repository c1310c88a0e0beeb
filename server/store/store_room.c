/* Making room within the limit of memory. What goes first was deleted already and is only to be
   freed; then what has expired, as far as it is found; then what eviction chooses. */
#include "base/likely.h"
#include "store/store_private.h"

enum {
    ITEMS_AT_ONCE = 64,
    /* So many items may a request look at, in a turn: half a millisecond. */
    ITEMS_OF_TURN = 1024,
    ITEMS_SWEPT = 4096, /* where nothing else can be done */
    /* Else so many for expired ones, and those that requests before it have left over. */
    SWEPT_BY_EACH = 16,
    MOST_CREDIT = 4096,
};

/* Looks for what has expired. A pass begins where something has, so it may take its time; so may
   one that finds a lot. */
static void look_for_expired(gibs_store *store)
{
    uint64_t before = store->expired_items;
    if (!store->sweep.active) {
        store->sweep_credit = MOST_CREDIT;
    }
    gibs_store_sweep_begin(store, false);
    gibs_store_sweep(store, ITEMS_AT_ONCE);
    if (before == store->expired_items) {
        store->sweep_credit -= ITEMS_AT_ONCE;
    }
}

static bool may_look_for_expired(const gibs_store *store)
{
    bool may_look = !store->sweep.active || store->sweep_credit >= ITEMS_AT_ONCE;
    return may_look && gibs_store_may_expire(store);
}

/* Takes a step off what a request may still look at. Returns whether there was one. */
static bool take_step(gibs_store *store, unsigned *items)
{
    if (!*items) {
        return false;
    }
    *items -= ITEMS_AT_ONCE;
    store->looks += ITEMS_AT_ONCE;
    return true;
}

/* Clears away what is of no use to anybody, until there is room. */
static void clear_away(gibs_store *store, size_t bytes, unsigned *items)
{
    while (!gibs_store_has_room(store, bytes) && gibs_store_has_waste(store) &&
           take_step(store, items)) {
        gibs_store_reclaim(store, ITEMS_AT_ONCE);
    }
    if (store->sweep_credit < MOST_CREDIT) {
        store->sweep_credit += SWEPT_BY_EACH;
    }
    while (!gibs_store_has_room(store, bytes) && may_look_for_expired(store) &&
           take_step(store, items)) {
        look_for_expired(store);
    }
}

static void evict(gibs_store *store, size_t bytes, unsigned *items)
{
    while (!gibs_store_has_room(store, bytes) && !gibs_evict_is_in_vain(store) &&
           take_step(store, items)) {
        gibs_eviction_open(&store->eviction, store->items);
        gibs_evict(store, bytes, ITEMS_AT_ONCE);
    }
}

GIB_COLD static bool make_room(gibs_store *store, size_t bytes)
{
    bool evicts = store->settings.evict;
    unsigned items = evicts ? ITEMS_OF_TURN : ITEMS_SWEPT;
    if (!evicts) {
        store->sweep_credit = MOST_CREDIT;
    }
    if (bytes <= store->settings.max_memory) {
        clear_away(store, bytes, &items);
        if (evicts) {
            evict(store, bytes, &items);
        }
    }
    if (gibs_store_has_room(store, bytes)) {
        return true;
    }
    store->unfinished = (evicts && !items) || gibs_store_has_waste(store) ? bytes : 0;
    store->short_of_memory = store->short_of_memory || !store->unfinished;
    return false;
}

bool gibs_store_make_room(gibs_store *store, size_t bytes)
{
    store->unfinished = 0;
    return gibs_store_has_room(store, bytes) || make_room(store, bytes);
}

gibs_arrival gibs_store_expect(gibs_store *store, gibson_bytes key, size_t cost)
{
    unsigned items = ITEMS_OF_TURN;
    gibs_arrival arrival = gibs_evict_arrival(store, key);
    if (cost <= store->settings.max_memory) {
        clear_away(store, cost, &items);
        gibs_evict_for_newcomer(store, arrival, cost);
    }
    return arrival;
}
