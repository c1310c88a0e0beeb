/* What has been reported of other asynchronous clients, and of this one before its release. */
#include <gibson/async.h>

#include <stdio.h>
#include <string.h>

#include "support/async_fixture.h"
#include "support/process.h"
#include "support/suite.h"

/* Answers GET with its key, one byte at a time as the test tells; later requests at once. */
static void serve_slowly(peer_link *link)
{
    peer_frame frame;
    for (int count = 0; peer_read_frame(link, &frame); count++) {
        gib_buffer reply = bytes_new();
        if (sample_is_probe(frame.opcode, frame.payload, frame.size)) {
            sample_answer(link, &frame);
        } else {
            reply_add_bytes(&reply, frame.payload, frame.size);
        }
        for (size_t i = 0; i < gib_buffer_size(&reply); i++) {
            if (count == 0 && !peer_await(link)) {
                break;
            }
            peer_send(link, bytes_of(&reply) + i, 1);
            if (count == 0) {
                peer_report(link);
            }
        }
        gib_buffer_clear(&reply);
    }
}

static void get_own_value(int number)
{
    char key[16];
    snprintf(key, sizeof key, "key-%d", number);
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str(key));
    const async_result result = async_call(async, &request);
    ck_assert_status(result.status, GIBSON_OK);
    ck_assert_str_eq(result.value, key);
}

/* redis-py 2624, 2632 and 2665: the reply of a request that was given up went to the next. */
START_TEST(async_request_cancelled_at_each_byte_of_its_reply_keeps_it_from_others)
{
    enum { REPLY_SIZE = 7 + 5 };
    static const gibson_request first = {.opcode = GIBSON_OP_GET,
                                         .key = {.data = "first", .size = 5}};
    for (int at = 0; at < REPLY_SIZE; at++) {
        begin(PEER_UNIX, serve_slowly, NULL);
        connect_handle();
        async_result result = {0};
        uint64_t id;
        ck_assert_status(gibson_async_submit(async, &first, 0, async_note, &result, &id),
                         GIBSON_OK);
        for (int i = 0; i <= REPLY_SIZE; i++) {
            async_turn(async, 0);
            if (i == at) {
                ck_assert(gibson_async_cancel(async, id));
            }
            if (i < REPLY_SIZE) {
                peer_tell(server);
                peer_hear(server);
            }
        }
        for (int i = 0; i < 100; i++) {
            get_own_value(i);
        }
        ck_assert_int_eq(result.calls, 0);
        ck_assert_int_eq(told.lost, 0);
        end();
    }
}
END_TEST

static void serve_nothing_at_first(peer_link *link)
{
    if (link->index) {
        sample_serve(link);
    } else {
        peer_read_to_end(link);
    }
}

/* valkey-glide 5487: the count of what is in flight stayed at its limit. */
START_TEST(async_window_is_whole_after_timeouts_cancellations_and_losses)
{
    enum { WINDOW = 16 };
    begin(PEER_UNIX, serve_nothing_at_first, NULL);
    options.pipeline_window = WINDOW;
    options.reconnect = true;
    options.timeout_ms = 30;
    connect_handle();
    uint64_t ids[WINDOW];
    for (int i = 0; i < WINDOW; i++) {
        ck_assert_status(gibson_async_submit(async, get(), 0, NULL, NULL, &ids[i]), GIBSON_OK);
        async_turn(async, 0);
    }
    ck_assert_status(gibson_async_submit(async, get(), 0, NULL, NULL, NULL), GIBSON_WOULD_BLOCK);
    for (int i = 0; i < WINDOW; i += 2) {
        (void)gibson_async_cancel(async, ids[i]);
    }
    async_until(async, told.lost); /* as nothing comes */
    async_until(async, told.room);
    ck_assert_uint_eq(gibson_async_outstanding(async), 0);
    async_result results[WINDOW];
    for (int i = 0; i < WINDOW; i++) {
        ck_assert_status(async_submit(async, get(), 5000, &results[i]), GIBSON_OK);
    }
    async_until(async, !gibson_async_outstanding(async));
    for (int i = 0; i < WINDOW; i++) {
        ck_assert(results[i].matches);
    }
    end();
}
END_TEST

