/* The tree, against a plain sorted list of keys that does the same in the simplest way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "store/look_ahead.h"
#include "store/node.h"
#include "store/tree.h"
#include "support/suite.h"

/* What holds in the many steps of a random run. Check writes a message for each of its own
   assertions, which takes longer than the step. */
#define EXPECT(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            ck_abort_msg("%s", #condition);                                                        \
        }                                                                                          \
    } while (0)

enum { MOST_KEYS = 2000, LONGEST = 12 };

/* The list that is right by being simple. */
typedef struct model {
    gibs_item *items[MOST_KEYS]; /* in order of the keys */
    size_t count;
} model;

static gibs_item *make_item(gibson_bytes key)
{
    gibs_item *item = calloc(1, gibs_item_size(key.size, 0));
    EXPECT(item);
    item->key_size = (uint16_t)key.size;
    memcpy(item->bytes, key.data, key.size);
    return item;
}

static gibson_bytes key_of(const gibs_item *item)
{
    return (gibson_bytes){item->bytes, item->key_size};
}

static gibson_bytes text(const char *key)
{
    return gibson_str(key);
}

static int compare(gibson_bytes a, gibson_bytes b)
{
    int order = memcmp(a.data, b.data, a.size < b.size ? a.size : b.size);
    return order ? order : (a.size > b.size) - (a.size < b.size);
}

/* The index of the first item whose key is not below `key`. */
static size_t lower_bound(const model *list, gibson_bytes key)
{
    size_t at = 0;
    while (at < list->count && compare(key_of(list->items[at]), key) < 0) {
        at++;
    }
    return at;
}

static bool is_at(const model *list, size_t at, gibson_bytes key)
{
    return at < list->count && compare(key_of(list->items[at]), key) == 0;
}

/* Moves the items from an index on to another, and adapts their number. */
static void model_shift(model *list, size_t from, size_t to)
{
    memmove(list->items + to, list->items + from, (list->count - from) * sizeof(void *));
    list->count = list->count - from + to;
}

static void check_walk(gibs_walk *walk, const model *list, size_t first, size_t end)
{
    gibs_link *place;
    size_t at = first;
    while ((place = gibs_walk_next(walk))) {
        EXPECT(at < end);
        EXPECT(gibs_link_item(*place) == list->items[at]);
        at++;
    }
    EXPECT(at == end);
    EXPECT(!gibs_walk_next(walk));
}

/* Where the items with a prefix end in the list. */
static size_t prefix_end(const model *list, size_t first, gibson_bytes prefix)
{
    while (first < list->count && gibs_item_has_prefix(list->items[first], prefix)) {
        first++;
    }
    return first;
}

static void do_insert(gibs_tree *tree, model *list, gibson_bytes key)
{
    size_t at = lower_bound(list, key);
    if (is_at(list, at, key) || list->count == MOST_KEYS) {
        return;
    }
    gibs_item *item = make_item(key);
    EXPECT(gibs_tree_insert(tree, item));
    model_shift(list, at, at + 1);
    list->items[at] = item;
}

static void do_remove(gibs_tree *tree, model *list, gibson_bytes key)
{
    size_t at = lower_bound(list, key);
    gibs_item *removed = gibs_tree_remove(tree, key);
    if (!is_at(list, at, key)) {
        EXPECT(!removed);
        return;
    }
    EXPECT(removed == list->items[at]);
    model_shift(list, at + 1, at);
    free(removed);
}

static void do_find(gibs_tree *tree, model *list, gibson_bytes key)
{
    size_t at = lower_bound(list, key);
    gibs_link *place = gibs_tree_find(tree, key);
    if (is_at(list, at, key)) {
        EXPECT(place);
        EXPECT(gibs_link_item(*place) == list->items[at]);
    } else {
        EXPECT(!place);
    }
}

static void do_walk_prefix(gibs_tree *tree, model *list, gibson_bytes prefix)
{
    gibs_walk walk;
    size_t first = lower_bound(list, prefix);
    gibs_walk_begin(&walk, gibs_tree_find_prefix(tree, prefix));
    check_walk(&walk, list, first, prefix_end(list, first, prefix));
}

static bool is_expired(const gibs_item *item, uint32_t now)
{
    return gibs_item_expired(item, now);
}

static bool is_locked(const gibs_item *item, uint32_t now)
{
    (void)now;
    return item->lock != GIBS_LOCK_NONE;
}

