/* What only gibson/adapters/epoll.h has: a set that is the program's own, and system calls that
   fail. */
#include <errno.h>
#include <sys/wait.h>

#include <gibson/adapters/epoll.h>

#include "support/async_fixture.h"
#include "support/suite.h"

/* ---- What the adapter calls ---- */

static int controls_left = -1; /* before one fails; -1 for none */
static bool no_timers;
static size_t settings;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names that ld dictates */

int __real_epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event *event);
int __wrap_epoll_ctl(int epoll, int operation, int descriptor, struct epoll_event *event)
{
    if (operation != EPOLL_CTL_DEL && controls_left >= 0 && controls_left-- == 0) {
        errno = ENOMEM;
        return -1;
    }
    return __real_epoll_ctl(epoll, operation, descriptor, event);
}

int __real_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_create(int clock, int flags)
{
    if (no_timers) {
        errno = EMFILE;
        return -1;
    }
    return __real_timerfd_create(clock, flags);
}

int __real_timerfd_settime(int timer, int flags, const struct itimerspec *at,
                           struct itimerspec *before);
int __wrap_timerfd_settime(int timer, int flags, const struct itimerspec *at,
                           struct itimerspec *before);
int __wrap_timerfd_settime(int timer, int flags, const struct itimerspec *at,
                           struct itimerspec *before)
{
    settings++;
    return __real_timerfd_settime(timer, flags, at, before);
}

/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* ---- The loop ---- */

static int set;
static gibson_epoll watch;
static int own_events; /* that are not the adapter's */

static void start_with(peer_script *script)
{
    begin(PEER_UNIX, script, NULL);
    controls_left = -1;
    no_timers = false;
    settings = 0;
    own_events = 0;
    set = epoll_create1(EPOLL_CLOEXEC);
    ck_assert_int_ge(set, 0);
    async = async_new(server, &options, &told);
}

static void start(void)
{
    start_with(sample_serve);
}

static void stop(void)
{
    end();
    struct epoll_event event;
    ck_assert_int_eq(epoll_wait(set, &event, 1, 0), 0);
    close(set);
}

static void turn(void)
{
    struct epoll_event events[4];
    const int timeout_ms = gibson_epoll_timeout_ms(&watch);
    const int count = epoll_wait(set, events, 4, timeout_ms < 0 ? 1000 : timeout_ms);
    for (int i = 0; i < count; i++) {
        own_events += !gibson_epoll_dispatch(&watch, &events[i]);
    }
    gibson_epoll_finish(&watch);
}

#define turn_until(condition)                                                                      \
    do {                                                                                           \
        for (int turns_ = 0; !(condition); turns_++) {                                             \
            ck_assert_msg(turns_ < 10000, "never true: %s", #condition);                           \
            turn();                                                                                \
        }                                                                                          \
    } while (0)

static gibson_status call(void)
{
    async_result result;
    ck_assert_status(async_submit(async, get(), 0, &result), GIBSON_OK);
    turn_until(result.calls);
    return result.status;
}

START_TEST(epoll_leaves_other_events_of_the_set_to_the_program)
{
    start();
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = ends}};
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_ADD, ends[0], &event), 0);
    ck_assert_int_eq(write(ends[1], "!", 1), 1);
    ck_assert_status(gibson_epoll_attach(&watch, async, set), GIBSON_OK);
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    ck_assert_status(call(), GIBSON_OK);
    ck_assert_int_gt(own_events, 0);
    ck_assert_int_eq(epoll_ctl(set, EPOLL_CTL_DEL, ends[0], &event), 0);
    close(ends[0]);
    close(ends[1]);
    stop();
}
END_TEST

START_TEST(epoll_sets_the_timer_only_when_the_next_deadline_changes)
{
    start();
    ck_assert_status(gibson_epoll_attach(&watch, async, set), GIBSON_OK);
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    turn_until(told.connected);
    settings = 0;
    for (int i = 0; i < 1000; i++) {
        ck_assert_status(call(), GIBSON_OK);
    }
    ck_assert_uint_le(settings, 50); /* once in options.timeout_ms, and now and then */
    stop();
}
END_TEST

