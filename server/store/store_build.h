/* Setting a large value in slices: an item is made outside the store, and gets into it as a whole.
 */
#ifndef GIBS_STORE_BUILD_H
#define GIBS_STORE_BUILD_H

#include "store/store.h"

/* All zero at first. */
typedef struct gibs_build {
    gib_buffer packed; /* the value, if it is compressed, which it is once */
    gibs_compression compression;
    bool is_packed;  /* that is done, or need not be done */
    gibs_item *item; /* what is being made, or NULL; not counted by the store */
    size_t copied;   /* bytes of its value that it has got */
} gibs_build;

/* Gives memory back; all is zero again. */
void gibs_build_clear(gibs_build *build, gibs_store *store);

/* The bytes it holds. */
size_t gibs_build_held(const gibs_build *build);

/* Compresses a piece of a value, where that is due. Returns whether there are more. Where there is
   no memory for that it stays as it is. */
bool gibs_build_pack(gibs_build *build, gibs_store *store, gibson_bytes value);

/* The value as it will be stored, after that. It borrows from both. */
gibs_packed gibs_build_value(const gibs_build *build, gibson_bytes value);

/* Begins an item. False if memory runs out. */
bool gibs_build_begin(gibs_build *build, gibs_store *store, gibson_bytes key, gibson_bytes value);

/* Copies a piece of the value into it. Returns whether there are more. */
bool gibs_build_copy(gibs_build *build, gibson_bytes value);

/* Tells what SET would come to, as far as that is known: LOCKED, or VAL. */
gib_code gibs_store_may_set(gibs_store *store, gibson_bytes key);

/* Sets the item that was made. VAL, LOCKED or MEM; with `only` it replaces one that is there, and
   NOT_FOUND says that there is none. But for MEM the item is gone from the build. */
gib_code gibs_build_set(gibs_build *build, gibs_store *store, int64_t ttl, bool only);

#endif
