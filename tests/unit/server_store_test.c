/* The store, with a clock that the test moves. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "store_batch.h"
#include "support/suite.h"

static gibs_store *store;
static int64_t now_ms;

static gibson_bytes text(const char *bytes)
{
    return gibson_str(bytes);
}

static void open_store(size_t max_memory)
{
    gibs_store_settings settings = {
        .max_memory = max_memory, .compression = 1000, .gc_ratio = 60, .unix_time = 1000000};
    now_ms = 0;
    store = gibs_store_new(&settings);
    ck_assert_ptr_nonnull(store);
}

static void set_up(void)
{
    open_store((size_t)1 << 30);
}

static void tear_down(void)
{
    gibs_store_free(store);
}

static void pass(int64_t ms)
{
    now_ms += ms;
    gibs_store_set_time(store, now_ms);
}

/* Asks again where it takes more than a turn to make room, as the service does. */
static gib_code set(const char *key, const char *value, int64_t ttl)
{
    gib_code code;
    do {
        code = gibs_store_set(store, text(key), text(value), ttl);
    } while (code == GIB_CODE_MEM && store->unfinished);
    return code;
}

/* Whether the item is there with that value. */
static bool has(const char *key, const char *value)
{
    gibs_item *item = gibs_store_get(store, text(key));
    return item && item->value_size == strlen(value) &&
           !memcmp(gibs_item_value(item), value, item->value_size);
}

static int64_t meta(const char *key, gibson_meta_field field)
{
    int64_t number = 0;
    ck_assert_int_eq(gibs_store_meta(store, text(key), field, &number), GIB_CODE_VAL);
    return number;
}

static void sweep_all(bool collecting)
{
    gibs_store_sweep_begin(store, collecting);
    while (gibs_store_sweep(store, 3)) {
    }
}

START_TEST(store_ttl_lives_for_its_whole_time_and_no_tick_longer)
{
    ck_assert_int_eq(set("k", "v", 10), GIB_CODE_VAL);
    pass(10000);
    ck_assert(has("k", "v"));
    pass(GIBS_TICK_MS);
    ck_assert(!has("k", "v"));
    ck_assert_uint_eq(store->items, 0);
    ck_assert_uint_eq(gibs_store_used(store), 0);
}
END_TEST

START_TEST(store_ttl_above_16_bits_works)
{
    ck_assert_int_eq(set("k", "v", 65546), GIB_CODE_VAL);
    ck_assert_int_eq(meta("k", GIBSON_META_TTL), 65546);
    pass(65546000);
    ck_assert(has("k", "v"));
    pass(200);
    ck_assert(!has("k", "v"));
}
END_TEST

START_TEST(store_lock_and_ttl_share_one_clock)
{
    int64_t count;
    set("k", "v", 10);
    pass(8000);
    ck_assert_int_eq(gibs_store_lock(store, text("k"), 5), GIB_CODE_OK);
    pass(4900);
    ck_assert_int_eq(set("k", "w", 0), GIB_CODE_LOCKED);
    ck_assert(has("k", "v")); /* 12.9 s old, and its age began anew after 8 s */
    ck_assert_int_eq(gibs_store_ttl(store, text("k"), 10), GIB_CODE_OK);
    pass(4900);
    ck_assert_int_eq(gibs_store_del(store, text("k")), GIB_CODE_LOCKED); /* and so did the lock */
    ck_assert_int_eq(do_mttl(store, text("k"), 3, &count), GIB_CODE_VAL);
    ck_assert_int_eq(count, 1);
    pass(2900);
    ck_assert_int_eq(gibs_store_del(store, text("k")), GIB_CODE_LOCKED); /* MTTL did the same */
    pass(300);
    ck_assert(!has("k", "v"));
}
END_TEST

START_TEST(store_lock_runs_out)
{
    set("k", "v", 0);
    gibs_store_lock(store, text("k"), 5);
    ck_assert_int_eq(meta("k", GIBSON_META_LOCK), 5);
    pass(5100);
    ck_assert_int_eq(meta("k", GIBSON_META_LOCK), 0);
    ck_assert_int_eq(gibs_store_lock(store, text("k"), GIBS_LOCK_FOR_EVER), GIB_CODE_OK);
    pass((int64_t)1000 * 86400 * 365);
    ck_assert_int_eq(gibs_store_del(store, text("k")), GIB_CODE_LOCKED);
    ck_assert_int_eq(gibs_store_unlock(store, text("k")), GIB_CODE_OK);
    ck_assert_int_eq(gibs_store_del(store, text("k")), GIB_CODE_OK);
}
END_TEST

