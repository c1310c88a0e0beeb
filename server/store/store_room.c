/* Making room within the limit of memory.

   What goes first was deleted already and is only to be freed; then what has expired. Then comes
   eviction: a clock with counters (F. J. Corbato, "A Paging Experiment with the Multics System",
   1968; with counters A. J. Smith, "Sequentiality and Prefetching in Database Systems", 1978),
   whose hand goes through the items in the order of their keys. An access makes an item warmer, the
   hand cooler, and it deletes what is cold. So what was accessed once, as by a scan, goes first,
   and it costs two bits an item. */
#include "store/store_private.h"

enum {
    ITEMS_AT_ONCE = 64,
    /* So many times may a request look at as many items in vain: below a millisecond. */
    STEPS_FOR_ONE = 64,
};

/* What a request may still do to get room. */
typedef struct effort {
    unsigned sweep_steps;
    unsigned mild_steps;  /* of the hand, sparing what is warm */
    unsigned stern_steps; /* and then sparing only what is locked */
} effort;

static bool can_go(const gibs_store *store, gibs_link link)
{
    return gibs_link_item(link) != store->pinned && !gibs_link_locked(link, store->now);
}

/* Moves the hand on by some items. Returns how many went. */
static size_t move_hand(gibs_store *store, bool stern)
{
    gibs_hand *hand = &store->hand;
    gibs_walk walk;
    gibs_link *place = NULL;
    const gibs_item *last = NULL;
    size_t evicted = 0;
    gibs_walk_begin_after(&walk, &store->tree, (gibson_bytes){hand->last, hand->last_size});
    for (unsigned i = 0; i < ITEMS_AT_ONCE && (place = gibs_walk_next(&walk)); i++) {
        gibs_item *item = gibs_link_item(*place);
        if (can_go(store, *place) && (stern || !item->heat)) {
            gibs_store_take_walking(store, item, &walk);
            evicted++;
        } else {
            if (item->heat) {
                item->heat--;
            }
            last = item;
        }
    }
    if (!place) {
        hand->last_size = 0; /* around again; an empty key does not exist */
    } else if (last) {
        hand->last_size = last->key_size;
        memcpy(hand->last, last->bytes, last->key_size);
    }
    store->evicted_items += evicted;
    return evicted;
}

/* Lets items go. Returns whether it makes sense to try again. */
static bool evict_some(gibs_store *store, effort *left)
{
    bool stern = !left->mild_steps;
    unsigned *steps = stern ? &left->stern_steps : &left->mild_steps;
    if (!store->items || !*steps) {
        return false;
    }
    if (!move_hand(store, stern)) {
        --*steps;
    }
    return true;
}

/* Makes some room where that may be possible. */
static bool make_some_room(gibs_store *store, effort *left)
{
    if (gibs_store_reclaim(store, ITEMS_AT_ONCE)) {
        return true;
    }
    if (left->sweep_steps && gibs_store_may_expire(store)) {
        left->sweep_steps--;
        gibs_store_sweep_begin(store, false);
        gibs_store_sweep(store, ITEMS_AT_ONCE);
        return true;
    }
    return store->settings.evict && evict_some(store, left);
}

static bool is_within_limit(const gibs_store *store, size_t cost)
{
    size_t limit = store->settings.max_memory;
    return cost <= limit && gibs_store_used(store) <= limit - cost;
}

bool gibs_store_afford(gibs_store *store, size_t cost)
{
    effort left = {STEPS_FOR_ONE, STEPS_FOR_ONE, STEPS_FOR_ONE};
    bool possible = cost <= store->settings.max_memory;
    while (possible && !is_within_limit(store, cost)) {
        possible = make_some_room(store, &left);
    }
    if (!is_within_limit(store, cost)) {
        store->short_of_memory = true;
        return false;
    }
    return true;
}
