/* What goes when memory is full, and what eviction remembers for that. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "store_batch.h"
#include "store_check.h"
#include "support/suite.h"

enum { MEMORY = 1 << 16, MANY = 20000 };

static gibs_store *store;
static int64_t now_ms;

static gibson_bytes text(const char *bytes)
{
    return (gibson_bytes){bytes, strlen(bytes)};
}

/* The key of a number, until the next call. */
static gibson_bytes key(const char *name, unsigned number)
{
    static char bytes[32];
    return (gibson_bytes){bytes, (size_t)snprintf(bytes, sizeof bytes, "%s:%u", name, number)};
}

static void set_up(void)
{
    const gibs_store_settings settings = {
        .max_memory = MEMORY, .compression = SIZE_MAX, .evict = true, .gc_ratio = 60};
    now_ms = 0;
    store = gibs_store_new(&settings);
    ck_assert_ptr_nonnull(store);
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

/* Asks again as the service does. */
static gib_code set_bytes(gibson_bytes name, const void *bytes, size_t size, int64_t ttl)
{
    gib_code code;
    do {
        code = gibs_store_set(store, name, (gibson_bytes){bytes, size}, ttl);
    } while (code == GIB_CODE_MEM && store->unfinished);
    return code;
}

static gib_code set(gibson_bytes name)
{
    return set_bytes(name, "0123456789", 10, 0);
}

static bool is_there(gibson_bytes name)
{
    return gibs_tree_find(&store->tree, name);
}

static unsigned count(const char *name, unsigned end)
{
    unsigned there = 0;
    for (unsigned i = 0; i < end; i++) {
        there += is_there(key(name, i));
    }
    return there;
}

static void set_many(const char *name, unsigned end)
{
    for (unsigned i = 0; i < end; i++) {
        ck_assert_int_eq(set(key(name, i)), GIB_CODE_VAL);
    }
}

/* Fills the store until something has gone. */
static unsigned fill(void)
{
    unsigned items = 0;
    while (!store->evicted_items) {
        ck_assert_int_eq(set(key("old", items++)), GIB_CODE_VAL);
    }
    return items;
}

/* Remembering. */

static gibs_item *make_item(const char *name)
{
    gibs_item *item = calloc(1, gibs_item_size(strlen(name), 0));
    item->key_size = (uint16_t)strlen(name);
    memcpy(item->bytes, name, strlen(name));
    return item;
}

START_TEST(eviction_newcomers_leave_in_the_order_in_which_they_came)
{
    gibs_eviction eviction = {0};
    gibs_item *items[4];
    gibs_eviction_open(&eviction, 200); /* a bucket of four */
    for (unsigned i = 0; i < 4; i++) {
        char name[2] = {(char)('a' + i)};
        items[i] = make_item(name);
        ck_assert_ptr_null(gibs_newcomers_oldest(&eviction, 0));
        gibs_newcomers_add(&eviction, gibs_key_hash(text(name)), items[i]);
    }
    ck_assert_ptr_eq(gibs_newcomers_oldest(&eviction, 0), items[0]);
    gibs_newcomers_remove(&eviction, items[2]);
    ck_assert(!gibs_newcomers_have(&eviction, items[2]));
    gibs_newcomers_remove(&eviction, items[2]); /* nothing */
    ck_assert_ptr_null(gibs_newcomers_oldest(&eviction, 0));
    gibs_newcomers_add(&eviction, gibs_key_hash(text("c")), items[2]);
    ck_assert_ptr_eq(gibs_newcomers_oldest(&eviction, 0), items[0]);
    gibs_item *other = make_item("a");
    gibs_newcomers_exchange(&eviction, items[0], other);
    ck_assert_ptr_eq(gibs_newcomers_oldest(&eviction, 0), other);
    gibs_newcomers_remove(&eviction, other);
    gibs_newcomers_add(&eviction, gibs_key_hash(text("a")), other);
    ck_assert_ptr_eq(gibs_newcomers_oldest(&eviction, 0), items[1]);
    gibs_eviction_close(&eviction);
    ck_assert(!gibs_newcomers_have(&eviction, items[1]));
    gibs_eviction_open(&eviction, 200);
    ck_assert(!gibs_newcomers_have(&eviction, items[1])); /* it only looks like one */
    gibs_eviction_close(&eviction);
    for (unsigned i = 0; i < 4; i++) {
        free(items[i]);
    }
    free(other);
}
END_TEST

START_TEST(eviction_ghosts_are_taken_once_and_the_oldest_is_lost)
{
    gibs_eviction eviction = {0};
    gibs_eviction_open(&eviction, 8); /* a bucket of four */
    for (uint64_t hash = 0; hash < 5; hash++) {
        gibs_ghosts_add(&eviction, hash << 1 | 0x100);
    }
    ck_assert(!gibs_ghosts_take(&eviction, 0x100));
    ck_assert(gibs_ghosts_take(&eviction, 0x104));
    ck_assert(!gibs_ghosts_take(&eviction, 0x104));
    ck_assert(gibs_ghosts_take(&eviction, 0x108));
    gibs_ghosts_add(&eviction, 0); /* of which the bits are none */
    ck_assert(gibs_ghosts_take(&eviction, 0));
    ck_assert(!gibs_ghosts_take(&eviction, 0));
    gibs_eviction_close(&eviction);
}
END_TEST

START_TEST(eviction_is_made_anew_where_the_number_of_items_is_another_one)
{
    gibs_eviction eviction = {0};
    gibs_eviction_open(&eviction, 10000);
    size_t bytes = eviction.bytes;
    ck_assert_uint_le(bytes, 10000 * 3 / 2);
    gibs_ghosts_add(&eviction, 7);
    gibs_eviction_open(&eviction, 20000);
    gibs_eviction_open(&eviction, 2500);
    ck_assert(gibs_ghosts_take(&eviction, 7));
    gibs_ghosts_add(&eviction, 7);
    gibs_eviction_open(&eviction, 20001);
    ck_assert(!gibs_ghosts_take(&eviction, 7));
    ck_assert_uint_gt(eviction.bytes, bytes);
    gibs_eviction_open(&eviction, 1);
    ck_assert_uint_lt(eviction.bytes, 200);
    gibs_eviction_close(&eviction);
    ck_assert_uint_eq(eviction.bytes, 0);
}
END_TEST

static int compare(const void *one, const void *other)
{
    uint64_t a = *(const uint64_t *)one;
    uint64_t b = *(const uint64_t *)other;
    return (a > b) - (a < b);
}

START_TEST(eviction_hashes_of_keys_that_look_alike_differ)
{
    static uint64_t hashes[MANY];
    static unsigned low[256];
    static unsigned high[256];
    memset(low, 0, sizeof low);
    memset(high, 0, sizeof high);
    for (unsigned i = 0; i < MANY; i++) {
        hashes[i] = gibs_key_hash(key("user", i));
        low[hashes[i] & 255]++;
        high[hashes[i] >> 56]++;
    }
    qsort(hashes, MANY, sizeof *hashes, compare);
    for (unsigned i = 1; i < MANY; i++) {
        ck_assert_uint_ne(hashes[i - 1], hashes[i]);
    }
    for (unsigned i = 0; i < 256; i++) { /* 78 each on average */
        ck_assert_uint_gt(low[i], 30);
        ck_assert_uint_gt(high[i], 30);
    }
    ck_assert_uint_ne(gibs_key_hash((gibson_bytes){"a\0", 2}), gibs_key_hash(text("a")));
    ck_assert_uint_ne(gibs_key_hash(text("12345678a")), gibs_key_hash(text("12345678b")));
}
END_TEST

/* Choosing. */

START_TEST(eviction_lets_a_scan_drive_out_newcomers_and_nothing_else)
{
    unsigned items = fill();
    unsigned hot = items * 3 / 4;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < hot; i++) {
            gibs_store_get(store, key("old", i));
        }
    }
    unsigned there = count("old", hot);
    set_many("scan", items * 5);
    ck_assert_uint_eq(count("old", hot), there);
    ck_assert_uint_le(gibs_store_used(store), MEMORY + 512);
    ck_assert(store_is_sound(store));
}
END_TEST