START_TEST(store_ttl_does_not_bring_a_lock_back_that_has_run_out)
{
    set("k", "v", 0);
    gibs_store_lock(store, text("k"), 5);
    pass(5200);
    ck_assert_int_eq(gibs_store_ttl(store, text("k"), 100), GIB_CODE_OK);
    ck_assert_int_eq(meta("k", GIBSON_META_LOCK), 0);
    ck_assert_int_eq(gibs_store_del(store, text("k")), GIB_CODE_OK);
}
END_TEST

START_TEST(store_set_takes_ttl_and_lock_away)
{
    set("k", "v", 10);
    gibs_store_lock(store, text("k"), 1);
    pass(1200);
    ck_assert_int_eq(set("k", "w", 0), GIB_CODE_VAL);
    ck_assert_int_eq(meta("k", GIBSON_META_TTL), -1);
    ck_assert_int_eq(meta("k", GIBSON_META_LOCK), 0);
    pass(100000);
    ck_assert(has("k", "w"));
}
END_TEST

START_TEST(store_inc_keeps_the_ttl)
{
    int64_t number;
    set("n", "41", 10);
    ck_assert_int_eq(gibs_store_add(store, text("n"), 1, &number), GIB_CODE_VAL);
    ck_assert_int_eq(number, 42);
    ck_assert_int_eq(meta("n", GIBSON_META_TTL), 10);
    pass(10200);
    ck_assert_int_eq(gibs_store_add(store, text("n"), 1, &number), GIB_CODE_VAL);
    ck_assert_int_eq(number, 1);
    /* Also where the item moves, because the number takes less room than its text. */
    set("n", "0 and a text that is so long that the item will not have the same size", 10);
    ck_assert_int_eq(gibs_store_add(store, text("n"), 1, &number), GIB_CODE_VAL);
    ck_assert_int_eq(number, 1);
    ck_assert_int_eq(meta("n", GIBSON_META_TTL), 10);
    pass(9000);
    ck_assert_int_eq(meta("n", GIBSON_META_LEFT), 1);
}
END_TEST

START_TEST(store_inc_wraps)
{
    int64_t number;
    set("n", "9223372036854775807", 0);
    ck_assert_int_eq(gibs_store_add(store, text("n"), 1, &number), GIB_CODE_VAL);
    ck_assert_int_eq(number, INT64_MIN);
    ck_assert_int_eq(gibs_store_add(store, text("n"), -1, &number), GIB_CODE_VAL);
    ck_assert_int_eq(number, INT64_MAX);
}
END_TEST

START_TEST(store_numbers_are_read_as_the_reference_does)
{
    static const struct {
        const char *value;
        gib_code code;
        int64_t after_inc;
    } cases[] = {
        {"010", GIB_CODE_VAL, 1},
        {"-", GIB_CODE_VAL, 1},
        {"+5", GIB_CODE_NAN, 0},
        {"-7", GIB_CODE_VAL, -6},
        {"7x", GIB_CODE_NAN, 0},
        {"9223372036854775808", GIB_CODE_NAN, 0},
        {"-9223372036854775808", GIB_CODE_VAL, INT64_MIN + 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t number = 0;
        set("n", cases[i].value, 0);
        ck_assert_int_eq(gibs_store_add(store, text("n"), 1, &number), cases[i].code);
        ck_assert_int_eq(number, cases[i].after_inc);
    }
}
END_TEST

START_TEST(store_keys_with_nul_are_whole_keys)
{
    int64_t count;
    gibs_store_set(store, (gibson_bytes){"a\0b", 3}, text("1"), 0);
    gibs_store_set(store, (gibson_bytes){"a\0c", 3}, text("2"), 0);
    gibs_store_set(store, (gibson_bytes){"a", 1}, text("3"), 0);
    ck_assert_int_eq(do_count(store, (gibson_bytes){"a\0", 2}), 2);
    ck_assert_int_eq(do_count(store, text("a")), 3);
    ck_assert_int_eq(do_mdel(store, (gibson_bytes){"a\0b", 3}, &count), GIB_CODE_VAL);
    ck_assert_int_eq(count, 1);
    ck_assert(has("a", "3"));
}
END_TEST

START_TEST(store_mdel_leaves_locked_items_and_counts_no_expired_ones)
{
    int64_t count;
    char key[16];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "p:%d", i);
        set(key, "v", i % 10 == 3 ? 1 : 0);
        if (i % 10 == 7) {
            gibs_store_lock(store, text(key), GIBS_LOCK_FOR_EVER);
        }
    }
    set("q", "other", 0);
    pass(1200);
    ck_assert_int_eq(do_mdel(store, text("p:"), &count), GIB_CODE_VAL);
    ck_assert_int_eq(count, 80);
    ck_assert_int_eq(do_count(store, text("p:")), 10);
    ck_assert_int_eq(do_mdel(store, text("p:"), &count), GIB_CODE_NOT_FOUND);
    do_munlock(store, text("p:"), &count);
    ck_assert_int_eq(count, 10);
    ck_assert_int_eq(do_mdel(store, text("p:"), &count), GIB_CODE_VAL);
    ck_assert(has("q", "other"));
}
END_TEST

