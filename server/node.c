#include "node.h"

#include <stdlib.h>
#include <string.h>

#include "memory.h"

/* Capacities of a LIST, chosen so that header, places and bytes fill what malloc hands out (64, 96,
   144 and 176 bytes with its own header). The bytes are kept in words of 8, see find_in_list. */
enum { SMALLEST_LIST = 3, LARGEST_LIST = 16, INDEX_CAPACITY = 48, FULL_CAPACITY = 256 };

static const uint8_t list_capacities[] = {SMALLEST_LIST, 7, 12, LARGEST_LIST};

/* A node shrinks when it has this many children fewer than the next smaller one has room for, so
   that removing and adding in turn does not exchange it each time. */
enum { SLACK_OF_LIST = 1, SLACK_OF_TABLE = 4 };

static size_t places_of(const gib_node *node)
{
    return node->kind == GIB_NODE_FULL ? FULL_CAPACITY : node->capacity;
}

static size_t tail_size(gib_node_kind kind, size_t places)
{
    switch (kind) {
    case GIB_NODE_LIST:
        return (places + 7) & ~(size_t)7;
    case GIB_NODE_INDEX:
        return 256;
    default:
        return 0;
    }
}

static size_t node_size(gib_node_kind kind, size_t places)
{
    return sizeof(gib_node) + places * sizeof(gib_link) + tail_size(kind, places);
}

/* The bytes of a LIST; the table of an INDEX, which holds 1 + the number of the place, or 0. */
static uint8_t *tail_of(gib_node *node)
{
    return (uint8_t *)(node->children + places_of(node));
}

static gib_node *make(gib_tree *tree, gib_node_kind kind, size_t places)
{
    size_t size = node_size(kind, places);
    gib_node *node = calloc(1, size);
    if (node) {
        node->kind = (uint8_t)kind;
        node->capacity = kind == GIB_NODE_FULL ? 0 : (uint8_t)places;
        tree->node_bytes += gib_memory_cost(size);
    }
    return node;
}

gib_node *gib_node_new(gib_tree *tree, size_t depth)
{
    gib_node *node = make(tree, GIB_NODE_LIST, SMALLEST_LIST);
    if (node) {
        node->depth = (uint16_t)depth;
    }
    return node;
}

void gib_node_free(gib_tree *tree, gib_node *node)
{
    tree->node_bytes -= gib_memory_cost(node_size((gib_node_kind)node->kind, places_of(node)));
    free(node);
}

void gib_link_hang(gib_link link, gib_node *parent, uint8_t byte)
{
    if (link && !gib_link_is_item(link)) {
        gib_link_node(link)->parent = parent;
        gib_link_node(link)->byte = byte;
    }
}

/* Looks at 8 bytes at once: in a word that was xored with the byte, the match is a byte of zeros.
   The trick marks the lowest zero byte rightly, and may wrongly mark ones above it. From "Bit
   Twiddling Hacks", S. E. Anderson, "Determine if a word has a zero byte". */
static unsigned find_in_list(gib_node *node, uint8_t byte)
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

gib_link *gib_node_find(gib_node *node, uint8_t byte)
{
    unsigned at;
    switch (node->kind) {
    case GIB_NODE_LIST:
        at = find_in_list(node, byte);
        return at < node->count ? &node->children[at] : NULL;
    case GIB_NODE_INDEX:
        at = tail_of(node)[byte];
        return at ? &node->children[at - 1] : NULL;
    default:
        return node->children[byte] ? &node->children[byte] : NULL;
    }
}

gib_link *gib_node_any(gib_node *node)
{
    if (!node->terminal && node->kind == GIB_NODE_INDEX) {
        return &node->children[0]; /* in use, see remove_from_index; the table would take longer */
    }
    unsigned position = 0;
    return gib_node_next(node, &position);
}

gib_link *gib_node_next(gib_node *node, unsigned *position)
{
    unsigned at = *position;
    if (at == 0) {
        if (node->terminal) {
            *position = 1;
            return &node->terminal;
        }
        at = 1;
    }
    if (node->kind == GIB_NODE_LIST) {
        *position = at + 1;
        return at <= node->count ? &node->children[at - 1] : NULL;
    }
    for (; at <= FULL_CAPACITY; at++) {
        gib_link *place = gib_node_find(node, (uint8_t)(at - 1));
        if (place) {
            *position = at + 1;
            return place;
        }
    }
    *position = at;
    return NULL;
}

