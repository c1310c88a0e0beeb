#include "store/store_scan.h"

#include "store/store_private.h"

void gibs_scan_begin(gibs_scan *scan, gibs_store *store, gibson_bytes prefix)
{
    *scan = (gibs_scan){.prefix = prefix,
                        .expired_too = scan->expired_too,
                        .confined = true,
                        .changes = store->tree.changes};
    gibs_walk_begin(&scan->walk, gibs_tree_find_prefix(&store->tree, prefix));
}

void gibs_scan_begin_after(gibs_scan *scan, gibs_store *store, gibson_bytes prefix,
                           gibson_bytes key)
{
    *scan = (gibs_scan){
        .prefix = prefix, .expired_too = scan->expired_too, .changes = store->tree.changes};
    gibs_walk_begin_after(&scan->walk, &store->tree, key);
}

gibs_link *gibs_scan_next(gibs_scan *scan, gibs_store *store)
{
    gibs_link *place;
    do {
        place = gibs_walk_next(&scan->walk);
        if (place && !scan->confined &&
            !gibs_item_has_prefix(gibs_link_item(*place), scan->prefix)) {
            gibs_walk_begin(&scan->walk, NULL);
            return NULL;
        }
    } while (place && !scan->expired_too && gibs_link_expired(*place, store->now));
    return place;
}

void gibs_scan_mend(gibs_scan *scan, gibs_store *store, const gibs_item *item)
{
    if (store->tree.changes != scan->changes) {
        gibs_scan_begin_after(scan, store, scan->prefix, gibs_item_key(item));
    }
}