/* valkey-glide 7122: a loop that had stopped stalled the others, and its connections leaked. */
START_TEST(async_loop_that_has_stopped_stalls_no_other)
{
    const size_t before = process_open_descriptors();
    begin(PEER_UNIX, sample_serve, NULL);
    async_told stopped_told;
    gibson_async *stopped = async_new(server, &options, &stopped_told);
    async_connect(stopped, &stopped_told);
    async_result never;
    ck_assert_status(async_submit(stopped, get(), 0, &never), GIBSON_OK); /* and is not run again */
    connect_handle();
    for (int i = 0; i < 100; i++) {
        ck_assert_status(async_call(async, get()).status, GIBSON_OK);
    }
    ck_assert_int_eq(never.calls, 0);
    gibson_async_free(stopped);
    ck_assert_int_eq(never.calls, 1);
    end();
    ck_assert(process_await_descriptors(before));
}
END_TEST

/* hiredis 1164, hiredis-cluster 142: connecting to a node that does not answer froze the loop. */
START_TEST(async_connecting_to_a_black_hole_does_not_stop_the_loop)
{
    enum { HANDLES = 24, CONNECT_MS = 400 };
    gibson_async *handles[HANDLES];
    async_told tolds[HANDLES];
    begin(PEER_UNIX, NULL, NULL); /* whose backlog is soon full */
    options.connect_timeout_ms = CONNECT_MS;
    int64_t longest_ms = 0;
    int pending = 0;
    for (int i = 0; i < HANDLES; i++) {
        handles[i] = async_new(server, &options, &tolds[i]);
        ck_assert_status(gibson_async_connect(handles[i]), GIBSON_OK);
    }
    for (const int64_t until = suite_now_ms() + CONNECT_MS / 2; suite_now_ms() < until;) {
        pending = 0;
        for (int i = 0; i < HANDLES; i++) {
            const int64_t began = suite_now_ms();
            (void)gibson_async_run(handles[i], GIBSON_ASYNC_READ | GIBSON_ASYNC_WRITE);
            const int64_t took = suite_now_ms() - began;
            longest_ms = took > longest_ms ? took : longest_ms;
            pending += !tolds[i].connected && !tolds[i].lost;
        }
    }
    printf("longest turn while %d handles connect: %d ms\n", pending, (int)longest_ms);
    ck_assert_int_gt(pending, 0);
    ck_assert_int_lt(longest_ms, CONNECT_MS / 4); /* a busy machine has its gaps, too */
    for (int i = 0; i < HANDLES; i++) {
        gibson_async_free(handles[i]);
    }
    peer_stop(server);
}
END_TEST

/* ---- This client, before its release ---- */

static void drain_it(gibson_async *handle, void *context)
{
    (void)context;
    gibson_async_drain(handle);
}

static gibson_status last_told;

static void note_connection(gibson_async *handle, gibson_status status, void *context)
{
    (void)handle;
    (void)context;
    last_told = status;
}

START_TEST(async_handle_drained_in_the_hook_room_is_done_at_once)
{
    begin(PEER_UNIX, sample_serve, NULL);
    options.pipeline_window = 1;
    peer_point(server, &options);
    gibson_async_hooks hooks;
    gibson_async_hooks_init(&hooks);
    hooks.room = drain_it;
    hooks.connection = note_connection;
    ck_assert_status(gibson_async_new(&async, &options, &hooks, NULL), GIBSON_OK);
    ck_assert_status(gibson_async_connect(async), GIBSON_OK);
    ck_assert_status(gibson_async_submit(async, get(), 0, NULL, NULL, NULL), GIBSON_OK);
    ck_assert_status(gibson_async_submit(async, get(), 0, NULL, NULL, NULL), GIBSON_WOULD_BLOCK);
    async_until(async, !gibson_async_outstanding(async));
    ck_assert_status(last_told, GIBSON_END);
    end();
}
END_TEST

static int more_accepted;
static int more_calls;

static void count(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)handle;
    (void)reply;
    (void)context;
    more_calls++;
}

/* What the hook does while a submit finds that the connection has ended. */
static void fill_or_free(gibson_async *handle, gibson_status status, void *context)
{
    if (status == GIBSON_OK) {
        return;
    }
    while (gibson_async_submit(handle, get(), 0, count, NULL, NULL) == GIBSON_OK) {
        more_accepted++;
    }
    if (*(bool *)context) {
        gibson_async_free(handle);
    }
}

static void serve_one(peer_link *link)
{
    peer_frame frame;
    if (link->index) {
        sample_serve(link);
    } else if (peer_read_frame(link, &frame)) {
        sample_answer(link, &frame);
        if (peer_await(link)) {
            peer_close(link);
            peer_report(link);
        }
    }
}

