/* session: replies are matched to requests in order, without a socket. */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "support/failing_allocator.h"
#include "support/replies.h"
#include "support/samples.h"
#include "support/suite.h"
#include "support/vectors.h"

/* Bytes that a client or a session may keep: nothing a large request or reply has left. */
static const size_t small_size = 65536;

static failing_allocator counts;
static gibson_allocator allocator;
static gib_session session;
static gibson_reply reply;
static gibson_error error;

static void begin(void)
{
    static const gib_limits limits = {.max_reply_size = VECTOR_MAX_REPLY,
                                      .max_request_size = 8 << 20,
                                      .max_key_size = 1023,
                                      .max_value_size = 8 << 20,
                                      .max_seconds = 32767};
    counts = (failing_allocator){0};
    allocator = failing_allocator_functions(&counts);
    gib_session_init(&session, &limits, (gib_window){1024, SIZE_MAX}, &allocator);
}

static void end(void)
{
    ck_assert_ptr_null(gib_session_check(&session));
    gib_session_clear(&session);
    ck_assert_uint_eq(counts.live, 0);
    ck_assert_uint_eq(counts.live_bytes, 0);
}

static void push(const gibson_request *request)
{
    ck_assert_status(gib_session_push(&session, request, GIB_VALUE_COPIED, &error), GIBSON_OK);
}

static void push_get(void)
{
    push(&sample_of(GIBSON_OP_GET)->request);
}

/* Tells the session that all of its output was sent. */
static void send_all(void)
{
    gibson_bytes parts[2];
    size_t size;
    while ((size = gib_session_output(&session, SIZE_MAX, parts)) > 0) {
        gib_session_sent(&session, size);
    }
}

/* Feeds bytes the way a socket does: in as many reads as the session's room makes of them. */
static void feed(const uint8_t *data, size_t size)
{
    while (size) {
        uint8_t *room;
        size_t room_size;
        ck_assert(gib_session_input(&session, &room, &room_size));
        ck_assert_uint_ge(room_size, 1);
        size_t now = size < room_size ? size : room_size;
        memcpy(room, data, now);
        gib_session_received(&session, now);
        data += now;
        size -= now;
    }
}

static void feed_and_clear(gib_buffer *bytes)
{
    feed(bytes_of(bytes), gib_buffer_size(bytes));
    gib_buffer_clear(bytes);
}

static gibson_status next(void)
{
    return gib_session_next(&session, &reply, &error);
}

static void feed_value(const char *text)
{
    gib_buffer frame = bytes_new();
    reply_add_bytes(&frame, text, strlen(text));
    feed_and_clear(&frame);
}

static void check_value(const char *text)
{
    ck_assert_uint_eq(reply.value.bytes.size, strlen(text));
    ck_assert_mem_eq(reply.value.bytes.data, text, strlen(text));
}

START_TEST(session_mix_of_all_commands_gets_replies_in_order)
{
    begin();
    gib_buffer replies = bytes_new();
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        push(&samples[i].request);
        sample_reply(&replies, samples[i].request.opcode, samples[i].payload,
                     strlen(samples[i].payload));
    }
    send_all();
    /* One byte at a time: a reply is there with its last byte, and not before. */
    size_t answered = 0;
    for (size_t i = 0; i < gib_buffer_size(&replies); i++) {
        feed(bytes_of(&replies) + i, 1);
        gibson_status status = next();
        if (status == GIBSON_OK) {
            ck_assert_uint_eq(reply.opcode, samples[answered++].request.opcode);
            ck_assert(sample_reply_matches(&reply));
        } else {
            ck_assert_status(status, GIBSON_WOULD_BLOCK);
        }
    }
    ck_assert_uint_eq(answered, SAMPLE_COUNT);
    ck_assert_uint_eq(gib_session_count(&session), 0);
    ck_assert(!gib_session_has_input(&session));
    gib_buffer_clear(&replies);
    end();
}
END_TEST

/* redis-py 2624 and 2665: a reply must never be handed to another request. Every request asks for
   its own key, the reply tells which, and the bytes come in pieces of any length while more
   requests are pushed. */
