#include "store/heap.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/memory.h"

/* A block, free or not, as it is in memory. In front of it, as the last word of the block before,
   is the size of that where it is free. */
typedef struct gibs_block {
    size_t before;           /* bytes of the block before, if that is free */
    size_t header;           /* bytes of this one, and two flags */
    struct gibs_block *next; /* from here on only if it is free: the list it is in; */
    struct gibs_block *previous;
    uintptr_t clean, clean_end; /* and only if it is wide: whole pages that the system has back; */
    struct gibs_block *older, *newer; /* and only if it has others as well */
} gibs_block;

/* A region begins with this. Behind its blocks is the header of one without bytes, never free. */
typedef struct gibs_region {
    struct gibs_region *next, *previous;
} gibs_region;

enum {
    IS_FREE = 1,
    BEFORE_IS_FREE = 2,
    FLAGS = 15,
    WORD = sizeof(size_t),
    OVERHEAD = 2 * WORD, /* from a block to what its owner sees */
};

/* The first block of a region, so that what owners see is aligned to 16 bytes. */
enum { FIRST_BLOCK = sizeof(gibs_region) };

static size_t size_of(const gibs_block *block)
{
    return block->header & ~(size_t)FLAGS;
}

static bool is_free(const gibs_block *block)
{
    return block->header & IS_FREE;
}

static gibs_block *at(void *base, size_t offset)
{
    return (gibs_block *)((uint8_t *)base + offset);
}

/* Tells whether a block of a size knows of clean pages. */
static bool is_wide(const gibs_heap *heap, size_t size)
{
    return size >= heap->page;
}

static uintptr_t next_page(const gibs_heap *heap, const void *address)
{
    return ((uintptr_t)address + heap->page - 1) & ~(uintptr_t)(heap->page - 1);
}

static gibs_block *after(gibs_block *block)
{
    return at(block, size_of(block));
}

/* The whole pages of a block. */
static uintptr_t first_page(const gibs_heap *heap, const gibs_block *block)
{
    return next_page(heap, block + 1);
}

static uintptr_t pages_end(const gibs_heap *heap, const gibs_block *block)
{
    return ((uintptr_t)block + size_of(block)) & ~(uintptr_t)(heap->page - 1);
}

/* Bytes of whole pages of a free block that the system has not back. */
static size_t dirty_bytes(const gibs_heap *heap, const gibs_block *block)
{
    if (!is_wide(heap, size_of(block))) {
        return 0;
    }
    uintptr_t begin = first_page(heap, block);
    uintptr_t end = pages_end(heap, block);
    return begin < end ? (end - begin) - (block->clean_end - block->clean) : 0;
}

static void link_dirty(gibs_heap *heap, gibs_block *block)
{
    size_t bytes = dirty_bytes(heap, block);
    if (!bytes) {
        return;
    }
    heap->dirty += bytes;
    block->older = heap->newest;
    block->newer = NULL;
    if (heap->newest) {
        heap->newest->newer = block;
    } else {
        heap->oldest = block;
    }
    heap->newest = block;
}

static void unlink_dirty(gibs_heap *heap, gibs_block *block)
{
    size_t bytes = dirty_bytes(heap, block);
    if (!bytes) {
        return;
    }
    heap->dirty -= bytes;
    if (block->older) {
        block->older->newer = block->newer;
    } else {
        heap->oldest = block->newer;
    }
    if (block->newer) {
        block->newer->older = block->older;
    } else {
        heap->newest = block->older;
    }
}

/* The list for blocks of a size. */
static void find_list(size_t size, unsigned *power, unsigned *part)
{
    if (size < GIBS_HEAP_SMALL) {
        *power = 0;
        *part = (unsigned)(size / 16);
        return;
    }
    unsigned highest = 63 - (unsigned)__builtin_clzll((unsigned long long)size);
    *power = highest - 8;
    *part = (unsigned)(size >> (highest - 5)) - GIBS_HEAP_PARTS;
}

static void link_block(gibs_heap *heap, gibs_block *block)
{
    unsigned power;
    unsigned part;
    find_list(size_of(block), &power, &part);
    gibs_block **list = &heap->free[power][part];
    block->previous = NULL;
    block->next = *list;
    if (block->next) {
        block->next->previous = block;
    }
    *list = block;
    heap->powers |= UINT32_C(1) << power;
    heap->parts[power] |= UINT32_C(1) << part;
}

