#include "support/suite.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/random.h"

static uint64_t state;

static void seed_random(void)
{
    const char *given = getenv("GIBSON_TEST_SEED");
    state = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("GIBSON_TEST_SEED=%" PRIu64 "\n", state);
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

/* Counts a program that was told to run a test which it does not have as one that failed. */
static int add_tests(TCase *to, const TTest *const *tests)
{
    const char *only = getenv("GIBSON_TEST");
    bool found = false;
    for (; *tests; tests++) {
        if (!only || !strcmp(only, (*tests)->name)) {
            tcase_add_test(to, *tests);
            found = true;
        }
    }
    if (!found) {
        fprintf(stderr, "there is no test %s\n", only);
    }
    return !found;
}

static int run_once(const char *name, const TTest *const *tests)
{
    Suite *suite = suite_create(name);
    TCase *tests_case = tcase_create(name);
    int missing = add_tests(tests_case, tests);
    suite_add_tcase(suite, tests_case);
    SRunner *runner = srunner_create(suite);
    srunner_set_fork_status(runner, CK_NOFORK);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed + missing;
}

int suite_run(const char *name, int modes, const TTest *const *tests)
{
    int failed = 0;
    seed_random();
    for (suite_mode = 0; suite_mode < modes; suite_mode++) {
        failed += run_once(name, tests);
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
