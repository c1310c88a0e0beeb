#include "base/alloc.h"

#include <stdlib.h>

static void *default_allocate(size_t size, void *context)
{
    (void)context;
    return malloc(size);
}

static void *default_reallocate(void *memory, size_t size, void *context)
{
    (void)context;
    return realloc(memory, size);
}

static void default_release(void *memory, void *context)
{
    (void)context;
    free(memory);
}

const gibson_allocator gib_default_allocator = {default_allocate, default_reallocate,
                                                default_release, NULL};