START_TEST(store_mdel_frees_bit_by_bit)
{
    int64_t count;
    char key[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof key, "p:%d", i);
        set(key, "v", 0);
    }
    do_mdel(store, text("p"), &count);
    ck_assert_int_eq(count, 1000);
    ck_assert_uint_eq(store->items, 0);
    ck_assert_uint_eq(store->allocated_items, 1000);
    ck_assert(gibs_store_reclaim(store, 10));
    ck_assert_uint_eq(store->allocated_items, 990);
    while (gibs_store_reclaim(store, 10)) {
    }
    ck_assert_uint_eq(gibs_store_used(store), 0);
}
END_TEST

START_TEST(store_mset_minc_and_mttl_change_what_is_there)
{
    int64_t count;
    set("p:1", "1", 50);
    set("p:2", "x", 0);
    set("p:3", "3", 0);
    gibs_store_lock(store, text("p:3"), 100);
    ck_assert_int_eq(do_madd(store, text("p:"), -1, &count), GIB_CODE_VAL);
    ck_assert_int_eq(count, 1);
    ck_assert_int_eq(do_mttl(store, text("p:"), 70000, &count), GIB_CODE_VAL);
    ck_assert_int_eq(count, 3);
    ck_assert_int_eq(meta("p:2", GIBSON_META_TTL), 70000);
    ck_assert_int_eq(meta("p:3", GIBSON_META_TTL), 70000);
    ck_assert_int_eq(do_mset(store, text("p:"), text("a longer value than before"), &count),
                     GIB_CODE_VAL);
    ck_assert_int_eq(count, 2);
    ck_assert(has("p:1", "a longer value than before"));
    ck_assert_int_eq(meta("p:1", GIBSON_META_TTL), -1);
    ck_assert(has("p:3", "3"));
}
END_TEST

START_TEST(store_large_values_are_compressed_and_expanded)
{
    static char value[50000];
    static uint8_t expanded[sizeof value];
    for (size_t i = 0; i < sizeof value; i++) {
        value[i] = (char)('a' + i / 100 % 26);
    }
    gibs_store_set(store, text("k"), (gibson_bytes){value, sizeof value}, 0);
    ck_assert_uint_eq(store->compressed_items, 1);
    gibs_item *item = gibs_store_get(store, text("k"));
    ck_assert_uint_eq(item->encoding, GIB_ENCODING_LZF);
    ck_assert_uint_lt(item->value_size, sizeof value / 5);
    ck_assert_uint_eq(gibs_item_plain_size(item), sizeof value);
    gibs_item_expand(item, expanded);
    ck_assert_mem_eq(expanded, value, sizeof value);
    set("k", "small", 0);
    ck_assert_uint_eq(store->compressed_items, 0);
}
END_TEST

START_TEST(store_values_that_do_not_shrink_stay_plain)
{
    uint8_t value[2000];
    uint32_t state = 1;
    for (size_t i = 0; i < sizeof value; i++) {
        state = state * 1664525 + 1013904223;
        value[i] = (uint8_t)(state >> 24);
    }
    gibs_store_set(store, text("k"), (gibson_bytes){value, sizeof value}, 0);
    gibs_item *item = gibs_store_get(store, text("k"));
    ck_assert_uint_eq(item->encoding, GIB_ENCODING_PLAIN);
    ck_assert_mem_eq(gibs_item_value(item), value, sizeof value);
}
END_TEST

