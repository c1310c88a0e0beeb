/* The adapters of gibson/adapters/: the same for each of them. */
#include <gibson/async.h>

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/async_loop.h"
#include "support/loops.h"
#include "support/samples.h"
#include "support/suite.h"

static const loop_kind *kind;
static void *loop;
static peer *server;
static gibson_options options;
static async_told told;
static gibson_async *async;

/* ---- What the library calls ---- */

static _Thread_local size_t sends; /* of this thread */
static size_t closed_while_watched;

/* Tells whether an epoll of this process watches a descriptor. */
static bool is_watched(int descriptor)
{
    bool found = false;
    DIR *infos = opendir("/proc/self/fdinfo");
    ck_assert_ptr_nonnull(infos);
    for (struct dirent *entry = readdir(infos); entry && !found; entry = readdir(infos)) {
        char path[300];
        char line[200];
        snprintf(path, sizeof path, "/proc/self/fdinfo/%s", entry->d_name);
        FILE *info = fopen(path, "r");
        while (info && fgets(line, sizeof line, info)) {
            found |= !strncmp(line, "tfd:", 4) && strtol(line + 4, NULL, 10) == descriptor;
        }
        if (info) {
            fclose(info);
        }
    }
    closedir(infos);
    return found;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names that ld dictates */

ssize_t __real_send(int descriptor, const void *data, size_t size, int flags);
ssize_t __wrap_send(int descriptor, const void *data, size_t size, int flags);
ssize_t __wrap_send(int descriptor, const void *data, size_t size, int flags)
{
    sends++;
    return __real_send(descriptor, data, size, flags);
}

static _Thread_local bool is_loops; /* this thread is the one of the loop */

int __real_close(int descriptor);
int __wrap_close(int descriptor);
int __wrap_close(int descriptor)
{
    static _Thread_local bool within;
    if (is_loops && !within && async) { /* the scan closes what it opens */
        within = true;
        closed_while_watched += is_watched(descriptor);
        within = false;
    }
    return __real_close(descriptor);
}

static _Thread_local int callocs_left = -1; /* before one fails; -1 for none */

void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    if (callocs_left >= 0 && callocs_left-- == 0) {
        return NULL;
    }
    return __real_calloc(count, size);
}

/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* ---- The scene ---- */

static void set_up(void)
{
    gibson_options_init(&options);
    options.timeout_ms = 5000;
    closed_while_watched = 0;
}

static void begin(int which, peer_script *script)
{
    kind = &loop_kinds[which];
    loop = kind->make();
    is_loops = true;
    server = peer_start(PEER_UNIX, script, NULL);
}

static void make_handle(void)
{
    async = async_new(server, &options, &told);
    ck_assert_status(kind->attach(async, loop), GIBSON_OK);
}

static void connect_handle(void)
{
    make_handle();
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    loop_until(kind, loop, told.connected);
}

static void end(void)
{
    gibson_async_free(async);
    async = NULL;
    ck_assert_uint_eq(closed_while_watched, 0);
    ck_assert(kind->destroy(loop));
    peer_stop(server);
}

static const gibson_request *get(void)
{
    return &sample_of(GIBSON_OP_GET)->request;
}

static gibson_status call(const gibson_request *request)
{
    async_result result;
    ck_assert_status(async_submit(async, request, 0, &result), GIBSON_OK);
    loop_until(kind, loop, result.calls);
    return result.status;
}

/* ---- Running ---- */

START_TEST(adapter_runs_all_commands_and_the_hooks_are_the_owners)
{
    begin(_i, sample_serve);
    connect_handle();
    for (int round = 0; round < 3; round++) {
        async_result results[SAMPLE_COUNT];
        for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) {
            ck_assert_status(async_submit(async, &samples[i].request, 0, &results[i]), GIBSON_OK);
        }
        loop_until(kind, loop, !gibson_async_outstanding(async));
        for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) {
            ck_assert(results[i].calls == 1 && results[i].matches);
        }
    }
    ck_assert_int_eq(told.connected, 1);
    ck_assert_int_gt(told.changed, 0);
    gibson_async_drain(async);
    ck_assert_status(told.status, GIBSON_END);
    end();
}
END_TEST