START_TEST(eviction_keeps_newcomers_that_are_accessed)
{
    unsigned items = fill();
    for (unsigned i = 0; i < 20; i++) {
        ck_assert_int_eq(set(key("never", i)), GIB_CODE_VAL);
        ck_assert_int_eq(set(key("new", i)), GIB_CODE_VAL);
        ck_assert_ptr_nonnull(gibs_store_get(store, key("new", i)));
    }
    set_many("scan", items / 2);
    ck_assert_uint_eq(count("new", 20), 20);
    ck_assert_uint_lt(count("never", 20), 10); /* one in 16, and where there is room just then */
}
END_TEST

START_TEST(eviction_recognizes_what_comes_back)
{
    unsigned items = fill();
    ck_assert_int_eq(set(text("back")), GIB_CODE_VAL);
    ck_assert_int_eq(set(text("either")), GIB_CODE_VAL); /* one in 16 is spared */
    unsigned scanned = 0;
    while (is_there(text("back")) && is_there(text("either"))) {
        ck_assert_int_eq(set(key("scan", scanned++)), GIB_CODE_VAL);
        ck_assert_uint_lt(scanned, items);
    }
    gibson_bytes back = text(is_there(text("back")) ? "either" : "back");
    ck_assert_int_eq(set(back), GIB_CODE_VAL);
    const gibs_item *item = gibs_link_item(*gibs_tree_find(&store->tree, back));
    ck_assert(!gibs_newcomers_have(&store->eviction, item));
    ck_assert_uint_eq(item->heat, 1);
    set_many("other", items * 2);
    ck_assert(is_there(back));
}
END_TEST

