/* The harness of every test program: its main function, over Check, and what most tests need.

   GIBSON_TEST=name runs the one test of that name, or all that match a pattern such as 'tree_*'.
   Colons divide several; one that begins with a minus leaves tests out. */
#ifndef SUPPORT_SUITE_H
#define SUPPORT_SUITE_H

#include <check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Tests that need the same. A member that is left out asks for nothing. */
typedef struct suite_part {
    const TTest *const *tests; /* up to a NULL: give them with TESTS */
    void (*set_up)(void);      /* before each test */
    void (*tear_down)(void);   /* after each, also if it has failed */
    int runs;                  /* of each test, with _i from 0 on; left out it is one */
    /* Each test is forked, and killed with all processes it has started when it is over, or after
       100 seconds: for one that starts programs, or that changes what the others share. The rest
       run in the process of the program, where debuggers, sanitizers and valgrind need nothing
       special; ctest has the timeout. CK_FORK=no forks for none. */
    bool own_process;
} suite_part;

/* The tests of a part. One that is not listed is an unused variable, which does not compile. */
#define TESTS(...)                                                                                 \
    .tests = (const TTest *const[])                                                                \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }

/* Runs all parts once in each mode from 0 on, in each those with processes of their own first.
   Returns the exit status of the program. */
int suite_run(const char *name, int modes, const suite_part *parts, size_t count);

/* The mode that the tests are running in; what it means is up to them. */
extern int suite_mode;

/* Define main, for tests that need nothing. */
#define SUITE(name, ...) SUITE_IN_MODES(name, 1, __VA_ARGS__)
#define SUITE_IN_MODES(name, modes, ...)                                                           \
    int main(void)                                                                                 \
    {                                                                                              \
        return suite_run(name, modes, &(const suite_part){TESTS(__VA_ARGS__)}, 1);                 \
    }

/* Milliseconds on the monotonic clock. */
int64_t suite_now_ms(void);

/* How far a wait may overshoot on a busy machine, in milliseconds. */
enum { SUITE_SLACK_MS = 1500 };

/* The seed of this run: it is printed when the suite starts, and GIBSON_TEST_SEED sets it. */
uint64_t suite_seed(void);

/* Another one, for a test that runs rounds. */
uint64_t suite_next_seed(uint64_t of);

/* A number from the environment. */
uint64_t suite_number(const char *name, uint64_t otherwise);

/* A pseudo-random number that follows from the seed. */
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