START_TEST(adapter_sends_the_requests_of_a_turn_at_once)
{
    begin(_i, sample_serve);
    connect_handle();
    for (int round = 0; round < 5; round++) {
        async_result results[50];
        const size_t before = sends;
        for (size_t i = 0; i < COUNT_OF(results); i++) {
            ck_assert_status(async_submit(async, get(), 0, &results[i]), GIBSON_OK);
        }
        ck_assert_uint_eq(sends, before);
        loop_until(kind, loop, !gibson_async_outstanding(async));
        ck_assert_uint_eq(sends, before + 1);
    }
    end();
}
END_TEST

/* Turns for so long, and returns how often. */
static int turns_within(int ms)
{
    const int64_t until = suite_now_ms() + ms;
    int turns = 0;
    for (int64_t left = ms; left > 0; left = until - suite_now_ms()) {
        kind->turn(loop, (int)left);
        turns++;
    }
    return turns;
}

START_TEST(adapter_that_is_idle_lets_the_loop_wait)
{
    begin(_i, sample_serve);
    connect_handle();
    ck_assert_status(call(get()), GIBSON_OK);
    ck_assert_int_le(turns_within(100), 5);
    async_result result;
    ck_assert_status(async_submit(async, get(), 60, &result), GIBSON_OK);
    loop_until(kind, loop, result.calls);
    ck_assert_int_le(turns_within(100), 6); /* one of them for the deadline that has passed by */
    gibson_async_close(async);
    ck_assert_int_le(turns_within(50), 3);
    end();
}
END_TEST

static void be_silent(peer_link *link)
{
    peer_read_to_end(link);
}

START_TEST(adapter_keeps_the_time_of_each_request)
{
    begin(_i, be_silent);
    connect_handle();
    static const int64_t times_ms[] = {120, 30, 60};
    async_result results[COUNT_OF(times_ms)];
    const int64_t begin_ms = suite_now_ms();
    for (size_t i = 0; i < COUNT_OF(times_ms); i++) {
        ck_assert_status(async_submit(async, get(), times_ms[i], &results[i]), GIBSON_OK);
    }
    int turns = 0;
    while (gibson_async_outstanding(async)) {
        kind->turn(loop, 1000);
        turns++;
    }
    const int64_t took_ms = suite_now_ms() - begin_ms;
    ck_assert_msg(took_ms >= 119 && took_ms < 120 + SUITE_SLACK_MS, "%" PRId64 " ms", took_ms);
    ck_assert_int_le(turns, 20);
    for (size_t i = 0; i < COUNT_OF(times_ms); i++) {
        ck_assert_status(results[i].status, GIBSON_TIMEOUT);
    }
    end();
}
END_TEST

/* ---- Connections that come and go ---- */

START_TEST(adapter_follows_from_one_connection_to_the_next)
{
    begin(_i, sample_serve);
    options.reconnect = true;
    options.reconnect_delay_ms = 1;
    connect_handle();
    for (int i = 0; i < 20; i++) {
        ck_assert_status(call(get()), GIBSON_OK);
        peer_go_down(server);
        peer_come_up(server);
        loop_until(kind, loop, !gibson_async_connected(async));
    }
    ck_assert_int_eq(told.lost, 20);
    end();
}
END_TEST

/* A descriptor of the same number, which can be read all the time, is nobody's concern. */
START_TEST(adapter_watches_no_descriptor_that_was_closed)
{
    begin(_i, sample_serve);
    connect_handle();
    ck_assert_status(call(get()), GIBSON_OK);
    const int descriptor = gibson_async_wants(async).descriptor;
    gibson_async_close(async);
    int ends[2];
    ck_assert_int_eq(pipe(ends), 0);
    const int again = fcntl(ends[0], F_DUPFD, descriptor); /* or the next that is free */
    ck_assert_int_ge(again, descriptor);
    ck_assert_int_eq((int)write(ends[1], "x", 1), 1);
    ck_assert_int_le(turns_within(50), 3);
    close(again);
    close(ends[0]);
    close(ends[1]);
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    loop_until(kind, loop, gibson_async_connected(async));
    ck_assert_status(call(get()), GIBSON_OK);
    end();
}
END_TEST

START_TEST(adapter_of_a_server_that_is_down_tells_so)
{
    begin(_i, sample_serve);
    peer_go_down(server);
    make_handle();
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    loop_until(kind, loop, told.lost);
    ck_assert_status(told.status, GIBSON_UNREACHABLE);
    end();
}
END_TEST

/* ---- Attaching and detaching ---- */

