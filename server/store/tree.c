#include "store/tree.h"

#include "store/node.h"

static uint8_t key_byte(gibson_bytes key, size_t at)
{
    return ((const uint8_t *)key.data)[at];
}

static gibson_bytes key_of(const gibs_item *item)
{
    return (gibson_bytes){item->bytes, item->key_size};
}

gibs_link *gibs_tree_find(gibs_tree *tree, gibson_bytes key)
{
    gibs_link *place = &tree->root;
    while (place && *place && !gibs_link_is_item(*place)) {
        place = gibs_node_step(gibs_link_node(*place), key);
    }
    return place && *place && gibs_item_has_key(gibs_link_item(*place), key) ? place : NULL;
}

/* Some item below a link. They all begin alike up to the depth of the node. */
static gibs_item *any_item(gibs_link link)
{
    while (!gibs_link_is_item(link)) {
        link = *gibs_node_any(gibs_link_node(link));
    }
    return gibs_link_item(link);
}

static uint32_t sooner(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* In debug and fuzz builds: is what the nodes above a change say still so? */
static void check_from(gibs_link link)
{
#if defined(GIB_CHECK_STATE)
    gibs_node *node = link && !gibs_link_is_item(link) ? gibs_link_node(link) : NULL;
    for (; node; node = node->parent) {
        gibs_node_assert(node);
    }
#else
    (void)link;
#endif
}

/* Lets the nodes above an item that was added know of it. */
static void note_added(gibs_node *node, gibs_link link)
{
    uint32_t end = gibs_link_soonest(link);
    bool may_lock = gibs_link_may_lock(link);
    for (gibs_node *at = node; at; at = at->parent) {
        at->items++;
        at->soonest = sooner(end, at->soonest);
        at->may_lock |= may_lock;
    }
    check_from((gibs_link)node);
}

/* An item that has as much in common with the key as any in the tree. */
static gibs_item *closest_item(gibs_link link, gibson_bytes key)
{
    while (!gibs_link_is_item(link)) {
        gibs_link *place = gibs_node_step(gibs_link_node(link), key);
        if (!place) {
            return any_item(link);
        }
        link = *place;
    }
    return gibs_link_item(link);
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
static void attach(gibs_tree *tree, gibs_link *place, gibson_bytes key, gibs_link link)
{
    gibs_node *node = gibs_link_node(*place);
    if (key.size == node->depth) {
        node->terminal = link;
    } else {
        gibs_node_add(tree, place, key_byte(key, node->depth), link);
    }
}

/* Puts a new node in front of what is in a place, where the keys below it and the new one part. */
static bool split(gibs_tree *tree, gibs_link *place, size_t depth, gibson_bytes key_below,
                  gibs_item *item)
{
    gibs_node *node = gibs_node_new(tree, depth);
    if (!node) {
        return false;
    }
    gibs_link below = *place;
    *place = (gibs_link)node;
    node->items = gibs_link_items(below);
    node->soonest = gibs_link_soonest(below);
    node->may_lock = gibs_link_may_lock(below);
    attach(tree, place, key_below, below);
    attach(tree, place, key_of(item), gibs_link_to(item));
    return true;
}

/* Hangs an item into a place, or a node in it: `common` bytes of its key lead there, and are those
   of the keys below. */
static bool insert_at(gibs_tree *tree, gibs_link *place, gibs_node *parent, gibs_item *item,
                      gibson_bytes closest, size_t common)
{
    gibson_bytes key = key_of(item);
    gibs_node *node = gibs_link_is_item(*place) ? NULL : gibs_link_node(*place);
    if (node && node->depth == common) {
        if (key.size == common) {
            node->terminal = gibs_link_to(item);
            return true;
        }
        return gibs_node_add(tree, place, key_byte(key, common), gibs_link_to(item));
    }
    if (!split(tree, place, common, closest, item)) {
        return false;
    }
    gibs_link_hang(*place, parent, parent ? key_byte(key, parent->depth) : 0);
    return true;
}

bool gibs_tree_insert(gibs_tree *tree, gibs_item *item)
{
    gibson_bytes key = key_of(item);
    tree->changes++;
    if (!tree->root) {
        tree->root = gibs_link_to(item);
        return true;
    }
    if (gibs_link_items(tree->root) == UINT32_MAX) {
        return false;
    }
    gibson_bytes closest = key_of(closest_item(tree->root, key));
    size_t common = common_size(key, closest);
    gibs_link *place = &tree->root;
    gibs_node *parent = NULL;
    while (!gibs_link_is_item(*place) && gibs_link_node(*place)->depth < common) {
        parent = gibs_link_node(*place);
        place = gibs_node_step(parent, key);
    }
    if (!insert_at(tree, place, parent, item, closest, common)) {
        return false;
    }
    note_added(gibs_link_node(*place), gibs_link_to(item));
    return true;
}

void gibs_tree_note(gibs_tree *tree, const gibs_item *item)
{
    gibs_link link = gibs_link_to(item);
    uint32_t end = gibs_link_soonest(link);
    bool may_lock = gibs_link_may_lock(link);
    gibs_link *place = &tree->root;
    while (place && !gibs_link_is_item(*place)) {
        gibs_node *node = gibs_link_node(*place);
        node->soonest = sooner(end, node->soonest);
        node->may_lock |= may_lock;
        place = gibs_node_step(node, key_of(item));
    }
}

uint32_t gibs_tree_soonest(const gibs_tree *tree)
{
    return tree->root ? gibs_link_soonest(tree->root) : UINT32_MAX;
}

uint32_t gibs_tree_items(const gibs_link *place)
{
    return place && *place ? gibs_link_items(*place) : 0;
}

bool gibs_tree_may_have_expired(const gibs_link *place, uint32_t now)
{
    return place && *place && gibs_link_soonest(*place) < now;
}

bool gibs_tree_may_be_locked(const gibs_link *place)
{
    return place && *place && gibs_link_may_lock(*place);
}

gibs_item *gibs_tree_last(const gibs_link *place)
{
    while (!gibs_link_is_item(*place)) {
        place = gibs_node_last(gibs_link_node(*place));
    }
    return gibs_link_item(*place);
}

/* The place in which a node hangs. */
static gibs_link *place_of(gibs_tree *tree, gibs_node *node)
{
    return node->parent ? gibs_node_find(node->parent, node->byte) : &tree->root;
}

/* Mends a node that has lost a child: one with a single link left gives way to what hangs there. */
static void collapse(gibs_tree *tree, gibs_link *place)
{
    gibs_node *node = gibs_link_node(*place);
    if (node->count + (node->terminal ? 1u : 0u) > 1) {
        return;
    }
    gibs_link last = *gibs_node_any(node);
    gibs_link_hang(last, node->parent, node->byte);
    *place = last;
    gibs_node_free(tree, node);
}

/* Takes what hangs in a place of a node (NULL: at the root) out of the tree. */
static gibs_link cut(gibs_tree *tree, gibs_link *place, gibs_node *parent, gibson_bytes key)
{
    gibs_link link = *place;
    uint32_t items = gibs_link_items(link);
    tree->changes++;
    gibs_link_hang(link, NULL, 0);
    for (gibs_node *at = parent; at; at = at->parent) {
        at->items -= items;
    }
    if (!parent) {
        tree->root = 0;
        return link;
    }
    gibs_link *parent_place = place_of(tree, parent);
    if (place == &parent->terminal) {
        parent->terminal = 0;
    } else {
        gibs_node_remove(tree, parent_place, key_byte(key, parent->depth));
    }
    collapse(tree, parent_place);
    check_from(*parent_place);
    return link;
}

gibs_item *gibs_tree_remove(gibs_tree *tree, gibson_bytes key)
{
    gibs_link *place = &tree->root;
    gibs_node *parent = NULL;
    while (place && *place && !gibs_link_is_item(*place)) {
        parent = gibs_link_node(*place);
        place = gibs_node_step(parent, key);
    }
    if (!place || !*place || !gibs_item_has_key(gibs_link_item(*place), key)) {
        return NULL;
    }
    return gibs_link_item(cut(tree, place, parent, key));
}

/* Finds the place of gibs_tree_find_prefix and the node it is in. */
static gibs_link *find_prefix(gibs_tree *tree, gibson_bytes prefix, gibs_node **parent)
{
    gibs_link *place = &tree->root;
    *parent = NULL;
    while (place && *place && !gibs_link_is_item(*place) &&
           gibs_link_node(*place)->depth < prefix.size) {
        *parent = gibs_link_node(*place);
        place = gibs_node_step(*parent, prefix);
    }
    return place && *place && gibs_item_has_prefix(any_item(*place), prefix) ? place : NULL;
}

gibs_link *gibs_tree_find_prefix(gibs_tree *tree, gibson_bytes prefix)
{
    gibs_node *parent;
    return find_prefix(tree, prefix, &parent);
}

gibs_link gibs_tree_detach(gibs_tree *tree, gibson_bytes prefix)
{
    gibs_node *parent;
    gibs_link *place = find_prefix(tree, prefix, &parent);
    return place ? cut(tree, place, parent, prefix) : 0;
}

gibs_link gibs_tree_detach_part(gibs_tree *tree, const gibs_link *place)
{
    gibson_bytes key = key_of(any_item(*place));
    key.size = gibs_link_node(*place)->depth;
    return gibs_tree_detach(tree, key);
}

void gibs_walk_begin(gibs_walk *walk, gibs_link *place)
{
    *walk = (gibs_walk){0};
    if (place && *place) {
        if (gibs_link_is_item(*place)) {
            walk->single = place;
        } else {
            walk->node = walk->top = gibs_link_node(*place);
        }
    }
}

/* Puts the walk at the first item greater than a key that parts from those below a node before its
   depth: all of the node, or what comes behind it. */
static void begin_beside(gibs_walk *walk, gibs_node *node, bool node_is_greater)
{
    walk->node = node;
    walk->position = node_is_greater ? 0 : 257;
}

void gibs_walk_begin_after(gibs_walk *walk, gibs_tree *tree, gibson_bytes key)
{
    gibs_walk_begin(walk, &tree->root);
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
    gibs_node *node = walk->top;
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
        gibs_link *place = gibs_node_find(node, (uint8_t)byte);
        if (!place || gibs_link_is_item(*place)) {
            bool skip = place && !below_is_greater;
            walk->position = gibs_node_position(node, skip ? byte + 1 : byte);
            return;
        }
        node = gibs_link_node(*place);
    }
}

static bool leaves_out(const gibs_walk *walk, const gibs_node *node)
{
    switch (walk->kind) {
    case GIBS_WALK_ALL:
        return false;
    case GIBS_WALK_EXPIRING:
        return node->soonest >= walk->now;
    default:
        return !node->may_lock;
    }
}

/* Goes up, to the place behind the node. */
static void leave(gibs_walk *walk)
{
    gibs_node *node = walk->node;
    if (walk->kind != GIBS_WALK_ALL) {
        gibs_node_refresh(node);
    }
    walk->node = node == walk->top ? NULL : node->parent;
    if (walk->node) {
        walk->position = gibs_node_position(walk->node, node->byte + 1u);
    }
}

gibs_link *gibs_walk_next(gibs_walk *walk)
{
    if (walk->single) {
        gibs_link *place = walk->single;
        walk->single = NULL;
        return place;
    }
    while (walk->node) {
        gibs_link *place = gibs_node_next(walk->node, &walk->position);
        if (!place) {
            leave(walk);
            continue;
        }
        bool passed_by = !gibs_link_is_item(*place) && leaves_out(walk, gibs_link_node(*place));
        if (gibs_link_is_item(*place) || (passed_by && walk->kind == GIBS_WALK_PARTS)) {
            return place;
        }
        if (!passed_by) {
            walk->node = gibs_link_node(*place);
            walk->position = 0;
        }
    }
    return NULL;
}

void gibs_dismantle_push(gibs_dismantling *work, gibs_link detached)
{
    /* It hangs below what was being done, so that going up from its top leads back there. */
    gibs_link_hang(detached, work->node, 0);
    work->node = gibs_link_node(detached);
}

/* Takes the last child away; the order does not matter here, and the last is the cheapest. */
static gibs_link take_last(gibs_node *node)
{
    gibs_link link = node->terminal;
    if (link) {
        node->terminal = 0;
        return link;
    }
    if (node->kind != GIBS_NODE_FULL) {
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

gibs_item *gibs_dismantle_next(gibs_dismantling *work, gibs_tree *tree)
{
    while (work->node) {
        gibs_node *node = work->node;
        gibs_link link = take_last(node);
        if (!link) {
            work->node = node->parent;
            gibs_node_free(tree, node);
        } else if (gibs_link_is_item(link)) {
            return gibs_link_item(link);
        } else {
            work->node = gibs_link_node(link);
        }
    }
    return NULL;
}
