/* What has to hold in a tree, for tests, and for builds that look for mistakes. */
#include <stdio.h>
#include <stdlib.h>

#include "store/node.h"
#include "store/tree.h"

const char *gibs_node_check(gibs_node *node)
{
    uint64_t items = 0;
    unsigned links = 0;
    unsigned position = 0;
    gibs_link *place;
    while ((place = gibs_node_next(node, &position))) {
        links++;
        items += gibs_link_items(*place);
        if (gibs_link_soonest(*place) < node->soonest) {
            return "an item expires sooner than a node above it says";
        }
        if (gibs_link_may_lock(*place) && !node->may_lock) {
            return "an item may be locked, and a node above it says that none is";
        }
        if (!gibs_link_is_item(*place) && gibs_link_node(*place)->parent != node) {
            return "a node hangs in another one than it says";
        }
    }
    if (links != node->count + (node->terminal ? 1U : 0U) || links < 2) {
        return "a node has another number of children than it says, or too few";
    }
    return items == node->items ? NULL : "there are not as many items below a node as it says";
}

void gibs_node_assert(gibs_node *node)
{
    const char *fault = gibs_node_check(node);
    if (fault) {
        fprintf(stderr, "gibson-server: the tree is not sound: %s\n", fault);
        abort();
    }
}

const char *gibs_tree_check(gibs_tree *tree)
{
    const char *fault = NULL;
    gibs_node *node =
        tree->root && !gibs_link_is_item(tree->root) ? gibs_link_node(tree->root) : NULL;
    unsigned position = 0;
    while (node && !fault) {
        gibs_link *place = gibs_node_next(node, &position);
        if (place && !gibs_link_is_item(*place)) {
            node = gibs_link_node(*place);
            position = 0;
        } else if (!place) {
            fault = gibs_node_check(node);
            position = node->parent ? gibs_node_position(node->parent, node->byte + 1U) : 0;
            node = node->parent;
        }
    }
    return fault;
}
