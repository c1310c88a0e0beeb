/* The asynchronous client: requests and their replies, one by one and many at once. */
#include <gibson/async.h>

#include <string.h>
#include <unistd.h>

#include "support/async_fixture.h"
#include "support/suite.h"

START_TEST(async_all_commands_at_once_get_their_replies)
{
    static const peer_kind kinds[] = {PEER_UNIX, PEER_TCP4};
    for (size_t k = 0; k < COUNT_OF(kinds); k++) {
        begin(kinds[k], sample_serve, NULL);
        connect_handle();
        async_result results[SAMPLE_COUNT];
        for (int round = 0; round < 3; round++) {
            for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) { /* all but END */
                ck_assert_status(async_submit(async, &samples[i].request, 0, &results[i]),
                                 GIBSON_OK);
            }
            ck_assert_uint_eq(gibson_async_outstanding(async), SAMPLE_COUNT - 1);
            async_until(async, !gibson_async_outstanding(async));
            for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) {
                ck_assert_int_eq(results[i].calls, 1);
                ck_assert_status(results[i].status, GIBSON_OK);
                ck_assert(results[i].opcode == samples[i].request.opcode && results[i].matches);
            }
        }
        end();
    }
}
END_TEST

START_TEST(async_end_is_answered_and_the_rest_is_lost)
{
    begin(PEER_UNIX, sample_serve, NULL);
    connect_handle();
    async_result ended;
    async_result behind;
    ck_assert_status(async_submit(async, &sample_of(GIBSON_OP_END)->request, 0, &ended), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), 0, &behind), GIBSON_OK);
    async_until(async, behind.calls);
    ck_assert_status(ended.status, GIBSON_OK);
    ck_assert_status(behind.status, GIBSON_CLOSED);
    ck_assert_message_has(&behind, "END");
    ck_assert(!gibson_async_connected(async));
    ck_assert_status(async_submit(async, get(), 0, &behind), GIBSON_CLOSED);
    end();
}
END_TEST

START_TEST(async_bad_requests_are_refused_and_nothing_is_called_back)
{
    begin(PEER_UNIX, sample_serve, NULL);
    connect_handle();
    async_result result;
    const gibson_request space = gibson_request_key(GIBSON_OP_GET, gibson_str("a b"));
    const gibson_request empty = gibson_request_key(GIBSON_OP_GET, gibson_str(""));
    const gibson_request good = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    const gibson_request none = gibson_request_bare((gibson_opcode)99);
    ck_assert_status(async_submit(async, &space, 0, &result), GIBSON_INVALID);
    ck_assert_message_has(gibson_async_error(async), "space");
    ck_assert_status(async_submit(async, &empty, 0, &result), GIBSON_INVALID);
    ck_assert_status(async_submit(async, &none, 0, &result), GIBSON_INVALID);
    ck_assert_status(async_submit(async, &good, -2, &result), GIBSON_INVALID);
    ck_assert_status(async_submit(async, NULL, 0, &result), GIBSON_USAGE);
    ck_assert_status(async_submit(NULL, &good, 0, &result), GIBSON_USAGE);
    ck_assert_uint_eq(gibson_async_outstanding(async), 0);
    for (int i = 0; i < 5; i++) { /* refused ones between good ones */
        async_result fine[2];
        ck_assert_status(async_submit(async, &good, 0, &fine[0]), GIBSON_OK);
        ck_assert_status(async_submit(async, &space, 0, &result), GIBSON_INVALID);
        ck_assert_status(async_submit(async, &good, 0, &fine[1]), GIBSON_OK);
        async_until(async, fine[1].calls);
        ck_assert(fine[0].calls == 1 && fine[0].matches && fine[1].matches);
    }
    ck_assert_int_eq(result.calls, 0);
    end();
}
END_TEST

START_TEST(async_functions_take_null)
{
    gibson_async_free(NULL);
    gibson_async_close(NULL);
    gibson_async_drain(NULL);
    ck_assert_status(gibson_async_connect(NULL), GIBSON_USAGE);
    ck_assert_status(gibson_async_run(NULL, 0), GIBSON_USAGE);
    ck_assert(!gibson_async_cancel(NULL, 1) && !gibson_async_connected(NULL));
    ck_assert_uint_eq(gibson_async_outstanding(NULL), 0);
    ck_assert_int_eq(gibson_async_wants(NULL).descriptor, -1);
    ck_assert_int_eq(gibson_async_timeout_ms(NULL), -1);
    ck_assert_status(gibson_async_error(NULL)->status, GIBSON_USAGE);
    ck_assert_str_eq(gibson_async_peer(NULL), "");
    gibson_owned_reply *owned;
    ck_assert_status(gibson_async_take_reply(NULL, &owned), GIBSON_USAGE);
    gibson_error error;
    ck_assert_status(gibson_async_new(NULL, NULL, NULL, &error), GIBSON_USAGE);
    const gibson_async_hooks wild = {0};
    gibson_async *none;
    ck_assert_status(gibson_async_new(&none, NULL, &wild, &error), GIBSON_INVALID);
    ck_assert_ptr_null(none);
}
END_TEST

