/* The allocator hook. */
#ifndef GIB_BASE_ALLOC_H
#define GIB_BASE_ALLOC_H

#include <gibson/options.h>

/* malloc, realloc and free of the C library. */
extern const gibson_allocator gib_default_allocator;

static inline void *gib_allocate(const gibson_allocator *allocator, size_t size)
{
    return allocator->allocate(size, allocator->context);
}

static inline void *gib_reallocate(const gibson_allocator *allocator, void *memory, size_t size)
{
    return allocator->reallocate(memory, size, allocator->context);
}

static inline void gib_release(const gibson_allocator *allocator, void *memory)
{
    if (memory) {
        allocator->release(memory, allocator->context);
    }
}

#endif
