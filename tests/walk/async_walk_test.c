/* The random walk over gibson/async.h.

       async_walk_test                    some walks
       async_walk_test --seed N           one walk of that seed, which a failure has printed
       async_walk_test --steps N          so many steps a walk
       async_walk_test --seconds N        walks until that time is over                          */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_walk.h"
#include "random.h"
#include "support/suite.h"

enum { DEFAULT_STEPS = 3000, DEFAULT_WALKS = 40 };

static struct {
    uint64_t seed; /* 0: the suite's, and many walks */
    uint64_t steps;
    int64_t seconds;
} plan = {.steps = DEFAULT_STEPS};

static uint64_t totals[ASYNC_WALK_STATUSES];
static uint64_t total_steps;
static uint64_t total_walks;

static async_walk one;
static uint64_t one_seed;

static void tell_seed(void)
{
    /* NOLINTNEXTLINE(bugprone-signal-handler,cert-sig30-c) */
    fprintf(stderr, "To see it again: async_walk_test --seed %" PRIu64 " --steps %" PRIu64 "\n",
            one_seed, plan.steps);
}

/* The library, or the peer, has found something that is not sound: the program ends anyway. */
static void aborted(int signal_number) /* NOLINT(bugprone-signal-handler,cert-sig30-c) */
{
    (void)signal_number;
    async_walk_fail(&one, "aborted"); /* NOLINT(bugprone-signal-handler,cert-sig30-c) */
    tell_seed();                      /* NOLINT(bugprone-signal-handler,cert-sig30-c) */
}

static bool walk_once(uint64_t seed)
{
    memset(&one, 0, sizeof one);
    one_seed = seed;
    (void)signal(SIGABRT, aborted);
    one.choices = walk_choices_from_seed(seed);
    async_walk_run(&one, plan.steps);
    for (unsigned i = 0; i < ASYNC_WALK_STATUSES; i++) {
        totals[i] += one.by_status[i];
    }
    total_steps += one.steps;
    total_walks++;
    if (one.failed) {
        tell_seed();
    }
    return !one.failed;
}

START_TEST(async_walk_follows_the_model)
{
    uint64_t random = suite_seed();
    const int64_t until_ms = suite_now_ms() + plan.seconds * 1000;
    bool fine = true;
    if (plan.seed) {
        ck_assert_msg(walk_once(plan.seed), "the walk has failed: see above");
        return;
    }
    for (int i = 0; fine && (plan.seconds ? suite_now_ms() < until_ms : i < DEFAULT_WALKS); i++) {
        fine = walk_once(test_random(&random));
    }
    ck_assert_msg(fine, "the walk has failed: see above");
}
END_TEST

static bool parse(int count, char **arguments)
{
    for (int i = 1; i < count; i += 2) {
        const uint64_t number = i + 1 < count ? strtoull(arguments[i + 1], NULL, 10) : 0;
        if (!strcmp(arguments[i], "--seed")) {
            plan.seed = number;
        } else if (!strcmp(arguments[i], "--steps")) {
            plan.steps = number;
        } else if (!strcmp(arguments[i], "--seconds")) {
            plan.seconds = (int64_t)number;
        } else {
            return false;
        }
        if (!number) {
            return false;
        }
    }
    return true;
}

int main(int count, char **arguments)
{
    if (!parse(count, arguments)) {
        fprintf(stderr, "the arguments are told at the top of async_walk_test.c\n");
        return EXIT_FAILURE;
    }
    const suite_part parts[] = {{TESTS(async_walk_follows_the_model)}};
    const int code = suite_run("async_walk", 1, parts, COUNT_OF(parts));
    printf("%" PRIu64 " walks, %" PRIu64 " steps\n", total_walks, total_steps);
    for (unsigned i = 0; i < ASYNC_WALK_STATUSES; i++) {
        printf("  %-14s %" PRIu64 "\n", gibson_status_name((gibson_status)i), totals[i]);
    }
    return code;
}
