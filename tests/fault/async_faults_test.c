/* The asynchronous client with peers that misbehave: time, loss, strays, forks and full memory. */
#include <gibson/async.h>

#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/async_fixture.h"
#include "support/failing_allocator.h"
#include "support/process.h"
#include "support/suite.h"

/* ---- Time ---- */

/* emcache 114: each request meets its own deadline. A late reply is nobody's. */
START_TEST(async_request_times_out_alone_and_its_late_reply_is_dropped)
{
    begin(PEER_UNIX, sample_serve_first_late, NULL);
    connect_handle();
    async_result early;
    async_result behind;
    ck_assert_status(async_submit(async, get(), 20, &early), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), 0, &behind), GIBSON_OK);
    async_until(async, early.calls);
    ck_assert_status(early.status, GIBSON_TIMEOUT);
    ck_assert_message_has(&early, "timeout of 20 ms passed while waiting for the reply to get");
    ck_assert_int_eq(behind.calls, 0);
    ck_assert_uint_eq(gibson_async_outstanding(async), 1);
    peer_tell(server);
    async_until(async, behind.calls);
    ck_assert(behind.status == GIBSON_OK && behind.matches);
    ck_assert_int_eq(early.calls, 1);
    end();
}
END_TEST

static void serve_nothing(peer_link *link)
{
    peer_read_to_end(link);
}

START_TEST(async_each_request_meets_its_own_deadline_in_a_black_hole)
{
    begin(PEER_UNIX, serve_nothing, NULL);
    connect_handle();
    enum { COUNT = 40 };
    async_result results[COUNT];
    const int64_t start_ms = suite_now_ms();
    for (int i = 0; i < COUNT; i++) { /* the later ones have less time */
        ck_assert_status(async_submit(async, get(), 200 - i * 4, &results[i]), GIBSON_OK);
    }
    for (int i = COUNT; i--;) {
        async_until(async, results[i].calls);
        const int64_t took_ms = suite_now_ms() - start_ms;
        ck_assert_status(results[i].status, GIBSON_TIMEOUT);
        ck_assert_int_ge(took_ms, 200 - i * 4);
        ck_assert_int_lt(took_ms, 200 - i * 4 + SUITE_SLACK_MS);
        ck_assert(!i || !results[i - 1].calls || took_ms >= 200 - (i - 1) * 4);
    }
    ck_assert(gibson_async_connected(async)); /* 5 s of silence are not over */
    end();
}
END_TEST

START_TEST(async_connection_that_stays_silent_is_given_up)
{
    begin(PEER_UNIX, serve_nothing, NULL);
    options.timeout_ms = 50;
    connect_handle();
    async_result results[2];
    ck_assert_status(async_submit(async, get(), 0, &results[0]), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), GIBSON_NO_DEADLINE, &results[1]), GIBSON_OK);
    async_until(async, told.lost);
    ck_assert_status(told.status, GIBSON_TIMEOUT);
    ck_assert_status(results[0].status, GIBSON_TIMEOUT);
    ck_assert(results[0].calls == 1 && results[1].calls == 1);
    ck_assert(!gibson_async_connected(async));
    end();
}
END_TEST

START_TEST(async_connecting_is_bounded_by_both_times)
{
    begin(PEER_UNIX, NULL, NULL); /* never accepts */
    options.connect_timeout_ms = 300;
    async_told fillers[2];
    gibson_async *filler[2]; /* the backlog */
    for (int i = 0; i < 2; i++) {
        filler[i] = async_new(server, &options, &fillers[i]);
        ck_assert_status(gibson_async_connect(filler[i]), GIBSON_OK);
        async_turn(filler[i], 0);
    }
    async = async_new(server, &options, &told);
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    async_result early;
    async_result late;
    ck_assert_status(async_submit(async, get(), 30, &early), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), 0, &late), GIBSON_OK);
    async_until(async, late.calls);
    ck_assert_status(early.status, GIBSON_TIMEOUT);
    ck_assert_message_has(&early, "connecting to");
    ck_assert_status(late.status, GIBSON_TIMEOUT);
    ck_assert_message_has(&late, "connect_timeout of 300 ms");
    ck_assert_int_eq(told.lost, 1);
    for (int i = 0; i < 2; i++) {
        gibson_async_free(filler[i]);
    }
    end();
}
END_TEST