START_TEST(eviction_lets_go_in_the_end_what_is_never_accessed)
{
    unsigned items = fill();
    set_many("scan", items * 40);
    ck_assert_uint_lt(count("old", items), items / 2);
}
END_TEST

START_TEST(eviction_spares_what_is_warm_as_often_as_it_was_accessed)
{
    unsigned items = fill();
    for (unsigned i = 0; i < items; i++) { /* all warm, one more than the others */
        gibs_store_get(store, key("old", i));
    }
    for (unsigned i = 0; i < 4; i++) {
        gibs_store_get(store, text("old:7"));
    }
    static char large[MEMORY / 2];
    ck_assert_int_eq(set_bytes(text("large"), large, sizeof large, 0), GIB_CODE_VAL);
    ck_assert(is_there(text("old:7")));
    ck_assert_uint_lt(count("old", items), items * 3 / 4);
}
END_TEST

START_TEST(eviction_takes_expired_items_first_even_locked_ones)
{
    for (unsigned i = 0; i < 100; i++) {
        set_bytes(key("timed", i), "0123456789", 10, 1);
        gibs_store_lock(store, key("timed", i), GIBS_LOCK_FOR_EVER);
    }
    fill();
    pass(2000);
    uint64_t evicted = store->evicted_items;
    set_many("new", 90);
    ck_assert_uint_eq(store->evicted_items, evicted);
    ck_assert_uint_gt(store->expired_items, 0);
}
END_TEST

/* Locks all, and adds locked items until there is no room for another. */
static unsigned lock_all(int64_t seconds)
{
    unsigned locked = 0;
    while (set(key("locked", locked)) == GIB_CODE_VAL) {
        ck_assert_int_eq(gibs_store_lock(store, key("locked", locked), seconds), GIB_CODE_OK);
        ck_assert_uint_lt(++locked, MANY);
    }
    return locked;
}

START_TEST(eviction_refuses_only_where_all_is_locked)
{
    fill();
    unsigned locked = lock_all(GIBS_LOCK_FOR_EVER);
    ck_assert_uint_eq(count("old", MANY), 0);
    ck_assert_uint_eq(count("locked", locked), locked);
    ck_assert_uint_eq(store->items, locked);
    uint64_t looks = store->looks;
    ck_assert_int_eq(set(text("another:long")), GIB_CODE_MEM);
    ck_assert_uint_eq(store->looks, looks); /* it is known */
    ck_assert_int_eq(gibs_store_unlock(store, text("locked:7")), GIB_CODE_OK);
    ck_assert_int_eq(set(text("another:long")), GIB_CODE_VAL);
    ck_assert(!is_there(text("locked:7")));
    ck_assert_uint_eq(count("locked", locked), locked - 1);
}
END_TEST