START_TEST(store_meta_tells_times_by_the_calendar)
{
    pass(5000);
    set("k", "v", 100);
    pass(7000);
    ck_assert_int_eq(meta("k", GIBSON_META_CREATED), 1000005);
    ck_assert_int_eq(meta("k", GIBSON_META_ACCESS), 1000005);
    ck_assert_int_eq(meta("k", GIBSON_META_LEFT), 93);
    gibs_store_get(store, text("k"));
    ck_assert_int_eq(meta("k", GIBSON_META_ACCESS), 1000012);
    gibs_store_set_unix_time(store, 2000000);
    ck_assert_int_eq(meta("k", GIBSON_META_ACCESS), 2000000);
}
END_TEST

START_TEST(store_sweep_deletes_what_has_expired)
{
    char key[16];
    for (int i = 0; i < 200; i++) {
        snprintf(key, sizeof key, "k%d", i);
        set(key, "v", i % 2 ? 5 : 0);
    }
    ck_assert(!gibs_store_may_expire(store));
    pass(6000);
    ck_assert(gibs_store_may_expire(store));
    sweep_all(false);
    ck_assert_uint_eq(store->items, 100);
    ck_assert_int_eq(do_count(store, text("k")), 100);
    ck_assert(!gibs_store_may_expire(store)); /* so the next sweep need not be */
}
END_TEST

START_TEST(store_sweep_goes_on_where_it_was_while_items_come_and_go)
{
    char key[16];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%03d", i);
        set(key, "v", i % 3 ? 5 : 0);
    }
    pass(6000);
    gibs_store_sweep_begin(store, false);
    for (int i = 0; gibs_store_sweep(store, 7); i++) {
        snprintf(key, sizeof key, "k%03d", i * 5 % 300);
        gibs_store_del(store, text(key));
        snprintf(key, sizeof key, "new%03d", i);
        set(key, "v", 0);
    }
    gibs_walk walk;
    gibs_link *place;
    gibs_walk_begin(&walk, gibs_tree_find_prefix(&store->tree, text("k")));
    while ((place = gibs_walk_next(&walk))) {
        ck_assert_uint_eq(gibs_link_item(*place)->ttl, 0);
    }
}
END_TEST

START_TEST(store_full_memory_answers_mem_and_collects_what_was_not_accessed)
{
    char key[16];
    unsigned count = 0;
    tear_down();
    open_store(65536);
    do {
        snprintf(key, sizeof key, "k%u", count++);
    } while (set(key, "0123456789", 0) == GIB_CODE_VAL);
    ck_assert_uint_gt(count, 500);
    ck_assert_uint_le(gibs_store_used(store), 65536 + 512);
    ck_assert(store->short_of_memory);
    ck_assert_int_eq(set("k0", "9876543210", 0), GIB_CODE_VAL); /* needs no more than it has */
    gibs_store_lock(store, text("k1"), GIBS_LOCK_FOR_EVER);
    pass(61000);
    ck_assert(has("k2", "0123456789"));
    sweep_all(true);
    ck_assert_uint_eq(store->items, 2); /* k1 is locked, k2 was accessed */
    ck_assert(!store->short_of_memory);
    ck_assert_int_eq(set(key, "0123456789", 0), GIB_CODE_VAL);
}
END_TEST

START_TEST(store_deleted_items_are_no_reason_for_mem)
{
    char key[16];
    int64_t count;
    tear_down();
    open_store(65536);
    unsigned items = 0;
    do {
        snprintf(key, sizeof key, "k%u", items++);
    } while (set(key, "0123456789", 0) == GIB_CODE_VAL);
    do_mdel(store, text("k"), &count);
    ck_assert_int_eq(set("new", "0123456789", 0), GIB_CODE_VAL);
}
END_TEST

START_TEST(store_mset_out_of_memory_says_so)
{
    static char large[40000];
    char key[16];
    int64_t count;
    tear_down();
    open_store(100000);
    store->settings.compression = SIZE_MAX;
    memset(large, 'x', sizeof large);
    for (int i = 0; i < 5; i++) {
        snprintf(key, sizeof key, "k%d", i);
        set(key, "v", 0);
    }
    ck_assert_int_eq(do_mset(store, text("k"), (gibson_bytes){large, sizeof large}, &count),
                     GIB_CODE_MEM);
    ck_assert_uint_le(gibs_store_used(store), 100000);
    ck_assert_int_eq(do_count(store, text("k")), 5);
}
END_TEST