/* ---- Loss ---- */

/* Answers so many requests of each connection, and closes it. */
static void serve_some(peer_link *link)
{
    peer_frame frame;
    for (int i = *(int *)link->context; i && peer_read_frame(link, &frame); i--) {
        sample_answer(link, &frame);
    }
}

START_TEST(async_requests_under_way_are_lost_with_the_connection_and_said_to_be)
{
    int some = 3;
    begin(PEER_UNIX, serve_some, &some);
    connect_handle();
    async_result results[5];
    for (int i = 0; i < 5; i++) {
        ck_assert_status(async_submit(async, get(), 0, &results[i]), GIBSON_OK);
    }
    async_until(async, results[4].calls);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(results[i].calls, 1);
        ck_assert_status(results[i].status, i < 3 ? GIBSON_OK : GIBSON_CLOSED);
    }
    ck_assert_int_eq(told.lost, 1);
    ck_assert_status(async_submit(async, get(), 0, &results[0]), GIBSON_CLOSED);
    end();
}
END_TEST

/* Answers the first request of each connection but the first, and closes it when told. */
static void serve_until_told(peer_link *link)
{
    peer_frame frame;
    if (link->index && peer_read_frame(link, &frame)) {
        sample_answer(link, &frame);
    }
    if (peer_read_frame(link, &frame) && peer_await(link)) {
        peer_close(link);
        peer_report(link);
    }
}

START_TEST(async_requests_of_which_nothing_was_sent_go_to_the_next_connection)
{
    begin(PEER_UNIX, serve_until_told, NULL);
    options.reconnect = true;
    connect_handle();
    for (int i = 0; i < 20; i++) {
        async_result sent;
        async_result unsent;
        ck_assert_status(async_submit(async, get(), 0, &sent), GIBSON_OK);
        async_turn(async, 0);
        peer_tell(server);
        peer_hear(server); /* the connection has ended */
        ck_assert_status(async_submit(async, get(), 0, &unsent), GIBSON_OK);
        async_until(async, sent.calls && unsent.calls);
        ck_assert_status(sent.status, GIBSON_CLOSED);
        ck_assert_msg(unsent.status == GIBSON_OK && unsent.matches, "%s", unsent.message);
    }
    ck_assert_int_eq(told.lost, 20);
    end();
}
END_TEST

START_TEST(async_restart_of_an_idle_server_is_not_noticed_by_a_caller)
{
    static const peer_kind kinds[] = {PEER_UNIX, PEER_TCP4};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        begin(kinds[k], sample_serve, NULL);
        options.reconnect = true;
        connect_handle();
        for (int i = 0; i < 20; i++) {
            ck_assert_status(async_call(async, get()).status, GIBSON_OK);
            peer_go_down(server);
            peer_come_up(server);
            usleep(2000);
        }
        end();
    }
}
END_TEST

START_TEST(async_unreachable_server_is_told_and_not_asked_at_once_again)
{
    begin(PEER_UNIX, sample_serve, NULL);
    options.reconnect = true;
    options.reconnect_delay_ms = 1000;
    async = async_new(server, &options, &told);
    peer_go_down(server);
    const async_result result = async_call(async, get());
    ck_assert_status(result.status, GIBSON_UNREACHABLE);
    async_result refused;
    ck_assert_status(async_submit(async, get(), 0, &refused), GIBSON_UNREACHABLE);
    ck_assert_message_has(gibson_async_error(async), "no attempt to connect for another");
    peer_come_up(server);
    async_connect(async, &told); /* that is up to the owner */
    ck_assert_status(async_call(async, get()).status, GIBSON_OK);
    end();
}
END_TEST

/* ---- Strays ---- */

static void serve_with_stray(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame) && sample_answer(link, &frame) && peer_await(link)) {
        peer_send(link, "\6\0\0\5\0\0\0stray", 12);
        peer_report(link);
    }
}

