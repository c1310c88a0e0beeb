#include "worlds.h"

#include <stdlib.h>
#include <string.h>

enum { TABLE_SIZE = 2 * WORLDS_MAX, EMPTY = UINT16_MAX };

_Static_assert(sizeof(world) == SPACE_KEYS * sizeof(space_item) + WORLDS_BATCHES,
               "worlds are compared as bytes");
_Static_assert((int)WORLDS_MAX < (int)EMPTY, "the table holds the numbers of worlds");

static void *allocate(size_t size)
{
    void *memory = malloc(size);
    if (!memory) {
        abort();
    }
    return memory;
}

static void forget_hashes(worlds *set)
{
    memset(set->table, 0xff, TABLE_SIZE * sizeof *set->table);
}

void worlds_init(worlds *set, const char *space)
{
    static const space_item nothing[SPACE_KEYS];
    *set = (worlds){.space = space};
    set->all = allocate(WORLDS_MAX * sizeof *set->all);
    set->next = allocate(WORLDS_MAX * sizeof *set->next);
    set->table = allocate(TABLE_SIZE * sizeof *set->table);
    worlds_reset(set, nothing);
}

void worlds_clear(worlds *set)
{
    free(set->all);
    free(set->next);
    free(set->table);
}

void worlds_reset(worlds *set, const space_item items[SPACE_KEYS])
{
    memset(&set->all[0], 0, sizeof set->all[0]);
    memcpy(set->all[0].items, items, sizeof set->all[0].items);
    set->count = 1;
    set->batch_count = 0;
    set->too_many = false;
}

/* FNV-1a, by G. Fowler, L. C. Noll and K.-P. Vo, over words in place of bytes. */
static size_t hash(const world *one)
{
    uint64_t words[sizeof(world) / sizeof(uint64_t)];
    memcpy(words, one, sizeof words);
    uint64_t result = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        result = (result ^ words[i]) * UINT64_C(1099511628211);
        result ^= result >> 29;
    }
    return (size_t)(result % TABLE_SIZE);
}

/* Adds a world to an array unless it is there already. */
static void insert(worlds *set, world *array, size_t *count, const world *added)
{
    size_t place = hash(added);
    while (set->table[place] != EMPTY) {
        if (memcmp(&array[set->table[place]], added, sizeof *added) == 0) {
            return;
        }
        place = (place + 1) % TABLE_SIZE;
    }
    if (*count == WORLDS_MAX) {
        set->too_many = true;
        return;
    }
    set->table[place] = (uint16_t)*count;
    array[(*count)++] = *added;
}

/* Adds the worlds in which one item less is there than in a world. */
static void let_one_go(worlds *set, size_t which)
{
    for (size_t i = 0; i < SPACE_KEYS; i++) {
        world later = set->all[which];
        if (later.items[i].kind != SPACE_ABSENT && !later.items[i].lock_s) {
            later.items[i] = (space_item){0};
            insert(set, set->all, &set->count, &later);
        }
    }
}

/* Adds the worlds in which more of what is on its way has been carried out, or evicted. */
static void let_time_pass(worlds *set)
{
    forget_hashes(set);
    size_t count = set->count;
    for (set->count = 0; set->count < count;) {
        const world old = set->all[set->count];
        insert(set, set->all, &set->count, &old); /* they differ from one another */
    }
    for (size_t i = 0; i < set->count && !set->too_many; i++) {
        if (set->evicts) {
            let_one_go(set, i);
        }
        for (size_t batch = 0; batch < set->batch_count; batch++) {
            world later = set->all[i];
            space_answer ignored;
            if (later.done[batch] < set->batches[batch].count) {
                space_apply(later.items, &set->batches[batch].requests[later.done[batch]++],
                            &ignored);
                insert(set, set->all, &set->count, &later);
            }
        }
    }
    set->most = set->count > set->most ? set->count : set->most;
}

void worlds_lose(worlds *set, const space_request *const *requests, size_t count)
{
    worlds_batch *batch = &set->batches[set->batch_count];
    batch->count = 0;
    for (size_t i = 0; i < count; i++) {
        const gibson_command *command = gibson_command_by_opcode((uint32_t)requests[i]->opcode);
        if (command->effect != GIBSON_EFFECT_READ && requests[i]->opcode != GIBSON_OP_END) {
            batch->requests[batch->count++] = *requests[i];
        }
    }
    set->batch_count += batch->count > 0;
}

size_t worlds_may_become(const worlds *set)
{
    size_t ways = set->count;
    for (size_t i = 0; i < set->batch_count && ways < WORLDS_MAX; i++) {
        ways *= set->batches[i].count + 1U;
    }
    return set->too_many ? WORLDS_MAX : ways;
}

bool worlds_answer(worlds *set, const space_request *request, const gibson_reply *reply)
{
    let_time_pass(set);
    if (set->too_many) {
        return true;
    }
    size_t count = 0;
    forget_hashes(set);
    for (size_t i = 0; i < set->count; i++) {
        world after = set->all[i];
        space_answer expected;
        space_apply(after.items, request, &expected);
        if (space_matches(set->space, after.items, request, &expected, reply)) {
            insert(set, set->next, &count, &after);
        }
    }
    if (!count) {
        return false;
    }
    world *old = set->all;
    set->all = set->next;
    set->next = old;
    set->count = count;
    return true;
}

/* Tells whether a key has the same item in all worlds, or may have gone in some. */
static bool is_one_item(const worlds *set, size_t key)
{
    const space_item *there = NULL;
    bool gone = false;
    for (size_t i = 0; i < set->count; i++) {
        const space_item *item = &set->all[i].items[key];
        if (item->kind == SPACE_ABSENT) {
            gone = true;
        } else if (there && memcmp(item, there, sizeof *item) != 0) {
            return false;
        } else {
            there = item;
        }
    }
    return !gone || !there || (set->evicts && !there->lock_s);
}

bool worlds_are_one(const worlds *set)
{
    bool one = set->count > 0;
    for (size_t key = 0; key < SPACE_KEYS; key++) {
        one = one && is_one_item(set, key);
    }
    return one;
}

void worlds_settle(worlds *set)
{
    let_time_pass(set);
    size_t count = 0;
    forget_hashes(set);
    for (size_t i = 0; i < set->count; i++) {
        world settled = set->all[i];
        memset(settled.done, 0, sizeof settled.done);
        insert(set, set->next, &count, &settled);
    }
    world *old = set->all;
    set->all = set->next;
    set->next = old;
    set->count = count;
    set->batch_count = 0;
}
