#include "support/failing_allocator.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Stands before each block, and keeps its alignment. */
typedef union header {
    size_t size;
    max_align_t alignment;
} header;

static header *header_of(void *memory)
{
    return (header *)memory - 1;
}

static void account(failing_allocator *allocator, size_t size)
{
    allocator->live++;
    allocator->live_bytes += size;
    if (allocator->live_bytes > allocator->peak_bytes) {
        allocator->peak_bytes = allocator->live_bytes;
    }
}

static void *change(void *memory, size_t size, void *context)
{
    failing_allocator *allocator = context;
    if (size > allocator->largest) {
        allocator->largest = size;
    }
    if (++allocator->calls == allocator->fail_at || size > SIZE_MAX - sizeof(header)) {
        return NULL;
    }
    size_t before = memory ? header_of(memory)->size : 0;
    header *block = realloc(memory ? header_of(memory) : NULL, sizeof(header) + size);
    if (!block) {
        return NULL;
    }
    if (memory) {
        allocator->live--;
        allocator->live_bytes -= before;
    }
    block->size = size;
    if (size > before) { /* what is not set reads as something that means something */
        memset((uint8_t *)(block + 1) + before, allocator->fill, size - before);
    }
    account(allocator, size);
    return block + 1;
}

static void *allocate(size_t size, void *context)
{
    return change(NULL, size, context);
}

static void release(void *memory, void *context)
{
    failing_allocator *allocator = context;
    if (memory) {
        allocator->live--;
        allocator->live_bytes -= header_of(memory)->size;
        free(header_of(memory));
    }
}

gibson_allocator failing_allocator_functions(failing_allocator *allocator)
{
    return (gibson_allocator){allocate, change, release, allocator};
}

void failing_allocator_arm(failing_allocator *allocator, size_t n)
{
    allocator->fail_at = n;
    allocator->calls = 0;
    allocator->largest = 0;
    allocator->peak_bytes = allocator->live_bytes;
}
