/* Looking several keys up at a time, before that is done one by one. */
#ifndef GIBS_LOOK_AHEAD_H
#define GIBS_LOOK_AHEAD_H

#include "store/link.h"

enum {
    GIBS_LOOK_AHEAD = 16, /* keys at a time */
    /* Bytes of items and nodes below which they are in the caches of the processor anyway. */
    GIBS_LOOK_AHEAD_FROM = 1 << 20,
};

/* Brings what finding the keys, up to GIBS_LOOK_AHEAD, will read into the caches. Returns how many
   of them led to an item, which may have another key. */
size_t gibs_look_ahead(const gibs_tree *tree, const gibson_bytes *keys, size_t count);

#endif
