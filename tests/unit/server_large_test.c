/* Large values and large blocks of memory, which are dealt with a part at a time. */
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "store/buffers.h"
#include "store_batch.h"
#include "support/suite.h"

enum {
    LARGEST = 5 * GIBS_PIECE,
    TWO_PIECES = 2 * GIBS_PIECE,
    THREE_PIECES = 3 * GIBS_PIECE,
    TWO_BLOCKS = 2 * GIBS_LARGE_BLOCK,
    THREE_BLOCKS = 3 * GIBS_LARGE_BLOCK,
    FOUR_BLOCKS = 4 * GIBS_LARGE_BLOCK,
};

static gibs_store *store;
static uint8_t value[LARGEST], packed[LARGEST], expanded[LARGEST];

static void set_up(void)
{
    gibs_store_settings settings = {.max_memory = SIZE_MAX, .compression = 4096};
    store = gibs_store_new(&settings);
}

static void tear_down(void)
{
    gibs_store_free(store);
}

static gibson_bytes text(const char *key)
{
    return (gibson_bytes){key, strlen(key)};
}

/* Fills `value`: pieces of which some can be compressed and some cannot, by the bits of `kinds`. */
static void fill_value(unsigned kinds, uint64_t seed)
{
    for (size_t i = 0; i < LARGEST; i++) {
        bool random = kinds >> i / GIBS_PIECE & 1;
        value[i] = random ? (uint8_t)test_random_below(&seed, 256) : (uint8_t)(i / 100);
    }
}

START_TEST(pieces_of_all_kinds_are_compressed_and_expanded)
{
    const size_t sizes[] = {10,         GIBS_PIECE - 1, GIBS_PIECE,  GIBS_PIECE + 1,
                            TWO_PIECES, TWO_PIECES + 1, LARGEST - 7, LARGEST};
    fill_value((unsigned)_i, 7);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        gibson_bytes plain = {value, sizes[i]};
        size_t size = gibs_value_compress(plain, packed);
        ck_assert_uint_lt(size, sizes[i]);
        if (!size) {
            continue;
        }
        gibs_item *item = calloc(1, gibs_item_size(1, size));
        ck_assert_ptr_nonnull(item);
        *item = (gibs_item){.key_size = 1, .value_size = (uint32_t)size};
        item->encoding = GIB_ENCODING_LZF;
        memcpy(gibs_item_value(item), packed, size);
        ck_assert_uint_eq(gibs_item_plain_size(item), sizes[i]);
        memset(expanded, 0xa5, sizeof expanded);
        gibs_item_expand(item, expanded);
        ck_assert_int_eq(memcmp(expanded, value, sizes[i]), 0);
        ck_assert(sizes[i] == LARGEST || expanded[sizes[i]] == 0xa5);
        uint8_t start[GIBS_ITEM_START];
        gibs_item_expand_start(item, start);
        ck_assert_int_eq(memcmp(start, value, sizeof start), 0);
        free(item);
    }
}
END_TEST

START_TEST(value_whose_beginning_does_not_shrink_is_given_up)
{
    gibs_compression at = {0};
    fill_value(0xf, 7); /* the fifth piece would shrink */
    while (gibs_value_compress_piece((gibson_bytes){value, LARGEST}, &at, packed)) {
    }
    ck_assert(at.failed);
    ck_assert_uint_lt(at.read, LARGEST);
}
END_TEST

/* Sets a large value in slices, and lets `between` happen behind the first. */
static gib_code set_in_slices(gibs_build *build, const char *key, size_t size,
                              void (*between)(void))
{
    gibson_bytes bytes = {value, size};
    while (gibs_build_pack(build, store, bytes)) {
    }
    ck_assert(gibs_build_begin(build, store, text(key), bytes));
    while (gibs_build_copy(build, bytes)) {
        if (between) {
            between();
            between = NULL;
        }
    }
    return gibs_build_set(build, store, 0, false);
}

