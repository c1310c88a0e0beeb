#include "store/large.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/memory.h"

/* At the beginning of the block itself. */
struct gibs_wasted {
    struct gibs_wasted *next;
    size_t size;
};

#if GIBS_SANITIZED

void *gibs_large_new(size_t size)
{
    return malloc(size);
}

void *gibs_large_resize(void *block, size_t size, size_t new_size)
{
    (void)size;
    return realloc(block, new_size);
}

static void give_back(void *block, size_t size)
{
    (void)size;
    free(block);
}

enum { GIVES_PARTS_BACK = 0 };

#else

void *gibs_large_new(size_t size)
{
    void *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? NULL : block;
}

static void give_back(void *block, size_t size)
{
    munmap(block, size);
}

#if defined(MREMAP_MAYMOVE)
void *gibs_large_resize(void *block, size_t size, size_t new_size)
{
    void *moved = mremap(block, size, new_size, MREMAP_MAYMOVE);
    return moved == MAP_FAILED ? NULL : moved;
}
#else
void *gibs_large_resize(void *block, size_t size, size_t new_size)
{
    void *moved = gibs_large_new(new_size);
    if (moved) {
        memcpy(moved, block, size < new_size ? size : new_size);
        give_back(block, size);
    }
    return moved;
}
#endif

enum { GIVES_PARTS_BACK = 1 };

#endif

void gibs_waste_push(gibs_waste *waste, void *block, size_t size)
{
    struct gibs_wasted *wasted = block;
    *wasted = (struct gibs_wasted){waste->first, size};
    waste->first = wasted;
}

static size_t page_size(void)
{
    static size_t size;
    if (!size) {
        size = (size_t)sysconf(_SC_PAGESIZE);
    }
    return size;
}

size_t gibs_waste_reduce(gibs_waste *waste, size_t bytes)
{
    struct gibs_wasted *first = waste->first;
    if (!first) {
        return 0;
    }
    size_t size = first->size;
    size_t part = bytes & ~(page_size() - 1);
    if (!GIVES_PARTS_BACK || part >= size || !part) {
        waste->first = first->next;
        give_back(first, size);
        return size;
    }
    /* The end of the last page is part of it. */
    size_t left = (size - part + page_size() - 1) & ~(page_size() - 1);
    give_back((uint8_t *)first + left, size - left);
    first->size = size - part;
    return part;
}

void gibs_waste_clear(gibs_waste *waste)
{
    while (gibs_waste_reduce(waste, SIZE_MAX)) {
    }
}
