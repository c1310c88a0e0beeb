/* Items that are read in slices, and must stay as they are until that is done. */
#include <stdlib.h>

#include "store/store_private.h"

static gibs_hold *find(const gibs_store *store, const gibs_item *item)
{
    for (size_t i = 0; i < store->hold_count; i++) {
        if (store->holds[i].item == item) {
            return &store->holds[i];
        }
    }
    return NULL;
}

bool gibs_store_hold(gibs_store *store, gibs_item *item)
{
    gibs_hold *hold = find(store, item);
    if (hold) {
        hold->count++;
        return true;
    }
    if (store->hold_count == store->hold_room) {
        size_t room = store->hold_room * 2 + 4;
        gibs_hold *holds = realloc(store->holds, room * sizeof *holds);
        if (!holds) {
            return false;
        }
        store->holds = holds;
        store->hold_room = room;
    }
    store->holds[store->hold_count++] = (gibs_hold){item, 1, false};
    return true;
}

bool gibs_store_let_go(gibs_store *store, const gibs_item *item)
{
    gibs_hold *hold = find(store, item);
    if (--hold->count) {
        return false;
    }
    const bool orphaned = hold->orphaned;
    *hold = store->holds[--store->hold_count];
    return orphaned;
}

bool gibs_store_is_held(const gibs_store *store, const gibs_item *item)
{
    return store->hold_count && find(store, item);
}

bool gibs_store_orphan(gibs_store *store, const gibs_item *item)
{
    gibs_hold *hold = store->hold_count ? find(store, item) : NULL;
    if (hold) {
        hold->orphaned = true;
    }
    return hold;
}

size_t gibs_store_held_size(const gibs_store *store, const gibs_item *item)
{
    const gibs_hold *hold = find(store, item);
    return hold && hold->orphaned ? gibs_store_cost_of(item) : 0;
}
