#include "store/node.h"

#include <string.h>

#include "store/memory.h"

/* Capacities of a LIST, chosen so that header, places and bytes fill what malloc hands out (64, 80,
   112, 144 and 192 bytes with its own header). 11 are the digits and what ends a number. The bytes
   are kept in words of 8, see find_in_list. */
enum { SMALLEST_LIST = 2, LARGEST_LIST = 16, INDEX_CAPACITY = 48, FULL_CAPACITY = 256 };

static const uint8_t list_capacities[] = {SMALLEST_LIST, 4, 8, 11, LARGEST_LIST};

/* A node shrinks when it has this many children fewer than the next smaller one has room for, so
   that removing and adding in turn does not exchange it each time. */
enum { SLACK_OF_LIST = 1, SLACK_OF_TABLE = 4 };

static size_t places_of(const gibs_node *node)
{
    return node->kind == GIBS_NODE_FULL ? FULL_CAPACITY : node->capacity;
}

static size_t tail_size(gibs_node_kind kind, size_t places)
{
    switch (kind) {
    case GIBS_NODE_LIST:
        return (places + 7) & ~(size_t)7;
    case GIBS_NODE_INDEX:
        return 256;
    default:
        return 0;
    }
}

static size_t node_size(gibs_node_kind kind, size_t places)
{
    return sizeof(gibs_node) + places * sizeof(gibs_link) + tail_size(kind, places);
}

/* The bytes of a LIST; the table of an INDEX, which holds 1 + the number of the place, or 0. */
static uint8_t *tail_of(gibs_node *node)
{
    return (uint8_t *)(node->children + places_of(node));
}

static gibs_node *make(gibs_tree *tree, gibs_node_kind kind, size_t places)
{
    size_t size = node_size(kind, places);
    gibs_node *node = gibs_heap_allocate(tree->heap, size);
    if (node) {
        memset(node, 0, size);
        node->kind = (uint8_t)kind;
        node->capacity = kind == GIBS_NODE_FULL ? 0 : (uint8_t)places;
        tree->node_bytes += gibs_memory_cost(size);
    }
    return node;
}

gibs_node *gibs_node_new(gibs_tree *tree, size_t depth)
{
    gibs_node *node = make(tree, GIBS_NODE_LIST, SMALLEST_LIST);
    if (node) {
        node->depth = (uint16_t)depth;
        node->soonest = UINT32_MAX;
    }
    return node;
}

void gibs_node_free(gibs_tree *tree, gibs_node *node)
{
    tree->node_bytes -= gibs_memory_cost(node_size((gibs_node_kind)node->kind, places_of(node)));
    gibs_heap_free(tree->heap, node);
}

void gibs_link_hang(gibs_link link, gibs_node *parent, uint8_t byte)
{
    if (link && !gibs_link_is_item(link)) {
        gibs_link_node(link)->parent = parent;
        gibs_link_node(link)->byte = byte;
    }
}

/* Looks at 8 bytes at once: in a word that was xored with the byte, the match is a byte of zeros.
   The trick marks the lowest zero byte rightly, and may wrongly mark ones above it. From "Bit
   Twiddling Hacks", S. E. Anderson, "Determine if a word has a zero byte". */
static unsigned find_in_list(gibs_node *node, uint8_t byte)
{
    const uint8_t *bytes = tail_of(node);
    for (unsigned at = 0; at < node->count; at += 8) {
        uint64_t word = gib_load_u64(bytes + at) ^ (UINT64_C(0x0101010101010101) * (uint64_t)byte);
        uint64_t zeros =
            (word - UINT64_C(0x0101010101010101)) & ~word & UINT64_C(0x8080808080808080);
        if (zeros) {
            unsigned found = at + (unsigned)__builtin_ctzll(zeros) / 8;
            return found < node->count ? found : node->count; /* bytes past the count are 0 */
        }
    }
    return node->count;
}

gibs_link *gibs_node_find(gibs_node *node, uint8_t byte)
{
    unsigned at;
    switch (node->kind) {
    case GIBS_NODE_LIST:
        at = find_in_list(node, byte);
        return at < node->count ? &node->children[at] : NULL;
    case GIBS_NODE_INDEX:
        at = tail_of(node)[byte];
        return at ? &node->children[at - 1] : NULL;
    default:
        return node->children[byte] ? &node->children[byte] : NULL;
    }
}

gibs_link *gibs_node_any(gibs_node *node)
{
    if (!node->terminal && node->kind == GIBS_NODE_INDEX) {
        return &node->children[0]; /* in use, see remove_from_index; the table would take longer */
    }
    unsigned position = 0;
    return gibs_node_next(node, &position);
}

gibs_link *gibs_node_next(gibs_node *node, unsigned *position)
{
    unsigned at = *position;
    if (at == 0) {
        if (node->terminal) {
            *position = 1;
            return &node->terminal;
        }
        at = 1;
    }
    if (node->kind == GIBS_NODE_LIST) {
        *position = at + 1;
        return at <= node->count ? &node->children[at - 1] : NULL;
    }
    for (; at <= FULL_CAPACITY; at++) {
        gibs_link *place = gibs_node_find(node, (uint8_t)(at - 1));
        if (place) {
            *position = at + 1;
            return place;
        }
    }
    *position = at;
    return NULL;
}

gibs_link *gibs_node_last(gibs_node *node)
{
    if (!node->count) {
        return &node->terminal;
    }
    if (node->kind == GIBS_NODE_LIST) {
        return &node->children[node->count - 1];
    }
    gibs_link *place = NULL;
    for (unsigned byte = 256; !place && byte--;) {
        place = gibs_node_find(node, (uint8_t)byte);
    }
    return place;
}