START_TEST(store_expired_items_make_room_at_once)
{
    char key[16];
    tear_down();
    open_store(65536);
    unsigned items = 0;
    do {
        snprintf(key, sizeof key, "k%u", items++);
    } while (set(key, "0123456789", items % 2 ? 1 : 0) == GIB_CODE_VAL);
    pass(2000);
    unsigned added = 0;
    do {
        snprintf(key, sizeof key, "new%u", added++);
    } while (set(key, "9", 0) == GIB_CODE_VAL);
    ck_assert_uint_gt(added, items / 3);
    uint64_t left = store->items;
    sweep_all(false);
    ck_assert_uint_eq(store->items, left);        /* nothing was refused while there was one */
    for (unsigned i = 1; i < items - 1; i += 2) { /* and only the expired ones were deleted */
        snprintf(key, sizeof key, "k%u", i);
        ck_assert(has(key, "0123456789"));
    }
}
END_TEST

/* An item that grows must not lose its place when others are deleted for it, nor be deleted itself.
 */
START_TEST(store_item_that_grows_stays_while_others_make_room)
{
    static char large[20000];
    char key[16];
    int64_t count;
    memset(large, 'x', sizeof large);
    for (int first = 0; first < 2; first++) {
        tear_down();
        open_store(65536);
        store->settings.compression = SIZE_MAX;
        set("a", "v", 0);
        set("b", "v", 0);
        unsigned items = 0;
        do {
            snprintf(key, sizeof key, "%u", items++);
        } while (set(key, "0123456789", 1) == GIB_CODE_VAL);
        pass(2000);
        gibson_bytes value = {large, sizeof large};
        if (first) {
            ck_assert_int_eq(gibs_store_set(store, text("b"), value, 0), GIB_CODE_VAL);
        } else {
            ck_assert_int_eq(do_mset(store, text(""), value, &count), GIB_CODE_VAL);
            ck_assert_int_eq(count, 2);
            ck_assert_uint_eq(gibs_store_get(store, text("a"))->value_size, sizeof large);
        }
        ck_assert_uint_eq(gibs_store_get(store, text("b"))->value_size, sizeof large);
    }
}
END_TEST

START_TEST(store_knows_when_nothing_can_have_expired)
{
    set("a", "v", 10);
    set("b", "v", 0);
    pass(9000);
    ck_assert(!gibs_store_may_expire(store));
    pass(1200);
    ck_assert(gibs_store_may_expire(store));
    sweep_all(false);
    ck_assert(!gibs_store_may_expire(store));
    gibs_store_sweep_begin(store, false);
    set("c", "v", 1); /* behind the sweep or before it */
    while (gibs_store_sweep(store, 1)) {
    }
    pass(1200);
    ck_assert(gibs_store_may_expire(store));
}
END_TEST

/* Numbers that are compressed: 0 with anything behind it, and nothing else. */
START_TEST(store_compressed_numbers_are_read_from_their_start)
{
    static char value[5000];
    const char *const starts[] = {"0",     "00", "0a", "-0", "-00x", "1",
                                  "12345", "-1", "-",  "a0", "ab0"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        for (size_t fill = 0; fill < 3; fill++) {
            memset(value, "0ax"[fill], sizeof value);
            memcpy(value, starts[i], strlen(starts[i]));
            gibs_store_set(store, text("n"), (gibson_bytes){value, sizeof value}, 0);
            ck_assert_uint_eq(gibs_store_get(store, text("n"))->encoding, GIB_ENCODING_LZF);
            size_t digit = value[0] == '-' ? 1 : 0;
            bool is_zero = value[digit] == '0';
            int64_t number = 0;
            ck_assert_int_eq(gibs_store_add(store, text("n"), 5, &number),
                             is_zero ? GIB_CODE_VAL : GIB_CODE_NAN);
            ck_assert_int_eq(number, is_zero ? 5 : 0);
        }
    }
}
END_TEST

/* What may be a number of another value than 0 is not compressed. */
START_TEST(store_numbers_are_never_compressed)
{
    const char *const numbers[] = {"1111111111111111111", "-111111111111111111",
                                   "-9000000000000000000", "7777777777777777"};
    store->settings.compression = 1;
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        int64_t number;
        gibs_store_set(store, text("n"), text(numbers[i]), 0);
        ck_assert_int_eq(gibs_store_add(store, text("n"), 1, &number), GIB_CODE_VAL);
        ck_assert_int_eq(number, strtoll(numbers[i], NULL, 10) + 1);
    }
}
END_TEST

