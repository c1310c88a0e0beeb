/* The memory of the store: allocating items, taking them out of the tree, giving them back, and the
   count of all that. */
#include "store/store_private.h"

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

/* As much as it costs: another value may then fit in place. */
static gibs_item *make_room(gibs_store *store, size_t size)
{
    size_t cost = gibs_memory_cost(size);
    return cost < GIBS_LARGE_BLOCK ? gibs_heap_allocate(store->tree.heap, gibs_memory_room(size))
                                   : gibs_large_new(cost);
}

gibs_item *gibs_store_new_item(gibs_store *store, gibson_bytes key, gibs_packed value)
{
    gibs_item *item = make_room(store, gibs_item_size(key.size, value.bytes.size));
    if (!item) {
        store->short_of_memory = true;
        return NULL;
    }
    *item = (gibs_item){.key_size = (uint16_t)key.size,
                        .value_size = (uint32_t)value.bytes.size,
                        .encoding = (unsigned)value.encoding & 3};
    memcpy(item->bytes, key.data, key.size);
    return item;
}

gibs_item *gibs_store_allocate(gibs_store *store, gibson_bytes key, gibs_packed value)
{
    gibs_item *item = gibs_store_new_item(store, key, value);
    if (item) {
        memcpy(gibs_item_value(item), value.bytes.data, value.bytes.size);
        gibs_store_adopt(store, item);
    }
    return item;
}

void gibs_store_adopt(gibs_store *store, gibs_item *item)
{
    store->item_bytes += gibs_store_cost_of(item);
    store->allocated_items++;
    store->compressed_items += item->encoding == GIB_ENCODING_LZF;
}

void gibs_store_free_item(gibs_store *store, gibs_item *item)
{
    size_t cost = gibs_store_cost_of(item);
    if (item->newcomer) {
        gibs_newcomers_remove(&store->eviction, item);
        item->newcomer = false;
    }
    store->compressed_items -= item->encoding == GIB_ENCODING_LZF;
    if (!--store->allocated_items) {
        gibs_eviction_close(&store->eviction);
    }
    if (gibs_store_orphan(store, item)) {
        store->item_bytes -= cost;
    } else if (cost < GIBS_LARGE_BLOCK) {
        store->item_bytes -= cost;
        gibs_heap_free(store->tree.heap, item);
    } else {
        gibs_waste_push(&store->waste, item, cost);
    }
}

void gibs_store_release(gibs_store *store, gibs_item *item)
{
    if (gibs_store_let_go(store, item)) { /* it is the store's again, for being freed */
        gibs_store_adopt(store, item);
        gibs_store_free_item(store, item);
    }
}

void gibs_store_discard(gibs_store *store, const gibs_link *place)
{
    gibs_link detached = gibs_tree_detach_part(&store->tree, place);
    store->writes++;
    store->items -= gibs_tree_items(&detached);
    gibs_dismantle_push(&store->discarded, detached);
}

void gibs_store_take(gibs_store *store, gibs_item *item)
{
    gibs_tree_remove(&store->tree, gibs_item_key(item));
    store->writes++;
    store->items--;
}

void gibs_store_take_walking(gibs_store *store, gibs_item *item, gibs_walk *walk)
{
    gibs_store_take(store, item);
    gibs_walk_begin_after(walk, &store->tree, gibs_item_key(item));
    gibs_store_free_item(store, item);
}

bool gibs_store_reclaim(gibs_store *store, size_t items)
{
    enum { BYTES_AT_ONCE = 256 * 1024, SO_MANY_ITEMS = 32 };
    while (items) {
        size_t freed = gibs_waste_reduce(&store->waste, BYTES_AT_ONCE);
        if (freed) {
            store->item_bytes -= freed;
            items -= items < SO_MANY_ITEMS ? items : SO_MANY_ITEMS;
            continue;
        }
        gibs_item *item = gibs_dismantle_next(&store->discarded, &store->tree);
        if (!item) {
            return false;
        }
        gibs_store_free_item(store, item);
        items--;
    }
    return gibs_store_has_waste(store);
}
