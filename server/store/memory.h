/* What memory costs. */
#ifndef GIBS_MEMORY_H
#define GIBS_MEMORY_H

#include <stdbool.h>
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

/* Sanitizers look after the blocks of malloc only, so with them all come from there. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#define GIBS_SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define GIBS_SANITIZED 1
#endif
#if !defined(GIBS_SANITIZED)
#define GIBS_SANITIZED 0
#endif

/* Sets malloc of the whole process up so that what was large goes back to the system at once. For
   programs that are nothing but a server. */
void gibs_memory_tune(void);

/* Gives memory that malloc has left back to the system, as far as it can. */
void gibs_memory_give_back(void);

/* When that is worth while. All zero at first. */
typedef struct gibs_memory_tide {
    size_t high; /* the most bytes that were in use since memory was given back last */
} gibs_memory_tide;

/* Tells whether so much less is in use than was that memory should be given back; if so it is taken
   to be. A step is what may be freed before it has to be, in bytes. */
bool gibs_memory_has_ebbed(gibs_memory_tide *tide, size_t in_use, size_t step);

#endif