START_TEST(eviction_finds_the_few_among_many_that_are_not_locked)
{
    unsigned locked = lock_all(GIBS_LOCK_FOR_EVER);
    int64_t unlocked;
    do_munlock(store, text("locked:7"), &unlocked); /* all that begin so */
    ck_assert_int_lt(unlocked * 4, locked);
    set_many("new", 1000);
    ck_assert(is_there(key("new", 999)));
    ck_assert_uint_ge(count("locked", locked), locked - (unsigned)unlocked);
    ck_assert(store_is_sound(store));
}
END_TEST

START_TEST(eviction_takes_what_is_no_longer_locked)
{
    lock_all(60);
    ck_assert_int_eq(set(text("another:long")), GIB_CODE_MEM);
    pass(30000);
    uint64_t looks = store->looks;
    ck_assert_int_eq(set(text("another:long")), GIB_CODE_MEM);
    ck_assert_uint_eq(store->looks, looks);
    pass(31000);
    ck_assert_int_eq(set(text("another:long")), GIB_CODE_VAL);
}
END_TEST

START_TEST(eviction_of_little_by_little_makes_room_for_a_lot)
{
    store->settings.max_memory = 8 << 20;
    unsigned items = fill();
    ck_assert_uint_gt(items, 50000);
    static char large[4 << 20];
    unsigned turns = 0;
    gib_code code;
    do {
        uint64_t looks = store->looks;
        code = gibs_store_set(store, text("large"), (gibson_bytes){large, sizeof large}, 0);
        ck_assert_uint_le(store->looks - looks, 1024); /* a turn is short */
        turns++;
    } while (code == GIB_CODE_MEM && store->unfinished);
    ck_assert_int_eq(code, GIB_CODE_VAL);
    ck_assert_uint_gt(turns, 10);
    ck_assert_int_eq(
        gibs_store_set(store, text("a"), (gibson_bytes){large, store->settings.max_memory}, 0),
        GIB_CODE_MEM);
    ck_assert_uint_eq(store->unfinished, 0); /* never */
    ck_assert(store_is_sound(store));
}
END_TEST

START_TEST(eviction_lets_mset_make_room_for_all_it_changes)
{
    static char large[2000];
    store->settings.max_memory = 1 << 20;
    unsigned items = fill();
    set_many("grow", 100);
    for (unsigned i = 0; i < 100; i++) {
        gibs_store_get(store, key("grow", i));
    }
    gibs_batch batch = {0};
    unsigned slices = 0;
    while (gibs_batch_mset(&batch, store, text("grow:"), (gibson_bytes){large, sizeof large}, 8)) {
        slices++;
        ck_assert_uint_le(gibs_store_used(store), (1 << 20) + 4096);
    }
    ck_assert_int_eq(batch.code, GIB_CODE_OK);
    ck_assert_int_gt(batch.count, 90);
    gibs_batch_clear(&batch, store);
    ck_assert_uint_gt(slices, 20); /* what it evicts counts as well */
    ck_assert_uint_lt(count("old", items), items);
    ck_assert(store_is_sound(store));
}
END_TEST

/* The turn of a slice is over while an item is to grow: room for it goes on being made. */
START_TEST(eviction_lets_mset_go_on_with_the_item_that_had_no_room)
{
    static char large[1 << 20];
    store->settings.max_memory = 4 << 20;
    set_many("z", 2);
    unsigned items = fill();
    for (unsigned i = 0; i < items; i++) {
        gibs_store_get(store, key("old", i)); /* the hand has to pass them by */
    }
    gibs_store_get(store, key("z", 0));
    gibs_store_get(store, key("z", 1));
    gibs_batch batch = {0};
    bool again = false;
    bool unfinished = false;
    gibson_bytes value = {large, _i ? sizeof large : GIBS_LARGE_VALUE - 1};
    while (gibs_batch_mset(&batch, store, text("z:"), value, 4096)) {
        again = again || batch.again;
        unfinished = unfinished || store->unfinished;
    }
    ck_assert(unfinished);
    ck_assert(again != (_i == 1)); /* a large value is made first, and set later */
    ck_assert_int_eq(batch.code, GIB_CODE_OK);
    ck_assert_int_eq(batch.count, 2);
    gibs_batch_clear(&batch, store);
}
END_TEST

