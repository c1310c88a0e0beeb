#include "support/suite.h"

#include <fnmatch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "support/random.h"

enum {
    TIMEOUT_S = 100, /* of a test with its own process; sanitizers are slow */
    MOST_PATTERN = 200,
};

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

uint64_t suite_next_seed(uint64_t of)
{
    return of * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
}

uint64_t suite_number(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoull(text, NULL, 10) : otherwise;
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

/* Takes the next pattern off a list that colons divide. False at its end. */
static bool next_pattern(const char **list, char pattern[MOST_PATTERN])
{
    *list += strspn(*list, ":");
    const size_t size = strcspn(*list, ":");
    snprintf(pattern, MOST_PATTERN, "%.*s", (int)size, *list);
    *list += size;
    return size;
}

/* Tells whether GIBSON_TEST asks for a test. */
static bool is_wanted(const char *name)
{
    const char *list = getenv("GIBSON_TEST");
    char pattern[MOST_PATTERN];
    bool some = false;
    bool wanted = false;
    while (list && next_pattern(&list, pattern)) {
        if (pattern[0] != '-') {
            some = true;
            wanted |= !fnmatch(pattern, name, 0);
        } else if (!fnmatch(pattern + 1, name, 0)) {
            return false;
        }
    }
    return wanted || !some;
}

/* Tells whether each pattern of GIBSON_TEST stands for some test, and complains of one that does
   not: it would be a mistake that shows nowhere else. */
static bool is_all_there(const suite_part *parts, size_t count)
{
    const char *list = getenv("GIBSON_TEST");
    char pattern[MOST_PATTERN];
    bool fine = true;
    while (list && next_pattern(&list, pattern)) {
        bool found = false;
        for (size_t i = 0; i < count; i++) {
            for (const TTest *const *test = parts[i].tests; *test; test++) {
                found |= !fnmatch(pattern + (pattern[0] == '-'), (*test)->name, 0);
            }
        }
        if (!found) {
            fprintf(stderr, "there is no test %s\n", pattern + (pattern[0] == '-'));
        }
        fine &= found;
    }
    return fine;
}

/* Adds those tests of a part that are asked for. Returns how many. */
static size_t add_part(Suite *suite, const suite_part *part)
{
    TCase *group = tcase_create("part");
    size_t added = 0;
    tcase_set_timeout(group, TIMEOUT_S);
    tcase_add_checked_fixture(group, part->set_up, part->tear_down);
    for (const TTest *const *test = part->tests; *test; test++) {
        if (is_wanted((*test)->name)) {
            tcase_add_loop_test(group, *test, 0, part->runs ? part->runs : 1);
            added++;
        }
    }
    suite_add_tcase(suite, group);
    return added;
}

/* Runs the parts that are forked, or those that are not. Returns how many have failed. */
static int run_parts(const char *name, const suite_part *parts, size_t count, bool own_process)
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
    return failed;
}

int suite_run(const char *name, int modes, const suite_part *parts, size_t count)
{
    seed_random();
    if (!is_all_there(parts, count)) {
        return EXIT_FAILURE;
    }
    int failed = 0;
    for (suite_mode = 0; suite_mode < modes; suite_mode++) {
        failed += run_parts(name, parts, count, true);
        failed += run_parts(name, parts, count, false);
    }
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
