/* What hangs in the places of the tree, and the tree as its nodes see it. */
#ifndef GIBS_LINK_H
#define GIBS_LINK_H

#include "store/heap.h"
#include "store/item.h"

typedef struct gibs_node gibs_node;

/* What hangs in a place of the tree: nothing (0), a node, or an item. Bits that are 0 in every
   pointer tell which; two of them repeat properties of the item, so that a walk can often do
   without reading the item at all. */
typedef uintptr_t gibs_link;

enum {
    GIBS_LINK_ITEM = 1,
    GIBS_LINK_TIMED = 2,      /* the item has a ttl or a lock */
    GIBS_LINK_COMPRESSED = 4, /* the value of the item is compressed */
    GIBS_LINK_BITS = 7,
};

typedef struct gibs_tree {
    gibs_link root;
    gibs_heap *heap;   /* where nodes come from; NULL: malloc */
    size_t node_bytes; /* what the nodes cost, see gibs_memory_cost */
    uint64_t changes;  /* how often places have come or gone: then walks are no longer good */
} gibs_tree;

static inline bool gibs_link_is_item(gibs_link link)
{
    return link & GIBS_LINK_ITEM;
}

static inline gibs_item *gibs_link_item(gibs_link link)
{
    return (gibs_item *)(link & ~(gibs_link)GIBS_LINK_BITS);
}

/* Makes the link of an item. */
static inline gibs_link gibs_link_to(const gibs_item *item)
{
    gibs_link timed = item->ttl || item->lock ? GIBS_LINK_TIMED : 0;
    gibs_link compressed = item->encoding == GIB_ENCODING_LZF ? GIBS_LINK_COMPRESSED : 0;
    return (gibs_link)item | GIBS_LINK_ITEM | timed | compressed;
}

#endif
