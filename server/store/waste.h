/* Large blocks of memory that are of no more use. They are given back to the system a part at a
   time: for 50 MB it takes some 5 ms, in which nobody is served. */
#ifndef GIBS_WASTE_H
#define GIBS_WASTE_H

#include <stddef.h>

/* Blocks of so many bytes may be freed at once. */
enum { GIBS_LARGE_BLOCK = 1 << 20 };

/* All zero at first. */
typedef struct gibs_waste {
    struct gibs_wasted *first;
    size_t bytes;
} gibs_waste;

/* Takes over a block of malloc, of at least GIBS_LARGE_BLOCK bytes. */
void gibs_waste_push(gibs_waste *waste, void *block, size_t size);

/* Gives up to `bytes` of it back, where the allocator can give parts back; else a block. Returns
   how many bytes that were. */
size_t gibs_waste_reduce(gibs_waste *waste, size_t bytes);

/* Gives all back. */
void gibs_waste_clear(gibs_waste *waste);

#endif
