/* Faults as text, and what they do to the bytes of one direction. */
#include "proxy/fault.h"
#include "proxy/flow.h"
#include "support/suite.h"

#include <string.h>

#define MS INT64_C(1000000) /* in nanoseconds */

static gibp_flow flow;

static void make_flow(void)
{
    ck_assert(gibp_flow_init(&flow));
}

static void free_flow(void)
{
    gibp_flow_clear(&flow);
}

static void add(const char *text)
{
    gibp_fault fault;
    char error[GIBP_FAULT_ERROR_SIZE];
    ck_assert_msg(gibp_fault_parse(&fault, text, error), "%s", error);
    ck_assert(gibp_flow_add(&flow, &fault));
}

static void receive(const char *bytes, int64_t now_ns)
{
    size_t room;
    uint8_t *to = gibp_flow_room(&flow, &room);
    ck_assert_uint_ge(room, strlen(bytes));
    memcpy(to, bytes, strlen(bytes));
    gibp_flow_received(&flow, strlen(bytes), now_ns);
}

/* Asserts what may be passed on at that time, passes it on, and returns when to ask again. */
static int64_t expect(const char *bytes, int64_t now_ns)
{
    int64_t wake_ns;
    size_t size = gibp_flow_ready(&flow, now_ns, &wake_ns);
    ck_assert_uint_eq(size, strlen(bytes));
    ck_assert_mem_eq(flow.data + flow.begin, bytes, size);
    gibp_flow_passed(&flow, size, now_ns);
    return wake_ns;
}

START_TEST(fault_text_comes_back_the_same)
{
    static const char *const texts[] = {
        "reply:cut@7",          "2/request:delay@0=50",
        "reply:corrupt@3=0x80", "request:hold@12=200",
        "reply:hold@0",         "request:dribble@1=0",
        "reply:blackhole@9",    "18446744073709551615/reply:reset@1",
        "request:half-close@6"};
    gibp_fault fault;
    char text[80];
    char error[GIBP_FAULT_ERROR_SIZE];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        ck_assert_msg(gibp_fault_parse(&fault, texts[i], error), "%s", error);
        gibp_fault_format(&fault, text, sizeof text);
        ck_assert_str_eq(text, texts[i]);
    }
}
END_TEST

START_TEST(fault_text_has_defaults)
{
    gibp_fault fault;
    char error[GIBP_FAULT_ERROR_SIZE];
    ck_assert(gibp_fault_parse(&fault, "reply:corrupt", error));
    ck_assert_uint_eq(fault.mask, 0xff);
    ck_assert_uint_eq(fault.at, 0);
    ck_assert_uint_eq(fault.connection, 0);
    ck_assert(gibp_fault_parse(&fault, "reply:hold", error));
    ck_assert_int_eq(fault.ms, 0);
}
END_TEST

START_TEST(fault_text_that_is_wrong_is_refused)
{
    static const char *const texts[] = {"",
                                        "reply",
                                        "reply:",
                                        "reply:cat",
                                        "answer:cut",
                                        "0/reply:cut",
                                        "x/reply:cut",
                                        "2reply:cut",
                                        "reply:cut@",
                                        "reply:cut@-1",
                                        "reply:cut@x",
                                        "reply:cut=3",
                                        "reply:delay",
                                        "reply:delay=",
                                        "reply:delay=-5",
                                        "reply:delay=5x",
                                        "reply:delay=86400001",
                                        "reply:corrupt=0",
                                        "reply:corrupt=256",
                                        "reply:cut@18446744073709551616",
                                        "reply:cutter",
                                        "reply:cut ",
                                        " reply:cut"};
    gibp_fault fault;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char error[GIBP_FAULT_ERROR_SIZE] = "";
        ck_assert_msg(!gibp_fault_parse(&fault, texts[i], error), "\"%s\"", texts[i]);
        ck_assert_msg(strlen(error) > 10, "\"%s\"", texts[i]);
    }
}
END_TEST

START_TEST(flow_without_faults_passes_all_at_once)
{
    receive("abc", 1);
    receive("de", 2);
    ck_assert_int_eq(expect("abcde", 2), GIBP_FLOW_NEVER);
    ck_assert(gibp_flow_empty(&flow));
}
END_TEST

START_TEST(flow_cut_strikes_after_its_byte)
{
    add("reply:cut@4");
    receive("abcdef", 0);
    expect("abcd", 0);
    ck_assert_int_eq(flow.ending, GIBP_ENDING_NONE);
    expect("", 0);
    ck_assert_int_eq(flow.ending, GIBP_ENDING_CUT);
}
END_TEST

START_TEST(flow_ending_at_zero_needs_no_byte)
{
    add("reply:reset@0");
    expect("", 0);
    ck_assert_int_eq(flow.ending, GIBP_ENDING_RESET);
}
END_TEST

START_TEST(flow_corrupt_changes_one_byte)
{
    add("reply:corrupt@2=0x20");
    add("reply:corrupt@0=0x01");
    expect("", 0);
    receive("abcd", 0);
    expect("`b", 0);
    expect("Cd", 0);
    ck_assert_uint_eq(flow.struck, 2);
}
END_TEST

