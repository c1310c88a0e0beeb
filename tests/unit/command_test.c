/* wire/command: the table of commands. */
#include <gibson/command.h>

#include <string.h>

#include "support/suite.h"

/* What the protocol says, written down a second time by hand: a slip in the table is a slip on the
   wire. A command that may be repeated must have no other effect, and no other reply, twice. */
static const struct {
    uint32_t opcode;
    const char *name;
    gibson_yield yield;
    gibson_effect effect;
} expected[] = {
    {1, "set", GIBSON_YIELD_ECHO, GIBSON_EFFECT_REPEATABLE},
    {2, "ttl", GIBSON_YIELD_NONE, GIBSON_EFFECT_REPEATABLE},
    {3, "get", GIBSON_YIELD_VALUE, GIBSON_EFFECT_READ},
    {4, "del", GIBSON_YIELD_NONE, GIBSON_EFFECT_WRITE},
    {5, "inc", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_WRITE},
    {6, "dec", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_WRITE},
    {7, "lock", GIBSON_YIELD_NONE, GIBSON_EFFECT_WRITE},
    {8, "unlock", GIBSON_YIELD_NONE, GIBSON_EFFECT_REPEATABLE},
    {9, "mset", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_REPEATABLE},
    {10, "mttl", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_REPEATABLE},
    {11, "mget", GIBSON_YIELD_ITEMS, GIBSON_EFFECT_READ},
    {12, "mdel", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_WRITE},
    {13, "minc", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_WRITE},
    {14, "mdec", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_WRITE},
    {15, "mlock", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_WRITE},
    {16, "munlock", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_REPEATABLE},
    {17, "count", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_READ},
    {18, "stats", GIBSON_YIELD_FACTS, GIBSON_EFFECT_READ},
    {19, "ping", GIBSON_YIELD_NONE, GIBSON_EFFECT_READ},
    {20, "meta", GIBSON_YIELD_NUMBER, GIBSON_EFFECT_READ},
    {21, "keys", GIBSON_YIELD_KEYS, GIBSON_EFFECT_READ},
    {255, "end", GIBSON_YIELD_NONE, GIBSON_EFFECT_CLOSE},
};

START_TEST(command_table_is_the_protocol)
{
    ck_assert_uint_eq(gibson_command_count(), COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const gibson_command *command = gibson_command_at(i);
        ck_assert_uint_eq(command->opcode, expected[i].opcode);
        ck_assert_str_eq(command->name, expected[i].name);
        ck_assert_int_eq(command->yield, expected[i].yield);
        ck_assert_int_eq(command->effect, expected[i].effect);
        ck_assert_uint_gt(strlen(command->summary), 0);
    }
    ck_assert_ptr_null(gibson_command_at(COUNT_OF(expected)));
    ck_assert_ptr_null(gibson_command_at(SIZE_MAX));
}
END_TEST

/* By hand as well: what each command takes, and of which kind its number is. */
START_TEST(command_arguments_are_sets_of_those_they_take)
{
    enum {
        KEY = GIBSON_ARGUMENT_KEY,
        PREFIX = GIBSON_ARGUMENT_PREFIX,
        VALUE = GIBSON_ARGUMENT_VALUE,
        SECONDS = GIBSON_ARGUMENT_SECONDS,
        LOCK = GIBSON_ARGUMENT_LOCK_SECONDS
    };
    static const struct {
        const char *names; /* of all commands of the shape */
        unsigned takes;
        bool time;
    } shapes[] = {
        {"stats ping end ", 0, false},
        {"get del inc dec unlock ", KEY, false},
        {"set ", KEY | VALUE | GIBSON_ARGUMENT_TTL, true},
        {"ttl ", KEY | SECONDS, true},
        {"lock ", KEY | LOCK, true},
        {"meta ", KEY | GIBSON_ARGUMENT_FIELD, false},
        {"mdel minc mdec munlock count keys ", PREFIX, false},
        {"mset ", PREFIX | VALUE, false},
        {"mttl ", PREFIX | SECONDS, true},
        {"mlock ", PREFIX | LOCK, true},
        {"mget ", PREFIX | GIBSON_ARGUMENT_LIMIT, false},
    };
    size_t found = 0;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        const char *end;
        for (const char *name = shapes[i].names; (end = strchr(name, ' ')); name = end + 1) {
            const gibson_command *command =
                gibson_command_by_name(gibson_bytes_of(name, (size_t)(end - name)));
            ck_assert_ptr_nonnull(command);
            ck_assert_uint_eq(command->arguments, shapes[i].takes);
            ck_assert(gibson_takes_time(command->arguments) == shapes[i].time);
            for (unsigned bit = KEY; bit <= GIBSON_ARGUMENT_LIMIT; bit <<= 1) {
                ck_assert(gibson_takes(command->arguments, (gibson_argument)bit) ==
                          !!(shapes[i].takes & bit));
            }
            found++;
        }
    }
    ck_assert_uint_eq(found, COUNT_OF(expected));
}
END_TEST