static void unlink_block(gibs_heap *heap, gibs_block *block)
{
    unlink_dirty(heap, block);
    if (is_wide(heap, size_of(block))) {
        heap->clean -= block->clean_end - block->clean;
    }
    if (block->next) {
        block->next->previous = block->previous;
    }
    if (block->previous) {
        block->previous->next = block->next;
        return;
    }
    unsigned power;
    unsigned part;
    find_list(size_of(block), &power, &part);
    heap->free[power][part] = block->next;
    if (!block->next) {
        heap->parts[power] &= ~(UINT32_C(1) << part);
        if (!heap->parts[power]) {
            heap->powers &= ~(UINT32_C(1) << power);
        }
    }
}

/* Makes a block free, with the clean pages that it is to have. */
static void set_free(gibs_heap *heap, gibs_block *block, size_t size, uintptr_t clean_from,
                     uintptr_t clean_end)
{
    block->header = size | IS_FREE | (block->header & BEFORE_IS_FREE);
    gibs_block *next = after(block);
    next->before = size;
    next->header |= BEFORE_IS_FREE;
    if (is_wide(heap, size)) {
        block->clean = clean_from;
        block->clean_end = clean_end;
        heap->clean += clean_end - clean_from;
    }
    link_dirty(heap, block);
    link_block(heap, block);
}

static void give_pages_back(uintptr_t begin, uintptr_t end)
{
    if (begin < end) {
#if defined(__linux__)
        madvise((void *)begin, end - begin, MADV_DONTNEED);
#elif defined(MADV_FREE)
        madvise((void *)begin, end - begin, MADV_FREE);
#endif
    }
}

/* Gives all pages of a block back that the system has not. */
static void clean(gibs_heap *heap, gibs_block *block)
{
    uintptr_t begin = first_page(heap, block);
    uintptr_t end = pages_end(heap, block);
    heap->clean += dirty_bytes(heap, block);
    unlink_dirty(heap, block);
    if (block->clean == block->clean_end) {
        block->clean = block->clean_end = end;
    }
    give_pages_back(begin, block->clean);
    give_pages_back(block->clean_end, end);
    block->clean = begin;
    block->clean_end = end;
}

/* Keeps as many free pages as is of use, and gives back the others. */
static void give_old_pages_back(gibs_heap *heap)
{
    size_t part = heap->allocated / GIBS_HEAP_KEPT_PART;
    size_t kept = part > GIBS_HEAP_KEPT ? part : GIBS_HEAP_KEPT;
    while (heap->dirty > kept) {
        clean(heap, heap->oldest);
    }
}

