#include "store/waste.h"

#include <stdint.h>
#include <stdlib.h>

/* At the beginning of the block itself. */
struct gibs_wasted {
    struct gibs_wasted *next;
    size_t size;
};

/* glibc makes a mapped block smaller where it is. Others may copy it, and so do sanitizers. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#if defined(__GLIBC__) && !defined(SANITIZED)
enum { GIVES_PARTS_BACK = 1 };
#else
enum { GIVES_PARTS_BACK = 0 };
#endif

void gibs_waste_push(gibs_waste *waste, void *block, size_t size)
{
    struct gibs_wasted *wasted = block;
    *wasted = (struct gibs_wasted){waste->first, size};
    waste->first = wasted;
    waste->bytes += size;
}

static size_t free_first(gibs_waste *waste)
{
    struct gibs_wasted *first = waste->first;
    size_t size = first->size;
    waste->first = first->next;
    free(first);
    return size;
}

size_t gibs_waste_reduce(gibs_waste *waste, size_t bytes)
{
    struct gibs_wasted *first = waste->first;
    size_t freed = bytes;
    if (!first) {
        return 0;
    }
    if (GIVES_PARTS_BACK && bytes + GIBS_LARGE_BLOCK < first->size) {
        struct gibs_wasted *smaller = realloc(first, first->size - bytes);
        waste->first = smaller ? smaller : first;
        waste->first->size -= bytes;
    } else {
        freed = free_first(waste);
    }
    waste->bytes -= freed;
    return freed;
}

void gibs_waste_clear(gibs_waste *waste)
{
    while (gibs_waste_reduce(waste, SIZE_MAX / 2)) {
    }
}
