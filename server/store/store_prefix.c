/* The commands on a prefix. */
#include "store/store_private.h"

void gibs_store_walk(gibs_store *store, gibson_bytes prefix, gibs_walk *walk)
{
    gibs_walk_begin(walk, gibs_tree_find_prefix(&store->tree, prefix));
}

static gibs_link *next_live(gibs_store *store, gibs_walk *walk)
{
    gibs_link *place;
    do {
        place = gibs_walk_next(walk);
    } while (place && gibs_link_expired(*place, store->now));
    return place;
}

gibs_item *gibs_store_walk_next(gibs_store *store, gibs_walk *walk)
{
    gibs_link *place = next_live(store, walk);
    return place ? gibs_link_item(*place) : NULL;
}

static gibs_link *next_unlocked(gibs_store *store, gibs_walk *walk)
{
    gibs_link *place;
    do {
        place = next_live(store, walk);
    } while (place && gibs_link_locked(*place, store->now));
    return place;
}

static gib_code found(int64_t count)
{
    return count ? GIB_CODE_VAL : GIB_CODE_NOT_FOUND;
}

gib_code gibs_store_mset(gibs_store *store, gibson_bytes prefix, gibson_bytes value, int64_t *count)
{
    gibs_packed packed = gibs_store_pack(store, value);
    gibs_walk walk;
    gibs_link *place;
    gibs_store_walk(store, prefix, &walk);
    for (*count = 0; (place = next_unlocked(store, &walk)); ++*count) {
        if (!gibs_store_change(store, place, packed)) {
            return GIB_CODE_MEM;
        }
        gibs_store_renew(store, place, 0);
    }
    return found(*count);
}

gib_code gibs_store_madd(gibs_store *store, gibson_bytes prefix, int64_t delta, int64_t *count)
{
    gibs_walk walk;
    gibs_link *place;
    gibs_store_walk(store, prefix, &walk);
    *count = 0;
    while ((place = next_unlocked(store, &walk))) {
        int64_t result;
        gib_code code = gibs_store_add_in(store, place, delta, &result);
        if (code == GIB_CODE_MEM) {
            return code;
        }
        *count += code == GIB_CODE_VAL;
    }
    return found(*count);
}

gib_code gibs_store_mttl(gibs_store *store, gibson_bytes prefix, int64_t ttl, int64_t *count)
{
    gibs_walk walk;
    gibs_link *place;
    gibs_store_walk(store, prefix, &walk);
    for (*count = 0; (place = next_live(store, &walk)); ++*count) {
        gibs_store_set_ttl(store, place, ttl);
    }
    return found(*count);
}

gib_code gibs_store_mlock(gibs_store *store, gibson_bytes prefix, int64_t lock, int64_t *count)
{
    gibs_walk walk;
    gibs_link *place;
    gibs_store_walk(store, prefix, &walk);
    for (*count = 0; (place = next_unlocked(store, &walk)); ++*count) {
        gibs_store_set_lock(store, place, lock);
    }
    return found(*count);
}

gib_code gibs_store_munlock(gibs_store *store, gibson_bytes prefix, int64_t *count)
{
    gibs_walk walk;
    gibs_link *place;
    gibs_store_walk(store, prefix, &walk);
    for (*count = 0; (place = next_live(store, &walk)); ++*count) {
        gibs_item *item = gibs_link_item(*place);
        item->lock = GIBS_LOCK_NONE;
        *place = gibs_link_to(item);
    }
    return found(*count);
}

int64_t gibs_store_count(gibs_store *store, gibson_bytes prefix)
{
    gibs_walk walk;
    int64_t count = 0;
    gibs_store_walk(store, prefix, &walk);
    while (next_live(store, &walk)) {
        count++;
    }
    return count;
}

/* What is below a prefix, told from the links wherever they suffice. */
typedef struct census {
    uint64_t all;
    uint64_t live;
    uint64_t locked; /* of those alive */
    uint64_t compressed;
} census;

static census take_census(gibs_store *store, gibson_bytes prefix)
{
    census result = {0};
    gibs_walk walk;
    gibs_link *place;
    gibs_store_walk(store, prefix, &walk);
    while ((place = gibs_walk_next(&walk))) {
        bool live = !gibs_link_expired(*place, store->now);
        result.all++;
        result.live += live;
        result.locked += live && gibs_link_locked(*place, store->now);
        result.compressed += (*place & GIBS_LINK_COMPRESSED) != 0;
    }
    return result;
}

/* All at once: the items are only cut off, and freed later. */
static void discard(gibs_store *store, gibson_bytes prefix, const census *below)
{
    gibs_link detached = gibs_tree_detach(&store->tree, prefix);
    store->items -= below->all;
    store->compressed_items -= below->compressed;
    if (gibs_link_is_item(detached)) {
        gibs_store_free_item(store, gibs_link_item(detached));
    } else {
        gibs_dismantle_push(&store->discarded, detached);
    }
}

/* One by one, where locked items stay in between. After the first the walk is no longer confined to
   the prefix, so it is the count that ends it. */
static void delete_unlocked(gibs_store *store, gibson_bytes prefix, int64_t count)
{
    gibs_walk walk;
    gibs_store_walk(store, prefix, &walk);
    while (count--) {
        gibs_store_take_walking(store, gibs_link_item(*next_unlocked(store, &walk)), &walk);
    }
}

gib_code gibs_store_mdel(gibs_store *store, gibson_bytes prefix, int64_t *count)
{
    census below = take_census(store, prefix);
    *count = (int64_t)(below.live - below.locked);
    if (below.all && !below.locked) {
        discard(store, prefix, &below);
    } else if (*count) {
        delete_unlocked(store, prefix, *count);
    }
    return found(*count);
}
