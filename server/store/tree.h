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
#ifndef GIBS_TREE_H
#define GIBS_TREE_H

#include "store/link.h"

/* Finds the place of the item with a key, or NULL. The place is good until the tree changes; the
   item in it may be exchanged for another with the same key. */
gibs_link *gibs_tree_find(gibs_tree *tree, gibson_bytes key);

/* Adds an item whose key is not in the tree. False, with the tree as it was, if memory runs out. */
bool gibs_tree_insert(gibs_tree *tree, gibs_item *item);

/* Takes the item with a key out of the tree and returns it, or NULL. */
gibs_item *gibs_tree_remove(gibs_tree *tree, gibson_bytes key);

/* Finds the place below which are the items whose keys begin with a prefix and no others, or NULL
   where there are none. An empty prefix gives the whole tree. */
gibs_link *gibs_tree_find_prefix(gibs_tree *tree, gibson_bytes prefix);

/* Takes all items with a prefix out of the tree at once, and returns what they hang on (0 where
   there are none), which is left to gibs_dismantle_push. */
gibs_link gibs_tree_detach(gibs_tree *tree, gibson_bytes prefix);

/* A walk over the items below a place, in the order of their keys. It ends where the tree changes,
   other than by exchanging an item for another with the same key. */
typedef struct gibs_walk {
    gibs_node *node;   /* NULL at the end */
    gibs_node *top;    /* the node it may not leave */
    gibs_link *single; /* the place, where it holds an item */
    unsigned position; /* in node: the next place to look at */
} gibs_walk;

/* Begins at the first item below a place; NULL is allowed and has no items. */
void gibs_walk_begin(gibs_walk *walk, gibs_link *place);

/* Begins at the first item of the tree whose key is greater than `key`. */
void gibs_walk_begin_after(gibs_walk *walk, gibs_tree *tree, gibson_bytes key);

/* Returns the place of the next item, or NULL at the end. */
gibs_link *gibs_walk_next(gibs_walk *walk);

/* Frees the nodes of detached parts of a tree bit by bit. All zero is nothing to do. */
typedef struct gibs_dismantling {
    gibs_node *node; /* where it is; NULL when all is done */
} gibs_dismantling;

/* Adds a detached part: a link to a node, not to an item. */
void gibs_dismantle_push(gibs_dismantling *work, gibs_link detached);

/* Returns the next item, which is the caller's from now on, or NULL when all nodes are freed. A
   call frees as many nodes as come before that item. */
gibs_item *gibs_dismantle_next(gibs_dismantling *work, gibs_tree *tree);

#endif