/* Checks that a walk comes past all items of a range that it may not leave out, in order; and that
   the parts which it returns have none of them. */
static void check_partial_walk(gibs_walk *walk, const model *list, size_t first, size_t end,
                               bool (*meant)(const gibs_item *, uint32_t))
{
    gibs_link *place;
    size_t at = first;
    while ((place = gibs_walk_next(walk))) {
        size_t items = gibs_tree_items(place);
        size_t last = at;
        EXPECT(gibs_link_is_item(*place) || walk->kind == GIBS_WALK_PARTS);
        while (last < end && list->items[last] != gibs_tree_last(place)) {
            last++;
        }
        EXPECT(last < end && last + 1 >= at + items);
        for (; at < last + (gibs_link_is_item(*place) ? 0 : 1); at++) {
            EXPECT(!meant(list->items[at], walk->now));
        }
        EXPECT(at == last + 1 || walk->kind != GIBS_WALK_PARTS || gibs_link_is_item(*place));
        at = last + 1;
    }
    for (; at < end; at++) {
        EXPECT(!meant(list->items[at], walk->now));
    }
}

/* Walks that leave out what they are not after; and what the tree knows before and afterwards. */
static void do_walk_partial(gibs_tree *tree, model *list, gibson_bytes prefix, unsigned kind,
                            uint32_t now)
{
    gibs_walk walk;
    size_t first = lower_bound(list, prefix);
    size_t end = prefix_end(list, first, prefix);
    gibs_link *place = gibs_tree_find_prefix(tree, prefix);
    bool some_expired = false;
    bool some_locked = false;
    for (size_t at = first; at < end; at++) {
        some_expired = some_expired || is_expired(list->items[at], now);
        some_locked = some_locked || is_locked(list->items[at], now);
    }
    EXPECT(gibs_tree_items(place) == end - first);
    EXPECT(!some_expired || gibs_tree_may_have_expired(place, now));
    EXPECT(!some_locked || gibs_tree_may_be_locked(place));
    gibs_walk_begin(&walk, place);
    walk.kind = (gibs_walk_kind)kind;
    walk.now = now;
    check_partial_walk(&walk, list, first, end,
                       kind == GIBS_WALK_EXPIRING ? is_expired : is_locked);
    EXPECT(kind != GIBS_WALK_EXPIRING || gibs_tree_may_have_expired(place, now) == some_expired);
    EXPECT(kind == GIBS_WALK_EXPIRING || gibs_tree_may_be_locked(place) == some_locked);
}

/* Gives an item another ttl and lock, as the store would. */
static void do_change(gibs_tree *tree, model *list, gibson_bytes key, unsigned random)
{
    gibs_link *place = gibs_tree_find(tree, key);
    if (!is_at(list, lower_bound(list, key), key)) {
        return;
    }
    gibs_item *item = gibs_link_item(*place);
    item->ttl = random % 4 ? random / 4 % 50 : 0;
    item->lock = random % 16 ? GIBS_LOCK_NONE : GIBS_LOCK_FOR_EVER;
    *place = gibs_link_to(item);
    gibs_tree_note(tree, item);
}

static void do_walk_after(gibs_tree *tree, model *list, gibson_bytes key)
{
    gibs_walk walk;
    size_t first = lower_bound(list, key);
    gibs_walk_begin_after(&walk, tree, key);
    check_walk(&walk, list, first + is_at(list, first, key), list->count);
}

static void dismantle(gibs_tree *tree, gibs_link detached, const model *list, size_t first,
                      size_t end)
{
    size_t freed = 0;
    if (detached && gibs_link_is_item(detached)) {
        free(gibs_link_item(detached));
        freed = 1;
    } else if (detached) {
        gibs_dismantling work = {0};
        gibs_dismantle_push(&work, detached);
        gibs_item *item;
        while ((item = gibs_dismantle_next(&work, tree))) {
            size_t at = first;
            while (at < end && list->items[at] != item) {
                at++;
            }
            EXPECT(at < end);
            free(item);
            freed++;
        }
    }
    EXPECT(freed == end - first);
}

static void do_detach(gibs_tree *tree, model *list, gibson_bytes prefix)
{
    size_t first = lower_bound(list, prefix);
    size_t end = prefix_end(list, first, prefix);
    dismantle(tree, gibs_tree_detach(tree, prefix), list, first, end);
    model_shift(list, end, first);
}

