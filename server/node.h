/* The nodes of the tree. Only the tree uses them. */
#ifndef GIB_SERVER_NODE_H
#define GIB_SERVER_NODE_H

#include "tree.h"

typedef enum gib_node_kind {
    GIB_NODE_LIST,  /* up to 16 children beside a list of their bytes, in order */
    GIB_NODE_INDEX, /* up to 48 children, found by a table of 256 positions */
    GIB_NODE_FULL,  /* a place for each of 256 bytes */
} gib_node_kind;

/* What all nodes begin with. The places of the children follow, then the bytes or the table. */
struct gib_node {
    uint16_t depth;    /* the byte of the key that it branches on: all keys below are this long */
    uint16_t count;    /* children */
    uint8_t kind;      /* a gib_node_kind */
    uint8_t capacity;  /* places of a LIST or INDEX */
    uint8_t byte;      /* under which it hangs in its parent */
    gib_node *parent;  /* NULL at the top */
    gib_link terminal; /* the item whose key has just `depth` bytes, or 0 */
    gib_link children[];
};

static inline gib_node *gib_link_node(gib_link link)
{
    return (gib_node *)link;
}

/* Makes an empty LIST of the smallest capacity, or returns NULL. */
gib_node *gib_node_new(gib_tree *tree, size_t depth);

void gib_node_free(gib_tree *tree, gib_node *node);

/* Finds the place of the child under a byte, or NULL. */
gib_link *gib_node_find(gib_node *node, uint8_t byte);

/* Any place in use. */
gib_link *gib_node_any(gib_node *node);

/* Positions number the places of a node in the order of the keys below them: 0 is the terminal. The
   function finds the first place in use at *position or after, sets *position to the one behind it,
   and returns NULL where there is none. */
gib_link *gib_node_next(gib_node *node, unsigned *position);

/* The position of the first child under `byte` or a greater one. */
unsigned gib_node_position(const gib_node *node, unsigned byte);

/* Adds a child under a byte that has none. The node may be exchanged for a larger one, in *place.
   False, with nothing changed, if memory runs out. */
bool gib_node_add(gib_tree *tree, gib_link *place, uint8_t byte, gib_link child);

/* Removes the child under a byte. The node may be exchanged for a smaller one, in *place. */
void gib_node_remove(gib_tree *tree, gib_link *place, uint8_t byte);

/* Hangs a link under a node (NULL at the top): tells it to the child where that is a node. */
void gib_link_hang(gib_link link, gib_node *parent, uint8_t byte);

#endif
