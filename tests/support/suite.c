#include "support/suite.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "support/random.h"

enum { TIMEOUT_S = 100 }; /* of a test with its own process; sanitizers are slow */

static uint64_t seed;
static uint64_t state;

static void seed_random(void)
{
    const char *given = getenv("GIBSON_TEST_SEED");
    seed = given && *given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    state = seed;
    printf("GIBSON_TEST_SEED=%" PRIu64 "\n", seed);
    fflush(stdout); /* else each forked test would print it again */
}

uint64_t suite_seed(void)
{
    return seed;
}

uint32_t suite_random(void)
{
    return (uint32_t)(test_random(&state) >> 32);
}

int64_t suite_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int suite_mode;

/* Adds those tests of a part that are asked for. Returns how many. */
static size_t add_part(Suite *suite, const suite_part *part)
{
    const char *only = getenv("GIBSON_TEST");
    TCase *group = tcase_create("part");
    size_t added = 0;
    tcase_set_timeout(group, TIMEOUT_S);
    tcase_add_checked_fixture(group, part->set_up, part->tear_down);
    for (const TTest *const *test = part->tests; *test; test++) {
        if (!only || !fnmatch(only, (*test)->name, 0)) {
            tcase_add_loop_test(group, *test, 0, part->runs ? part->runs : 1);
            added++;
        }
    }
    suite_add_tcase(suite, group);
    return added;
}

/* Runs the parts that are forked, or those that are not. Adds to how many tests there were. Returns
   how many have failed. */
static int run_parts(const char *name, const suite_part *parts, size_t count, bool own_process,
                     size_t *found)
{
    Suite *suite = suite_create(name);
    SRunner *runner = srunner_create(suite);
    size_t added = 0;
    for (size_t i = 0; i < count; i++) {
        if (parts[i].own_process == own_process) {
            added += add_part(suite, &parts[i]);
        }
    }
    if (!own_process) {
        srunner_set_fork_status(runner, CK_NOFORK);
    }
    if (added) {
        srunner_run_all(runner, CK_NORMAL);
    }
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    *found += added;
    return failed;
}

int suite_run(const char *name, int modes, const suite_part *parts, size_t count)
{
    int failed = 0;
    size_t found = 0;
    seed_random();
    for (suite_mode = 0; suite_mode < modes; suite_mode++) {
        failed += run_parts(name, parts, count, true, &found);
        failed += run_parts(name, parts, count, false, &found);
    }
    if (!found) { /* a test that was asked for and is not there counts as one that failed */
        fprintf(stderr, "there is no test %s\n", getenv("GIBSON_TEST"));
    }
    return failed || !found ? EXIT_FAILURE : EXIT_SUCCESS;
}