static void check_value(const char *key, size_t size)
{
    gibs_item *item = gibs_store_get(store, text(key));
    ck_assert_ptr_nonnull(item);
    ck_assert_uint_eq(gibs_item_plain_size(item), size);
    gibs_item_expand(item, expanded);
    ck_assert_int_eq(memcmp(expanded, value, size), 0);
}

START_TEST(build_sets_new_and_old_items)
{
    gibs_build build = {0};
    fill_value(_i ? 0x1f : 0, 7);
    ck_assert_int_eq(set_in_slices(&build, "k", LARGEST, NULL), GIB_CODE_VAL);
    gibs_build_clear(&build, store);
    check_value("k", LARGEST);
    ck_assert_uint_eq(store->compressed_items, _i ? 0 : 1);
    ck_assert_int_eq(set_in_slices(&build, "k", THREE_PIECES, NULL), GIB_CODE_VAL);
    gibs_build_clear(&build, store);
    check_value("k", THREE_PIECES);
    ck_assert_uint_eq(store->items, 1);
    ck_assert_uint_eq(store->allocated_items, 1);
    ck_assert_ptr_null(gibs_tree_check(&store->tree));
    ck_assert_int_eq(gibs_store_del(store, text("k")), GIB_CODE_OK);
    while (gibs_store_reclaim(store, 1000)) {
    }
    ck_assert_uint_eq(gibs_store_used(store), 0);
}
END_TEST

static void lock_k(void)
{
    ck_assert_int_eq(gibs_store_lock(store, text("k"), GIBS_LOCK_FOR_EVER), GIB_CODE_OK);
}

START_TEST(build_does_not_replace_what_was_locked_meanwhile)
{
    gibs_build build = {0};
    fill_value(0x1f, 7);
    gibs_store_set(store, text("k"), text("old"), 0);
    ck_assert_int_eq(set_in_slices(&build, "k", LARGEST, lock_k), GIB_CODE_LOCKED);
    ck_assert_uint_eq(gibs_store_get(store, text("k"))->value_size, 3);
    ck_assert_int_eq(gibs_store_may_set(store, text("k")), GIB_CODE_LOCKED);
    gibs_build_clear(&build, store);
    ck_assert_uint_eq(store->allocated_items, 1);
}
END_TEST

START_TEST(build_larger_than_memory_is_refused)
{
    gibs_build build = {0};
    fill_value(0x1f, 7);
    store->settings.max_memory = LARGEST;
    ck_assert_int_eq(set_in_slices(&build, "k", LARGEST, NULL), GIB_CODE_MEM);
    gibs_build_clear(&build, store);
    ck_assert_uint_eq(gibs_store_used(store), 0);
    /* To replace one there has to be room for what is larger only. */
    store->settings.max_memory = LARGEST + 4096;
    ck_assert_int_eq(set_in_slices(&build, "k", LARGEST - 10, NULL), GIB_CODE_VAL);
    ck_assert_int_eq(set_in_slices(&build, "k", LARGEST, NULL), GIB_CODE_VAL);
    gibs_build_clear(&build, store);
    check_value("k", LARGEST);
}
END_TEST

