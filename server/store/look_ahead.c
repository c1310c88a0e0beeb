/* Finding several keys at a time, so that the caches of the processor are filled for all of them at
   once: most of what a GET costs is waiting for memory. */
#include "store/look_ahead.h"

#include "store/node.h"

enum { CACHE_LINE = 64, LINES_AHEAD = 3 }; /* a small node, or header and key of an item */

static void fetch(gibs_link link)
{
    const char *memory = (const char *)(link & ~(gibs_link)GIBS_LINK_BITS);
    for (int i = 0; i < LINES_AHEAD; i++) {
        __builtin_prefetch(memory + (ptrdiff_t)i * CACHE_LINE);
    }
}

size_t gibs_look_ahead(const gibs_tree *tree, const gibson_bytes *keys, size_t count)
{
    gibs_link at[GIBS_LOOK_AHEAD];
    size_t items = 0;
    size_t left = tree->root && !gibs_link_is_item(tree->root) ? count : 0;
    for (size_t i = 0; i < count; i++) {
        at[i] = tree->root;
    }
    while (left) {
        for (size_t i = 0; i < count; i++) {
            if (!at[i]) {
                continue;
            }
            const gibs_link *place = gibs_node_step(gibs_link_node(at[i]), keys[i]);
            gibs_link link = place ? *place : 0;
            if (link) {
                fetch(link);
            }
            at[i] = link && !gibs_link_is_item(link) ? link : 0;
            left -= !at[i];
            items += link && !at[i];
        }
    }
    return items;
}
