/* The main function of a test program that runs in one process, and a clock for bounds on time. */
#ifndef SUPPORT_SUITE_H
#define SUPPORT_SUITE_H

#include <check.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Runs the tests up to a NULL, or the one that GIBSON_TEST names, once in each mode from 0 on, and
   returns the exit status of the program. Check does not fork: sanitizers and valgrind see
   everything, and ctest has the timeout.
 */
int suite_run(const char *name, int modes, const TTest *const *tests);

/* The mode that the tests are running in; what it means is up to them. */
extern int suite_mode;

/* Define main. A test that is not listed is an unused variable, which does not compile. */
#define SUITE(name, ...) SUITE_IN_MODES(name, 1, __VA_ARGS__)
#define SUITE_IN_MODES(name, modes, ...)                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        const TTest *const tests[] = {__VA_ARGS__, NULL};                                          \
        return suite_run(name, modes, tests);                                                      \
    }

/* Milliseconds on the monotonic clock. */
int64_t suite_now_ms(void);

/* How far a wait may overshoot on a busy machine, in milliseconds. */
enum { SUITE_SLACK_MS = 1500 };

/* A pseudo-random number, from a seed that is printed when the suite starts and can be set with
   GIBSON_TEST_SEED. */
uint32_t suite_random(void);

/* Fails the test unless the message of an error contains a word. */
#define ck_assert_message_has(error, word)                                                         \
    ck_assert_msg(strstr((error)->message, (word)) != NULL, "'%s' is not in the message '%s'",     \
                  (word), (error)->message)

/* Fails the test unless a call returned the status, which is shown by name. */
#define ck_assert_status(call, expected)                                                           \
    do {                                                                                           \
        gibson_status got_ = (call);                                                               \
        ck_assert_msg(got_ == (expected), "%s returned %s instead of %s", #call,                   \
                      gibson_status_name(got_), gibson_status_name(expected));                     \
    } while (0)

#endif
