#include "store/buffers.h"

#include <stdlib.h>

/* In front of what the owner sees; as large as any alignment. */
typedef union header {
    size_t size; /* of all */
    max_align_t alignment;
} header;

static void *allocate(size_t size, void *context)
{
    (void)context;
    header *block = size <= SIZE_MAX - sizeof *block ? malloc(sizeof *block + size) : NULL;
    if (!block) {
        return NULL;
    }
    block->size = sizeof *block + size;
    return block + 1;
}

static void release(void *memory, void *context)
{
    gibs_buffers *buffers = context;
    header *block = (header *)memory - 1;
    if (block->size >= GIBS_LARGE_BLOCK) {
        gibs_waste_push(&buffers->waste, block, block->size);
    } else {
        free(block);
    }
}

static void *reallocate(void *memory, size_t size, void *context)
{
    if (!memory) {
        return allocate(size, context);
    }
    header *block = (header *)memory - 1;
    block = size <= SIZE_MAX - sizeof *block ? realloc(block, sizeof *block + size) : NULL;
    if (!block) {
        return NULL;
    }
    block->size = sizeof *block + size;
    return block + 1;
}

void gibs_buffers_open(gibs_buffers *buffers)
{
    *buffers = (gibs_buffers){.allocator = {allocate, reallocate, release, buffers}};
}

void gibs_buffers_close(gibs_buffers *buffers)
{
    gibs_waste_clear(&buffers->waste);
}
