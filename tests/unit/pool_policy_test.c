/* How old connections of a pool become, by a clock that is a number; and the queue. */
#include "pool/policy.h"
#include "pool/queue.h"

#include <string.h>

#include "support/suite.h"

static const int64_t ms = 1000000;
static const int64_t hour_ms = 3600000;

static gib_pool_policy policy_of(const gibson_pool_options *options)
{
    gib_pool_policy policy;
    gibson_error error;
    ck_assert_status(gib_pool_policy_make(&policy, options, &error), GIBSON_OK);
    return policy;
}

START_TEST(policy_of_no_options_has_the_defaults)
{
    const gib_pool_policy policy = policy_of(NULL);
    ck_assert_uint_eq(policy.max, GIBSON_DEFAULT_POOL_MAX);
    ck_assert_uint_eq(policy.min, 0);
    ck_assert_int_eq(policy.acquire_timeout_ms, GIBSON_DEFAULT_ACQUIRE_TIMEOUT_MS);
    ck_assert_int_eq(policy.idle_timeout_ms, GIBSON_DEFAULT_POOL_IDLE_TIMEOUT_MS);
    ck_assert_int_eq(policy.lifetime_ms, GIBSON_DEFAULT_POOL_LIFETIME_MS);
}
END_TEST

START_TEST(policy_that_contradicts_itself_is_invalid)
{
    const struct {
        gibson_pool_options options;
        const char *word;
    } rows[] = {
        {{.max = 65536}, "max"},
        {{.max = 4, .min = 5}, "min"},
        {{.acquire_timeout_ms = -2}, "acquire_timeout_ms"},
        {{.idle_timeout_ms = -2}, "idle_timeout_ms"},
        {{.lifetime_ms = INT64_MIN}, "lifetime_ms"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        gibson_pool_options options = rows[i].options;
        gib_pool_policy policy;
        gibson_error error;
        options.struct_size = sizeof options;
        ck_assert_status(gib_pool_policy_make(&policy, &options, &error), GIBSON_INVALID);
        ck_assert_message_has(&error, rows[i].word);
    }
    gib_pool_policy policy;
    gibson_error error;
    ck_assert_status(gib_pool_policy_make(&policy, &(gibson_pool_options){0}, &error),
                     GIBSON_INVALID);
    ck_assert_message_has(&error, "gibson_pool_options_init");
}
END_TEST

/* Options of a program that was compiled when there were fewer. */
START_TEST(policy_of_shorter_options_has_defaults_for_the_rest)
{
    gibson_pool_options options;
    gibson_pool_options_init_sized(&options, offsetof(gibson_pool_options, min));
    options.max = 3;
    options.min = 77;
    const gib_pool_policy policy = policy_of(&options);
    ck_assert_uint_eq(policy.max, 3);
    ck_assert_uint_eq(policy.min, 0);
}
END_TEST

START_TEST(lifetime_is_ten_percent_more_or_less)
{
    gibson_pool_options options;
    gibson_pool_options_init(&options);
    options.lifetime_ms = 1000;
    const gib_pool_policy policy = policy_of(&options);
    int64_t least = INT64_MAX;
    int64_t most = 0;
    for (uint64_t random = 0; random < 1000; random++) {
        const int64_t lifetime = gib_pool_policy_end(&policy, 5 * ms, random) - 5 * ms;
        least = lifetime < least ? lifetime : least;
        most = lifetime > most ? lifetime : most;
    }
    ck_assert_int_eq(least, 900 * ms);
    ck_assert_int_eq(most, 1100 * ms);
}
END_TEST

START_TEST(lifetime_past_the_end_of_the_clock_is_none)
{
    gibson_pool_options options;
    gibson_pool_options_init(&options);
    for (int i = 0; i < 2; i++) {
        options.lifetime_ms = i ? INT64_MAX : GIBSON_NO_DEADLINE;
        options.idle_timeout_ms = options.lifetime_ms;
        const gib_pool_policy policy = policy_of(&options);
        ck_assert_int_eq(gib_pool_policy_end(&policy, 5 * ms, 7), GIB_NO_DEADLINE);
        ck_assert_int_eq(gib_pool_policy_next_sweep(&policy, 5 * ms), GIB_NO_DEADLINE);
        ck_assert(!gib_pool_policy_is_idle(&policy, 0, 1000 * hour_ms * ms));
    }
    options.lifetime_ms = 1; /* the shortest has no tenth */
    const gib_pool_policy policy = policy_of(&options);
    ck_assert_int_eq(gib_pool_policy_end(&policy, 5 * ms, 7), 6 * ms);
    ck_assert_int_eq(gib_pool_policy_next_sweep(&policy, 5 * ms), 6 * ms);
}
END_TEST

/* psycopg 1419: a day without use. */
START_TEST(connection_that_was_idle_for_25_hours_is_idle)
{
    const gib_pool_policy policy = policy_of(NULL);
    const int64_t used_ns = 1234 * ms;
    ck_assert(!gib_pool_policy_is_idle(&policy, used_ns, used_ns + 300000 * ms - 1));
    ck_assert(gib_pool_policy_is_idle(&policy, used_ns, used_ns + 300000 * ms));
    ck_assert(gib_pool_policy_is_idle(&policy, used_ns, used_ns + 25 * hour_ms * ms));
    ck_assert_int_lt(gib_pool_policy_end(&policy, used_ns, 9), used_ns + 25 * hour_ms * ms);
    ck_assert_int_eq(gib_pool_policy_next_sweep(&policy, used_ns), used_ns + 37500 * ms);
}
END_TEST

START_TEST(surplus_leaves_the_minimum)
{
    const gib_pool_policy policy = {.max = 8, .min = 3};
    ck_assert_uint_eq(gib_pool_policy_surplus(&policy, 8, 8), 5);
    ck_assert_uint_eq(gib_pool_policy_surplus(&policy, 8, 2), 2);
    ck_assert_uint_eq(gib_pool_policy_surplus(&policy, 4, 4), 1);
    ck_assert_uint_eq(gib_pool_policy_surplus(&policy, 2, 2), 0);
}
END_TEST

START_TEST(queue_serves_in_order_wherever_some_leave)
{
    gib_pool_queue queue = {0};
    gib_waiter waiters[5] = {0};
    for (int i = 1; i < 5; i++) {
        gib_pool_queue_add(&queue, &waiters[i], false);
    }
    gib_pool_queue_add(&queue, &waiters[0], true);
    gib_pool_queue_remove(&queue, &waiters[2]);
    gib_pool_queue_remove(&queue, &waiters[4]);
    ck_assert_uint_eq(queue.count, 3);
    static const int order[] = {0, 1, 3};
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        ck_assert_ptr_eq(queue.first, &waiters[order[i]]);
        gib_pool_queue_serve(&queue, NULL, 7);
        ck_assert(waiters[order[i]].is_served);
        ck_assert_int_eq(waiters[order[i]].served_ns, 7);
    }
    ck_assert_ptr_null(queue.first);
    ck_assert_ptr_null(queue.last);
    gib_pool_queue_add(&queue, &waiters[2], true);
    ck_assert_ptr_eq(queue.last, &waiters[2]);
}
END_TEST

SUITE("pool_policy", policy_of_no_options_has_the_defaults,
      policy_that_contradicts_itself_is_invalid,
      policy_of_shorter_options_has_defaults_for_the_rest, lifetime_is_ten_percent_more_or_less,
      lifetime_past_the_end_of_the_clock_is_none, connection_that_was_idle_for_25_hours_is_idle,
      surplus_leaves_the_minimum, queue_serves_in_order_wherever_some_leave)
