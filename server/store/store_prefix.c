/* The commands on a prefix. */
#include "store/store_batch.h"
#include "store/store_private.h"

static bool is_locked(const gibs_store *store, const gibs_link *place)
{
    return gibs_link_locked(*place, store->now);
}

/* What an item without room for its new value comes to. */
static gibs_visit no_room(const gibs_store *store, gibs_batch *batch)
{
    if (store->unfinished) {
        return GIBS_VISIT_AGAIN;
    }
    batch->code = GIB_CODE_MEM;
    return GIBS_VISIT_STOP;
}

static gibs_visit mset_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    const gibs_packed *value = context;
    if (is_locked(store, *place)) {
        return GIBS_VISIT_SKIP;
    }
    gibs_link *changed = gibs_store_change(store, *place, *value);
    if (!changed) {
        return no_room(store, batch);
    }
    *place = changed;
    gibs_store_renew(store, *place, 0);
    gibs_batch_charge(batch, value->bytes.size);
    return GIBS_VISIT_COUNT;
}

static bool mset_small(gibs_batch *batch, gibs_store *store, gibson_bytes prefix,
                       gibson_bytes value, size_t work)
{
    gibs_packed packed = gibs_build_value(&batch->build, value);
    return gibs_batch_visit(batch, store, prefix, GIBS_WALK_ALL, work, mset_one, &packed);
}

static gibs_visit find_unlocked(gibs_store *store, gibs_batch *batch, gibs_link **place,
                                void *context)
{
    (void)context;
    batch->builds = !is_locked(store, *place);
    return batch->builds ? GIBS_VISIT_PAUSE : GIBS_VISIT_SKIP;
}

/* Sets the item that was made, or goes on making room for it. Returns whether the batch goes on. */
static bool set_built(gibs_batch *batch, gibs_store *store)
{
    gib_code code = gibs_build_set(&batch->build, store, 0, true);
    bool refused = code == GIB_CODE_MEM && !store->unfinished;
    batch->count += code == GIB_CODE_VAL;
    batch->code = refused ? code : GIB_CODE_OK;
    return !refused;
}

/* Makes an item in slices for each one that is to be replaced. */
static bool mset_large(gibs_batch *batch, gibs_store *store, gibson_bytes prefix,
                       gibson_bytes value, size_t work)
{
    gibs_build *build = &batch->build;
    if (build->item) {
        return gibs_build_copy(build, value) || set_built(batch, store);
    }
    if (batch->builds) {
        gibson_bytes key = {batch->last.data, batch->last.end};
        batch->builds = false;
        batch->code = gibs_build_begin(build, store, key, value) ? GIB_CODE_OK : GIB_CODE_MEM;
        return batch->code == GIB_CODE_OK;
    }
    return gibs_batch_visit(batch, store, prefix, GIBS_WALK_ALL, work, find_unlocked, NULL);
}

bool gibs_batch_mset(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, gibson_bytes value,
                     size_t work)
{
    gibs_batch_prepare(batch);
    batch->code = GIB_CODE_OK;
    if (gibs_build_pack(&batch->build, store, value)) {
        return true;
    }
    bool large = gibs_build_value(&batch->build, value).bytes.size >= GIBS_LARGE_VALUE;
    return large ? mset_large(batch, store, prefix, value, work)
                 : mset_small(batch, store, prefix, value, work);
}

static gibs_visit madd_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    const int64_t *delta = context;
    int64_t result;
    if (is_locked(store, *place)) {
        return GIBS_VISIT_SKIP;
    }
    gib_code code = gibs_store_add_in(store, place, *delta, &result);
    if (code == GIB_CODE_MEM) {
        return no_room(store, batch);
    }
    return code == GIB_CODE_VAL ? GIBS_VISIT_COUNT : GIBS_VISIT_SKIP;
}

bool gibs_batch_madd(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, int64_t delta,
                     size_t work)
{
    return gibs_batch_visit(batch, store, prefix, GIBS_WALK_ALL, work, madd_one, &delta);
}