START_TEST(session_random_pipelines_give_each_request_its_own_reply)
{
    begin();
    gib_buffer replies = bytes_new();
    uint32_t pushed = 0;
    uint32_t answered = 0;
    for (int round = 0; round < 3000; round++) {
        for (uint32_t n = suite_random() % 5; n; n--, pushed++) {
            gibson_request request = gibson_request_value(
                GIBSON_OP_SET, gibson_str("key"), gibson_bytes_of(&pushed, sizeof pushed), 0);
            push(&request);
            reply_add_bytes(&replies, &pushed, sizeof pushed);
        }
        send_all();
        size_t size = gib_buffer_size(&replies);
        size_t piece = size ? suite_random() % (size + 1) : 0;
        feed(bytes_of(&replies), piece);
        gib_buffer_consume(&replies, piece);
        while (gib_session_count(&session) && next() == GIBSON_OK) {
            ck_assert_status(reply.status, GIBSON_OK);
            ck_assert_mem_eq(reply.value.bytes.data, &answered, sizeof answered);
            answered++;
        }
        ck_assert_uint_eq(pushed - answered, gib_session_count(&session));
    }
    gib_buffer_clear(&replies);
    end();
}
END_TEST

/* Feeds a vector whose first `split` bytes come in a read of their own. */
static void check_vector(const vector *each, const gib_buffer *bytes, size_t split)
{
    begin();
    push(&sample_of(each->opcode)->request);
    send_all();
    feed(bytes_of(bytes), split);
    gibson_status status = split ? next() : GIBSON_WOULD_BLOCK;
    if (status == GIBSON_OK) { /* a good reply, and more: the rest answers no request */
        ck_assert_msg(strstr(each->field, "after the reply") != NULL, "vector %s", each->name);
    } else {
        if (status == GIBSON_WOULD_BLOCK) {
            feed(bytes_of(bytes) + split, gib_buffer_size(bytes) - split);
            status = next();
        }
        ck_assert_msg(status == GIBSON_PROTOCOL, "vector %s, split at %zu", each->name, split);
        ck_assert_message_has(&error, each->field);
    }
    gib_session_break(&session);
    end();
}

START_TEST(session_each_vector_is_refused_wherever_it_is_split)
{
    for (size_t i = 0; i < vector_count; i++) {
        gib_buffer bytes = bytes_new();
        vectors[i].build(&bytes);
        for (size_t split = 0; split <= gib_buffer_size(&bytes); split++) {
            check_vector(&vectors[i], &bytes, split);
        }
        gib_buffer_clear(&bytes);
    }
}
END_TEST

/* CVE-2021-32765 and hiredis 1357: a claimed size is checked before memory is asked for. */
START_TEST(session_reply_over_the_limit_allocates_nothing)
{
    static const uint32_t sizes[] = {VECTOR_MAX_REPLY + 1, UINT32_C(1) << 31, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        begin();
        push_get();
        send_all();
        gib_buffer frame = bytes_new();
        reply_add_header(&frame, GIB_CODE_VAL, GIB_ENCODING_PLAIN, sizes[i]);
        feed_and_clear(&frame);
        failing_allocator_arm(&counts, 1);
        ck_assert_status(next(), GIBSON_PROTOCOL);
        gib_session_break(&session);
        ck_assert_uint_eq(counts.calls, 0);
        end();
    }
}
END_TEST

/* A large reply that is allowed takes its own size and not much more: it is not grown by doubling.
 */
START_TEST(session_large_reply_takes_its_own_size)
{
    begin();
    push_get();
    send_all();
    size_t size = VECTOR_MAX_REPLY;
    uint8_t *data = calloc(1, size);
    ck_assert_ptr_nonnull(data);
    gib_buffer frame = bytes_new();
    reply_add_header(&frame, GIB_CODE_VAL, GIB_ENCODING_PLAIN, (uint32_t)size);
    feed_and_clear(&frame);
    ck_assert_status(next(), GIBSON_WOULD_BLOCK);
    size_t before = counts.live_bytes;
    feed(data, size);
    ck_assert_status(next(), GIBSON_OK);
    ck_assert_uint_eq(reply.value.bytes.size, size);
    ck_assert_uint_le(counts.peak_bytes, before + size + GIB_REPLY_HEADER);
    gib_session_release_reply(&session); /* hiredis 656: memory of a large reply is given back */
    gib_session_trim(&session);
    ck_assert_uint_lt(counts.live_bytes, small_size);
    free(data);
    end();
}
END_TEST

START_TEST(session_views_live_until_the_reply_is_released)
{
    begin();
    push_get();
    push_get();
    send_all();
    feed_value("first");
    feed_value("second");
    ck_assert_status(next(), GIBSON_OK);
    check_value("first");
    push_get(); /* which may move the output, but not the input */
    check_value("first");
    ck_assert_status(next(), GIBSON_OK);
    check_value("second");
    end();
}
END_TEST

