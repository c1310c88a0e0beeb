/* What the main function of a test program does whose tests are in groups, and each in a process of
   its own, as Check has it. */
#ifndef TEST_RUN_SUITE_H
#define TEST_RUN_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Runs a suite and frees it. Returns the exit code of the program. */
static inline int run_suite(Suite *suite)
{
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_NORMAL);
    int failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Adds a group of tests to a suite. The timeout is in seconds; sanitizers are slow. */
static inline TCase *add_group(Suite *suite, const char *name)
{
    TCase *group = tcase_create(name);
    tcase_set_timeout(group, 100);
    suite_add_tcase(suite, group);
    return group;
}

#endif
