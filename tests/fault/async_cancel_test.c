/* Cancelling requests of the asynchronous client, also very many. */
#include <gibson/async.h>

#include <stdatomic.h>

#include "support/async_fixture.h"
#include "support/failing_allocator.h"
#include "support/suite.h"

static atomic_size_t gets_seen;
static size_t called;

static void serve_and_count(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (frame.opcode == GIBSON_OP_GET) {
            atomic_fetch_add(&gets_seen, 1);
        }
        if (!sample_answer(link, &frame)) {
            return;
        }
    }
}

START_TEST(async_cancelled_request_is_not_sent_if_nothing_of_it_was)
{
    begin(PEER_UNIX, serve_and_count, NULL);
    connect_handle();
    atomic_store(&gets_seen, 0);
    enum { COUNT = 20 };
    async_result results[COUNT] = {0};
    async_result last;
    uint64_t ids[COUNT];
    for (int i = 0; i < COUNT; i++) {
        ck_assert_status(gibson_async_submit(async, get(), 0, async_note, &results[i], &ids[i]),
                         GIBSON_OK);
    }
    for (int i = 0; i < COUNT; i += 2) {
        ck_assert(gibson_async_cancel(async, ids[i]));
        ck_assert(!gibson_async_cancel(async, ids[i]));
    }
    ck_assert(!gibson_async_cancel(async, ids[COUNT - 1] + 1));
    ck_assert(!gibson_async_cancel(async, 0));
    ck_assert_uint_eq(gibson_async_outstanding(async), COUNT / 2);
    ck_assert_status(async_submit(async, get(), 0, &last), GIBSON_OK);
    async_until(async, last.calls);
    ck_assert_uint_eq(atomic_load(&gets_seen), COUNT / 2 + 1);
    for (int i = 0; i < COUNT; i++) {
        ck_assert_int_eq(results[i].calls, i % 2);
        ck_assert(!results[i].calls || results[i].matches);
    }
    end();
}
END_TEST

/* redis-py 2624, 2665, 2695: the reply to a cancelled request goes to nobody. */
START_TEST(async_many_cancelled_requests_leave_the_list_as_it_was)
{
    begin(PEER_UNIX, sample_serve, NULL);
    connect_handle();
    for (int round = 0; round < 100; round++) {
        uint64_t ids[20];
        for (size_t i = 0; i < COUNT_OF(ids); i++) {
            ck_assert_status(gibson_async_submit(async, get(), 0, NULL, NULL, &ids[i]), GIBSON_OK);
        }
        for (size_t i = 0; i < COUNT_OF(ids); i++) {
            ck_assert(gibson_async_cancel(async, ids[i]));
        }
        ck_assert_status(async_call(async, get()).status, GIBSON_OK);
        ck_assert_uint_eq(gibson_async_outstanding(async), 0);
    }
    end();
}
END_TEST

static void serve_keys(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (sample_is_probe(frame.opcode, frame.payload, frame.size)) {
            sample_answer(link, &frame);
            continue;
        }
        gib_buffer reply = bytes_new();
        reply_add_bytes(&reply, (const char *)frame.payload, frame.size);
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

static void check_key(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)handle;
    const unsigned char key = *(unsigned char *)context;
    ck_assert_status(reply->status, GIBSON_OK);
    ck_assert_uint_eq(reply->value.bytes.size, 1);
    ck_assert_uint_eq(*(const unsigned char *)reply->value.bytes.data, key);
    called++;
}

/* Requests that each ask for a key of their own, of which some are cancelled at once. While the
   list grew, one that was not cancelled was taken for one that was (attack on the async clients).
 */
START_TEST(async_requests_cancelled_at_once_leave_the_others_their_replies)
{
    static const unsigned windows[] = {9, 10, 1024};
    static const uint8_t fills[] = {0, 1, 255};
    static unsigned char keys[200];
    failing_allocator allocator = {.fill = fills[_i % 3]};
    begin(PEER_UNIX, serve_keys, NULL);
    options.allocator = failing_allocator_functions(&allocator);
    options.pipeline_window = windows[_i / 3];
    for (size_t behind = 1; behind < COUNT_OF(keys); behind++) {
        size_t submitted = 0;
        called = 0;
        async = async_new(server, &options, &told);
        ck_assert_status(gibson_async_connect(async), GIBSON_OK);
        for (size_t i = 0; i < behind + 3; i++) {
            keys[i % COUNT_OF(keys)] = (unsigned char)(1 + i % 250);
            const gibson_bytes key = gibson_bytes_of(&keys[i % COUNT_OF(keys)], 1);
            const gibson_request request = gibson_request_key(GIBSON_OP_GET, key);
            uint64_t id;
            if (gibson_async_submit(async, &request, 0, check_key, &keys[i % COUNT_OF(keys)],
                                    &id)) {
                break; /* there is no room */
            }
            submitted++;
            if (i == 0 || i == behind) {
                ck_assert(gibson_async_cancel(async, id));
                submitted--;
            }
        }
        ck_assert_uint_gt(submitted, 0);
        async_until(async, !gibson_async_outstanding(async));
        ck_assert_uint_eq(called, submitted);
        gibson_async_free(async);
    }
    peer_stop(server);
}
END_TEST