START_TEST(adapter_attaches_a_handle_once)
{
    begin(_i, sample_serve);
    make_handle();
    ck_assert_status(kind->attach(async, loop), GIBSON_USAGE);
    ck_assert_status(kind->attach(NULL, loop), GIBSON_USAGE);
    gibson_async_detach(async);
    gibson_async_detach(async);
    gibson_async_detach(NULL);
    ck_assert_status(kind->attach(async, loop), GIBSON_OK);
    end();
}
END_TEST

START_TEST(adapter_detached_under_way_leaves_the_requests_to_the_next)
{
    begin(_i, sample_serve);
    connect_handle();
    async_result results[3];
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        ck_assert_status(async_submit(async, get(), 0, &results[i]), GIBSON_OK);
    }
    gibson_async_detach(async);
    ck_assert_int_le(turns_within(20), 3);
    ck_assert_uint_eq(gibson_async_outstanding(async), 3);
    void *first = loop;
    for (int other = 0; other < loop_kind_count; other++) { /* the next may be of any kind */
        const loop_kind *next = &loop_kinds[other];
        void *second = next->make();
        ck_assert_status(next->attach(async, second), GIBSON_OK);
        loop_until(next, second, !gibson_async_outstanding(async));
        ck_assert_status(async_submit(async, get(), 0, &results[0]), GIBSON_OK);
        gibson_async_detach(async);
        ck_assert(next->destroy(second));
    }
    ck_assert_status(kind->attach(async, first), GIBSON_OK);
    loop_until(kind, loop, !gibson_async_outstanding(async));
    for (size_t i = 0; i < COUNT_OF(results); i++) {
        ck_assert(results[i].calls == 1 && results[i].matches);
    }
    end();
}
END_TEST

/* hiredis 1223, libvalkey 71: attaching failed, and that crashed or leaked. */
START_TEST(adapter_without_memory_fails_or_closes_the_connection)
{
    begin(_i, sample_serve);
    for (int at = 0; at < 3; at++) {
        async = async_new(server, &options, &told);
        callocs_left = at;
        const gibson_status attached = kind->attach(async, loop);
        async_result result = {0};
        if (attached == GIBSON_OK) {
            ck_assert_status(gibson_async_connect(async), GIBSON_OK);
            ck_assert_status(async_submit(async, get(), 0, &result), GIBSON_OK);
            loop_until(kind, loop, result.calls);
            ck_assert(result.status == GIBSON_OK || result.status == GIBSON_CLOSED);
        } else {
            ck_assert_status(attached, GIBSON_NOMEM);
        }
        callocs_left = -1;
        gibson_async_free(async);
    }
    async = NULL;
    end();
}
END_TEST

static void detach_it(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)reply;
    ++*(int *)context;
    gibson_async_detach(handle);
}

START_TEST(adapter_detached_in_a_callback_stops)
{
    begin(_i, sample_serve);
    connect_handle();
    int calls = 0;
    ck_assert_status(gibson_async_submit(async, get(), 0, detach_it, &calls, NULL), GIBSON_OK);
    loop_until(kind, loop, calls);
    ck_assert_int_le(turns_within(20), 3);
    ck_assert_status(kind->attach(async, loop), GIBSON_OK);
    ck_assert_status(call(get()), GIBSON_OK);
    end();
}
END_TEST

/* Answers when the test says so. */
static void serve_when_told(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame) && peer_await(link) && sample_answer(link, &frame)) {
    }
}

START_TEST(adapter_in_the_child_of_a_fork_leaves_the_parent_alone)
{
    begin(_i, serve_when_told);
    connect_handle();
    async_result result;
    ck_assert_status(async_submit(async, get(), 0, &result), GIBSON_OK);
    kind->turn(loop, 0);
    const pid_t child = fork();
    if (!child) {
        kind->forked(loop);
        gibson_async_close(async);
        const bool right = result.calls == 1 && result.status == GIBSON_CLOSED;
        gibson_async_free(async);
        _exit(right ? 0 : 1);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    peer_tell(server);
    loop_until(kind, loop, result.calls);
    ck_assert(result.matches);
    end();
}
END_TEST

/* ---- Freeing ---- */

static int frees;

static void free_in_callback(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)reply;
    (void)context;
    frees++;
    gibson_async_free(handle);
}

static void free_in_hook(gibson_async *handle, gibson_status status, void *context)
{
    (void)status;
    (void)context;
    frees++;
    gibson_async_free(handle);
}

static void free_in_room(gibson_async *handle, void *context)
{
    (void)context;
    frees++;
    gibson_async_free(handle);
}