START_TEST(async_reply_nobody_asked_for_ends_the_connection)
{
    begin(PEER_UNIX, serve_with_stray, NULL);
    connect_handle();
    ck_assert_status(async_call(async, get()).status, GIBSON_OK);
    peer_tell(server);
    peer_hear(server);
    async_result result = {0};
    const gibson_status status = async_submit(async, get(), 0, &result);
    if (status == GIBSON_OK) { /* it had come within a millisecond */
        async_until(async, result.calls);
    }
    ck_assert(!result.calls || result.status == GIBSON_PROTOCOL);
    ck_assert_status(told.status, GIBSON_PROTOCOL);
    end();
}
END_TEST

/* A peer that answers each request with the reply to the one before: the question finds it out. */
static void serve_shifted(peer_link *link)
{
    peer_frame frame;
    gib_buffer before = bytes_new();
    reply_add_bytes(&before, "value", 5);
    while (peer_read_frame(link, &frame)) {
        peer_send(link, bytes_of(&before), gib_buffer_size(&before));
        gib_buffer_empty(&before);
        sample_reply(&before, frame.opcode, frame.payload, frame.size);
    }
    gib_buffer_clear(&before);
}

START_TEST(async_replies_that_are_shifted_are_noticed_within_127_batches)
{
    begin(PEER_UNIX, serve_shifted, NULL);
    connect_handle();
    int calls = 0;
    while (calls < 200 && gibson_async_connected(async)) {
        async_result result;
        ck_assert_status(async_submit(async, get(), 0, &result), GIBSON_OK);
        async_until(async, result.calls);
        calls++;
    }
    ck_assert_int_le(calls, 128);
    ck_assert_status(told.status, GIBSON_PROTOCOL);
    end();
}
END_TEST

static void submit_next(gibson_async *handle, const gibson_reply *reply, void *context)
{
    int *calls = context;
    if (reply->status == GIBSON_OK && ++*calls < 400) {
        ck_assert_status(gibson_async_submit(handle, get(), 0, submit_next, calls, NULL),
                         GIBSON_OK);
    }
}

/* The same where the last callback of each batch submits the next. */
START_TEST(async_replies_that_are_shifted_are_noticed_where_callbacks_submit)
{
    begin(PEER_UNIX, serve_shifted, NULL);
    connect_handle();
    int calls = 0;
    ck_assert_status(gibson_async_submit(async, get(), 0, submit_next, &calls, NULL), GIBSON_OK);
    async_until(async, calls == 400 || !gibson_async_connected(async));
    ck_assert_int_le(calls, 128);
    ck_assert_status(told.status, GIBSON_PROTOCOL);
    end();
}
END_TEST

/* ---- Times that not every server keeps ---- */

static atomic_size_t asked;

/* Answers STATS. */
static void tell_month(peer_link *link)
{
    atomic_fetch_add(&asked, 1);
    const uint8_t month[8] = {0x00, 0x8d, 0x27};
    gib_buffer reply = bytes_new();
    size_t at = reply_begin_items(&reply, 1);
    reply_add_item(&reply, link->context ? "max_item_ttl" : "total_items", GIB_ENCODING_NUMBER,
                   month, sizeof month);
    reply_end_items(&reply, at);
    peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
    gib_buffer_clear(&reply);
}

static void serve_month(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (frame.opcode == GIBSON_OP_STATS) {
            tell_month(link);
        } else {
            sample_answer(link, &frame);
        }
    }
}