/* Two shapes that are one could not be told apart, and one that no command has is not needed. */
START_TEST(command_arguments_differ_and_are_all_in_use)
{
    static const gibson_arguments shapes[] = {
#define SHAPE(NAME) GIBSON_ARGUMENTS_##NAME,
        GIBSON_ARGUMENTS_LIST(SHAPE)
#undef SHAPE
    };
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        size_t used = 0;
        for (size_t at = 0; at < gibson_command_count(); at++) {
            used += gibson_command_at(at)->arguments == shapes[i];
        }
        ck_assert_uint_gt(used, 0);
        for (size_t other = 0; other < i; other++) {
            ck_assert_int_ne(shapes[i], shapes[other]);
        }
    }
}
END_TEST

START_TEST(command_by_opcode_finds_exactly_the_22)
{
    size_t found = 0;
    for (uint32_t opcode = 0; opcode <= 70000; opcode++) {
        const gibson_command *command = gibson_command_by_opcode(opcode);
        if (command) {
            ck_assert_uint_eq(command->opcode, opcode);
            ck_assert_uint_eq(opcode, expected[found].opcode);
            ck_assert_str_eq(command->name, expected[found].name);
            found++;
        }
    }
    ck_assert_uint_eq(found, COUNT_OF(expected));
    ck_assert_ptr_null(gibson_command_by_opcode(UINT32_MAX));
}
END_TEST

START_TEST(command_by_name_takes_either_case)
{
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const char *name = expected[i].name;
        ck_assert_ptr_eq(gibson_command_by_name(gibson_str(name)), gibson_command_at(i));
        ck_assert_ptr_null(gibson_command_by_name(gibson_bytes_of(name, strlen(name) - 1)));
    }
    ck_assert_uint_eq(gibson_command_by_name(gibson_str("MGet"))->opcode, GIBSON_OP_MGET);
    ck_assert_uint_eq(gibson_command_by_name(gibson_bytes_of("getx", 3))->opcode, GIBSON_OP_GET);
}
END_TEST

START_TEST(command_by_name_unknown_is_null)
{
    ck_assert_ptr_null(gibson_command_by_name(gibson_str("quit")));
    ck_assert_ptr_null(gibson_command_by_name(gibson_str("")));
    ck_assert_ptr_null(gibson_command_by_name(gibson_bytes_of("get\0", 4)));
    ck_assert_ptr_null(gibson_command_by_name(gibson_bytes_of(NULL, 3)));
}
END_TEST

/* The reference server matches a field by its first letters, so the names must stay these. */
START_TEST(meta_fields_have_names_both_ways)
{
    static const char *const names[] = {"size", "encoding", "access", "created",
                                        "ttl",  "left",     "lock"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        gibson_meta_field field = (gibson_meta_field)99;
        ck_assert_str_eq(gibson_meta_field_name((gibson_meta_field)i), names[i]);
        ck_assert(gibson_meta_field_by_name(gibson_str(names[i]), &field));
        ck_assert_uint_eq(field, i);
    }
    ck_assert_ptr_null(gibson_meta_field_name((gibson_meta_field)COUNT_OF(names)));
    ck_assert_ptr_null(gibson_meta_field_name((gibson_meta_field)-1));
}
END_TEST

START_TEST(meta_field_by_name_unknown_changes_nothing)
{
    gibson_meta_field field = GIBSON_META_LOCK;
    ck_assert(!gibson_meta_field_by_name(gibson_str("si"), &field));
    ck_assert(!gibson_meta_field_by_name(gibson_str("SIZE"), &field));
    ck_assert(!gibson_meta_field_by_name(gibson_str("sizes"), &field));
    ck_assert(!gibson_meta_field_by_name(gibson_bytes_of(NULL, 4), &field));
    ck_assert(!gibson_meta_field_by_name(gibson_str("size"), NULL));
    ck_assert_int_eq(field, GIBSON_META_LOCK);
}
END_TEST

SUITE("command", command_table_is_the_protocol, command_arguments_are_sets_of_those_they_take,
      command_arguments_differ_and_are_all_in_use, command_by_opcode_finds_exactly_the_22,
      command_by_name_takes_either_case, command_by_name_unknown_is_null,
      meta_fields_have_names_both_ways, meta_field_by_name_unknown_changes_nothing)