static bool slice_mset(gibs_batch *batch)
{
    return gibs_batch_mset(batch, store, text("k"), text("new"), 7);
}

static bool slice_mttl(gibs_batch *batch)
{
    return gibs_batch_mttl(batch, store, text("k"), 100, 7);
}

static bool slice_mdel(gibs_batch *batch)
{
    return gibs_batch_mdel(batch, store, text("k"), 7);
}

static bool slice_count(gibs_batch *batch)
{
    return gibs_batch_count(batch, store, text("k"), 7);
}

static bool slice_munlock(gibs_batch *batch)
{
    return gibs_batch_munlock(batch, store, text("k"), 7);
}

/* k000 and on. */
static void set_many(int items, int64_t ttl)
{
    char key[16];
    for (int i = 0; i < items; i++) {
        snprintf(key, sizeof key, "k%03d", i);
        set(key, "old", ttl);
    }
}

/* Between the slices items come and go before and behind the place it has come to. */
START_TEST(store_batch_goes_on_where_it_was_while_items_come_and_go)
{
    bool (*const slices[])(gibs_batch *) = {slice_mset, slice_mttl};
    enum { ITEMS = 200 };
    char key[16];
    set_many(ITEMS, 0);
    set("j", "old", 0);
    set("l", "old", 0);
    gibs_batch batch = {0};
    int64_t round = 0;
    int64_t gone = 0;
    while (slices[_i](&batch)) {
        round++;
        set("k", "before", 0); /* it has come past that */
        snprintf(key, sizeof key, "k%03d", (int)(ITEMS - 1 - round * 3));
        gone += gibs_store_del(store, text(key)) == GIB_CODE_OK;
        snprintf(key, sizeof key, "l%03d", (int)round); /* another prefix */
        set(key, "old", 0);
    }
    ck_assert_int_gt(round, 10);
    ck_assert_int_gt(gone, 10);
    ck_assert_int_eq(batch.code, GIB_CODE_OK);
    ck_assert_int_le(batch.count, ITEMS);
    ck_assert_int_ge(batch.count, ITEMS - gone);
    ck_assert(has("k001", _i ? "old" : "new"));
    ck_assert(has("k199", _i ? "old" : "new"));
    ck_assert(has("j", "old"));
    ck_assert(has("l", "old"));
    gibs_batch_clear(&batch, store);
}
END_TEST

/* There may be a node for each byte of a key. */
START_TEST(store_batch_of_long_keys_goes_in_more_slices)
{
    enum { ITEMS = 256, SHORTEST = 2000, WORK = 64 };
    static char key[SHORTEST + ITEMS * 8 + 1];
    for (int i = 0; i < ITEMS; i++) {
        size_t size = SHORTEST + (size_t)i * 8;
        memset(key, 'k', size);
        snprintf(key + size - 4, 5, "-%03d", i);
        ck_assert_int_eq(set(key, "v", 0), GIB_CODE_VAL);
    }
    gibs_batch batch = {0};
    int slices = 1;
    while (gibs_batch_mttl(&batch, store, text("k"), 100, WORK)) {
        slices++;
    }
    ck_assert_int_eq(batch.count, ITEMS);
    ck_assert_int_ge(slices, ITEMS * (SHORTEST / 256) / WORK);
    gibs_batch_clear(&batch, store);
}
END_TEST

/* However many items there are, one slice is enough, and the store is as it was until then. */
START_TEST(store_count_and_mdel_take_one_step)
{
    gibs_batch batch = {0};
    set_many(500, _i ? 1000 : 0);
    ck_assert(!slice_count(&batch));
    ck_assert_int_eq(batch.count, 500);
    gibs_batch_clear(&batch, store);
    ck_assert(!slice_munlock(&batch));
    ck_assert_int_eq(batch.count, 500);
    gibs_batch_clear(&batch, store);
    ck_assert(!slice_mdel(&batch));
    ck_assert_int_eq(batch.count, 500);
    ck_assert_uint_eq(store->items, 0);
    ck_assert_uint_gt(gibs_store_used(store), 0); /* until it is freed */
    gibs_batch_clear(&batch, store);
}
END_TEST