START_TEST(async_long_time_is_checked_with_the_server_and_order_is_kept)
{
    begin(PEER_UNIX, serve_month, "month");
    options.max_reply_size = 20; /* which is for the caller's replies */
    connect_handle();
    atomic_store(&asked, 0);
    const gibson_request day =
        gibson_request_value(GIBSON_OP_SET, gibson_str("key"), gibson_str("value"), 86400);
    const gibson_request too_long =
        gibson_request_key_number(GIBSON_OP_TTL, gibson_str("key"), 2592001);
    const gibson_request bad = gibson_request_key(GIBSON_OP_GET, gibson_str("a b"));
    async_result results[5];
    async_result refused;
    ck_assert_status(async_submit(async, get(), 0, &results[0]), GIBSON_OK);
    ck_assert_status(async_submit(async, &day, 0, &results[1]), GIBSON_OK);
    ck_assert_status(async_submit(async, &too_long, 0, &results[2]), GIBSON_OK);
    ck_assert_status(async_submit(async, &bad, 0, &refused), GIBSON_INVALID);
    ck_assert_status(async_submit(async, get(), 0, &results[3]), GIBSON_OK);
    uint64_t id;
    ck_assert_status(gibson_async_submit(async, get(), 0, async_note, &refused, &id), GIBSON_OK);
    ck_assert(gibson_async_cancel(async, id));
    ck_assert_status(async_submit(async, get(), 0, &results[4]), GIBSON_OK);
    ck_assert_uint_eq(gibson_async_outstanding(async), 5);
    async_until(async, results[4].calls);
    for (int i = 0; i < 5; i++) {
        ck_assert_int_eq(results[i].calls, 1);
        ck_assert_status(results[i].status, i == 2 ? GIBSON_INVALID : GIBSON_OK);
    }
    ck_assert_message_has(&results[2], "max_item_ttl of the server (2592000)");
    ck_assert_int_eq(refused.calls, 0);
    ck_assert_uint_eq(atomic_load(&asked), 1);
    ck_assert_status(async_submit(async, &too_long, 0, &refused), GIBSON_INVALID);
    end();
}
END_TEST

enum { BEHIND_LONG = 18 };

/* The replies to all that was behind the question come in pieces, each of which is read alone. */
static void serve_month_in_pieces(peer_link *link)
{
    peer_frame frame;
    if (!peer_read_frame(link, &frame)) {
        return;
    }
    tell_month(link);
    gib_buffer replies = bytes_new();
    for (int i = 0; i < BEHIND_LONG && peer_read_frame(link, &frame); i++) {
        reply_add_bytes(&replies, "value", 5);
    }
    for (size_t at = 0; at < gib_buffer_size(&replies); at++) {
        peer_send(link, bytes_of(&replies) + at, 1);
        peer_wait_until_read(link);
    }
    gib_buffer_clear(&replies);
}

/* In debug builds the state is checked after every piece. */
START_TEST(async_long_times_and_what_is_behind_them_are_answered_in_pieces)
{
    begin(PEER_UNIX, serve_month_in_pieces, "month");
    connect_handle();
    const gibson_request day =
        gibson_request_value(GIBSON_OP_SET, gibson_str("key"), gibson_str("value"), 86400);
    async_result results[BEHIND_LONG];
    for (int i = 0; i < BEHIND_LONG; i++) {
        const bool is_long = i == 0 || i == 3;
        ck_assert_status(async_submit(async, is_long ? &day : get(), 0, &results[i]), GIBSON_OK);
    }
    async_until(async, results[BEHIND_LONG - 1].calls);
    for (int i = 0; i < BEHIND_LONG; i++) {
        ck_assert_int_eq(results[i].calls, 1);
        ck_assert_status(results[i].status, GIBSON_OK);
    }
    end();
}
END_TEST

START_TEST(async_long_time_is_refused_where_the_server_does_not_tell)
{
    begin(PEER_UNIX, serve_month, NULL);
    connect_handle();
    const gibson_request day = gibson_request_key_number(GIBSON_OP_TTL, gibson_str("key"), 86400);
    const async_result result = async_call(async, &day);
    ck_assert_status(result.status, GIBSON_INVALID);
    ck_assert_message_has(&result, "no max_item_ttl in STATS (32767)");
    end();
}
END_TEST

