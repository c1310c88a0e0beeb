/* Whether what a store counts, and what its eviction remembers, fits what is in the tree. */
#ifndef TEST_STORE_CHECK_H
#define TEST_STORE_CHECK_H

#include "store/store_private.h"

static inline uint64_t count_newcomers(const gibs_store *store)
{
    const gibs_eviction *eviction = &store->eviction;
    uint64_t count = 0;
    for (size_t i = 0; i < eviction->newcomer_buckets; i++) {
        for (unsigned way = 0; way < GIBS_NEWCOMER_WAYS; way++) {
            count += eviction->newcomers[i].ways[way] != NULL;
        }
    }
    return count;
}

static inline bool store_is_sound(gibs_store *store)
{
    gibs_walk walk;
    gibs_link *place;
    uint64_t items = 0;
    uint64_t compressed = 0;
    uint64_t newcomers = 0;
    size_t bytes = 0;
    gibs_walk_begin(&walk, gibs_tree_find_prefix(&store->tree, gibson_str("")));
    while ((place = gibs_walk_next(&walk))) {
        gibs_item *item = gibs_link_item(*place);
        items++;
        compressed += (*place & GIBS_LINK_COMPRESSED) != 0;
        newcomers += gibs_newcomers_have(&store->eviction, item);
        bytes += gibs_store_cost_of(item);
        if (*place != gibs_link_to(item)) {
            return false;
        }
    }
    /* What MDEL has cut off is counted until it is freed. */
    bool whole = !gibs_store_has_waste(store);
    return items == store->items && !gibs_tree_check(&store->tree) &&
           (whole ? bytes == store->item_bytes && newcomers == count_newcomers(store) &&
                        compressed == store->compressed_items
                  : bytes <= store->item_bytes && newcomers <= count_newcomers(store) &&
                        compressed <= store->compressed_items);
}

#endif