static gibson_bytes random_key(uint64_t *random, uint8_t *key, unsigned letters, unsigned longest)
{
    size_t size = 1 + test_random_below(random, longest);
    for (size_t i = 0; i < size; i++) {
        key[i] = (uint8_t)test_random_below(random, letters);
    }
    return (gibson_bytes){key, size};
}

static void do_look_ahead(const gibs_tree *tree, const model *list, uint64_t *random,
                          unsigned letters, unsigned longest)
{
    uint8_t bytes[GIBS_LOOK_AHEAD][LONGEST];
    gibson_bytes keys[GIBS_LOOK_AHEAD] = {{0}};
    size_t count = test_random_below(random, GIBS_LOOK_AHEAD + 1);
    size_t there = 0;
    for (size_t i = 0; i < count; i++) {
        keys[i] = random_key(random, bytes[i], letters, longest);
        there += is_at(list, lower_bound(list, keys[i]), keys[i]);
    }
    size_t found = gibs_look_ahead(tree, keys, count);
    EXPECT(found <= count);
    EXPECT(found >= there || list->count < 2);
}

static void do_random(gibs_tree *tree, model *list, uint64_t *random, unsigned letters,
                      unsigned longest)
{
    uint8_t bytes[LONGEST];
    gibson_bytes key = random_key(random, bytes, letters, longest);
    unsigned what = test_random_below(random, 121);
    if (what == 120) {
        do_look_ahead(tree, list, random, letters, longest);
    } else if (what >= 110) {
        do_change(tree, list, key, test_random_below(random, 1 << 16));
    } else if (what >= 100) {
        do_walk_partial(tree, list, key, GIBS_WALK_EXPIRING + what % 3,
                        test_random_below(random, 500));
    } else if (what < 45) {
        do_insert(tree, list, key);
    } else if (what < 70) {
        do_remove(tree, list, key);
    } else if (what < 80) {
        do_find(tree, list, key);
    } else if (what < 90) {
        do_walk_prefix(tree, list, key);
    } else if (what < 98) {
        do_walk_after(tree, list, key);
    } else {
        do_detach(tree, list, key);
    }
}

static void run_random(uint64_t seed, unsigned letters, unsigned longest, unsigned steps)
{
    gibs_tree tree = {0};
    static model list;
    list.count = 0;
    for (unsigned i = 0; i < steps; i++) {
        do_random(&tree, &list, &seed, letters, longest);
        EXPECT(i % 16 || !gibs_tree_check(&tree));
    }
    do_walk_prefix(&tree, &list, gibson_str(""));
    do_detach(&tree, &list, gibson_str(""));
    EXPECT(tree.root == 0);
    EXPECT(tree.node_bytes == 0);
}

/* Letters begin with NUL. Few letters make keys that are prefixes of others, many make all kinds of
   nodes grow and shrink. */
START_TEST(tree_random_operations_match_a_sorted_list)
{
    static const struct {
        unsigned letters, longest, steps;
    } shapes[] = {{2, 12, 30000}, {3, 6, 30000},   {20, 2, 30000},
                  {60, 2, 30000}, {256, 2, 30000}, {256, 1, 20000}};
    run_random((uint64_t)_i + 1, shapes[_i].letters, shapes[_i].longest, shapes[_i].steps);
}
END_TEST

START_TEST(tree_empty_finds_nothing)
{
    gibs_tree tree = {0};
    gibs_walk walk;
    ck_assert_ptr_null(gibs_tree_find(&tree, text("a")));
    ck_assert_ptr_null(gibs_tree_find_prefix(&tree, text("")));
    ck_assert_ptr_null(gibs_tree_remove(&tree, text("a")));
    ck_assert_uint_eq(gibs_tree_detach(&tree, text("")), 0);
    gibs_walk_begin_after(&walk, &tree, text(""));
    ck_assert_ptr_null(gibs_walk_next(&walk));
}
END_TEST