START_TEST(flow_delay_keeps_what_came_later_later)
{
    add("reply:delay@1=10");
    receive("abc", 0);
    expect("a", 0);
    ck_assert_int_eq(expect("", 0), 10 * MS);
    receive("de", 4 * MS);
    ck_assert_int_eq(expect("bc", 10 * MS), 14 * MS);
    ck_assert_int_eq(expect("de", 14 * MS), GIBP_FLOW_NEVER);
}
END_TEST

START_TEST(flow_dribble_passes_single_bytes)
{
    add("reply:dribble@1=5");
    receive("abcd", 0);
    expect("a", 0);
    expect("b", 1 * MS);
    ck_assert_int_eq(expect("", 2 * MS), 6 * MS);
    expect("c", 6 * MS);
    expect("", 10 * MS);
    expect("d", 30 * MS);
}
END_TEST

START_TEST(flow_hold_waits_for_release)
{
    add("reply:hold@2");
    receive("abcd", 0);
    expect("ab", 0);
    ck_assert_int_eq(expect("", 0), GIBP_FLOW_NEVER);
    ck_assert_int_eq(expect("", 1000000 * MS), GIBP_FLOW_NEVER);
    gibp_flow_release(&flow);
    expect("cd", 0);
}
END_TEST

START_TEST(flow_hold_ends_after_its_time)
{
    add("reply:hold@0=20");
    expect("", 0);
    receive("ab", 50 * MS);
    ck_assert_int_eq(expect("", 50 * MS), 70 * MS);
    expect("ab", 70 * MS);
    receive("cd", 70 * MS);
    expect("cd", 70 * MS);
}
END_TEST

START_TEST(flow_black_hole_swallows)
{
    add("reply:blackhole@1");
    receive("abc", 0);
    expect("a", 0);
    ck_assert_int_eq(expect("", 0), GIBP_FLOW_NEVER);
    ck_assert(gibp_flow_empty(&flow));
    ck_assert_uint_eq(flow.passed, 1);
}
END_TEST

START_TEST(flow_fault_added_later_counts_from_then)
{
    receive("abc", 0);
    expect("abc", 0);
    add("reply:cut@2");
    receive("defg", 0);
    expect("de", 0);
    expect("", 0);
    ck_assert_int_eq(flow.ending, GIBP_ENDING_CUT);
}
END_TEST

START_TEST(flow_heal_forgets_all)
{
    add("reply:dribble@0=1000");
    add("reply:hold@1");
    add("reply:cut@3");
    receive("abcdef", 0);
    expect("a", 0);
    expect("", 0);
    gibp_flow_heal(&flow);
    expect("bcdef", 0);
    ck_assert_int_eq(flow.ending, GIBP_ENDING_NONE);
}
END_TEST

START_TEST(flow_with_too_many_faults_refuses_one)
{
    gibp_fault fault = {.kind = GIBP_FAULT_CORRUPT, .mask = 1};
    for (unsigned i = 0; i < GIBP_FLOW_FAULTS; i++) {
        fault.at = GIBP_FLOW_FAULTS - i;
        ck_assert(gibp_flow_add(&flow, &fault));
    }
    ck_assert(!gibp_flow_add(&flow, &fault));
    for (unsigned i = 0; i < GIBP_FLOW_FAULTS; i++) {
        ck_assert_uint_eq(flow.faults[i].at, i + 1);
    }
}
END_TEST

START_TEST(flow_that_is_full_takes_more_after_passing_some_on)
{
    size_t room;
    int64_t wake_ns;
    memset(gibp_flow_room(&flow, &room), 'x', GIBP_FLOW_CAPACITY);
    gibp_flow_received(&flow, GIBP_FLOW_CAPACITY, 0);
    (void)gibp_flow_room(&flow, &room);
    ck_assert_uint_eq(room, 0);
    ck_assert_uint_eq(gibp_flow_ready(&flow, 0, &wake_ns), GIBP_FLOW_CAPACITY);
    gibp_flow_passed(&flow, 5, 0);
    receive("abcde", 0);
    ck_assert_uint_eq(gibp_flow_ready(&flow, 0, &wake_ns), GIBP_FLOW_CAPACITY);
    ck_assert_mem_eq(flow.data + flow.end - 5, "abcde", 5);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {TESTS(fault_text_comes_back_the_same, fault_text_has_defaults,
               fault_text_that_is_wrong_is_refused)},
        {.set_up = make_flow,
         .tear_down = free_flow,
         TESTS(flow_without_faults_passes_all_at_once, flow_cut_strikes_after_its_byte,
               flow_ending_at_zero_needs_no_byte, flow_corrupt_changes_one_byte,
               flow_delay_keeps_what_came_later_later, flow_dribble_passes_single_bytes,
               flow_hold_waits_for_release, flow_hold_ends_after_its_time, flow_black_hole_swallows,
               flow_fault_added_later_counts_from_then, flow_heal_forgets_all,
               flow_with_too_many_faults_refuses_one,
               flow_that_is_full_takes_more_after_passing_some_on)},
    };
    return suite_run("proxy_fault", 1, parts, COUNT_OF(parts));
}
