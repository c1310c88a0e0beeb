#include "store/store_scan.h"

#include "store/store_private.h"

static void set_out(gibs_scan *scan, gibs_store *store, gibson_bytes prefix, bool confined)
{
    scan->prefix = prefix;
    scan->confined = confined;
    scan->changes = store->tree.changes;
    scan->walk.kind = scan->kind;
    scan->walk.now = scan->now;
}

void gibs_scan_begin(gibs_scan *scan, gibs_store *store, gibson_bytes prefix)
{
    gibs_walk_begin(&scan->walk, gibs_tree_find_prefix(&store->tree, prefix));
    set_out(scan, store, prefix, true);
}

void gibs_scan_begin_after(gibs_scan *scan, gibs_store *store, gibson_bytes prefix,
                           gibson_bytes key)
{
    gibs_walk_begin_after(&scan->walk, &store->tree, key);
    set_out(scan, store, prefix, false);
}

gibs_link *gibs_scan_next(gibs_scan *scan)
{
    gibs_link *place = gibs_walk_next(&scan->walk);
    if (place && !scan->confined && !gibs_item_has_prefix(gibs_tree_last(place), scan->prefix)) {
        gibs_walk_begin(&scan->walk, NULL);
        return NULL;
    }
    return place;
}

void gibs_scan_mend(gibs_scan *scan, gibs_store *store, gibson_bytes key)
{
    if (store->tree.changes != scan->changes) {
        gibs_scan_begin_after(scan, store, scan->prefix, key);
    }
}
