/* base/clock: deadlines. */
#include "base/clock.h"

#include <limits.h>
#include <stdlib.h>

#include <gibson/options.h>

#include "support/suite.h"

START_TEST(clock_now_never_goes_back)
{
    int64_t before = gib_now_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t now = gib_now_ns();
        ck_assert_int_ge(now, before);
        before = now;
    }
    ck_assert_int_le(llabs(before / 1000000 - suite_now_ms()), SUITE_SLACK_MS);
}
END_TEST

START_TEST(deadline_after_counts_milliseconds)
{
    ck_assert_int_eq(gib_deadline_after(5, 0), 5);
    ck_assert_int_eq(gib_deadline_after(5, 60), 60000005);
}
END_TEST

START_TEST(deadline_after_no_deadline_is_none)
{
    ck_assert_int_eq(gib_deadline_after(5, GIBSON_NO_DEADLINE), GIB_NO_DEADLINE);
    ck_assert_int_eq(gib_deadline_after(5, INT64_MIN), GIB_NO_DEADLINE);
}
END_TEST

START_TEST(deadline_after_more_than_146_years_is_none)
{
    const int64_t most = INT64_MAX / 2 / 1000000;
    ck_assert_int_lt(gib_deadline_after(5, most), GIB_NO_DEADLINE);
    ck_assert_int_lt(gib_deadline_after(INT64_MAX / 2, most), GIB_NO_DEADLINE);
    ck_assert_int_eq(gib_deadline_after(5, most + 1), GIB_NO_DEADLINE);
    ck_assert_int_eq(gib_deadline_after(5, INT64_MAX), GIB_NO_DEADLINE);
}
END_TEST

START_TEST(deadline_left_is_rounded_up)
{
    ck_assert_int_eq(gib_deadline_left_ms(GIB_NO_DEADLINE), -1);
    ck_assert_int_eq(gib_deadline_left_ms(gib_now_ns()), 0);
    ck_assert_int_eq(gib_deadline_left_ms(gib_now_ns() - 5000000), 0);
    ck_assert_int_eq(gib_deadline_left_ms(0), 0);
    int left = gib_deadline_left_ms(gib_now_ns() + INT64_C(100000000000) + 999999);
    ck_assert_int_le(left, 100001);
    ck_assert_int_gt(left, 100000 - SUITE_SLACK_MS);
}
END_TEST

START_TEST(deadline_left_of_years_fits_poll)
{
    ck_assert_int_eq(gib_deadline_left_ms(GIB_NO_DEADLINE - 1), INT_MAX);
}
END_TEST

SUITE("clock", clock_now_never_goes_back, deadline_after_counts_milliseconds,
      deadline_after_no_deadline_is_none, deadline_after_more_than_146_years_is_none,
      deadline_left_is_rounded_up, deadline_left_of_years_fits_poll)
