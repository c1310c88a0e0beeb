/* What memory costs. */
#ifndef GIBS_MEMORY_H
#define GIBS_MEMORY_H

#include <stddef.h>

/* The bytes that an allocation of `size` takes from the heap: malloc of glibc adds a header of 8
   and rounds up to 16, with a minimum of 32. Other allocators differ little from it. */
static inline size_t gibs_memory_cost(size_t size)
{
    size_t cost = (size + 8 + 15) & ~(size_t)15;
    return cost < 32 ? 32 : cost;
}

/* The bytes that such an allocation has room for: asking malloc for all of them costs no more. */
static inline size_t gibs_memory_room(size_t size)
{
    return gibs_memory_cost(size) - 8;
}

/* Sets the allocator of the whole process up so that no single free takes long. For programs that
   are nothing but a server. */
void gibs_memory_tune(void);

#endif