START_TEST(eviction_goes_on_when_newcomers_are_cut_off)
{
    unsigned items = fill();
    for (int round = 0; round < 20; round++) {
        int64_t result;
        set_many("cut", items / 2);
        ck_assert(store_is_sound(store));
        do_mdel(store, text("cut"), &result); /* not freed yet */
        set_many("cut", items / 4);
        ck_assert(store_is_sound(store));
        set_many("then", items);
        while (gibs_store_reclaim(store, 100)) {
        }
        ck_assert(store_is_sound(store));
    }
}
END_TEST

START_TEST(eviction_that_is_turned_off_gives_its_memory_back)
{
    fill();
    ck_assert_uint_gt(store->eviction.bytes, 0);
    gibs_store_settings settings = store->settings;
    settings.evict = false;
    settings.max_memory = 1;
    gibs_store_configure(store, &settings);
    ck_assert_uint_eq(store->eviction.bytes, 0);
    ck_assert_uint_eq(store->settings.max_memory, MEMORY);
    ck_assert(store_is_sound(store));
    unsigned more = 0;
    while (set(key("more", more)) == GIB_CODE_VAL) {
        more++;
    }
    settings.evict = true;
    gibs_store_configure(store, &settings);
    set_many("new", 1000);
    ck_assert(store_is_sound(store));
    int64_t result;
    do_mdel(store, text(""), &result);
    while (gibs_store_reclaim(store, 100)) {
    }
    ck_assert_uint_eq(gibs_store_used(store), 0);
}
END_TEST

/* Pieces of pages between items. */

/* What the process holds for items stays within max_memory, a 16th of it and 512 KB, and some pages
   for nodes of the tree. */
static void expect_little_is_lost(void)
{
    enum { LOST_ANYWAY = 512 * 1024, SLACK = 64 * 1024 };
    size_t limit = store->settings.max_memory;
    ck_assert_uint_le(gibs_store_used(store) + gibs_heap_lost(&store->heap),
                      limit + limit / 16 + LOST_ANYWAY + SLACK);
}

/* Sets values of a size until as many bytes were set. Returns how many values that were, or 0 where
   one was refused. */
static unsigned set_bytes_of(const char *name, size_t size, size_t bytes)
{
    static char value[20000];
    unsigned items = 0;
    for (size_t done = 0; done < bytes; done += size) {
        if (set_bytes(key(name, items++), value, size, 0) != GIB_CODE_VAL) {
            return 0;
        }
        expect_little_is_lost();
    }
    return items;
}

/* Fills the memory with small values and large ones in turn, and deletes the large ones. */
static void fill_with_gaps(void)
{
    static char value[3500];
    unsigned pairs = (unsigned)(store->settings.max_memory / 10 * 9 / (sizeof value + 150));
    for (unsigned i = 0; i < pairs; i++) {
        ck_assert_int_eq(set_bytes(key("small", i), value, 8, 0), GIB_CODE_VAL);
        ck_assert_int_eq(set_bytes(key("large", i), value, sizeof value, 0), GIB_CODE_VAL);
    }
    for (unsigned i = 0; i < pairs; i++) {
        ck_assert_int_eq(gibs_store_del(store, key("large", i)), GIB_CODE_OK);
    }
}

START_TEST(eviction_makes_room_where_memory_is_in_pieces)
{
    if (GIBS_SANITIZED) {
        return; /* there is no heap of its own */
    }
    store->settings.max_memory = 8 << 20;
    fill_with_gaps();
    ck_assert_uint_gt(gibs_heap_lost(&store->heap), 4 << 20);
    ck_assert_uint_gt(set_bytes_of("new", 6000, 16 << 20), 0);
    ck_assert_uint_gt(store->evicted_items, 0);
    ck_assert_uint_gt(gibs_store_used(store), 3 << 20); /* and it is of use again */
    ck_assert(store_is_sound(store));
}
END_TEST