START_TEST(async_reply_to_a_cancelled_request_is_dropped)
{
    begin(PEER_UNIX, sample_serve_first_late, NULL);
    connect_handle();
    async_result first = {0};
    async_result second;
    uint64_t id;
    ck_assert_status(gibson_async_submit(async, get(), 0, async_note, &first, &id), GIBSON_OK);
    async_turn(async, 0); /* it is sent */
    ck_assert(gibson_async_cancel(async, id));
    ck_assert_status(async_submit(async, get(), 0, &second), GIBSON_OK);
    peer_tell(server);
    async_until(async, second.calls);
    ck_assert(second.matches && !first.calls);
    end();
}
END_TEST

/* ---- Very many ---- */

/* Behind a request that is not answered, numbers are kept of those that were cancelled: no more
   than the window. */
START_TEST(async_cancelled_requests_behind_a_slow_one_take_bounded_memory)
{
    begin(PEER_UNIX, sample_serve_first_late, NULL);
    failing_allocator allocator = {0};
    options.timeout_ms = 20000;
    options.allocator = failing_allocator_functions(&allocator);
    options.pipeline_window = 64;
    connect_handle();
    async_result slow;
    ck_assert_status(async_submit(async, get(), 0, &slow), GIBSON_OK);
    async_turn(async, 0); /* it is sent */
    failing_allocator_arm(&allocator, 0);
    gibson_status status = GIBSON_OK;
    for (int i = 0; i < 100000; i++) {
        uint64_t id;
        status = gibson_async_submit(async, get(), 0, NULL, NULL, &id);
        ck_assert(status == GIBSON_WOULD_BLOCK || gibson_async_cancel(async, id));
    }
    ck_assert_status(status, GIBSON_WOULD_BLOCK);
    ck_assert_uint_le(allocator.peak_bytes, 100000);
    ck_assert_int_eq(told.room, 0);
    peer_tell(server);
    async_until(async, told.room);
    ck_assert_int_eq(slow.calls, 1);
    ck_assert(async_call(async, get()).matches);
    end();
}
END_TEST

/* Debug builds check the state of all requests after each call and each turn. */
#ifdef NDEBUG
enum { VERY_MANY = 200000 };
#else
enum { VERY_MANY = 20000 };
#endif

static uint64_t ids[VERY_MANY];
static size_t timed_out;

static void count_time_out(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)handle;
    (void)context;
    timed_out += reply->status == GIBSON_TIMEOUT;
}

static void submit_very_many(int64_t timeout_ms)
{
    timed_out = 0;
    for (size_t i = 0; i < VERY_MANY; i++) {
        ck_assert_status(
            gibson_async_submit(async, get(), timeout_ms, count_time_out, NULL, &ids[i]),
            GIBSON_OK);
    }
}

/* Within a callback, as debug builds check the whole state after each call outside of one. */
static void cancel_very_many(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)reply;
    const size_t step = *(size_t *)context;
    submit_very_many(0);
    for (size_t i = 0; i < VERY_MANY; i++) {
        ck_assert(gibson_async_cancel(handle, ids[i * step % VERY_MANY]));
    }
}

/* The oldest first, the youngest first, and in no order. With time in proportion to the square of
   their number this would take minutes. */
START_TEST(async_very_many_unsent_requests_are_cancelled_in_any_order)
{
    static size_t steps[] = {1, VERY_MANY - 1, 7919};
    begin(PEER_UNIX, serve_and_count, NULL);
    options.timeout_ms = 20000;
    options.pipeline_window = VERY_MANY + 1;
    connect_handle();
    atomic_store(&gets_seen, 0);
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        ck_assert_status(gibson_async_submit(async, &sample_of(GIBSON_OP_PING)->request, 0,
                                             cancel_very_many, &steps[i], NULL),
                         GIBSON_OK);
        ck_assert(async_call(async, get()).matches);
        ck_assert(async_call(async, get()).matches);
        ck_assert_uint_eq(gibson_async_outstanding(async), 0);
    }
    ck_assert_uint_eq(atomic_load(&gets_seen), 2 * COUNT_OF(steps));
    ck_assert_uint_eq(timed_out, 0);
    end();
}
END_TEST

/* Answers a request, and reads no more before the test says so. */
static void serve_one_and_wait(peer_link *link)
{
    peer_frame frame;
    if (peer_read_frame(link, &frame) && sample_answer(link, &frame) && peer_await(link)) {
        sample_serve(link);
    }
}

static void submit_very_many_for_short(gibson_async *handle, const gibson_reply *reply,
                                       void *context)
{
    (void)handle;
    (void)reply;
    (void)context;
    submit_very_many(50);
}

START_TEST(async_very_many_requests_time_out_at_once_sent_or_not)
{
    begin(PEER_UNIX, serve_one_and_wait, NULL);
    options.timeout_ms = 20000;
    options.pipeline_window = VERY_MANY + 1;
    connect_handle();
    ck_assert_status(gibson_async_submit(async, &sample_of(GIBSON_OP_PING)->request, 0,
                                         submit_very_many_for_short, NULL, NULL),
                     GIBSON_OK);
    async_until(async, timed_out == VERY_MANY);
    peer_tell(server);
    ck_assert(async_call(async, get()).matches);
    end();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {TESTS(async_cancelled_request_is_not_sent_if_nothing_of_it_was,
               async_many_cancelled_requests_leave_the_list_as_it_was,
               async_reply_to_a_cancelled_request_is_dropped,
               async_cancelled_requests_behind_a_slow_one_take_bounded_memory,
               async_very_many_unsent_requests_are_cancelled_in_any_order,
               async_very_many_requests_time_out_at_once_sent_or_not)},
        {.runs = 9, TESTS(async_requests_cancelled_at_once_leave_the_others_their_replies)},
    };
    return suite_run("async_cancel", 1, parts, COUNT_OF(parts));
}