START_TEST(epoll_attach_without_a_timer_says_why_and_attaches_nothing)
{
    start();
    no_timers = true;
    errno = 0;
    ck_assert_status(gibson_epoll_attach(&watch, async, set), GIBSON_SYSTEM);
    ck_assert_int_eq(errno, EMFILE);
    no_timers = false;
    controls_left = 0;
    ck_assert_status(gibson_epoll_attach(&watch, async, set), GIBSON_SYSTEM);
    ck_assert_int_eq(errno, ENOMEM);
    ck_assert_status(gibson_epoll_attach(&watch, NULL, set), GIBSON_USAGE);
    const struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &watch}};
    ck_assert_int_eq(gibson_epoll_timeout_ms(&watch), -1);
    ck_assert(gibson_epoll_dispatch(&watch, &event));
    gibson_epoll_finish(&watch);
    gibson_epoll other;
    ck_assert_status(gibson_epoll_attach(&watch, async, set), GIBSON_OK);
    ck_assert_status(gibson_epoll_attach(&other, async, set), GIBSON_USAGE);
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    ck_assert_status(call(), GIBSON_OK);
    stop();
}
END_TEST

START_TEST(epoll_descriptor_that_cannot_be_watched_is_closed)
{
    start();
    ck_assert_status(gibson_epoll_attach(&watch, async, set), GIBSON_OK);
    controls_left = _i;
    async_result result;
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), 0, &result), GIBSON_OK);
    turn_until(result.calls);
    ck_assert_status(result.status, controls_left < 0 ? GIBSON_CLOSED : GIBSON_OK);
    ck_assert_int_eq(_i == 0, result.status == GIBSON_CLOSED);
    controls_left = -1;
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    turn_until(gibson_async_connected(async));
    ck_assert_status(call(), GIBSON_OK);
    stop();
}
END_TEST

START_TEST(epoll_child_that_finds_no_timer_is_told)
{
    start();
    ck_assert_status(gibson_epoll_attach(&watch, async, set), GIBSON_OK);
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    ck_assert_status(call(), GIBSON_OK);
    no_timers = true; /* as in the child, but for what it shares */
    ck_assert_status(gibson_epoll_forked(&watch, set), GIBSON_SYSTEM);
    turn_until(!gibson_async_connected(async));
    gibson_async_detach(async);
    ck_assert_status(gibson_epoll_forked(&watch, set), GIBSON_OK); /* nothing is attached */
    stop();
}
END_TEST

static void be_silent(peer_link *link)
{
    peer_read_to_end(link);
}

START_TEST(epoll_child_of_a_fork_fails_what_is_under_way_in_its_next_turn)
{
    start_with(be_silent);
    ck_assert_status(gibson_epoll_attach(&watch, async, set), GIBSON_OK);
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    turn_until(told.connected);
    async_result result;
    ck_assert_status(async_submit(async, get(), GIBSON_NO_DEADLINE, &result), GIBSON_OK);
    turn();
    const pid_t child = fork();
    if (!child) {
        set = epoll_create1(EPOLL_CLOEXEC);
        const gibson_status status = gibson_epoll_forked(&watch, set);
        turn();
        _exit(status == GIBSON_OK && result.calls == 1 && result.status == GIBSON_CLOSED ? 0 : 1);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    ck_assert_int_eq(result.calls, 0);
    stop();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {TESTS(epoll_leaves_other_events_of_the_set_to_the_program,
               epoll_sets_the_timer_only_when_the_next_deadline_changes,
               epoll_attach_without_a_timer_says_why_and_attaches_nothing,
               epoll_child_that_finds_no_timer_is_told,
               epoll_child_of_a_fork_fails_what_is_under_way_in_its_next_turn)},
        {.runs = 3, TESTS(epoll_descriptor_that_cannot_be_watched_is_closed)},
    };
    return suite_run("adapter_epoll", 1, parts, COUNT_OF(parts));
}