static void push_set(const void *value, size_t size, gib_value_place place)
{
    gibson_request request =
        gibson_request_value(GIBSON_OP_SET, gibson_str("key"), gibson_bytes_of(value, size), 0);
    ck_assert_status(gib_session_push(&session, &request, place, &error), GIBSON_OK);
}

/* The server cuts what is over its limits: protocol.md, traps 3 and 4. */
START_TEST(session_set_whose_echo_differs_is_truncated)
{
    static const struct {
        const char *echo;
        const char *word;
    } rows[] = {{"valu", "max_value_size"},
                {"", "max_value_size"},
                {"value!", "max_key_size"},
                {"Value", "contents differ"},
                {"valuE", "contents differ"}};
    for (gib_value_place place = GIB_VALUE_COPIED; place <= GIB_VALUE_BORROWED; place++) {
        for (size_t i = 0; i < COUNT_OF(rows); i++) {
            begin();
            push_set("value", 5, place);
            send_all();
            feed_value(rows[i].echo);
            ck_assert_status(next(), GIBSON_OK);
            ck_assert_status(reply.status, GIBSON_TRUNCATED);
            ck_assert_int_eq(reply.value.kind, GIBSON_KIND_NONE);
            ck_assert_message_has(&error, rows[i].word);
            end();
        }
    }
}
END_TEST

START_TEST(session_set_whose_echo_is_a_number_is_truncated)
{
    begin();
    push_set("12345678", 8, GIB_VALUE_COPIED);
    send_all();
    gib_buffer frame = bytes_new();
    reply_add(&frame, GIB_CODE_VAL, GIB_ENCODING_NUMBER, "12345678", 8);
    feed_and_clear(&frame);
    ck_assert_status(next(), GIBSON_OK);
    ck_assert_status(reply.status, GIBSON_TRUNCATED);
    ck_assert_message_has(&error, "number");
    end();
}
END_TEST

/* The echo is compared with the request it answers, wherever that is in the pipeline. */
START_TEST(session_set_in_a_pipeline_is_compared_with_its_own_value)
{
    begin();
    push_get();
    push_set("one", 3, GIB_VALUE_COPIED);
    push_set("two", 3, GIB_VALUE_COPIED);
    push_set("one", 3, GIB_VALUE_COPIED);
    send_all();
    feed_value("got");
    feed_value("one");
    feed_value("two");
    feed_value("two");
    static const gibson_status expected[] = {GIBSON_OK, GIBSON_OK, GIBSON_OK, GIBSON_TRUNCATED};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        ck_assert_status(next(), GIBSON_OK);
        ck_assert_status(reply.status, expected[i]);
    }
    end();
}
END_TEST

START_TEST(session_set_that_is_refused_is_not_compared)
{
    begin();
    push_set("value", 5, GIB_VALUE_COPIED);
    send_all();
    gib_buffer frame = bytes_new();
    reply_add_short(&frame, GIB_CODE_LOCKED);
    feed_and_clear(&frame);
    ck_assert_status(next(), GIBSON_OK);
    ck_assert_status(reply.status, GIBSON_LOCKED);
    end();
}
END_TEST

START_TEST(session_reply_before_its_request_was_sent_is_refused)
{
    begin();
    push_get();
    feed_value("early");
    ck_assert_status(next(), GIBSON_PROTOCOL);
    ck_assert_message_has(&error, "answer no request");
    gib_session_break(&session);
    end();

    /* A request that is sent but for its last byte is not sent. */
    begin();
    push_get();
    gibson_bytes parts[2];
    gib_session_sent(&session, gib_session_output(&session, SIZE_MAX, parts) - 1);
    feed_value("early");
    ck_assert_status(next(), GIBSON_PROTOCOL);
    gib_session_break(&session);
    end();
}
END_TEST

START_TEST(session_second_reply_to_the_only_request_sent_is_refused)
{
    begin();
    push_get();
    send_all();
    push_get();
    feed_value("mine");
    feed_value("whose?");
    ck_assert_status(next(), GIBSON_OK);
    check_value("mine");
    ck_assert_status(next(), GIBSON_PROTOCOL);
    ck_assert_message_has(&error, "answer no request");
    gib_session_break(&session);
    end();
}
END_TEST