START_TEST(async_hook_of_a_submit_may_fill_the_window_or_free_the_handle)
{
    for (int frees = 0; frees < 2; frees++) {
        bool context = frees;
        more_accepted = more_calls = 0;
        begin(PEER_UNIX, serve_one, NULL);
        options.pipeline_window = 16; /* which is what the list has room for, too */
        options.reconnect = true;
        peer_point(server, &options);
        gibson_async_hooks hooks;
        gibson_async_hooks_init(&hooks);
        hooks.connection = fill_or_free;
        hooks.context = &context;
        ck_assert_status(gibson_async_new(&async, &options, &hooks, NULL), GIBSON_OK);
        ck_assert_status(gibson_async_connect(async), GIBSON_OK);
        ck_assert_status(async_call(async, get()).status, GIBSON_OK);
        peer_tell(server);
        peer_hear(server);
        const int64_t pause = suite_now_ms() + 3;
        while (suite_now_ms() < pause) { /* after which the connection is looked at */
        }
        const gibson_status status = gibson_async_submit(async, get(), 0, count, NULL, NULL);
        ck_assert_int_eq(more_accepted, 16);
        ck_assert_status(status, frees ? GIBSON_CLOSED : GIBSON_WOULD_BLOCK);
        if (!frees) {
            async_until(async, !gibson_async_outstanding(async));
            gibson_async_free(async);
        }
        ck_assert_int_eq(more_calls, more_accepted);
        peer_stop(server);
    }
}
END_TEST

static void take_nothing(gibson_async *handle, const gibson_reply *reply, void *context)
{
    gibson_owned_reply *owned;
    ck_assert_status(reply->status, GIBSON_CLOSED);
    ck_assert_status(gibson_async_take_reply(handle, &owned), GIBSON_USAGE);
    ++*(int *)context;
}

static void close_handle(gibson_async *handle, const gibson_reply *reply, void *context)
{
    gibson_owned_reply *owned;
    gibson_async_close(handle);
    ck_assert_mem_eq(reply->value.bytes.data, "value", 5);
    ck_assert_status(gibson_async_take_reply(handle, &owned), GIBSON_OK);
    gibson_owned_reply_free(owned);
    ++*(int *)context;
}

START_TEST(async_request_that_was_lost_has_no_reply_to_take)
{
    begin(PEER_UNIX, sample_serve, NULL);
    connect_handle();
    int calls = 0;
    ck_assert_status(gibson_async_submit(async, get(), 0, close_handle, &calls, NULL), GIBSON_OK);
    ck_assert_status(gibson_async_submit(async, get(), 0, take_nothing, &calls, NULL), GIBSON_OK);
    async_until(async, calls == 2);
    end();
}
END_TEST

/* Two replies and a third that nobody asked for, together. */
static void serve_one_too_many(peer_link *link)
{
    peer_frame frame;
    gib_buffer replies = bytes_new();
    bool fine = peer_read_frame(link, &frame);
    fine = fine && peer_read_frame(link, &frame);
    if (fine) {
        reply_add_bytes(&replies, "value", 5);
        reply_add_bytes(&replies, "value", 5);
        reply_add_bytes(&replies, "stray", 5);
        peer_send(link, bytes_of(&replies), gib_buffer_size(&replies));
        peer_read_to_end(link);
    }
    gib_buffer_clear(&replies);
}

static uint64_t id_of_third;

static void submit_third(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)reply;
    (void)context;
    ck_assert_status(gibson_async_submit(handle, get(), 0, count, NULL, &id_of_third), GIBSON_OK);
}

static void cancel_third(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)reply;
    (void)context;
    ck_assert(gibson_async_cancel(handle, id_of_third));
}

START_TEST(async_stray_reply_is_not_kept_for_the_request_after_a_cancelled_one)
{
    begin(PEER_UNIX, serve_one_too_many, NULL);
    connect_handle();
    more_calls = 0;
    ck_assert_status(gibson_async_submit(async, get(), 0, submit_third, NULL, NULL), GIBSON_OK);
    ck_assert_status(gibson_async_submit(async, get(), 0, cancel_third, NULL, NULL), GIBSON_OK);
    async_until(async, !gibson_async_outstanding(async));
    ck_assert_status(told.status, GIBSON_PROTOCOL);
    ck_assert_int_eq(more_calls, 0);
    end();
}
END_TEST

SUITE("async_reports", async_request_cancelled_at_each_byte_of_its_reply_keeps_it_from_others,
      async_window_is_whole_after_timeouts_cancellations_and_losses,
      async_loop_that_has_stopped_stalls_no_other,
      async_connecting_to_a_black_hole_does_not_stop_the_loop,
      async_handle_drained_in_the_hook_room_is_done_at_once,
      async_hook_of_a_submit_may_fill_the_window_or_free_the_handle,
      async_request_that_was_lost_has_no_reply_to_take,
      async_stray_reply_is_not_kept_for_the_request_after_a_cancelled_one)
