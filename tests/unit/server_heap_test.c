/* The heap: random allocations keep what was written to them, and all that is freed comes back. */
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "store/heap.h"
#include "store/memory.h"
#include "support/suite.h"

enum { MOST = 3000, LARGEST = 1000000 };

typedef struct block {
    uint8_t *memory;
    size_t size;
    size_t cost; /* what the heap gave: it leaves no rest that is too small for a block */
    uint8_t mark;
} block;

static gibs_heap heap;
static block blocks[MOST];

static void check_block(const block *at)
{
    for (size_t i = 0; i < at->size; i += i < 256 ? 1 : 251) {
        if (at->memory[i] != at->mark) {
            ck_abort_msg("a block was written to by somebody else");
        }
    }
    ck_assert_uint_eq(at->memory[at->size - 1], at->mark);
}

static void drop(block *at)
{
    if (at->memory) {
        check_block(at);
        gibs_heap_free(&heap, at->memory);
        *at = (block){0};
    }
}

static void make(block *at, size_t size, uint8_t mark)
{
    size_t before = heap.allocated;
    *at = (block){.memory = gibs_heap_allocate(&heap, size), .size = size, .mark = mark};
    at->cost = heap.allocated - before;
    ck_assert_ptr_nonnull(at->memory);
    ck_assert_uint_eq((uintptr_t)at->memory % 16, 0);
    memset(at->memory, mark, gibs_memory_room(size));
}

static void check_heap(void)
{
    const char *fault = gibs_heap_check(&heap);
    ck_assert_msg(!fault, "%s", fault);
}

static void tear_down(void)
{
    for (size_t i = 0; i < MOST; i++) {
        drop(&blocks[i]);
    }
    check_heap();
    ck_assert_uint_le(heap.region_count, 1);
    gibs_heap_close(&heap);
    ck_assert_ptr_null(heap.regions);
}

/* Small ones, some of all sizes, and mostly large ones. */
START_TEST(heap_random_blocks_are_kept_apart)
{
    const unsigned largest[] = {200, 5000, LARGEST};
    uint64_t random = suite_seed();
    for (int i = 0; i < 20000; i++) {
        block *at = &blocks[test_random_below(&random, _i == 2 ? 60 : MOST)];
        if (at->memory) {
            drop(at);
        } else {
            make(at, 1 + test_random_below(&random, largest[_i]), (uint8_t)i);
        }
        if (i % 500 == 0) {
            check_heap();
        }
    }
}
END_TEST

START_TEST(heap_every_size_fits)
{
    for (size_t size = 1; size < 5000; size++) {
        make(&blocks[0], size, 0x55);
        make(&blocks[1], size, 0xaa);
        drop(&blocks[0]);
        drop(&blocks[1]);
    }
    check_heap();
}
END_TEST

/* Freed in any order, neighbours are one block again, and the pages clean. */
START_TEST(heap_freed_blocks_are_joined_and_their_pages_given_back)
{
    for (size_t i = 0; i < MOST; i++) {
        make(&blocks[i], 1000, (uint8_t)i);
    }
    for (size_t i = 0; i < MOST; i++) {
        drop(&blocks[i * 7 % MOST]);
        drop(&blocks[i]);
    }
    check_heap();
    ck_assert_uint_eq(heap.region_count, 1);
    ck_assert_uint_eq(heap.unused_regions, 1);
}
END_TEST

/* Every other of many blocks of some pages: no two come together. */
START_TEST(heap_keeps_few_of_the_pages_that_are_free)
{
    enum { COUNT = 2000, SIZE = 10000 };
    static void *each[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        each[i] = gibs_heap_allocate(&heap, SIZE);
        memset(each[i], 1, SIZE);
    }
    for (size_t i = 0; i < COUNT; i += 2) {
        gibs_heap_free(&heap, each[i]);
        const size_t part = heap.allocated / GIBS_HEAP_KEPT_PART;
        ck_assert_uint_le(heap.dirty, part > GIBS_HEAP_KEPT ? part : GIBS_HEAP_KEPT);
    }
    ck_assert_uint_gt(heap.dirty, 0);
    check_heap(); /* what it has given back is zero again */
    for (size_t i = 1; i < COUNT; i += 2) {
        gibs_heap_free(&heap, each[i]);
    }
    check_heap();
    ck_assert_uint_eq(heap.region_count, 1);
}
END_TEST

/* What a block keeps from the system: the bytes of its header, those up to the next block, and the
   header of that. */
enum { IN_FRONT = 16, HEADER = 64 };

static void mark_pages(bool *pages, const uint8_t *begin, const uint8_t *end)
{
    const uint8_t *region = (const uint8_t *)heap.regions;
    for (size_t page = (size_t)(begin - region) / heap.page; region + page * heap.page < end;
         page++) {
        pages[page] = true;
    }
}

/* Counts the bytes of pages that blocks are on, of a heap with one region. */
static size_t count_pages(void)
{
    static bool pages[GIBS_HEAP_REGION / 4096];
    const uint8_t *region = (const uint8_t *)heap.regions;
    size_t count = 0;
    memset(pages, 0, sizeof pages);
    mark_pages(pages, region, region + 1);
    mark_pages(pages, region + GIBS_HEAP_REGION - 1, region + GIBS_HEAP_REGION);
    for (size_t i = 0; i < MOST; i++) {
        if (blocks[i].memory) {
            const uint8_t *begin = blocks[i].memory - IN_FRONT;
            mark_pages(pages, begin, begin + blocks[i].cost + HEADER);
        }
    }
    for (size_t i = 0; i < GIBS_HEAP_REGION / heap.page; i++) {
        count += pages[i];
    }
    return count * heap.page;
}

static size_t held(void)
{
    return gibs_heap_lost(&heap) + heap.allocated;
}

/* Blocks of any size, and such as end where a page does, so that the header of what is left behind
   them needs another one. */
static size_t any_size(uint64_t *random, bool whole_pages)
{
    return whole_pages ? heap.page * (1 + test_random_below(random, 3)) - 8
                       : 1 + test_random_below(random, 10000);
}

START_TEST(heap_says_what_is_lost_and_what_an_allocation_needs)
{
    uint64_t random = suite_seed();
    make(&blocks[0], 1, 0); /* the region is there */
    for (int i = 0; i < 20000; i++) {
        block *at = &blocks[1 + test_random_below(&random, 999)];
        if (at->memory) {
            drop(at);
        } else {
            size_t size = any_size(&random, _i);
            size_t before = held();
            size_t growth = gibs_heap_growth(&heap, size);
            make(at, size, (uint8_t)i);
            ck_assert_uint_eq(held() - before, growth);
        }
        if (i % 100 == 0) {
            ck_assert_uint_eq(held(), count_pages() + heap.dirty);
        }
    }
    ck_assert_uint_eq(heap.region_count, 1);
}
END_TEST

START_TEST(heap_without_a_heap_is_malloc)
{
    void *memory = gibs_heap_allocate(NULL, 100);
    ck_assert_ptr_nonnull(memory);
    gibs_heap_free(NULL, memory);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.tear_down = tear_down, .runs = 3, TESTS(heap_random_blocks_are_kept_apart)},
        {.tear_down = tear_down,
         .runs = 2,
         TESTS(heap_says_what_is_lost_and_what_an_allocation_needs)},
        {.tear_down = tear_down,
         TESTS(heap_every_size_fits, heap_freed_blocks_are_joined_and_their_pages_given_back,
               heap_keeps_few_of_the_pages_that_are_free, heap_without_a_heap_is_malloc)},
    };
    return suite_run("server_heap", 1, parts, COUNT_OF(parts));
}