/* Small items that are left hold the pages, of which there are more than a lower limit. */
START_TEST(eviction_reaches_a_lower_limit_where_memory_is_in_pieces)
{
    if (GIBS_SANITIZED) {
        return;
    }
    store->settings.max_memory = 32 << 20;
    fill_with_gaps();
    ck_assert_uint_lt(gibs_store_used(store), 2 << 20);
    ck_assert_uint_gt(gibs_heap_lost(&store->heap), 16 << 20);
    unsigned steps = 0;
    while (!gibs_store_move_limit(store, 4 << 20)) {
        ck_assert_uint_lt(steps++, 10000);
    }
    ck_assert_uint_eq(store->settings.max_memory, 4 << 20);
    expect_little_is_lost();
    ck_assert_uint_gt(count("small", 10000), 1000); /* no more goes than has to: a page each */
    ck_assert(store_is_sound(store));
}
END_TEST

/* The same where all is locked when the limit is lowered, and not locked any more later. */
START_TEST(eviction_reaches_a_lower_limit_once_it_can)
{
    if (GIBS_SANITIZED) {
        return;
    }
    store->settings.max_memory = 32 << 20;
    fill_with_gaps();
    for (unsigned i = 0; is_there(key("small", i)); i++) {
        ck_assert_int_eq(gibs_store_lock(store, key("small", i), 5), GIB_CODE_OK);
    }
    while (!gibs_store_move_limit(store, 4 << 20)) {
    }
    ck_assert_uint_eq(store->evicted_items, 0);
    ck_assert_uint_eq(store->settings.max_memory, 4 << 20);
    pass(6000);
    gibs_store_resume_limit(store);
    while (!gibs_store_move_limit(store, 4 << 20)) {
    }
    expect_little_is_lost();
}
END_TEST

START_TEST(eviction_none_refuses_what_would_be_lost_in_pieces)
{
    if (GIBS_SANITIZED) {
        return;
    }
    store->settings.max_memory = 8 << 20;
    store->settings.evict = false;
    fill_with_gaps();
    ck_assert_uint_eq(set_bytes_of("new", 6000, 16 << 20), 0); /* it is refused */
    ck_assert_uint_lt(gibs_store_used(store), 7 << 20);
    ck_assert(store->short_of_memory);                 /* so that it is collected */
    ck_assert_int_eq(set(text("tiny")), GIB_CODE_VAL); /* there is room between items */
}
END_TEST

/* Values of other sizes come from round to round; what is asked for least goes. */
START_TEST(eviction_loses_little_while_sizes_change)
{
    static const unsigned sizes[] = {40, 1000, 60, 3000, 4050, 20, 8000, 200, 20000, 900, 4050};
    static char value[20000];
    if (GIBS_SANITIZED) {
        return;
    }
    uint64_t random = suite_seed();
    store->settings.max_memory = 8 << 20;
    for (unsigned round = 0; round < COUNT_OF(sizes); round++) {
        char name[8];
        snprintf(name, sizeof name, "r%u", round);
        size_t bytes = 0;
        for (unsigned i = 0; bytes < store->settings.max_memory && i < 30000; i++) {
            size_t size =
                round % 5 == 4 ? sizes[round] : 1 + test_random_below(&random, sizes[round]);
            ck_assert_int_eq(set_bytes(key(name, i), value, size, 0), GIB_CODE_VAL);
            expect_little_is_lost();
            bytes += size;
        }
    }
    ck_assert_uint_gt(store->evicted_items, 0);
    ck_assert(store_is_sound(store));
}
END_TEST

/* All that can be done to items, at random, in little memory. What is there is what was set last.
 */

enum { KEYS = 300, LARGEST = 9000 };

static unsigned versions[KEYS]; /* 0: deleted */
static uint64_t state;

static unsigned below(unsigned end)
{
    return test_random_below(&state, end);
}

static size_t write_version(char *to, unsigned number)
{
    size_t size = (size_t)sprintf(to, "%u,%u.", number, versions[number]);
    size_t end = versions[number] * 2654435761U % 16 ? 100 : LARGEST;
    memset(to + size, 'v', end - size);
    return end;
}

static void check_value(gibs_item *item, unsigned number)
{
    static char plain[LARGEST];
    static char expected[LARGEST];
    ck_assert_uint_ne(versions[number], 0);
    size_t size = write_version(expected, number);
    ck_assert_uint_eq(gibs_item_plain_size(item), size);
    gibs_item_expand(item, (uint8_t *)plain);
    ck_assert_mem_eq(plain, expected, size);
}