START_TEST(async_long_time_meets_its_deadline_and_the_end_of_the_connection)
{
    begin(PEER_UNIX, serve_nothing, NULL);
    options.timeout_ms = 100;
    connect_handle();
    const gibson_request day = gibson_request_key_number(GIBSON_OP_TTL, gibson_str("key"), 86400);
    async_result results[2];
    ck_assert_status(async_submit(async, &day, 20, &results[0]), GIBSON_OK);
    ck_assert_status(async_submit(async, &day, 0, &results[1]), GIBSON_OK);
    async_until(async, results[1].calls);
    ck_assert_status(results[0].status, GIBSON_TIMEOUT);
    ck_assert_message_has(&results[0], "timeout of 20 ms passed while sending");
    ck_assert_status(results[1].status, GIBSON_TIMEOUT);
    ck_assert_status(async_submit(async, &day, 0, &results[0]), GIBSON_OK);
    gibson_async_close(async);
    ck_assert_status(results[0].status, GIBSON_CLOSED);
    end();
}
END_TEST

/* Answers STATS, and all behind it, only when the test says so. */
static void serve_late(peer_link *link)
{
    if (peer_await(link)) {
        serve_month(link);
    }
}

START_TEST(async_long_time_leaves_the_times_of_others_alone)
{
    begin(PEER_UNIX, serve_late, &options);
    options.timeout_ms = 20;
    connect_handle();
    const gibson_request day = gibson_request_key_number(GIBSON_OP_TTL, gibson_str("key"), 86400);
    async_result results[4];
    ck_assert_status(async_submit(async, &day, 5000, &results[0]), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), 5000, &results[1]), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), GIBSON_NO_DEADLINE, &results[2]), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), 0, &results[3]), GIBSON_OK);
    async_until(async, results[3].calls);
    ck_assert_status(results[3].status, GIBSON_TIMEOUT);
    const int64_t until_ms = suite_now_ms() + 60; /* the silence lasts longer than options allow */
    while (suite_now_ms() < until_ms) {
        async_turn(async, 10);
    }
    ck_assert(gibson_async_connected(async));
    peer_tell(server);
    async_until(async, results[2].calls);
    for (int i = 0; i < 3; i++) {
        ck_assert_msg(results[i].status == GIBSON_OK, "%d: %s", i, results[i].message);
    }
    end();
}
END_TEST

START_TEST(async_timeout_can_be_changed)
{
    begin(PEER_UNIX, serve_nothing, NULL);
    options.timeout_ms = 20;
    connect_handle();
    ck_assert_status(gibson_async_set_timeout(async, -5), GIBSON_INVALID);
    ck_assert_status(gibson_async_set_timeout(NULL, 5), GIBSON_USAGE);
    async_result early;
    async_result late;
    ck_assert_status(async_submit(async, get(), 0, &early), GIBSON_OK);
    ck_assert_status(gibson_async_set_timeout(async, 100), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), 0, &late), GIBSON_OK);
    async_until(async, early.calls);
    ck_assert_message_has(&early, "timeout of 20 ms");
    async_until(async, late.calls);
    ck_assert_message_has(&late, "timeout of 100 ms");
    async_until(async, told.lost); /* so long is silence allowed */
    ck_assert_message_has(gibson_async_error(async), "timeout of 100 ms");
    end();
}
END_TEST

/* ---- Forks ---- */

