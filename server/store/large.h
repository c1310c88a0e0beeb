/* Large blocks of memory. They come from the system and go back to it on their own, so that they
   can grow without being copied, and be given back a part at a time: for 50 MB that takes some 5
   ms, in which nobody is served. */
#ifndef GIBS_LARGE_H
#define GIBS_LARGE_H

#include <stddef.h>

/* Blocks of so many bytes or more are large. */
enum { GIBS_LARGE_BLOCK = 1 << 20 };

/* Makes a large block, or returns NULL. */
void *gibs_large_new(size_t size);

/* Makes a large block as large as another size that is. It may move. NULL, with the block as it
   was, if memory runs out. */
void *gibs_large_resize(void *block, size_t size, size_t new_size);

/* Large blocks that are of no more use. All zero at first. */
typedef struct gibs_waste {
    struct gibs_wasted *first;
} gibs_waste;

/* Takes over a large block. */
void gibs_waste_push(gibs_waste *waste, void *block, size_t size);

/* Gives up to `bytes` of it back, or a whole block where parts cannot be given back. Returns how
   many bytes that were, 0 if there are none. */
size_t gibs_waste_reduce(gibs_waste *waste, size_t bytes);

/* Gives all back. */
void gibs_waste_clear(gibs_waste *waste);

#endif
