/* The memory of the store: allocating items, taking them out of the tree, giving them back, and the
   count of all that. */
#include "store/store_private.h"

#include <stdlib.h>

size_t gibs_store_used(const gibs_store *store)
{
    return store->item_bytes + store->tree.node_bytes + store->eviction.bytes;
}

void gibs_store_note_peak(gibs_store *store)
{
    size_t used = gibs_store_used(store);
    if (used > store->peak_bytes) {
        store->peak_bytes = used;
    }
}

gibs_item *gibs_store_allocate(gibs_store *store, gibson_bytes key, gibs_packed value)
{
    size_t size = gibs_item_size(key.size, value.bytes.size);
    gibs_item *item = malloc(gibs_memory_room(size)); /* another value may then fit in place */
    if (!item) {
        store->short_of_memory = true;
        return NULL;
    }
    *item = (gibs_item){.key_size = (uint16_t)key.size,
                        .value_size = (uint32_t)value.bytes.size,
                        .encoding = (unsigned)value.encoding & 3};
    memcpy(item->bytes, key.data, key.size);
    memcpy(gibs_item_value(item), value.bytes.data, value.bytes.size);
    store->item_bytes += gibs_memory_cost(size);
    store->allocated_items++;
    return item;
}

void gibs_store_free_item(gibs_store *store, gibs_item *item)
{
    if (item->newcomer) {
        gibs_newcomers_remove(&store->eviction, item);
    }
    store->item_bytes -= gibs_store_cost_of(item);
    if (!--store->allocated_items) {
        gibs_eviction_close(&store->eviction);
    }
    free(item);
}

void gibs_store_take(gibs_store *store, gibs_item *item)
{
    gibs_tree_remove(&store->tree, gibs_item_key(item));
    store->writes++;
    store->items--;
    store->compressed_items -= item->encoding == GIB_ENCODING_LZF;
}

void gibs_store_take_walking(gibs_store *store, gibs_item *item, gibs_walk *walk)
{
    gibs_store_take(store, item);
    gibs_walk_begin_after(walk, &store->tree, gibs_item_key(item));
    gibs_store_free_item(store, item);
}

bool gibs_store_reclaim(gibs_store *store, size_t items)
{
    while (items--) {
        gibs_item *item = gibs_dismantle_next(&store->discarded, &store->tree);
        if (!item) {
            return false;
        }
        gibs_store_free_item(store, item);
    }
    return true;
}
