/* Writing a large value into a reply in slices. */
#ifndef GIBS_COPY_H
#define GIBS_COPY_H

#include "store/store.h"

/* All zero: nothing is being copied. */
typedef struct gibs_copy {
    gibs_item *item;   /* whose value it is, held; NULL: it is that of the request */
    gibs_expansion at; /* in the value */
    size_t left;       /* bytes to be written, which are the last of the reply so far */
} gibs_copy;

/* Begins to copy the value of an item. False, with nothing begun, if memory runs out. */
bool gibs_copy_begin(gibs_copy *copy, gibs_store *store, gibs_item *item);

/* Begins to copy the value of the request. */
void gibs_copy_begin_value(gibs_copy *copy, gibson_bytes value);

/* Writes a piece. Returns whether there are more; when not, the item is released. */
bool gibs_copy_go_on(gibs_copy *copy, gibs_store *store, gibson_bytes value, gib_buffer *out);

/* Ends it. */
void gibs_copy_clear(gibs_copy *copy, gibs_store *store);

/* The bytes of an item that nobody else keeps. */
size_t gibs_copy_held(const gibs_copy *copy, const gibs_store *store);

#endif
