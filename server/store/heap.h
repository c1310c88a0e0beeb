/* Where items and nodes get their memory. Whatever was allocated and freed before, no call takes
   long: malloc of glibc sorts what was freed at some later time, and gives it back to the system by
   looking at all of it, 15 ms for a million items. This one joins a block with its neighbours when
   it is freed. Of the pages that are free it keeps some, as the next block to be allocated often
   needs them, and gives those back that were free for longest.

   It is the two-level segregated fit of M. Masmano, I. Ripoll, A. Crespo and J. Real, "TLSF: a New
   Dynamic Memory Allocator for Real-Time Systems", ECRTS 2004. One thread. */
#ifndef GIBS_HEAP_H
#define GIBS_HEAP_H

#include <stddef.h>
#include <stdint.h>

enum {
    GIBS_HEAP_SMALL = 512, /* bytes below which each size has a list of its own */
    GIBS_HEAP_PARTS = 32,  /* lists for sizes between two powers of 2 */
    GIBS_HEAP_POWERS = 16, /* up to the size of a region */
    GIBS_HEAP_REGION = 1 << 24,
    GIBS_HEAP_KEPT = 1 << 18, /* bytes of free pages that may be kept, */
    GIBS_HEAP_KEPT_PART = 32, /* or that part of what is allocated, if that is more */
};

/* All zero at first. */
typedef struct gibs_heap {
    uint32_t powers;                  /* a bit for each power with a free block */
    uint32_t parts[GIBS_HEAP_POWERS]; /* and for each list of it */
    struct gibs_block *free[GIBS_HEAP_POWERS][GIBS_HEAP_PARTS];
    struct gibs_region *regions;
    size_t region_count;
    size_t page;                        /* bytes */
    size_t unused_regions;              /* those in which nothing is allocated */
    size_t allocated;                   /* bytes */
    size_t dirty;                       /* bytes of free pages that the system has not back, */
    size_t clean;                       /* and that it has */
    struct gibs_block *oldest, *newest; /* the blocks with those */
} gibs_heap;

/* Allocates up to a million bytes, or returns NULL. Costs as much as gibs_memory_cost says. The
   heap may be NULL: then it is malloc that does it. */
void *gibs_heap_allocate(gibs_heap *heap, size_t size);

/* Bytes that are in use by nobody, and that the system has not back: pieces of pages, for the most
   part. */
static inline size_t gibs_heap_lost(const gibs_heap *heap)
{
    return heap->region_count * GIBS_HEAP_REGION - heap->clean - heap->allocated;
}

/* How many bytes that the system has back an allocation would need. */
size_t gibs_heap_growth(const gibs_heap *heap, size_t size);

/* Frees a block of the heap. */
void gibs_heap_free(gibs_heap *heap, void *memory);

/* Gives all memory back, allocated or not. */
void gibs_heap_close(gibs_heap *heap);

/* What is wrong with it; NULL where it is sound. Looks at all of it. */
const char *gibs_heap_check(gibs_heap *heap);

#endif