/* What has expired is cleared away first, in slices; what is set meanwhile counts as well. */
START_TEST(store_count_and_mdel_leave_expired_items_out)
{
    bool (*const slices[])(gibs_batch *) = {slice_count, slice_mdel, slice_munlock};
    char key[16];
    gibs_batch batch = {0};
    set_many(200, 1);
    for (int i = 0; i < 200; i += 20) {
        snprintf(key, sizeof key, "k%03d", i);
        set(key, "live", 1000);
    }
    pass(2000);
    int64_t rounds = 0;
    while (slices[_i](&batch)) {
        snprintf(key, sizeof key, "k%03dx", (int)rounds++ * 7 % 200);
        set(key, "live", 0);
    }
    ck_assert_int_gt(rounds, 10);
    ck_assert_int_eq(batch.count, 10 + rounds);
    ck_assert_uint_eq(store->items, _i == 1 ? 0 : 10 + (uint64_t)rounds);
    ck_assert_uint_eq(store->expired_items, 190);
    gibs_batch_clear(&batch, store);
    ck_assert(!slice_count(&batch)); /* nothing is left to be cleared away */
    gibs_batch_clear(&batch, store);
}
END_TEST

/* Locked items stay, however they are spread, and what others set behind the place it has come to.
 */
START_TEST(store_mdel_goes_in_slices_around_locked_items)
{
    enum { ITEMS = 900 };
    const int distances[] = {1, 3, 10, 100, ITEMS};
    int distance = distances[_i];
    char key[16];
    set_many(ITEMS, 0);
    set("j", "old", 0);
    set("l", "old", 0);
    for (int i = distance - 1; i < ITEMS; i += distance) {
        snprintf(key, sizeof key, "k%03d", i);
        ck_assert_int_eq(gibs_store_lock(store, text(key), GIBS_LOCK_FOR_EVER), GIB_CODE_OK);
    }
    gibs_batch batch = {0};
    int rounds = 0;
    while (slice_mdel(&batch)) {
        rounds++;
        set("k0", "before", 0);
        ck_assert_ptr_null(gibs_tree_check(&store->tree));
    }
    int locked = ITEMS / distance;
    ck_assert_int_eq(batch.count, ITEMS - locked);
    ck_assert_int_eq(do_count(store, text("k")), locked + (rounds > 0));
    ck_assert_int_ge(rounds, distance > 10 ? 0 : ITEMS / 10 / 7);
    ck_assert(has("j", "old") && has("l", "old"));
    ck_assert(rounds == 0 || has("k0", "before"));
    gibs_batch_clear(&batch, store);
    int64_t count;
    ck_assert_int_eq(do_munlock(store, text("k"), &count), GIB_CODE_VAL);
    ck_assert_int_eq(do_mdel(store, text("k"), &count), GIB_CODE_VAL);
    ck_assert_uint_eq(store->items, 2);
}
END_TEST

/* MUNLOCK looks only at what may be locked. */
START_TEST(store_munlock_unlocks_what_is_locked)
{
    int64_t count;
    set_many(900, 0);
    gibs_store_lock(store, text("k777"), GIBS_LOCK_FOR_EVER);
    gibs_batch batch = {0};
    int slices = 1;
    while (slice_munlock(&batch)) {
        slices++;
    }
    ck_assert_int_le(slices, 4); /* one node of the lowest ones, and those above */
    ck_assert_int_eq(batch.count, 900);
    gibs_batch_clear(&batch, store);
    ck_assert_int_eq(gibs_store_del(store, text("k777")), GIB_CODE_OK);
    ck_assert_int_eq(do_mdel(store, text("k"), &count), GIB_CODE_VAL);
    ck_assert_int_eq(count, 899);
}
END_TEST

static void open_evicting_store(size_t max_memory)
{
    tear_down();
    open_store(max_memory);
    store->settings.evict = true;
}

START_TEST(store_eviction_lets_go_what_is_not_accessed)
{
    char key[16];
    open_evicting_store(65536);
    set("locked", "v", 0);
    gibs_store_lock(store, text("locked"), GIBS_LOCK_FOR_EVER);
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_int_eq(set(key, "0123456789", 0), GIB_CODE_VAL);
        ck_assert_uint_le(gibs_store_used(store), 65536 + 512);
        if (i % 10 == 0) { /* ten that are accessed again and again */
            for (int hot = 0; hot < 10 && hot <= i; hot++) {
                snprintf(key, sizeof key, "k%d", hot);
                ck_assert_msg(has(key, "0123456789"), "%s after %d", key, i);
            }
        }
    }
    ck_assert(has("locked", "v"));
    ck_assert_uint_eq(store->items + store->evicted_items, 20001);
    ck_assert(!store->short_of_memory);
}
END_TEST

