/* The commands on a prefix. */
#include "store_private.h"

void gib_store_walk(gib_store *store, gibson_bytes prefix, gib_walk *walk)
{
    gib_walk_begin(walk, gib_tree_find_prefix(&store->tree, prefix));
}

static gib_link *next_live(gib_store *store, gib_walk *walk)
{
    gib_link *place;
    do {
        place = gib_walk_next(walk);
    } while (place && gib_link_expired(*place, store->now));
    return place;
}

gib_item *gib_store_walk_next(gib_store *store, gib_walk *walk)
{
    gib_link *place = next_live(store, walk);
    return place ? gib_link_item(*place) : NULL;
}

static gib_link *next_unlocked(gib_store *store, gib_walk *walk)
{
    gib_link *place;
    do {
        place = next_live(store, walk);
    } while (place && gib_link_locked(*place, store->now));
    return place;
}

static gib_code found(int64_t count)
{
    return count ? GIB_CODE_VAL : GIB_CODE_NOT_FOUND;
}

gib_code gib_store_mset(gib_store *store, gibson_bytes prefix, gibson_bytes value, int64_t *count)
{
    gib_packed packed = gib_store_pack(store, value);
    gib_walk walk;
    gib_link *place;
    gib_store_walk(store, prefix, &walk);
    for (*count = 0; (place = next_unlocked(store, &walk)); ++*count) {
        if (!gib_store_change(store, place, packed)) {
            return GIB_CODE_MEM;
        }
        gib_store_renew(store, place, 0);
    }
    return found(*count);
}

gib_code gib_store_madd(gib_store *store, gibson_bytes prefix, int64_t delta, int64_t *count)
{
    gib_walk walk;
    gib_link *place;
    gib_store_walk(store, prefix, &walk);
    *count = 0;
    while ((place = next_unlocked(store, &walk))) {
        int64_t result;
        gib_code code = gib_store_add_in(store, place, delta, &result);
        if (code == GIB_CODE_MEM) {
            return code;
        }
        *count += code == GIB_CODE_VAL;
    }
    return found(*count);
}

gib_code gib_store_mttl(gib_store *store, gibson_bytes prefix, int64_t ttl, int64_t *count)
{
    gib_walk walk;
    gib_link *place;
    gib_store_walk(store, prefix, &walk);
    for (*count = 0; (place = next_unlocked(store, &walk)); ++*count) {
        gib_store_set_ttl(store, place, ttl);
    }
    return found(*count);
}

gib_code gib_store_mlock(gib_store *store, gibson_bytes prefix, int64_t lock, int64_t *count)
{
    gib_walk walk;
    gib_link *place;
    gib_store_walk(store, prefix, &walk);
    for (*count = 0; (place = next_unlocked(store, &walk)); ++*count) {
        gib_store_set_lock(store, place, lock);
    }
    return found(*count);
}

gib_code gib_store_munlock(gib_store *store, gibson_bytes prefix, int64_t *count)
{
    gib_walk walk;
    gib_link *place;
    gib_store_walk(store, prefix, &walk);
    for (*count = 0; (place = next_live(store, &walk)); ++*count) {
        gib_item *item = gib_link_item(*place);
        item->lock = GIB_LOCK_NONE;
        *place = gib_link_to(item);
    }
    return found(*count);
}

int64_t gib_store_count(gib_store *store, gibson_bytes prefix)
{
    gib_walk walk;
    int64_t count = 0;
    gib_store_walk(store, prefix, &walk);
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

static census take_census(gib_store *store, gibson_bytes prefix)
{
    census result = {0};
    gib_walk walk;
    gib_link *place;
    gib_store_walk(store, prefix, &walk);
    while ((place = gib_walk_next(&walk))) {
        bool live = !gib_link_expired(*place, store->now);
        result.all++;
        result.live += live;
        result.locked += live && gib_link_locked(*place, store->now);
        result.compressed += (*place & GIB_LINK_COMPRESSED) != 0;
    }
    return result;
}

/* All at once: the items are only cut off, and freed later. */
static void discard(gib_store *store, gibson_bytes prefix, const census *below)
{
    gib_link detached = gib_tree_detach(&store->tree, prefix);
    store->items -= below->all;
    store->compressed_items -= below->compressed;
    if (gib_link_is_item(detached)) {
        gib_store_free_item(store, gib_link_item(detached));
    } else {
        gib_dismantle_push(&store->discarded, detached);
    }
}

/* One by one, where locked items stay in between. After the first the walk is no longer confined to
   the prefix, so it is the count that ends it. */
static void delete_unlocked(gib_store *store, gibson_bytes prefix, int64_t count)
{
    gib_walk walk;
    gib_store_walk(store, prefix, &walk);
    while (count--) {
        gib_store_take_walking(store, gib_link_item(*next_unlocked(store, &walk)), &walk);
    }
}

gib_code gib_store_mdel(gib_store *store, gibson_bytes prefix, int64_t *count)
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
