/* The index of the store: a radix tree over the bytes of the keys, which finds one item by its key
   and the items below a prefix without looking at any other.

   It is the adaptive radix tree of V. Leis, A. Kemper and T. Neumann, "The Adaptive Radix Tree:
   ARTful Indexing for Main-Memory Databases", ICDE 2013, with nodes that grow and shrink with the
   number of their children, path compression, and lazy expansion. The compression is the optimistic
   one: a node knows how many bytes of the key come before the byte it branches on, not which ones;
   the leaf, which is the item itself, has the whole key, and is compared at the end. So no part of
   a key is stored twice. Beyond the paper a node has room for the one item whose key ends at it, so
   keys may be prefixes of other keys and hold any byte; and it knows its parent, so that a walk
   needs neither recursion nor a stack. */
#ifndef GIB_SERVER_TREE_H
#define GIB_SERVER_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "item.h"

typedef struct gib_node gib_node;

/* What hangs in a place of the tree: nothing (0), a node, or an item. Bits that are 0 in every
   pointer tell which; two of them repeat properties of the item, so that a walk can often do
   without reading the item at all. */
typedef uintptr_t gib_link;

enum {
    GIB_LINK_ITEM = 1,
    GIB_LINK_TIMED = 2,      /* the item has a ttl or a lock */
    GIB_LINK_COMPRESSED = 4, /* the value of the item is compressed */
    GIB_LINK_BITS = 7,
};

typedef struct gib_tree {
    gib_link root;
    size_t node_bytes; /* what the nodes cost, see gib_memory_cost */
} gib_tree;

static inline bool gib_link_is_item(gib_link link)
{
    return link & GIB_LINK_ITEM;
}

static inline gib_item *gib_link_item(gib_link link)
{
    return (gib_item *)(link & ~(gib_link)GIB_LINK_BITS);
}

/* Makes the link of an item. */
static inline gib_link gib_link_to(const gib_item *item)
{
    gib_link timed = item->ttl || item->lock ? GIB_LINK_TIMED : 0;
    gib_link compressed = item->encoding == GIB_ENCODING_LZF ? GIB_LINK_COMPRESSED : 0;
    return (gib_link)item | GIB_LINK_ITEM | timed | compressed;
}

/* Finds the place of the item with a key, or NULL. The place is good until the tree changes; the
   item in it may be exchanged for another with the same key. */
gib_link *gib_tree_find(gib_tree *tree, gibson_bytes key);

/* Adds an item whose key is not in the tree. False, with the tree as it was, if memory runs out. */
bool gib_tree_insert(gib_tree *tree, gib_item *item);

/* Takes the item with a key out of the tree and returns it, or NULL. */
gib_item *gib_tree_remove(gib_tree *tree, gibson_bytes key);

/* Finds the place below which are the items whose keys begin with a prefix and no others, or NULL
   where there are none. An empty prefix gives the whole tree. */
gib_link *gib_tree_find_prefix(gib_tree *tree, gibson_bytes prefix);

/* Takes all items with a prefix out of the tree at once, and returns what they hang on (0 where
   there are none), which is left to gib_tree_dismantle. */
gib_link gib_tree_detach(gib_tree *tree, gibson_bytes prefix);

/* A walk over the items below a place, in the order of their keys. It ends where the tree changes,
   other than by exchanging an item for another with the same key. */
typedef struct gib_walk {
    gib_node *node;    /* NULL at the end */
    gib_node *top;     /* the node it may not leave */
    gib_link *single;  /* the place, where it holds an item */
    unsigned position; /* in node: the next place to look at */
} gib_walk;

/* Begins at the first item below a place; NULL is allowed and has no items. */
void gib_walk_begin(gib_walk *walk, gib_link *place);

/* Begins at the first item of the tree whose key is greater than `key`. */
void gib_walk_begin_after(gib_walk *walk, gib_tree *tree, gibson_bytes key);

/* Returns the place of the next item, or NULL at the end. */
gib_link *gib_walk_next(gib_walk *walk);

/* Frees the nodes of detached parts of a tree bit by bit. All zero is nothing to do. */
typedef struct gib_dismantling {
    gib_node *node; /* where it is; NULL when all is done */
} gib_dismantling;

/* Adds a detached part: a link to a node, not to an item. */
void gib_dismantle_push(gib_dismantling *work, gib_link detached);

/* Returns the next item, which is the caller's from now on, or NULL when all nodes are freed. A
   call frees as many nodes as come before that item. */
gib_item *gib_dismantle_next(gib_dismantling *work, gib_tree *tree);

#endif