/* Looks at what has arrived, once more from the beginning. */
static gibson_status scan_anew(gib_session_scan *scan)
{
    *scan = (gib_session_scan){0};
    return gib_session_scan_input(&session, scan, &error);
}

START_TEST(session_scan_counts_the_replies_that_wait)
{
    begin();
    gib_session_scan scan = {0};
    gib_session_scan fresh;
    push_get();
    push_get();
    send_all();
    ck_assert_status(gib_session_scan_input(&session, &scan, &error), GIBSON_OK);
    gib_buffer replies = bytes_new();
    reply_add_bytes(&replies, "one", 3);
    reply_add_bytes(&replies, "three", 5);
    for (size_t i = 0; i < gib_buffer_size(&replies); i++) {
        feed(bytes_of(&replies) + i, 1);
        ck_assert_status(gib_session_scan_input(&session, &scan, &error), GIBSON_OK);
        ck_assert_status(scan_anew(&fresh), GIBSON_OK);
        ck_assert_uint_eq(scan.count, i + 1 < 10 ? 0 : i + 1 < 22 ? 1 : 2);
        ck_assert_uint_eq(scan.size, scan.count == 0 ? 0 : scan.count == 1 ? 10 : 22);
        ck_assert_mem_eq(&scan, &fresh, sizeof scan);
    }
    feed((const uint8_t *)"x", 1);
    ck_assert_status(gib_session_scan_input(&session, &scan, &error), GIBSON_PROTOCOL);
    ck_assert_message_has(&error, "1 bytes that answer no request");
    gib_buffer_clear(&replies);
    end();
}
END_TEST

START_TEST(session_scan_refuses_a_reply_over_the_limit)
{
    begin();
    gib_session_scan scan;
    push_get();
    push_get();
    send_all();
    feed_value("first");
    gib_buffer head = bytes_new();
    reply_add_header(&head, GIB_CODE_VAL, GIB_ENCODING_PLAIN, VECTOR_MAX_REPLY + 1);
    feed(bytes_of(&head), GIB_REPLY_HEADER - 1);
    ck_assert_status(scan_anew(&scan), GIBSON_OK);
    feed(bytes_of(&head) + GIB_REPLY_HEADER - 1, 1);
    ck_assert_status(scan_anew(&scan), GIBSON_PROTOCOL);
    ck_assert_message_has(&error, "size 1048577 is over max_reply_size");
    gib_buffer_clear(&head);
    end();
}
END_TEST

START_TEST(session_take_reply_outlives_the_session)
{
    begin();
    push_get();
    send_all();
    feed_value("kept");
    ck_assert_status(next(), GIBSON_OK);
    gibson_bytes view = reply.value.bytes;
    gibson_owned_reply *owned;
    ck_assert_status(gib_session_take_reply(&session, &owned), GIBSON_OK);
    gib_session_clear(&session);
    ck_assert_mem_eq(view.data, "kept", 4);
    gibson_owned_reply_free(owned);
    gibson_owned_reply_free(NULL);
    end();
}
END_TEST

START_TEST(session_take_reply_leaves_the_rest_to_be_read)
{
    begin();
    push_get();
    push_get();
    push_get();
    send_all();
    feed_value("one");
    feed_value("two");
    feed((const uint8_t *)"\6\0\0\5\0\0\0thr", 10); /* the beginning of a third */
    ck_assert_status(next(), GIBSON_OK);
    gibson_bytes view = reply.value.bytes;
    gibson_owned_reply *owned;
    ck_assert_status(gib_session_take_reply(&session, &owned), GIBSON_OK);
    ck_assert_status(next(), GIBSON_OK);
    check_value("two");
    ck_assert_status(next(), GIBSON_WOULD_BLOCK);
    feed((const uint8_t *)"ee", 2);
    ck_assert_status(next(), GIBSON_OK);
    check_value("three");
    ck_assert_mem_eq(view.data, "one", 3);
    gibson_owned_reply_free(owned);
    end();
}
END_TEST