/* An item that is held stays, whatever becomes of its key, and is freed in the end. */
START_TEST(held_item_stays_as_it_is)
{
    fill_value(0x1f, 7);
    store->settings.compression = SIZE_MAX;
    gibs_store_set(store, text("k"), (gibson_bytes){value, 1000}, 0);
    gibs_item *item = gibs_store_get(store, text("k"));
    ck_assert(gibs_store_hold(store, item));
    ck_assert(gibs_store_hold(store, item));
    ck_assert_uint_eq(gibs_store_held_size(store, item), 0);
    switch (_i) {
    case 0:
        gibs_store_set(store, text("k"), (gibson_bytes){value + 1000, 1000}, 0);
        break;
    case 1:
        ck_assert_int_eq(gibs_store_del(store, text("k")), GIB_CODE_OK);
        break;
    default:
        gibs_store_set(store, text("kk"), text("v"), 0);
        int64_t count;
        ck_assert_int_eq(do_mdel(store, text("k"), &count), GIB_CODE_VAL);
        while (gibs_store_reclaim(store, 1000)) {
        }
    }
    ck_assert_int_eq(memcmp(gibs_item_value(item), value, 1000), 0);
    ck_assert_uint_gt(gibs_store_held_size(store, item), 1000);
    ck_assert_uint_eq(gibs_store_used(store) > 0, _i == 0);
    gibs_store_release(store, item);
    ck_assert_int_eq(memcmp(gibs_item_value(item), value, 1000), 0);
    gibs_store_release(store, item);
    ck_assert_uint_eq(store->allocated_items, _i == 0);
    ck_assert_uint_eq(store->hold_count, 0);
}
END_TEST

/* Large items are freed a part at a time, and count until they are. */
START_TEST(large_item_is_freed_in_parts)
{
    static uint8_t large[FOUR_BLOCKS];
    store->settings.compression = SIZE_MAX;
    gibs_store_set(store, text("k"), (gibson_bytes){large, sizeof large}, 0);
    ck_assert_int_eq(gibs_store_del(store, text("k")), GIB_CODE_OK);
    ck_assert_uint_gt(gibs_store_used(store), sizeof large);
    size_t used = gibs_store_used(store);
    while (gibs_store_reclaim(store, 16)) {
        ck_assert_uint_lt(gibs_store_used(store), used);
        used = gibs_store_used(store);
    }
    ck_assert_uint_eq(gibs_store_used(store), 0);
    /* A SET that needs the room gets it. */
    store->settings.max_memory = sizeof large + 4096;
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(gibs_store_set(store, text("k"), (gibson_bytes){large, sizeof large}, 0),
                         GIB_CODE_VAL);
        ck_assert_int_eq(gibs_store_del(store, text("k")), GIB_CODE_OK);
    }
}
END_TEST

START_TEST(buffers_grow_and_shrink_across_all_sizes)
{
    gibs_buffers buffers;
    gibs_buffers_open(&buffers);
    const gibson_allocator *allocator = &buffers.allocator;
    const size_t sizes[] = {1,          1000, GIBS_LARGE_BLOCK, THREE_BLOCKS,
                            TWO_BLOCKS, 100,  TWO_BLOCKS,       GIBS_LARGE_BLOCK};
    uint8_t *block = allocator->allocate(1, allocator->context);
    ck_assert_ptr_nonnull(block);
    block[0] = 42;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        block = allocator->reallocate(block, sizes[i], allocator->context);
        ck_assert_ptr_nonnull(block);
        ck_assert_uint_eq(block[0], 42);
        block[sizes[i] - 1] = 42;
    }
    allocator->release(block, allocator->context);
    ck_assert_ptr_null(allocator->reallocate(NULL, SIZE_MAX - 3, allocator->context));
    size_t freed = 0;
    size_t part;
    while ((part = gibs_waste_reduce(&buffers.waste, 100000))) {
        freed += part;
    }
    ck_assert_uint_gt(freed, GIBS_LARGE_BLOCK);
    gibs_buffers_close(&buffers);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 32,
         TESTS(pieces_of_all_kinds_are_compressed_and_expanded)},
        {.set_up = set_up, .tear_down = tear_down, .runs = 2, TESTS(build_sets_new_and_old_items)},
        {.set_up = set_up, .tear_down = tear_down, .runs = 3, TESTS(held_item_stays_as_it_is)},
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(value_whose_beginning_does_not_shrink_is_given_up,
               build_does_not_replace_what_was_locked_meanwhile,
               build_larger_than_memory_is_refused, large_item_is_freed_in_parts,
               buffers_grow_and_shrink_across_all_sizes)},
    };
    return suite_run("server_large", 1, parts, COUNT_OF(parts));
}
