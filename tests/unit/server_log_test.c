/* Which lines the log leaves out. */
#include "log/repeats.h"
#include "support/suite.h"

static const char *const refused = "refused (%d)";
static const char *const gone = "gone (%d)";

START_TEST(repeats_are_left_out_counted_and_told_when_the_period_is_over)
{
    gibs_repeats repeats = {0};
    gibs_repeat ended;
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(
            gibs_repeats_allow(&repeats, refused, i ? "refused (x)" : "refused (0)", i),
            i < GIBS_REPEATS_ALLOWED);
    }
    ck_assert(gibs_repeats_allow(&repeats, gone, "gone (1)", 50)); /* another kind */
    ck_assert(!gibs_repeats_end(&repeats, GIBS_REPEATS_PERIOD_MS - 1, false, &ended));
    ck_assert(gibs_repeats_end(&repeats, GIBS_REPEATS_PERIOD_MS, false, &ended));
    ck_assert_uint_eq(ended.left_out, 100 - GIBS_REPEATS_ALLOWED);
    ck_assert_str_eq(ended.example, "refused (0)");
    ck_assert(!gibs_repeats_end(&repeats, GIBS_REPEATS_PERIOD_MS, true, &ended));
    ck_assert(gibs_repeats_allow(&repeats, refused, "refused (1)", GIBS_REPEATS_PERIOD_MS));
}
END_TEST

START_TEST(repeats_that_are_rare_are_all_written)
{
    gibs_repeats repeats = {0};
    gibs_repeat ended;
    for (int i = 0; i < 1000; i++) {
        ck_assert(gibs_repeats_allow(&repeats, refused, "refused", i * INT64_C(150)));
    }
    ck_assert(!gibs_repeats_end(&repeats, 0, true, &ended));
}
END_TEST

START_TEST(repeats_are_not_forgotten_for_kinds_that_come_later)
{
    static const char names[GIBS_REPEATS_KINDS + 1] = {0}; /* their addresses are the formats */
    gibs_repeats repeats = {0};
    gibs_repeat ended;
    for (int i = 0; i <= GIBS_REPEATS_ALLOWED; i++) {
        gibs_repeats_allow(&repeats, refused, "refused", 0);
    }
    for (int i = 0; i <= GIBS_REPEATS_KINDS; i++) {
        ck_assert(gibs_repeats_allow(&repeats, &names[i], "", 5000));
    }
    ck_assert(gibs_repeats_end(&repeats, 5000, false, &ended));
    ck_assert_ptr_eq(ended.format, refused);
    ck_assert_uint_eq(ended.left_out, 1);
}
END_TEST

SUITE("server_log", repeats_are_left_out_counted_and_told_when_the_period_is_over,
      repeats_that_are_rare_are_all_written, repeats_are_not_forgotten_for_kinds_that_come_later)
