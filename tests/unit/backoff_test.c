/* client/backoff: when to try again. */
#include "base/backoff.h"

#include "support/suite.h"

static const int64_t ms = 1000000;

START_TEST(backoff_failures_double_the_delay_up_to_the_limit)
{
    static const int64_t whole[] = {10, 20, 40, 80, 100, 100, 100};
    gib_backoff backoff;
    for (uint64_t seed = 0; seed < 200; seed++) {
        gib_backoff_init(&backoff, 10, 100, seed);
        for (size_t i = 0; i < COUNT_OF(whole); i++) {
            gib_backoff_failed(&backoff, 5 * ms);
            ck_assert_int_ge(backoff.not_before_ns, (5 + whole[i] / 2) * ms);
            ck_assert_int_le(backoff.not_before_ns, (5 + whole[i]) * ms);
        }
    }
}
END_TEST

/* Clients that failed together must not come back together. */
START_TEST(backoff_seeds_spread_the_delay)
{
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (uint64_t seed = 1; seed <= 200; seed++) {
        gib_backoff backoff;
        gib_backoff_init(&backoff, 1000, 1000, seed * UINT64_C(0x9E3779B97F4A7C15));
        gib_backoff_failed(&backoff, 0);
        least = backoff.not_before_ns < least ? backoff.not_before_ns : least;
        most = backoff.not_before_ns > most ? backoff.not_before_ns : most;
    }
    ck_assert_int_lt(least, 600 * ms);
    ck_assert_int_gt(most, 900 * ms);
}
END_TEST

START_TEST(backoff_success_starts_over)
{
    gib_backoff backoff;
    gib_backoff_init(&backoff, 10, 1000, 7);
    for (int i = 0; i < 5; i++) {
        gib_backoff_failed(&backoff, 0);
    }
    gib_backoff_succeeded(&backoff);
    ck_assert_int_eq(backoff.not_before_ns, 0);
    gib_backoff_failed(&backoff, 0);
    ck_assert_int_le(backoff.not_before_ns, 10 * ms);
}
END_TEST

START_TEST(backoff_delay_over_the_limit_is_cut)
{
    gib_backoff backoff;
    gib_backoff_init(&backoff, 500, 20, 7);
    gib_backoff_failed(&backoff, 0);
    ck_assert_int_le(backoff.not_before_ns, 20 * ms);
}
END_TEST

START_TEST(backoff_huge_delays_do_not_overflow)
{
    gib_backoff backoff;
    gib_backoff_init(&backoff, INT64_MAX / 2 + 1, INT64_MAX, 7);
    for (int i = 0; i < 100; i++) {
        gib_backoff_failed(&backoff, 1);
        ck_assert_int_eq(backoff.not_before_ns, INT64_MAX);
    }
}
END_TEST

START_TEST(backoff_smallest_delay_is_kept)
{
    gib_backoff backoff;
    gib_backoff_init(&backoff, 1, 1, 7);
    gib_backoff_failed(&backoff, 0);
    ck_assert_int_eq(backoff.not_before_ns, 1 * ms);
}
END_TEST

START_TEST(backoff_endless_failures_do_not_wrap)
{
    gib_backoff backoff;
    gib_backoff_init(&backoff, 1, 2, 7);
    backoff.failures = UINT32_MAX;
    gib_backoff_failed(&backoff, 0);
    ck_assert_uint_eq(backoff.failures, UINT32_MAX);
}
END_TEST

SUITE("backoff", backoff_failures_double_the_delay_up_to_the_limit, backoff_seeds_spread_the_delay,
      backoff_success_starts_over, backoff_delay_over_the_limit_is_cut,
      backoff_huge_delays_do_not_overflow, backoff_smallest_delay_is_kept,
      backoff_endless_failures_do_not_wrap)