static bool add_region(gibs_heap *heap)
{
    heap->page = (size_t)sysconf(_SC_PAGESIZE);
    gibs_region *region =
        mmap(NULL, GIBS_HEAP_REGION, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (region == MAP_FAILED) {
        return false;
    }
    region->next = heap->regions;
    region->previous = NULL;
    if (region->next) {
        region->next->previous = region;
    }
    heap->regions = region;
    heap->region_count++;
    heap->unused_regions++;
    size_t size = (GIBS_HEAP_REGION - FIRST_BLOCK - OVERHEAD) & ~(size_t)FLAGS;
    gibs_block *block = at(region, FIRST_BLOCK);
    uintptr_t begin = (uintptr_t)region + heap->page;
    set_free(heap, block, size, begin, (uintptr_t)region + GIBS_HEAP_REGION - heap->page);
    return true;
}

static bool fills_region(const gibs_block *block)
{
    return size_of(block) == ((GIBS_HEAP_REGION - FIRST_BLOCK - OVERHEAD) & ~(size_t)FLAGS);
}

/* Finds a free block of a size or more, without looking at any that is smaller. */
static gibs_block *find_block(const gibs_heap *heap, size_t size)
{
    unsigned power;
    unsigned part;
    if (size >= GIBS_HEAP_SMALL) {
        unsigned highest = 63 - (unsigned)__builtin_clzll((unsigned long long)size);
        size += ((size_t)1 << (highest - 5)) - 1;
    }
    find_list(size, &power, &part);
    uint32_t parts = heap->parts[power] & (UINT32_MAX << part);
    if (!parts) {
        uint32_t powers = heap->powers & (UINT32_MAX << (power + 1));
        if (!powers) {
            return NULL;
        }
        power = (unsigned)__builtin_ctz(powers);
        parts = heap->parts[power];
    }
    return heap->free[power][__builtin_ctz(parts)];
}

/* Takes the first bytes of a free block, and leaves the rest free if it can be a block. */
static void take(gibs_heap *heap, gibs_block *block, size_t size)
{
    enum { SMALLEST = 32 };
    size_t whole = size_of(block);
    uintptr_t clean_from = is_wide(heap, whole) ? block->clean : 0;
    uintptr_t clean_end = is_wide(heap, whole) ? block->clean_end : 0;
    heap->unused_regions -= fills_region(block);
    heap->allocated += size;
    unlink_block(heap, block);
    if (whole - size < SMALLEST) {
        heap->allocated += whole - size;
        block->header &= ~(size_t)IS_FREE;
        after(block)->header &= ~(size_t)BEFORE_IS_FREE;
        return;
    }
    block->header = size | (block->header & BEFORE_IS_FREE);
    gibs_block *rest = after(block);
    uintptr_t begin = next_page(heap, rest + 1);
    clean_from = clean_from > begin ? clean_from : begin;
    rest->header = 0;
    set_free(heap, rest, whole - size, clean_from < clean_end ? clean_from : clean_end, clean_end);
}

size_t gibs_heap_growth(const gibs_heap *heap, size_t size)
{
    size_t cost = gibs_memory_cost(size);
    const gibs_block *block = find_block(heap, cost);
    if (!block) {
        return cost;
    }
    if (!is_wide(heap, size_of(block))) {
        return 0;
    }
    uintptr_t end =
        next_page(heap, (const uint8_t *)block + cost + sizeof *block); /* of the rest */
    end = end < block->clean_end ? end : block->clean_end;
    return block->clean < end ? end - block->clean : 0;
}

void *gibs_heap_allocate(gibs_heap *heap, size_t size)
{
    if (!heap) {
        return malloc(size);
    }
    size_t cost = gibs_memory_cost(size);
    gibs_block *block = find_block(heap, cost);
    if (!block) {
        if (!add_region(heap)) {
            return NULL;
        }
        block = find_block(heap, cost);
    }
    take(heap, block, cost);
    return (uint8_t *)block + OVERHEAD;
}

static void drop_region(gibs_heap *heap, gibs_block *block)
{
    gibs_region *region = (gibs_region *)((uint8_t *)block - FIRST_BLOCK);
    unlink_block(heap, block);
    if (region->next) {
        region->next->previous = region->previous;
    }
    if (region->previous) {
        region->previous->next = region->next;
    } else {
        heap->regions = region->next;
    }
    heap->region_count--;
    munmap(region, GIBS_HEAP_REGION);
}

/* Of two parts of a block that are clean, the larger. */
static void keep_larger(const gibs_heap *heap, const gibs_block *block, uintptr_t *clean_from,
                        uintptr_t *clean_end)
{
    if (is_wide(heap, size_of(block)) &&
        block->clean_end - block->clean > *clean_end - *clean_from) {
        *clean_from = block->clean;
        *clean_end = block->clean_end;
    }
}

void gibs_heap_free(gibs_heap *heap, void *memory)
{
    if (!heap) {
        free(memory);
        return;
    }
    gibs_block *block = (gibs_block *)((uint8_t *)memory - OVERHEAD);
    gibs_block *next = after(block);
    size_t size = size_of(block);
    uintptr_t clean_from = 0;
    uintptr_t clean_end = 0;
    heap->allocated -= size;
    if (is_free(next)) {
        keep_larger(heap, next, &clean_from, &clean_end);
        unlink_block(heap, next);
        size += size_of(next);
    }
    if (block->header & BEFORE_IS_FREE) {
        block = (gibs_block *)((uint8_t *)block - block->before);
        keep_larger(heap, block, &clean_from, &clean_end);
        unlink_block(heap, block);
        size += size_of(block);
    }
    block->header = size | (block->header & BEFORE_IS_FREE);
    set_free(heap, block, size, clean_from, clean_end);
    if (fills_region(block) && heap->unused_regions++) {
        heap->unused_regions--; /* one is kept */
        drop_region(heap, block);
    }
    give_old_pages_back(heap);
}

void gibs_heap_close(gibs_heap *heap)
{
    gibs_region *next;
    for (gibs_region *region = heap->regions; region; region = next) {
        next = region->next;
        munmap(region, GIBS_HEAP_REGION);
    }
    memset(heap, 0, sizeof *heap);
}

static bool is_listed(const gibs_heap *heap, const gibs_block *block)
{
    unsigned power;
    unsigned part;
    find_list(size_of(block), &power, &part);
    bool first = heap->free[power][part] == block;
    bool marked = heap->parts[power] >> part & heap->powers >> power & 1;
    return marked && (first ? !block->previous : block->previous->next == block);
}

/* Clean pages must be in the block, and nothing in them. */
static bool is_clean(const gibs_heap *heap, const gibs_block *block, const gibs_block *next)
{
    if (!is_wide(heap, size_of(block)) || block->clean == block->clean_end) {
        return true;
    }
    if (block->clean < (uintptr_t)(block + 1) || block->clean_end > (uintptr_t)next ||
        block->clean > block->clean_end) {
        return false;
    }
#if defined(__linux__)
    for (const size_t *word = (const size_t *)block->clean; word < (const size_t *)block->clean_end;
         word++) {
        if (*word) {
            return false;
        }
    }
#endif
    return true;
}

/* What the blocks of all regions come to. */
typedef struct gibs_totals {
    size_t allocated;
    size_t dirty;
    size_t dirty_blocks;
    size_t clean;
} gibs_totals;

static const char *check_totals(const gibs_heap *heap, const gibs_totals *totals)
{
    size_t count = 0;
    for (const gibs_block *block = heap->oldest; block; block = block->newer) {
        if (block->newer ? block->newer->older != block : heap->newest != block) {
            return "the list of blocks with pages to give back is broken";
        }
        count++;
    }
    if (count != totals->dirty_blocks) {
        return "blocks with pages to give back are not in the list of them";
    }
    return totals->dirty != heap->dirty || totals->allocated != heap->allocated ||
                   totals->clean != heap->clean
               ? "there are not as many bytes as it says"
               : NULL;
}

static const char *check_region(const gibs_heap *heap, gibs_region *region, bool *unused,
                                gibs_totals *totals)
{
    gibs_block *block = at(region, FIRST_BLOCK);
    bool before_is_free = false;
    *unused = is_free(block) && fills_region(block);
    while (size_of(block)) {
        gibs_block *next = after(block);
        if (before_is_free != ((block->header & BEFORE_IS_FREE) != 0)) {
            return "a block does not know whether the one before is free";
        }
        if (is_free(block) &&
            (before_is_free || next->before != size_of(block) || !is_listed(heap, block))) {
            return "a free block is not joined, or not in its list";
        }
        if (is_free(block) && !is_clean(heap, block, next)) {
            return "clean pages are none";
        }
        before_is_free = is_free(block);
        totals->clean +=
            before_is_free && is_wide(heap, size_of(block)) ? block->clean_end - block->clean : 0;
        totals->dirty += before_is_free ? dirty_bytes(heap, block) : 0;
        totals->dirty_blocks += before_is_free && dirty_bytes(heap, block);
        totals->allocated += before_is_free ? 0 : size_of(block);
        block = next;
    }
    return (uint8_t *)block - (uint8_t *)region > GIBS_HEAP_REGION - OVERHEAD
               ? "the blocks go beyond the region"
               : NULL;
}

const char *gibs_heap_check(gibs_heap *heap)
{
    const char *fault = NULL;
    size_t regions = 0;
    size_t unused = 0;
    gibs_totals totals = {0};
    for (gibs_region *region = heap->regions; region && !fault; region = region->next) {
        bool is_unused;
        fault = check_region(heap, region, &is_unused, &totals);
        regions++;
        unused += is_unused;
    }
    if (!fault && (regions != heap->region_count || unused != heap->unused_regions)) {
        fault = "there are not as many regions as it says";
    }
    return fault ? fault : check_totals(heap, &totals);
}