static void set_next_version(unsigned number, unsigned version)
{
    static char value[LARGEST];
    unsigned before = versions[number];
    versions[number] = version;
    size_t size = write_version(value, number);
    gib_code code = set_bytes(key("k", number), value, size, below(4) ? 0 : 20);
    if (code != GIB_CODE_VAL) { /* never for lack of memory: few are locked */
        ck_assert_int_eq(code, GIB_CODE_LOCKED);
        versions[number] = before;
    }
}

static void delete_some(unsigned number)
{
    int64_t result;
    gibson_bytes prefix = key("k", number);
    do_mdel(store, prefix, &result);
    for (unsigned i = 0; i < KEYS; i++) {
        gibson_bytes name = key("k", i); /* it overwrites the prefix */
        char digits[16];
        snprintf(digits, sizeof digits, "k:%u", number);
        if (name.size >= strlen(digits) && !memcmp(name.data, digits, strlen(digits)) &&
            !is_there(name)) {
            versions[i] = 0;
        }
    }
}

static void do_something(unsigned step)
{
    unsigned number = below(KEYS);
    gibs_item *item;
    switch (below(32)) {
    case 0:
        gibs_store_lock(store, key("k", number), 2);
        break;
    case 1:
        pass(below(1000));
        break;
    case 2:
        delete_some(number);
        break;
    case 3:
        if (gibs_store_del(store, key("k", number)) == GIB_CODE_OK) {
            versions[number] = 0;
        }
        break;
    case 4:
        gibs_store_ttl(store, key("k", number), below(20));
        break;
    case 5:
        gibs_store_sweep_begin(store, false);
        gibs_store_sweep(store, 100);
        gibs_store_reclaim(store, 3);
        break;
    case 6:
        ck_assert_int_eq(set(key("scan", step)), GIB_CODE_VAL);
        break;
    case 7:
    case 8:
    case 9:
        set_next_version(number, step + 1);
        break;
    default:
        number %= 1 + below(KEYS);
        item = gibs_store_get(store, key("k", number));
        if (item) {
            check_value(item, number);
        }
    }
}

START_TEST(eviction_never_leaves_anything_wrong)
{
    memset(versions, 0, sizeof versions);
    state = suite_seed();
    store->settings.compression = below(2) ? 1000 : SIZE_MAX;
    for (unsigned step = 0; step < 60000; step++) {
        do_something(step);
        ck_assert_uint_le(gibs_store_used(store), MEMORY + 2500); /* and a node or two */
        if (step % 64 == 0) {
            ck_assert(store_is_sound(store));
        }
    }
    ck_assert_uint_gt(store->evicted_items, 1000);
    ck_assert_uint_gt(store->expired_items, 100);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {TESTS(eviction_newcomers_leave_in_the_order_in_which_they_came,
               eviction_ghosts_are_taken_once_and_the_oldest_is_lost,
               eviction_is_made_anew_where_the_number_of_items_is_another_one,
               eviction_hashes_of_keys_that_look_alike_differ)},
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(eviction_lets_a_scan_drive_out_newcomers_and_nothing_else,
               eviction_keeps_newcomers_that_are_accessed, eviction_recognizes_what_comes_back,
               eviction_lets_go_in_the_end_what_is_never_accessed,
               eviction_spares_what_is_warm_as_often_as_it_was_accessed,
               eviction_takes_expired_items_first_even_locked_ones,
               eviction_refuses_only_where_all_is_locked,
               eviction_finds_the_few_among_many_that_are_not_locked,
               eviction_takes_what_is_no_longer_locked,
               eviction_of_little_by_little_makes_room_for_a_lot,
               eviction_lets_mset_make_room_for_all_it_changes,
               eviction_goes_on_when_newcomers_are_cut_off,
               eviction_that_is_turned_off_gives_its_memory_back,
               eviction_makes_room_where_memory_is_in_pieces,
               eviction_reaches_a_lower_limit_where_memory_is_in_pieces,
               eviction_reaches_a_lower_limit_once_it_can,
               eviction_none_refuses_what_would_be_lost_in_pieces,
               eviction_loses_little_while_sizes_change, eviction_never_leaves_anything_wrong)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 2,
         TESTS(eviction_lets_mset_go_on_with_the_item_that_had_no_room)},
    };
    return suite_run("server_eviction", 1, parts, COUNT_OF(parts));
}
