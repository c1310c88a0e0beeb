#include "store/buffers.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* In front of what the owner sees; as large as any alignment. */
typedef union header {
    size_t size; /* of all */
    max_align_t alignment;
} header;

/* From here on a block comes from the system, which is above what is read at once: one that grows
   leaves no holes of half its size behind in what malloc has, which nothing else may fit into, and
   which malloc gives back all at once, some day. */
enum { LARGE_BUFFER = 80 * 1024 };

static bool is_large(size_t size)
{
    return size >= LARGE_BUFFER;
}

static header *make(size_t size)
{
    header *block = is_large(size) ? gibs_large_new(size) : malloc(size);
    if (block) {
        block->size = size;
    }
    return block;
}

static void destroy(gibs_buffers *buffers, header *block)
{
    if (is_large(block->size)) {
        gibs_waste_push(&buffers->waste, block, block->size);
    } else {
        free(block);
    }
}

static header *resize(gibs_buffers *buffers, header *block, size_t size)
{
    size_t before = block->size;
    header *moved;
    if (is_large(size) != is_large(before)) {
        moved = make(size);
        if (moved) {
            size_t smaller = size < before ? size : before;
            memcpy(moved + 1, block + 1, smaller - sizeof *block);
            destroy(buffers, block);
        }
    } else {
        moved = is_large(size) ? gibs_large_resize(block, before, size) : realloc(block, size);
    }
    if (moved) {
        moved->size = size;
    }
    return moved;
}

static void *reallocate(void *memory, size_t size, void *context)
{
    if (size > SIZE_MAX / 2) {
        return NULL;
    }
    size_t whole = sizeof(header) + size;
    header *block = memory ? resize(context, (header *)memory - 1, whole) : make(whole);
    return block ? block + 1 : NULL;
}

static void *allocate(size_t size, void *context)
{
    return reallocate(NULL, size, context);
}

static void release(void *memory, void *context)
{
    destroy(context, (header *)memory - 1);
}

void gibs_buffers_open(gibs_buffers *buffers)
{
    *buffers = (gibs_buffers){.allocator = {allocate, reallocate, release, buffers}};
}

void gibs_buffers_close(gibs_buffers *buffers)
{
    gibs_waste_clear(&buffers->waste);
}