static gibson_async *new_with(const gibson_async_hooks *hooks)
{
    gibson_async *made;
    peer_point(server, &options);
    ck_assert_status(gibson_async_new(&made, &options, hooks, NULL), GIBSON_OK);
    ck_assert_status(kind->attach(made, loop), GIBSON_OK);
    ck_assert_status(gibson_async_connect(made), GIBSON_OK);
    return made;
}

static void await_free(int expected)
{
    loop_until(kind, loop, frees == expected);
    ck_assert_int_le(turns_within(10), 3);
    ck_assert_int_eq(frees, expected);
}

START_TEST(adapter_survives_a_handle_that_is_freed_in_each_callback)
{
    begin(_i, sample_serve);
    frees = 0;
    gibson_async_hooks hooks;
    gibson_async_hooks_init(&hooks);
    gibson_async *made = new_with(&hooks);
    ck_assert_status(gibson_async_submit(made, get(), 0, free_in_callback, NULL, NULL), GIBSON_OK);
    await_free(1);
    made = new_with(&hooks); /* while it connects, by the timer */
    ck_assert_status(gibson_async_submit(made, get(), 1, free_in_callback, NULL, NULL), GIBSON_OK);
    await_free(2);
    hooks.connection = free_in_hook; /* which begins with a connection */
    new_with(&hooks);
    await_free(3);
    peer_go_down(server); /* or with none */
    new_with(&hooks);
    await_free(4);
    peer_come_up(server);
    hooks.connection = NULL;
    hooks.room = free_in_room;
    options.pipeline_window = 1;
    made = new_with(&hooks);
    ck_assert_status(gibson_async_submit(made, get(), 0, NULL, NULL, NULL), GIBSON_OK);
    ck_assert_status(gibson_async_submit(made, get(), 0, NULL, NULL, NULL), GIBSON_WOULD_BLOCK);
    await_free(5);
    end();
}
END_TEST

START_TEST(adapter_of_a_handle_that_is_freed_at_each_turn_leaves_nothing)
{
    begin(_i, sample_serve);
    for (int i = 0; i < 12; i++) {
        async_result result;
        make_handle();
        ck_assert_status(gibson_async_connect(async), GIBSON_OK);
        ck_assert_status(async_submit(async, get(), 0, &result), GIBSON_OK);
        for (int turn = 0; turn < i / 2; turn++) {
            kind->turn(loop, 5);
        }
        gibson_async_free(async);
        async = NULL;
        ck_assert_int_eq(result.calls, 1);
    }
    end();
}
END_TEST

/* ---- Several ---- */

START_TEST(adapter_runs_several_handles_in_one_loop)
{
    begin(_i, sample_serve);
    enum { HANDLES = 3 };
    gibson_async *handles[HANDLES];
    async_told tolds[HANDLES];
    async_result results[HANDLES];
    for (size_t i = 0; i < HANDLES; i++) {
        handles[i] = async_new(server, &options, &tolds[i]);
        ck_assert_status(kind->attach(handles[i], loop), GIBSON_OK);
        ck_assert_status(gibson_async_connect(handles[i]), GIBSON_OK);
        ck_assert_status(async_submit(handles[i], get(), 0, &results[i]), GIBSON_OK);
    }
    for (size_t i = 0; i < HANDLES; i++) {
        loop_until(kind, loop, results[i].calls);
        ck_assert(results[i].matches);
        gibson_async_free(handles[i]);
    }
    end();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .runs = loop_kind_count,
         TESTS(adapter_runs_all_commands_and_the_hooks_are_the_owners,
               adapter_sends_the_requests_of_a_turn_at_once,
               adapter_that_is_idle_lets_the_loop_wait, adapter_keeps_the_time_of_each_request,
               adapter_follows_from_one_connection_to_the_next,
               adapter_watches_no_descriptor_that_was_closed,
               adapter_of_a_server_that_is_down_tells_so, adapter_attaches_a_handle_once,
               adapter_detached_under_way_leaves_the_requests_to_the_next,
               adapter_without_memory_fails_or_closes_the_connection,
               adapter_detached_in_a_callback_stops,
               adapter_in_the_child_of_a_fork_leaves_the_parent_alone,
               adapter_survives_a_handle_that_is_freed_in_each_callback,
               adapter_of_a_handle_that_is_freed_at_each_turn_leaves_nothing,
               adapter_runs_several_handles_in_one_loop)},
    };
    return suite_run("adapters", 1, parts, COUNT_OF(parts));
}
