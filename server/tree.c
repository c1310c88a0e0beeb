#include "tree.h"

#include "node.h"

static uint8_t key_byte(gibson_bytes key, size_t at)
{
    return ((const uint8_t *)key.data)[at];
}

static gibson_bytes key_of(const gib_item *item)
{
    return (gibson_bytes){item->bytes, item->key_size};
}

/* The place in a node to which a key leads, or NULL. */
static gib_link *step(gib_node *node, gibson_bytes key)
{
    if (key.size > node->depth) {
        return gib_node_find(node, key_byte(key, node->depth));
    }
    return key.size == node->depth && node->terminal ? &node->terminal : NULL;
}

gib_link *gib_tree_find(gib_tree *tree, gibson_bytes key)
{
    gib_link *place = &tree->root;
    while (place && *place && !gib_link_is_item(*place)) {
        place = step(gib_link_node(*place), key);
    }
    return place && *place && gib_item_has_key(gib_link_item(*place), key) ? place : NULL;
}

/* Some item below a link. They all begin alike up to the depth of the node. */
static gib_item *any_item(gib_link link)
{
    while (!gib_link_is_item(link)) {
        link = *gib_node_any(gib_link_node(link));
    }
    return gib_link_item(link);
}

/* An item that has as much in common with the key as any in the tree. */
static gib_item *closest_item(gib_link link, gibson_bytes key)
{
    while (!gib_link_is_item(link)) {
        gib_link *place = step(gib_link_node(link), key);
        if (!place) {
            return any_item(link);
        }
        link = *place;
    }
    return gib_link_item(link);
}

static size_t common_size(gibson_bytes a, gibson_bytes b)
{
    const uint8_t *left = a.data;
    const uint8_t *right = b.data;
    size_t size = a.size < b.size ? a.size : b.size;
    size_t at = 0;
    while (at < size && left[at] == right[at]) {
        at++;
    }
    return at;
}

/* Hangs a link into a node: under the next byte of a key that leads to it, or as the terminal. The
   node has room. */
static void attach(gib_tree *tree, gib_link *place, gibson_bytes key, gib_link link)
{
    gib_node *node = gib_link_node(*place);
    if (key.size == node->depth) {
        node->terminal = link;
    } else {
        gib_node_add(tree, place, key_byte(key, node->depth), link);
    }
}

/* Puts a new node in front of what is in a place, where the keys below it and the new one part. */
static bool split(gib_tree *tree, gib_link *place, size_t depth, gibson_bytes key_below,
                  gib_item *item)
{
    gib_node *node = gib_node_new(tree, depth);
    if (!node) {
        return false;
    }
    gib_link below = *place;
    *place = (gib_link)node;
    attach(tree, place, key_below, below);
    attach(tree, place, key_of(item), gib_link_to(item));
    return true;
}

bool gib_tree_insert(gib_tree *tree, gib_item *item)
{
    gibson_bytes key = key_of(item);
    if (!tree->root) {
        tree->root = gib_link_to(item);
        return true;
    }
    gibson_bytes closest = key_of(closest_item(tree->root, key));
    size_t common = common_size(key, closest);
    gib_link *place = &tree->root;
    gib_node *parent = NULL;
    while (!gib_link_is_item(*place) && gib_link_node(*place)->depth < common) {
        parent = gib_link_node(*place);
        place = step(parent, key);
    }
    gib_node *node = gib_link_is_item(*place) ? NULL : gib_link_node(*place);
    if (node && node->depth == common) {
        if (key.size == common) {
            node->terminal = gib_link_to(item);
            return true;
        }
        return gib_node_add(tree, place, key_byte(key, common), gib_link_to(item));
    }
    if (!split(tree, place, common, closest, item)) {
        return false;
    }
    gib_link_hang(*place, parent, parent ? key_byte(key, parent->depth) : 0);
    return true;
}

/* The place in which a node hangs. */
static gib_link *place_of(gib_tree *tree, gib_node *node)
{
    return node->parent ? gib_node_find(node->parent, node->byte) : &tree->root;
}

/* Mends a node that has lost a child: one with a single link left gives way to what hangs there. */
static void collapse(gib_tree *tree, gib_link *place)
{
    gib_node *node = gib_link_node(*place);
    if (node->count + (node->terminal ? 1u : 0u) > 1) {
        return;
    }
    gib_link last = *gib_node_any(node);
    gib_link_hang(last, node->parent, node->byte);
    *place = last;
    gib_node_free(tree, node);
}

/* Takes what hangs in a place of a node (NULL: at the root) out of the tree. */
static gib_link cut(gib_tree *tree, gib_link *place, gib_node *parent, gibson_bytes key)
{
    gib_link link = *place;
    gib_link_hang(link, NULL, 0);
    if (!parent) {
        tree->root = 0;
        return link;
    }
    gib_link *parent_place = place_of(tree, parent);
    if (place == &parent->terminal) {
        parent->terminal = 0;
    } else {
        gib_node_remove(tree, parent_place, key_byte(key, parent->depth));
    }
    collapse(tree, parent_place);
    return link;
}