START_TEST(store_eviction_takes_what_has_expired_first)
{
    char key[16];
    open_evicting_store(65536);
    unsigned items = 0;
    for (; !store->evicted_items && items < 5000; items++) {
        snprintf(key, sizeof key, "k%u", items);
        set(key, "0123456789", items % 2 ? 1 : 0);
    }
    uint64_t before = store->evicted_items;
    pass(2000);
    for (unsigned i = 0; i < items / 3; i++) {
        snprintf(key, sizeof key, "new%u", i);
        ck_assert_int_eq(set(key, "9", 0), GIB_CODE_VAL);
    }
    ck_assert_uint_eq(store->evicted_items, before);
}
END_TEST

START_TEST(store_eviction_has_its_limits)
{
    static char large[70000];
    char key[16];
    open_evicting_store(65536);
    store->settings.compression = SIZE_MAX;
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        set(key, "v", 0);
    }
    /* What can never fit lets nothing go; what fits may let all go. */
    uint64_t items = store->items;
    ck_assert_int_eq(gibs_store_set(store, text("a"), (gibson_bytes){large, sizeof large}, 0),
                     GIB_CODE_MEM);
    ck_assert_uint_eq(store->items, items);
    ck_assert_int_eq(gibs_store_set(store, text("a"), (gibson_bytes){large, 60000}, 0),
                     GIB_CODE_VAL);
    ck_assert_uint_lt(store->items, items / 5);
    /* All that are warm: then they go all the same. Locked ones never do. */
    gibs_store_del(store, text("a"));
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "k%d", i);
        ck_assert_int_eq(set(key, "v", 0), GIB_CODE_VAL);
        gibs_store_get(store, text(key));
        gibs_store_get(store, text(key));
        gibs_store_get(store, text(key));
    }
    int locked = 0;
    for (int i = 0; locked < 5000; i++) {
        snprintf(key, sizeof key, "l%d", i);
        if (set(key, "v", 0) == GIB_CODE_MEM) {
            break;
        }
        gibs_store_lock(store, text(key), GIBS_LOCK_FOR_EVER);
        locked++;
    }
    ck_assert_int_lt(locked, 5000);
    ck_assert_int_eq(do_count(store, text("l")), locked);
    ck_assert_int_eq(do_count(store, text("")), locked);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(store_ttl_lives_for_its_whole_time_and_no_tick_longer, store_ttl_above_16_bits_works,
               store_lock_and_ttl_share_one_clock, store_lock_runs_out,
               store_ttl_does_not_bring_a_lock_back_that_has_run_out,
               store_set_takes_ttl_and_lock_away, store_inc_keeps_the_ttl, store_inc_wraps,
               store_numbers_are_read_as_the_reference_does, store_keys_with_nul_are_whole_keys,
               store_mdel_leaves_locked_items_and_counts_no_expired_ones,
               store_mdel_frees_bit_by_bit, store_mset_minc_and_mttl_change_what_is_there,
               store_large_values_are_compressed_and_expanded,
               store_values_that_do_not_shrink_stay_plain, store_meta_tells_times_by_the_calendar,
               store_sweep_deletes_what_has_expired,
               store_sweep_goes_on_where_it_was_while_items_come_and_go,
               store_full_memory_answers_mem_and_collects_what_was_not_accessed,
               store_deleted_items_are_no_reason_for_mem, store_mset_out_of_memory_says_so,
               store_expired_items_make_room_at_once, store_eviction_lets_go_what_is_not_accessed,
               store_eviction_takes_what_has_expired_first, store_eviction_has_its_limits,
               store_item_that_grows_stays_while_others_make_room,
               store_knows_when_nothing_can_have_expired,
               store_batch_of_long_keys_goes_in_more_slices,
               store_compressed_numbers_are_read_from_their_start,
               store_numbers_are_never_compressed, store_munlock_unlocks_what_is_locked)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 2,
         TESTS(store_batch_goes_on_where_it_was_while_items_come_and_go,
               store_count_and_mdel_take_one_step)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 3,
         TESTS(store_count_and_mdel_leave_expired_items_out)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 5,
         TESTS(store_mdel_goes_in_slices_around_locked_items)},
    };
    return suite_run("server_store", 1, parts, COUNT_OF(parts));
}