static gibs_visit mttl_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    (void)batch;
    gibs_store_set_ttl(store, *place, *(const int64_t *)context);
    return GIBS_VISIT_COUNT;
}

bool gibs_batch_mttl(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, int64_t ttl,
                     size_t work)
{
    return gibs_batch_visit(batch, store, prefix, GIBS_WALK_ALL, work, mttl_one, &ttl);
}

static gibs_visit mlock_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    (void)batch;
    if (is_locked(store, *place)) {
        return GIBS_VISIT_SKIP;
    }
    gibs_store_set_lock(store, *place, *(const int64_t *)context);
    return GIBS_VISIT_COUNT;
}

bool gibs_batch_mlock(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, int64_t lock,
                      size_t work)
{
    return gibs_batch_visit(batch, store, prefix, GIBS_WALK_ALL, work, mlock_one, &lock);
}

static gibs_visit drop_expired(gibs_store *store, gibs_batch *batch, gibs_link **place,
                               void *context)
{
    (void)batch;
    (void)context;
    if (!gibs_link_expired(**place, store->now)) {
        return GIBS_VISIT_SKIP;
    }
    store->expired_items++;
    return GIBS_VISIT_DROP;
}

/* The first pass of commands that go by what the nodes of the tree know of the items below them:
   deletes what had expired when the command began, so that what is left counts. What has not
   expired then never comes to have, so one pass is enough. Returns whether there is more to do. */
static bool clear_expired(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work)
{
    gibs_batch_prepare(batch);
    batch->code = GIB_CODE_OK;
    if (batch->second) {
        return false;
    }
    if (!batch->paused) {
        batch->begun = store->now;
    }
    gibs_link *place = gibs_tree_find_prefix(&store->tree, prefix);
    if (gibs_tree_may_have_expired(place, batch->begun) &&
        gibs_batch_visit(batch, store, prefix, GIBS_WALK_EXPIRING, work, drop_expired, NULL)) {
        return true;
    }
    gibs_batch_rewind(batch);
    return false;
}

static int64_t items_below(gibs_store *store, gibson_bytes prefix)
{
    return gibs_tree_items(gibs_tree_find_prefix(&store->tree, prefix));
}

static gibs_visit unlock_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    (void)batch;
    (void)context;
    gibs_item *item = gibs_link_item(**place);
    store->writes++;
    item->lock = GIBS_LOCK_NONE;
    **place = gibs_link_to(item);
    return GIBS_VISIT_SKIP;
}

/* Looks only where something may be locked. */
bool gibs_batch_munlock(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work)
{
    if (clear_expired(batch, store, prefix, work) ||
        gibs_batch_visit(batch, store, prefix, GIBS_WALK_LOCKED, work, unlock_one, NULL)) {
        return true;
    }
    batch->count = items_below(store, prefix);
    return false;
}

bool gibs_batch_count(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work)
{
    if (clear_expired(batch, store, prefix, work)) {
        return true;
    }
    batch->count = items_below(store, prefix);
    return false;
}

static gibs_visit delete_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    (void)batch;
    (void)context;
    return is_locked(store, *place) ? GIBS_VISIT_SKIP : GIBS_VISIT_DELETE;
}

/* What nobody has locked is cut off at once, and freed later. */
bool gibs_batch_mdel(gibs_batch *batch, gibs_store *store, gibson_bytes prefix, size_t work)
{
    if (clear_expired(batch, store, prefix, work)) {
        return true;
    }
    gibs_link *place = gibs_tree_find_prefix(&store->tree, prefix);
    if (place && !gibs_link_is_item(*place) && !gibs_tree_may_be_locked(place)) {
        batch->count += gibs_tree_items(place);
        gibs_store_discard(store, place);
        return false;
    }
    return gibs_batch_visit(batch, store, prefix, GIBS_WALK_PARTS, work, delete_one, NULL);
}