void gibs_node_refresh(gibs_node *node)
{
    uint32_t soonest = UINT32_MAX;
    bool may_lock = false;
    unsigned position = 0;
    gibs_link *place;
    while ((place = gibs_node_next(node, &position))) {
        uint32_t end = gibs_link_soonest(*place);
        soonest = end < soonest ? end : soonest;
        may_lock = may_lock || gibs_link_may_lock(*place);
    }
    node->soonest = soonest;
    node->may_lock = may_lock;
}

unsigned gibs_node_position(const gibs_node *node, unsigned byte)
{
    if (node->kind != GIBS_NODE_LIST) {
        return byte + 1;
    }
    const uint8_t *bytes = (const uint8_t *)(node->children + node->capacity);
    unsigned at = 0;
    while (at < node->count && bytes[at] < byte) {
        at++;
    }
    return at + 1;
}

/* Puts a child into a node that has room for it. */
static void put(gibs_node *node, uint8_t byte, gibs_link child)
{
    uint8_t *tail = tail_of(node);
    if (node->kind == GIBS_NODE_LIST) {
        unsigned at = gibs_node_position(node, byte) - 1;
        unsigned behind = node->count - at;
        memmove(node->children + at + 1, node->children + at, behind * sizeof child);
        memmove(tail + at + 1, tail + at, behind);
        node->children[at] = child;
        tail[at] = byte;
    } else if (node->kind == GIBS_NODE_INDEX) {
        node->children[node->count] = child;
        tail[byte] = (uint8_t)(node->count + 1);
    } else {
        node->children[byte] = child;
    }
    node->count++;
    gibs_link_hang(child, node, byte);
}

/* The byte of the child that gibs_node_next has just returned. */
static uint8_t byte_before(gibs_node *node, unsigned position)
{
    return node->kind == GIBS_NODE_LIST ? tail_of(node)[position - 2] : (uint8_t)(position - 2);
}

/* Exchanges a node for one of another size, with the same children. */
static bool exchange(gibs_tree *tree, gibs_link *place, gibs_node_kind kind, size_t places)
{
    gibs_node *from = gibs_link_node(*place);
    gibs_node *to = make(tree, kind, places);
    if (!to) {
        return false;
    }
    to->depth = from->depth;
    to->terminal = from->terminal;
    to->items = from->items;
    to->soonest = from->soonest;
    to->may_lock = from->may_lock;
    gibs_link *child;
    unsigned position = 1;
    while ((child = gibs_node_next(from, &position))) {
        put(to, byte_before(from, position), *child);
    }
    gibs_link_hang((gibs_link)to, from->parent, from->byte);
    *place = (gibs_link)to;
    gibs_node_free(tree, from);
    return true;
}

static bool grow(gibs_tree *tree, gibs_link *place)
{
    gibs_node *node = gibs_link_node(*place);
    if (node->kind == GIBS_NODE_INDEX) {
        return exchange(tree, place, GIBS_NODE_FULL, FULL_CAPACITY);
    }
    for (size_t i = 0; i < sizeof list_capacities; i++) {
        if (list_capacities[i] > node->capacity) {
            return exchange(tree, place, GIBS_NODE_LIST, list_capacities[i]);
        }
    }
    return exchange(tree, place, GIBS_NODE_INDEX, INDEX_CAPACITY);
}

bool gibs_node_add(gibs_tree *tree, gibs_link *place, uint8_t byte, gibs_link child)
{
    gibs_node *node = gibs_link_node(*place);
    if (node->kind != GIBS_NODE_FULL && node->count == node->capacity && !grow(tree, place)) {
        return false;
    }
    put(gibs_link_node(*place), byte, child);
    return true;
}

static void remove_from_list(gibs_node *node, uint8_t byte)
{
    uint8_t *bytes = tail_of(node);
    unsigned at = find_in_list(node, byte);
    unsigned behind = node->count - at - 1u;
    memmove(node->children + at, node->children + at + 1, behind * sizeof(gibs_link));
    memmove(bytes + at, bytes + at + 1, behind);
}

/* The last place takes the one that was left, so that those in use are the first ones. */
static void remove_from_index(gibs_node *node, uint8_t byte)
{
    uint8_t *table = tail_of(node);
    uint8_t left = table[byte];
    uint8_t *last = memchr(table, node->count, 256);
    node->children[left - 1] = node->children[node->count - 1];
    *last = left;
    table[byte] = 0;
}

/* Failing to shrink only costs memory. */
static void shrink(gibs_tree *tree, gibs_link *place)
{
    gibs_node *node = gibs_link_node(*place);
    if (node->kind == GIBS_NODE_FULL) {
        if (node->count <= INDEX_CAPACITY - SLACK_OF_TABLE) {
            exchange(tree, place, GIBS_NODE_INDEX, INDEX_CAPACITY);
        }
    } else if (node->kind == GIBS_NODE_INDEX) {
        if (node->count <= LARGEST_LIST - SLACK_OF_TABLE) {
            exchange(tree, place, GIBS_NODE_LIST, LARGEST_LIST);
        }
    } else {
        for (size_t i = 0; list_capacities[i] < node->capacity; i++) {
            if (node->count <= list_capacities[i] - SLACK_OF_LIST) {
                exchange(tree, place, GIBS_NODE_LIST, list_capacities[i]);
                return;
            }
        }
    }
}

void gibs_node_remove(gibs_tree *tree, gibs_link *place, uint8_t byte)
{
    gibs_node *node = gibs_link_node(*place);
    switch (node->kind) {
    case GIBS_NODE_LIST:
        remove_from_list(node, byte);
        break;
    case GIBS_NODE_INDEX:
        remove_from_index(node, byte);
        break;
    default:
        node->children[byte] = 0;
    }
    node->count--;
    shrink(tree, place);
}
