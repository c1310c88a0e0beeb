/* The loops that there are adapters for, as tests see them: all the same. */
#ifndef SUPPORT_LOOPS_H
#define SUPPORT_LOOPS_H

#include <gibson/async.h>

typedef struct loop_kind {
    const char *name;
    void *(*make)(void);
    gibson_status (*attach)(gibson_async *async, void *loop);
    /* Waits for what is attached, but no longer than that, and runs it. */
    void (*turn)(void *loop, int most_ms);
    /* Called in the child of a fork, before any function of a handle. */
    void (*forked)(void *loop);
    /* Frees the loop, in which nothing may be attached. False if something was left in it. */
    bool (*destroy)(void *loop);
} loop_kind;

/* Those that this program was built with; the first is poll. */
extern const loop_kind loop_kinds[];
extern const int loop_kind_count;

/* Turns until the condition holds; fails the test after 20 seconds. */
#define loop_until(kind, loop, condition)                                                          \
    do {                                                                                           \
        const int64_t until_ = suite_now_ms() + 20000;                                             \
        while (!(condition)) {                                                                     \
            ck_assert_msg(suite_now_ms() < until_, "%s: never true: %s", (kind)->name,             \
                          #condition);                                                             \
            (kind)->turn((loop), 100);                                                             \
        }                                                                                          \
    } while (0)

#endif