START_TEST(async_child_of_a_fork_loses_its_requests_and_leaves_the_parents_alone)
{
    begin(PEER_UNIX, sample_serve_first_late, NULL);
    connect_handle();
    async_result results[2];
    ck_assert_status(async_submit(async, get(), 0, &results[0]), GIBSON_OK);
    async_turn(async, 0);
    ck_assert_status(async_submit(async, get(), 0, &results[1]), GIBSON_OK);
    const pid_t child = fork();
    if (!child) {
        (void)gibson_async_run(async, GIBSON_ASYNC_READ);
        const bool right = results[0].status == GIBSON_CLOSED && results[0].calls == 1 &&
                           results[1].calls == 1 && !gibson_async_connected(async) &&
                           strstr(results[0].message, "parent");
        gibson_async_free(async);
        _exit(right ? 0 : 1);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    peer_tell(server);
    async_until(async, results[1].calls);
    ck_assert_str_eq(results[0].value, "late");
    ck_assert(results[1].matches);
    end();
}
END_TEST

/* ---- Memory ---- */

/* Everything a handle allocates, with allocation n failing. Returns how many calls there were. */
static size_t use_with_failure(failing_allocator *counts, size_t n)
{
    async_told hears;
    failing_allocator_arm(counts, 0);
    gibson_async *handle = async_new(server, &options, &hears);
    failing_allocator_arm(counts, n);
    if (gibson_async_connect(handle) == GIBSON_OK) {
        async_until(handle, hears.connected || hears.lost);
    }
    enum { COUNT = 40 };
    const gibson_request day =
        gibson_request_value(GIBSON_OP_SET, gibson_str("key"), gibson_str("value"), 86400);
    async_result results[COUNT + 1] = {0};
    bool accepted[COUNT + 1];
    for (int i = 0; i <= COUNT; i++) {
        accepted[i] =
            async_submit(handle, i == COUNT / 2 ? &day : get(), 0, &results[i]) == GIBSON_OK;
    }
    async_until(handle, !gibson_async_outstanding(handle));
    for (int i = 0; i <= COUNT; i++) {
        ck_assert_int_eq(results[i].calls, accepted[i]);
        ck_assert(results[i].status != GIBSON_OK || results[i].matches || i == COUNT / 2 ||
                  !accepted[i]);
    }
    const size_t calls = counts->calls;
    gibson_async_free(handle);
    ck_assert_uint_eq(counts->live, 0);
    return calls;
}

START_TEST(async_every_allocation_may_fail)
{
    begin(PEER_UNIX, serve_month, "month");
    failing_allocator counts = {0};
    options.allocator = failing_allocator_functions(&counts);
    const size_t all = use_with_failure(&counts, 0);
    ck_assert_uint_gt(all, 3);
    for (size_t n = 1; n <= all; n++) {
        (void)use_with_failure(&counts, n);
    }
    counts.fail_at = 1;
    counts.calls = 0;
    gibson_error error;
    peer_point(server, &options);
    ck_assert_status(gibson_async_new(&async, &options, NULL, &error), GIBSON_NOMEM);
    ck_assert_ptr_null(async);
    end();
}
END_TEST

START_TEST(async_descriptors_are_all_closed)
{
    const size_t before = process_open_descriptors();
    begin(PEER_TCP4, sample_serve, NULL);
    options.host = "localhost";
    for (int i = 0; i < 10; i++) {
        async = async_new(server, &options, &told);
        ck_assert_status(gibson_async_connect(async), GIBSON_OK);
        for (int turn = 0; turn < i; turn++) { /* at each stage of connecting */
            async_turn(async, 10);
        }
        gibson_async_free(async);
    }
    peer_stop(server);
    ck_assert(process_await_descriptors(before));
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {TESTS(async_request_times_out_alone_and_its_late_reply_is_dropped,
               async_each_request_meets_its_own_deadline_in_a_black_hole,
               async_connection_that_stays_silent_is_given_up,
               async_connecting_is_bounded_by_both_times,
               async_requests_under_way_are_lost_with_the_connection_and_said_to_be,
               async_requests_of_which_nothing_was_sent_go_to_the_next_connection,
               async_restart_of_an_idle_server_is_not_noticed_by_a_caller,
               async_unreachable_server_is_told_and_not_asked_at_once_again,
               async_reply_nobody_asked_for_ends_the_connection,
               async_replies_that_are_shifted_are_noticed_within_127_batches,
               async_replies_that_are_shifted_are_noticed_where_callbacks_submit,
               async_long_time_is_checked_with_the_server_and_order_is_kept,
               async_long_times_and_what_is_behind_them_are_answered_in_pieces,
               async_long_time_is_refused_where_the_server_does_not_tell,
               async_long_time_meets_its_deadline_and_the_end_of_the_connection,
               async_long_time_leaves_the_times_of_others_alone, async_timeout_can_be_changed,
               async_child_of_a_fork_loses_its_requests_and_leaves_the_parents_alone,
               async_every_allocation_may_fail, async_descriptors_are_all_closed)},
    };
    return suite_run("async_faults", 1, parts, COUNT_OF(parts));
}
