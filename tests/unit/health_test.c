/* Ejecting a server that fails, asking it now and then, and putting it back. */
#include "cluster/health.h"
#include "support/suite.h"

enum { LIMIT = 3, DELAY_MS = 100, MOST_MS = 1000 };

static const int64_t ms = 1000000;
static gib_health health;

static void make(void)
{
    gib_health_init(&health, LIMIT, DELAY_MS, MOST_MS, 42);
}

static void eject(int64_t now_ns)
{
    for (int i = 0; i < LIMIT; i++) {
        ck_assert_int_eq(gib_health_failed(&health, false, now_ns), i == LIMIT - 1);
    }
}

START_TEST(health_ejects_after_failures_in_a_row)
{
    make();
    for (int i = 0; i < 10; i++) { /* never three in a row */
        ck_assert(!gib_health_failed(&health, false, 0));
        ck_assert(!gib_health_failed(&health, false, 0));
        ck_assert(!gib_health_answered(&health, false));
        ck_assert_int_eq(gib_health_ask(&health, 0), GIB_HEALTH_USE);
    }
    eject(0);
    ck_assert_int_eq(gib_health_ask(&health, 0), GIB_HEALTH_AVOID);
    ck_assert_uint_eq(health.ejections, 1);
}
END_TEST

/* redis-py 4049: everybody asks the server that has come back. */
START_TEST(health_lets_one_caller_probe_after_the_delay)
{
    make();
    eject(0);
    ck_assert_int_eq(gib_health_ask(&health, (DELAY_MS / 2 - 1) * ms), GIB_HEALTH_AVOID);
    ck_assert_int_eq(gib_health_ask(&health, DELAY_MS * ms), GIB_HEALTH_PROBE);
    for (int i = 0; i < 100; i++) {
        ck_assert_int_eq(gib_health_ask(&health, DELAY_MS * ms), GIB_HEALTH_AVOID);
    }
    ck_assert(gib_health_answered(&health, true));
    ck_assert_int_eq(gib_health_ask(&health, DELAY_MS * ms), GIB_HEALTH_USE);
}
END_TEST

START_TEST(health_waits_longer_after_each_probe_that_fails)
{
    make();
    int64_t now_ns = 0;
    eject(now_ns);
    for (int i = 0; i < 10; i++) {
        const int64_t waited_ns = health.backoff.not_before_ns - now_ns;
        const int64_t most = DELAY_MS * (INT64_C(1) << i) < MOST_MS ? DELAY_MS << i : MOST_MS;
        ck_assert_int_ge(waited_ns, most * ms / 2);
        ck_assert_int_le(waited_ns, most * ms);
        now_ns = health.backoff.not_before_ns;
        ck_assert_int_eq(gib_health_ask(&health, now_ns), GIB_HEALTH_PROBE);
        ck_assert(!gib_health_failed(&health, true, now_ns));
        ck_assert_int_eq(gib_health_ask(&health, now_ns), GIB_HEALTH_AVOID);
    }
    ck_assert_uint_eq(health.ejections, 1);
}
END_TEST

/* What was under way when it was ejected tells nothing of it. */
START_TEST(health_is_not_changed_by_what_ends_late)
{
    make();
    eject(0);
    const int64_t until_ns = health.backoff.not_before_ns;
    ck_assert(!gib_health_failed(&health, false, 0));
    ck_assert_int_eq(health.backoff.not_before_ns, until_ns);
    ck_assert(!gib_health_answered(&health, false));
    ck_assert_int_eq(gib_health_ask(&health, 0), GIB_HEALTH_AVOID);
}
END_TEST

START_TEST(health_lets_another_probe_where_one_sent_nothing)
{
    make();
    eject(0);
    ck_assert_int_eq(gib_health_ask(&health, DELAY_MS * ms), GIB_HEALTH_PROBE);
    gib_health_withdrawn(&health);
    ck_assert_int_eq(gib_health_ask(&health, DELAY_MS * ms), GIB_HEALTH_PROBE);
}
END_TEST

SUITE("health", health_ejects_after_failures_in_a_row, health_lets_one_caller_probe_after_the_delay,
      health_waits_longer_after_each_probe_that_fails, health_is_not_changed_by_what_ends_late,
      health_lets_another_probe_where_one_sent_nothing)