/* A prefix that ends inside a compressed path, and one that parts from it there. */
START_TEST(tree_prefix_inside_a_compressed_path)
{
    gibs_tree tree = {0};
    static model list;
    list.count = 0;
    do_insert(&tree, &list, text("app:user:1"));
    do_insert(&tree, &list, text("app:user:2"));
    do_walk_prefix(&tree, &list, text("app:us"));
    do_walk_prefix(&tree, &list, text("app:uS"));
    do_walk_prefix(&tree, &list, text("app:user:2"));
    do_walk_prefix(&tree, &list, text("app:user:22"));
    do_detach(&tree, &list, text("app:u"));
    ck_assert_uint_eq(list.count, 0);
}
END_TEST

/* As deep as keys allow: each key is a prefix of the next. */
START_TEST(tree_chain_of_prefixes_is_walked_and_freed)
{
    enum { DEPTH = 1024 };
    gibs_tree tree = {0};
    static model list;
    char key[DEPTH];
    list.count = 0;
    memset(key, 'k', sizeof key);
    for (size_t size = 1; size <= DEPTH; size++) {
        do_insert(&tree, &list, (gibson_bytes){key, size});
    }
    do_walk_prefix(&tree, &list, (gibson_bytes){key, DEPTH / 2});
    do_walk_after(&tree, &list, (gibson_bytes){key, DEPTH / 2});
    do_detach(&tree, &list, (gibson_bytes){key, 1});
    ck_assert_uint_eq(tree.node_bytes, 0);
}
END_TEST

/* One node with every number of children from 0 to 256 and back, in two orders. */
START_TEST(tree_node_grows_and_shrinks_through_all_sizes)
{
    gibs_tree tree = {0};
    static model list;
    list.count = 0;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < 256; i++) {
            uint8_t key[] = {'k', (uint8_t)(i * 77)};
            do_insert(&tree, &list, (gibson_bytes){key, sizeof key});
            do_walk_prefix(&tree, &list, text("k"));
        }
        for (unsigned i = 0; i < 256; i++) {
            uint8_t key[] = {'k', (uint8_t)(round ? i * 77 : i * 3)};
            do_remove(&tree, &list, (gibson_bytes){key, sizeof key});
            do_walk_prefix(&tree, &list, text("k"));
        }
        ck_assert_uint_eq(tree.node_bytes, 0);
    }
}
END_TEST

START_TEST(tree_several_detached_parts_are_dismantled_together)
{
    gibs_tree tree = {0};
    gibs_dismantling work = {0};
    char key[16];
    for (int i = 0; i < 400; i++) {
        snprintf(key, sizeof key, "%c:%d", 'a' + i % 4, i);
        ck_assert(gibs_tree_insert(&tree, make_item(text(key))));
    }
    size_t freed = 0;
    for (const char *prefix = "abcd"; *prefix; prefix++) {
        gibs_dismantle_push(&work, gibs_tree_detach(&tree, (gibson_bytes){prefix, 1}));
        for (int i = 0; i < 30; i++) {
            free(gibs_dismantle_next(&work, &tree));
            freed++;
        }
    }
    gibs_item *item;
    while ((item = gibs_dismantle_next(&work, &tree))) {
        free(item);
        freed++;
    }
    ck_assert_uint_eq(freed, 400);
    ck_assert_uint_eq(tree.node_bytes, 0);
}
END_TEST

START_TEST(link_tells_what_the_item_has)
{
    gibs_item *item = make_item(text("k"));
    ck_assert_uint_eq(gibs_link_to(item) & GIBS_LINK_BITS, GIBS_LINK_ITEM);
    item->ttl = 5;
    ck_assert_uint_eq(gibs_link_to(item) & GIBS_LINK_BITS, GIBS_LINK_ITEM | GIBS_LINK_TIMED);
    item->ttl = 0;
    item->lock = GIBS_LOCK_FOR_EVER;
    item->encoding = GIB_ENCODING_LZF;
    ck_assert_uint_eq(gibs_link_to(item) & GIBS_LINK_BITS, GIBS_LINK_BITS);
    ck_assert_ptr_eq(gibs_link_item(gibs_link_to(item)), item);
    free(item);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.runs = 6, TESTS(tree_random_operations_match_a_sorted_list)},
        {TESTS(tree_empty_finds_nothing, tree_prefix_inside_a_compressed_path,
               tree_chain_of_prefixes_is_walked_and_freed,
               tree_node_grows_and_shrinks_through_all_sizes,
               tree_several_detached_parts_are_dismantled_together, link_tells_what_the_item_has)},
    };
    return suite_run("server_tree", 1, parts, COUNT_OF(parts));
}
