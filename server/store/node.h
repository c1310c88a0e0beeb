/* The nodes of the tree. Only the tree uses them. */
#ifndef GIBS_NODE_H
#define GIBS_NODE_H

#include "store/link.h"

typedef enum gibs_node_kind {
    GIBS_NODE_LIST,  /* up to 16 children beside a list of their bytes, in order */
    GIBS_NODE_INDEX, /* up to 48 children, found by a table of 256 positions */
    GIBS_NODE_FULL,  /* a place for each of 256 bytes */
} gibs_node_kind;

/* What all nodes begin with. The places of the children follow, then the bytes or the table. */
struct gibs_node {
    uint16_t depth;     /* the byte of the key that it branches on: all keys below are this long */
    uint16_t count;     /* children */
    uint8_t kind;       /* a gibs_node_kind */
    uint8_t capacity;   /* places of a LIST or INDEX */
    uint8_t byte;       /* under which it hangs in its parent */
    bool may_lock;      /* false: no item below has a lock, not even one that has run out */
    uint32_t items;     /* below */
    uint32_t soonest;   /* no item below expires before the tick behind this one; see below */
    gibs_node *parent;  /* NULL at the top */
    gibs_link terminal; /* the item whose key has just `depth` bytes, or 0 */
    gibs_link children[];
};

/* `soonest` is early enough rather than right, and so is `may_lock`: they follow at once when an
   item gets a ttl or a lock, and become right again by gibs_node_refresh, when a walk that looks
   for such items leaves the node. A node is never more certain than what is below it. */

static inline gibs_node *gibs_link_node(gibs_link link)
{
    return (gibs_node *)link;
}

/* The items that hang on a link which is not 0. */
static inline uint32_t gibs_link_items(gibs_link link)
{
    return gibs_link_is_item(link) ? 1 : gibs_link_node(link)->items;
}

/* None of them expires before the tick behind this one. */
static inline uint32_t gibs_link_soonest(gibs_link link)
{
    if (gibs_link_is_item(link)) {
        return link & GIBS_LINK_TIMED ? gibs_item_end_tick(gibs_link_item(link)) : UINT32_MAX;
    }
    return gibs_link_node(link)->soonest;
}

/* Whether one of them may have a lock. */
static inline bool gibs_link_may_lock(gibs_link link)
{
    if (gibs_link_is_item(link)) {
        return (link & GIBS_LINK_TIMED) && gibs_link_item(link)->lock;
    }
    return gibs_link_node(link)->may_lock;
}

/* Makes `soonest` and `may_lock` as right as they are in what hangs in the node. */
void gibs_node_refresh(gibs_node *node);

/* Makes an empty LIST of the smallest capacity, or returns NULL. */
gibs_node *gibs_node_new(gibs_tree *tree, size_t depth);

void gibs_node_free(gibs_tree *tree, gibs_node *node);

/* Finds the place of the child under a byte, or NULL. */
gibs_link *gibs_node_find(gibs_node *node, uint8_t byte);

/* The place in a node to which a key leads that begins as those below do, or NULL. */
static inline gibs_link *gibs_node_step(gibs_node *node, gibson_bytes key)
{
    if (key.size > node->depth) {
        return gibs_node_find(node, ((const uint8_t *)key.data)[node->depth]);
    }
    return key.size == node->depth && node->terminal ? &node->terminal : NULL;
}

/* Any place in use. */
gibs_link *gibs_node_any(gibs_node *node);

/* The place below which are the greatest keys. */
gibs_link *gibs_node_last(gibs_node *node);

/* Positions number the places of a node in the order of the keys below them: 0 is the terminal. The
   function finds the first place in use at *position or after, sets *position to the one behind it,
   and returns NULL where there is none. */
gibs_link *gibs_node_next(gibs_node *node, unsigned *position);

/* The position of the first child under `byte` or a greater one. */
unsigned gibs_node_position(const gibs_node *node, unsigned byte);

/* Adds a child under a byte that has none. The node may be exchanged for a larger one, in *place.
   False, with nothing changed, if memory runs out. */
bool gibs_node_add(gibs_tree *tree, gibs_link *place, uint8_t byte, gibs_link child);

/* Removes the child under a byte. The node may be exchanged for a smaller one, in *place. */
void gibs_node_remove(gibs_tree *tree, gibs_link *place, uint8_t byte);

/* What is wrong with what a node says of itself and of what hangs in it; NULL where it is sound. */
const char *gibs_node_check(gibs_node *node);

/* Ends the program where something is. */
void gibs_node_assert(gibs_node *node);

/* Hangs a link under a node (NULL at the top): tells it to the child where that is a node. */
void gibs_link_hang(gibs_link link, gibs_node *parent, uint8_t byte);

#endif