/* The next request of a chain is submitted by the callback of the one before. */
typedef struct chain {
    int left;
    int wrong;
} chain;

static void go_on(gibson_async *handle, const gibson_reply *reply, void *context)
{
    chain *links = context;
    links->wrong += !sample_reply_matches(reply);
    if (links->left-- > 0) {
        ck_assert_status(gibson_async_submit(handle, get(), 0, go_on, links, NULL), GIBSON_OK);
    }
}

START_TEST(async_callbacks_submit_more)
{
    begin(PEER_UNIX, sample_serve, NULL);
    connect_handle();
    chain links[64];
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        links[i] = (chain){.left = 100};
        ck_assert_status(gibson_async_submit(async, get(), 0, go_on, &links[i], NULL), GIBSON_OK);
    }
    async_until(async, !gibson_async_outstanding(async));
    for (size_t i = 0; i < COUNT_OF(links); i++) {
        ck_assert_int_eq(links[i].left, -1);
        ck_assert_int_eq(links[i].wrong, 0);
    }
    end();
}
END_TEST

START_TEST(async_window_is_bounded_and_room_is_told)
{
    begin(PEER_UNIX, sample_serve, NULL);
    options.pipeline_window = 8;
    connect_handle();
    async_result results[9];
    for (int i = 0; i < 8; i++) {
        ck_assert_status(async_submit(async, get(), 0, &results[i]), GIBSON_OK);
    }
    ck_assert_status(async_submit(async, get(), 0, &results[8]), GIBSON_WOULD_BLOCK);
    ck_assert_int_eq(told.room, 0);
    async_until(async, told.room);
    ck_assert_status(async_submit(async, get(), 0, &results[8]), GIBSON_OK);
    async_until(async, results[8].calls);
    ck_assert_int_eq(told.room, 1);
    end();
}
END_TEST

static void submit_another(gibson_async *handle)
{
    static async_result another;
    ck_assert_status(gibson_async_submit(handle, get(), 0, async_note, &another, NULL), GIBSON_OK);
}

/* A loop whose timer is for one time, and has come, knows of no other before it is told. */
START_TEST(async_run_that_leaves_something_to_send_is_asked_for_again)
{
    begin(PEER_UNIX, sample_serve, NULL);
    options.pipeline_window = 1;
    connect_handle();
    async_result first;
    async_result refused;
    ck_assert_status(async_submit(async, get(), 1, &first), GIBSON_OK);
    ck_assert_status(async_submit(async, get(), 0, &refused), GIBSON_WOULD_BLOCK);
    ck_assert_int_eq(gibson_async_wants(async).wake_ns, 0);
    usleep(2000); /* the time of the first is over before it was sent, which makes room */
    told.on_room = submit_another;
    const int before = told.changed;
    ck_assert_status(gibson_async_run(async, 0), GIBSON_OK);
    ck_assert_int_eq(first.calls, 1);
    ck_assert_int_eq(told.room, 1);
    ck_assert_int_eq(gibson_async_wants(async).wake_ns, 0);
    ck_assert_int_gt(told.changed, before);
    end();
}
END_TEST

START_TEST(async_reply_is_taken_over_and_outlives_the_handle)
{
    begin(PEER_UNIX, sample_serve, NULL);
    connect_handle();
    ck_assert_status(async_call(async, get()).status, GIBSON_OK);
    gibson_owned_reply *owned;
    ck_assert_status(gibson_async_take_reply(async, &owned), GIBSON_USAGE); /* not in a callback */
    ck_assert_ptr_null(owned);
    end();
}
END_TEST

START_TEST(async_drain_answers_all_and_closes)
{
    begin(PEER_UNIX, sample_serve, NULL);
    connect_handle();
    async_result results[2];
    ck_assert_status(async_submit(async, get(), 0, &results[0]), GIBSON_OK);
    gibson_async_drain(async);
    ck_assert_status(async_submit(async, get(), 0, &results[1]), GIBSON_CLOSED);
    ck_assert_status(gibson_async_connect(async), GIBSON_CLOSED);
    async_until(async, told.lost);
    ck_assert_status(told.status, GIBSON_END);
    ck_assert(results[0].calls == 1 && results[0].matches && results[1].calls == 0);
    ck_assert_int_eq(gibson_async_wants(async).descriptor, -1);
    async_connect(async, &told);
    ck_assert_status(async_call(async, get()).status, GIBSON_OK);
    gibson_async_drain(async); /* nothing is outstanding: it tells at once */
    ck_assert_int_eq(told.lost, 2);
    end();
}
END_TEST

SUITE("async", async_all_commands_at_once_get_their_replies,
      async_run_that_leaves_something_to_send_is_asked_for_again,
      async_end_is_answered_and_the_rest_is_lost,
      async_bad_requests_are_refused_and_nothing_is_called_back, async_functions_take_null,
      async_callbacks_submit_more, async_window_is_bounded_and_room_is_told,
      async_reply_is_taken_over_and_outlives_the_handle, async_drain_answers_all_and_closes)