unsigned gib_node_position(const gib_node *node, unsigned byte)
{
    if (node->kind != GIB_NODE_LIST) {
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
static void put(gib_node *node, uint8_t byte, gib_link child)
{
    uint8_t *tail = tail_of(node);
    if (node->kind == GIB_NODE_LIST) {
        unsigned at = gib_node_position(node, byte) - 1;
        unsigned behind = node->count - at;
        memmove(node->children + at + 1, node->children + at, behind * sizeof child);
        memmove(tail + at + 1, tail + at, behind);
        node->children[at] = child;
        tail[at] = byte;
    } else if (node->kind == GIB_NODE_INDEX) {
        node->children[node->count] = child;
        tail[byte] = (uint8_t)(node->count + 1);
    } else {
        node->children[byte] = child;
    }
    node->count++;
    gib_link_hang(child, node, byte);
}

/* The byte of the child that gib_node_next has just returned. */
static uint8_t byte_before(gib_node *node, unsigned position)
{
    return node->kind == GIB_NODE_LIST ? tail_of(node)[position - 2] : (uint8_t)(position - 2);
}

/* Exchanges a node for one of another size, with the same children. */
static bool exchange(gib_tree *tree, gib_link *place, gib_node_kind kind, size_t places)
{
    gib_node *from = gib_link_node(*place);
    gib_node *to = make(tree, kind, places);
    if (!to) {
        return false;
    }
    to->depth = from->depth;
    to->terminal = from->terminal;
    gib_link *child;
    unsigned position = 1;
    while ((child = gib_node_next(from, &position))) {
        put(to, byte_before(from, position), *child);
    }
    gib_link_hang((gib_link)to, from->parent, from->byte);
    *place = (gib_link)to;
    gib_node_free(tree, from);
    return true;
}

static bool grow(gib_tree *tree, gib_link *place)
{
    gib_node *node = gib_link_node(*place);
    if (node->kind == GIB_NODE_INDEX) {
        return exchange(tree, place, GIB_NODE_FULL, FULL_CAPACITY);
    }
    for (size_t i = 0; i < sizeof list_capacities; i++) {
        if (list_capacities[i] > node->capacity) {
            return exchange(tree, place, GIB_NODE_LIST, list_capacities[i]);
        }
    }
    return exchange(tree, place, GIB_NODE_INDEX, INDEX_CAPACITY);
}

bool gib_node_add(gib_tree *tree, gib_link *place, uint8_t byte, gib_link child)
{
    gib_node *node = gib_link_node(*place);
    if (node->kind != GIB_NODE_FULL && node->count == node->capacity && !grow(tree, place)) {
        return false;
    }
    put(gib_link_node(*place), byte, child);
    return true;
}

static void remove_from_list(gib_node *node, uint8_t byte)
{
    uint8_t *bytes = tail_of(node);
    unsigned at = find_in_list(node, byte);
    unsigned behind = node->count - at - 1u;
    memmove(node->children + at, node->children + at + 1, behind * sizeof(gib_link));
    memmove(bytes + at, bytes + at + 1, behind);
}

/* The last place takes the one that was left, so that those in use are the first ones. */
static void remove_from_index(gib_node *node, uint8_t byte)
{
    uint8_t *table = tail_of(node);
    uint8_t left = table[byte];
    uint8_t *last = memchr(table, node->count, 256);
    node->children[left - 1] = node->children[node->count - 1];
    *last = left;
    table[byte] = 0;
}

/* Failing to shrink only costs memory. */
static void shrink(gib_tree *tree, gib_link *place)
{
    gib_node *node = gib_link_node(*place);
    if (node->kind == GIB_NODE_FULL) {
        if (node->count <= INDEX_CAPACITY - SLACK_OF_TABLE) {
            exchange(tree, place, GIB_NODE_INDEX, INDEX_CAPACITY);
        }
    } else if (node->kind == GIB_NODE_INDEX) {
        if (node->count <= LARGEST_LIST - SLACK_OF_TABLE) {
            exchange(tree, place, GIB_NODE_LIST, LARGEST_LIST);
        }
    } else {
        for (size_t i = 0; list_capacities[i] < node->capacity; i++) {
            if (node->count <= list_capacities[i] - SLACK_OF_LIST) {
                exchange(tree, place, GIB_NODE_LIST, list_capacities[i]);
                return;
            }
        }
    }
}

void gib_node_remove(gib_tree *tree, gib_link *place, uint8_t byte)
{
    gib_node *node = gib_link_node(*place);
    switch (node->kind) {
    case GIB_NODE_LIST:
        remove_from_list(node, byte);
        break;
    case GIB_NODE_INDEX:
        remove_from_index(node, byte);
        break;
    default:
        node->children[byte] = 0;
    }
    node->count--;
    shrink(tree, place);
}