START_TEST(session_take_reply_twice_or_never_is_usage)
{
    begin();
    gibson_owned_reply *owned = (gibson_owned_reply *)&owned;
    ck_assert_status(gib_session_take_reply(&session, &owned), GIBSON_USAGE);
    ck_assert_ptr_null(owned);
    push_get();
    send_all();
    feed_value("value");
    ck_assert_status(gib_session_take_reply(&session, &owned), GIBSON_USAGE); /* not decoded */
    ck_assert_status(next(), GIBSON_OK);
    ck_assert_status(gib_session_take_reply(&session, &owned), GIBSON_OK);
    gibson_owned_reply *again = owned;
    ck_assert_status(gib_session_take_reply(&session, &again), GIBSON_USAGE);
    ck_assert_ptr_null(again);
    gibson_owned_reply_free(owned);
    end();
}
END_TEST

START_TEST(session_take_reply_without_memory_leaves_it_borrowed)
{
    for (size_t n = 1; n <= 2; n++) {
        begin();
        push_get();
        push_get();
        send_all();
        feed_value("one");
        feed_value("two");
        ck_assert_status(next(), GIBSON_OK);
        failing_allocator_arm(&counts, n);
        gibson_owned_reply *owned;
        ck_assert_status(gib_session_take_reply(&session, &owned), GIBSON_NOMEM);
        ck_assert_ptr_null(owned);
        check_value("one");
        ck_assert_status(next(), GIBSON_OK);
        check_value("two");
        end();
    }
}
END_TEST

START_TEST(session_push_refused_leaves_nothing_behind)
{
    begin();
    push_get();
    gibson_request bad = gibson_request_key(GIBSON_OP_GET, gibson_str("a b"));
    ck_assert_status(gib_session_push(&session, &bad, GIB_VALUE_COPIED, &error), GIBSON_INVALID);
    ck_assert_uint_eq(gib_session_count(&session), 1);
    end();
}
END_TEST

START_TEST(session_push_without_memory_appends_nothing)
{
    begin();
    for (size_t n = 1; n <= 2; n++) { /* the list of requests, then their bytes */
        failing_allocator_arm(&counts, n);
        gibson_request get = sample_of(GIBSON_OP_GET)->request;
        ck_assert_status(gib_session_push(&session, &get, GIB_VALUE_COPIED, &error), GIBSON_NOMEM);
        ck_assert_uint_eq(gib_session_count(&session), 0);
    }
    failing_allocator_arm(&counts, 0);
    push_get();
    end();
}
END_TEST

START_TEST(session_input_without_memory_says_so)
{
    begin();
    push_get();
    send_all();
    failing_allocator_arm(&counts, 1);
    uint8_t *room;
    size_t size;
    ck_assert(!gib_session_input(&session, &room, &size));
    end();
}
END_TEST

/* The list of requests is a ring that grows while its first is anywhere. */
START_TEST(session_window_grows_without_losing_requests)
{
    begin();
    uint32_t pushed = 0;
    uint32_t answered = 0;
    for (uint32_t burst = 1; burst < 300; burst += 37) {
        for (uint32_t i = 0; i < burst; i++, pushed++) {
            push_set(&pushed, sizeof pushed, GIB_VALUE_COPIED);
        }
        send_all();
        while (gib_session_count(&session) > burst / 3) {
            gib_buffer frame = bytes_new();
            reply_add_bytes(&frame, &answered, sizeof answered);
            feed_and_clear(&frame);
            ck_assert_status(next(), GIBSON_OK);
            ck_assert_status(reply.status, GIBSON_OK);
            answered++;
        }
    }
    end();
}
END_TEST

START_TEST(session_large_buffers_are_given_back)
{
    begin();
    size_t size = 4 << 20;
    char *value = malloc(size);
    ck_assert_ptr_nonnull(value);
    memset(value, 'v', size);
    push_set(value, size, GIB_VALUE_COPIED);
    send_all();
    ck_assert_uint_gt(counts.live_bytes, size);
    gib_buffer frame = bytes_new();
    reply_add_short(&frame, GIB_CODE_MEM);
    feed_and_clear(&frame);
    ck_assert_status(next(), GIBSON_OK);
    gib_session_trim(&session);
    ck_assert_uint_lt(counts.live_bytes, small_size);

    push_set(value, size, GIB_VALUE_COPIED); /* and when the connection breaks over it */
    gib_session_break(&session);
    ck_assert_uint_lt(counts.live_bytes, small_size);
    free(value);
    end();
}
END_TEST

