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

/* Adds an item whose key is not in the tree. False, with the tree as it was, if memory runs out, or
   if there are 2^32 - 1 items. */
bool gibs_tree_insert(gibs_tree *tree, gibs_item *item);

/* Takes the item with a key out of the tree and returns it, or NULL. */
gibs_item *gibs_tree_remove(gibs_tree *tree, gibson_bytes key);

/* To be called when an item of the tree has got a lock, or a ttl that ends sooner than before. */
void gibs_tree_note(gibs_tree *tree, const gibs_item *item);

/* No item of the tree expires before the tick behind this one. */
uint32_t gibs_tree_soonest(const gibs_tree *tree);

/* Finds the place below which are the items whose keys begin with a prefix and no others, or NULL
   where there are none. An empty prefix gives the whole tree. */
gibs_link *gibs_tree_find_prefix(gibs_tree *tree, gibson_bytes prefix);

/* What is known of all items below a place without visiting them. Whether one may have expired or
   may be locked is on the safe side. */
uint32_t gibs_tree_items(const gibs_link *place);
bool gibs_tree_may_have_expired(const gibs_link *place, uint32_t now);
bool gibs_tree_may_be_locked(const gibs_link *place);

/* The item with the greatest key below a place. */
gibs_item *gibs_tree_last(const gibs_link *place);

/* Takes all items with a prefix out of the tree at once, and returns what they hang on (0 where
   there are none), which is left to gibs_dismantle_push. */
gibs_link gibs_tree_detach(gibs_tree *tree, gibson_bytes prefix);

/* Takes all items below a place that holds a node out of the tree in the same way. */
gibs_link gibs_tree_detach_part(gibs_tree *tree, const gibs_link *place);

/* What a walk may leave out, with all that is below the same nodes; further items it visits as they
   come. */
typedef enum gibs_walk_kind {
    GIBS_WALK_ALL,      /* nothing */
    GIBS_WALK_EXPIRING, /* what has not expired before the tick `now` */
    GIBS_WALK_LOCKED,   /* what is not locked */
    GIBS_WALK_PARTS,    /* the same, but it returns the place of a node whose items it leaves out */
} gibs_walk_kind;

/* A walk over the items below a place, in the order of their keys. It ends where the tree changes,
   other than by exchanging an item for another with the same key. One that leaves something out
   makes the nodes that it leaves as certain as it can, so that the next has less to look at. */
typedef struct gibs_walk {
    gibs_walk_kind kind; /* to be set after the beginning */
    uint32_t now;
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

/* What is wrong with the tree: what it says of the items below its nodes, or how they hang
   together; NULL where it is sound. Looks at all of it. Of ttls and locks, what it says must be on
   the safe side. */
const char *gibs_tree_check(gibs_tree *tree);

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