gib_item *gib_tree_remove(gib_tree *tree, gibson_bytes key)
{
    gib_link *place = &tree->root;
    gib_node *parent = NULL;
    while (place && *place && !gib_link_is_item(*place)) {
        parent = gib_link_node(*place);
        place = step(parent, key);
    }
    if (!place || !*place || !gib_item_has_key(gib_link_item(*place), key)) {
        return NULL;
    }
    return gib_link_item(cut(tree, place, parent, key));
}

/* Finds the place of gib_tree_find_prefix and the node it is in. */
static gib_link *find_prefix(gib_tree *tree, gibson_bytes prefix, gib_node **parent)
{
    gib_link *place = &tree->root;
    *parent = NULL;
    while (place && *place && !gib_link_is_item(*place) &&
           gib_link_node(*place)->depth < prefix.size) {
        *parent = gib_link_node(*place);
        place = step(*parent, prefix);
    }
    return place && *place && gib_item_has_prefix(any_item(*place), prefix) ? place : NULL;
}

gib_link *gib_tree_find_prefix(gib_tree *tree, gibson_bytes prefix)
{
    gib_node *parent;
    return find_prefix(tree, prefix, &parent);
}

gib_link gib_tree_detach(gib_tree *tree, gibson_bytes prefix)
{
    gib_node *parent;
    gib_link *place = find_prefix(tree, prefix, &parent);
    return place ? cut(tree, place, parent, prefix) : 0;
}

void gib_walk_begin(gib_walk *walk, gib_link *place)
{
    *walk = (gib_walk){0};
    if (place && *place) {
        if (gib_link_is_item(*place)) {
            walk->single = place;
        } else {
            walk->node = walk->top = gib_link_node(*place);
        }
    }
}

/* Puts the walk at the first item greater than a key that parts from those below a node before its
   depth: all of the node, or what comes behind it. */
static void begin_beside(gib_walk *walk, gib_node *node, bool node_is_greater)
{
    walk->node = node;
    walk->position = node_is_greater ? 0 : 257;
}

void gib_walk_begin_after(gib_walk *walk, gib_tree *tree, gibson_bytes key)
{
    gib_walk_begin(walk, &tree->root);
    if (!tree->root) {
        return;
    }
    gibson_bytes closest = key_of(closest_item(tree->root, key));
    size_t common = common_size(key, closest);
    bool below_is_greater =
        common < closest.size &&
        (common == key.size || key_byte(closest, common) > key_byte(key, common));
    if (walk->single) {
        walk->single = below_is_greater ? walk->single : NULL;
        return;
    }
    gib_node *node = walk->top;
    for (;;) {
        if (node->depth > common) {
            begin_beside(walk, node, below_is_greater);
            return;
        }
        walk->node = node;
        if (key.size == node->depth) {
            walk->position = 1; /* the terminal would be the key itself */
            return;
        }
        unsigned byte = key_byte(key, node->depth);
        gib_link *place = gib_node_find(node, (uint8_t)byte);
        if (!place || gib_link_is_item(*place)) {
            bool skip = place && !below_is_greater;
            walk->position = gib_node_position(node, skip ? byte + 1 : byte);
            return;
        }
        node = gib_link_node(*place);
    }
}

gib_link *gib_walk_next(gib_walk *walk)
{
    if (walk->single) {
        gib_link *place = walk->single;
        walk->single = NULL;
        return place;
    }
    while (walk->node) {
        gib_node *node = walk->node;
        gib_link *place = gib_node_next(node, &walk->position);
        if (!place) {
            walk->node = node == walk->top ? NULL : node->parent;
            if (walk->node) {
                walk->position = gib_node_position(walk->node, node->byte + 1u);
            }
        } else if (gib_link_is_item(*place)) {
            return place;
        } else {
            walk->node = gib_link_node(*place);
            walk->position = 0;
        }
    }
    return NULL;
}

void gib_dismantle_push(gib_dismantling *work, gib_link detached)
{
    /* It hangs below what was being done, so that going up from its top leads back there. */
    gib_link_hang(detached, work->node, 0);
    work->node = gib_link_node(detached);
}

/* Takes the last child away; the order does not matter here, and the last is the cheapest. */
static gib_link take_last(gib_node *node)
{
    gib_link link = node->terminal;
    if (link) {
        node->terminal = 0;
        return link;
    }
    if (node->kind != GIB_NODE_FULL) {
        return node->count ? node->children[--node->count] : 0;
    }
    for (unsigned at = node->capacity; at < 256; at++) {
        link = node->children[at];
        if (link) {
            node->capacity = (uint8_t)at; /* unused by FULL: where the next search begins */
            node->children[at] = 0;
            return link;
        }
    }
    return 0;
}

gib_item *gib_dismantle_next(gib_dismantling *work, gib_tree *tree)
{
    while (work->node) {
        gib_node *node = work->node;
        gib_link link = take_last(node);
        if (!link) {
            work->node = node->parent;
            gib_node_free(tree, node);
        } else if (gib_link_is_item(link)) {
            return gib_link_item(link);
        } else {
            work->node = gib_link_node(link);
        }
    }
    return NULL;
}