START_TEST(session_break_keeps_requests_to_be_counted_off)
{
    begin();
    push_get();
    push(&sample_of(GIBSON_OP_PING)->request);
    push(&sample_of(GIBSON_OP_INC)->request);
    send_all();
    feed_value("value");
    ck_assert_status(next(), GIBSON_OK);
    feed((const uint8_t *)"\5\0", 2); /* bytes of a lost connection must not be seen again */
    gib_session_break(&session);
    gibson_bytes parts[2];
    ck_assert(!gib_session_has_input(&session));
    ck_assert(!gib_session_is_in_flight(&session));
    ck_assert_uint_eq(gib_session_abandon(&session)->opcode, GIBSON_OP_PING);
    ck_assert_uint_eq(gib_session_abandon(&session)->opcode, GIBSON_OP_INC);
    ck_assert_ptr_null(gib_session_abandon(&session));
    ck_assert_uint_eq(gib_session_output(&session, SIZE_MAX, parts), 0);

    gib_session_renew(&session); /* the next connection starts afresh */
    push_get();
    send_all();
    feed_value("fresh");
    ck_assert_status(next(), GIBSON_OK);
    check_value("fresh");
    end();
}
END_TEST

/* A client may find the connection broken while the caller still looks at the last reply. */
START_TEST(session_break_keeps_the_views_of_the_last_reply)
{
    begin();
    push_get();
    push_get();
    send_all();
    char large[100000];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    feed_value(large);
    feed_value("lost");
    ck_assert_status(next(), GIBSON_OK);
    gib_session_break(&session);
    check_value(large);
    gibson_owned_reply *owned;
    ck_assert_status(gib_session_take_reply(&session, &owned), GIBSON_OK);
    check_value(large);
    gibson_owned_reply_free(owned);
    ck_assert_uint_eq(gib_session_abandon(&session)->opcode, GIBSON_OP_GET);
    ck_assert(!gib_session_has_input(&session));
    end();
}
END_TEST

START_TEST(session_reset_gives_back_the_last_reply)
{
    begin();
    push_get();
    send_all();
    char large[100000];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    feed_value(large);
    ck_assert_status(next(), GIBSON_OK);
    gib_session_reset(&session);
    ck_assert_uint_lt(counts.live_bytes, small_size);
    gibson_owned_reply *owned;
    ck_assert_status(gib_session_take_reply(&session, &owned), GIBSON_USAGE);
    end();
}
END_TEST

START_TEST(session_reset_forgets_requests)
{
    begin();
    push_get();
    push_get();
    gib_session_reset(&session);
    ck_assert_uint_eq(gib_session_count(&session), 0);
    ck_assert_ptr_null(gib_session_abandon(&session));
    push_get();
    send_all();
    feed_value("value");
    ck_assert_status(next(), GIBSON_OK);
    end();
}
END_TEST

START_TEST(session_has_sent_from_the_first_byte_on)
{
    begin();
    push_get();
    ck_assert(!gib_session_is_in_flight(&session));
    gib_session_sent(&session, 1);
    ck_assert(gib_session_is_in_flight(&session));
    ck_assert_uint_eq(gib_session_unsent_frames(&session), 1);
    send_all();
    ck_assert_uint_eq(gib_session_unsent_frames(&session), 0);
    end();
}
END_TEST

SUITE("session", session_mix_of_all_commands_gets_replies_in_order,
      session_random_pipelines_give_each_request_its_own_reply,
      session_each_vector_is_refused_wherever_it_is_split,
      session_reply_over_the_limit_allocates_nothing, session_large_reply_takes_its_own_size,
      session_views_live_until_the_reply_is_released, session_set_whose_echo_differs_is_truncated,
      session_set_whose_echo_is_a_number_is_truncated,
      session_set_in_a_pipeline_is_compared_with_its_own_value,
      session_set_that_is_refused_is_not_compared,
      session_reply_before_its_request_was_sent_is_refused,
      session_second_reply_to_the_only_request_sent_is_refused,
      session_scan_counts_the_replies_that_wait, session_scan_refuses_a_reply_over_the_limit,
      session_take_reply_outlives_the_session, session_take_reply_leaves_the_rest_to_be_read,
      session_take_reply_twice_or_never_is_usage,
      session_take_reply_without_memory_leaves_it_borrowed,
      session_push_refused_leaves_nothing_behind, session_push_without_memory_appends_nothing,
      session_input_without_memory_says_so, session_window_grows_without_losing_requests,
      session_large_buffers_are_given_back, session_break_keeps_requests_to_be_counted_off,
      session_break_keeps_the_views_of_the_last_reply, session_reset_forgets_requests,
      session_reset_gives_back_the_last_reply, session_has_sent_from_the_first_byte_on)
