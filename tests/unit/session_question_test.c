/* session: the question that goes in front of what is pending. */
#include "session/question.h"

#include <string.h>

#include "support/failing_allocator.h"
#include "support/replies.h"
#include "support/samples.h"
#include "support/suite.h"

enum { REQUESTS = 20 }; /* more than the list of pending requests begins with */

static failing_allocator counts;
static gibson_allocator allocator;
static gib_session session;
static gibson_reply reply;
static gibson_error error;

static void begin(void)
{
    static const gib_limits limits = {.max_reply_size = 1000,
                                      .max_request_size = 1000,
                                      .max_key_size = 100,
                                      .max_value_size = 900,
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
}

static void push(gibson_opcode opcode)
{
    ck_assert_status(
        gib_session_push(&session, &sample_of(opcode)->request, GIB_VALUE_COPIED, &error),
        GIBSON_OK);
}

static void put_first(void)
{
    ck_assert_status(gib_session_put_question_first(&session, &error), GIBSON_OK);
    ck_assert_ptr_null(gib_session_check(&session));
}

/* Sends everything, and feeds the reply of a server to each frame that was sent. */
static void serve_all(void)
{
    gib_buffer replies = bytes_new();
    gibson_bytes parts[2];
    size_t size = gib_session_output(&session, SIZE_MAX, parts);
    const uint8_t *at = parts[0].data;
    const uint8_t *last = at + size;
    while (at != last) {
        const size_t frame_size = GIB_SIZE_FIELD + gib_load_u32(at);
        sample_reply(&replies, gib_load_u16(at + GIB_SIZE_FIELD), at + GIB_REQUEST_HEADER,
                     frame_size - GIB_REQUEST_HEADER);
        at += frame_size;
    }
    gib_session_sent(&session, size);
    ck_assert(gib_session_copy_input(&session, bytes_of(&replies), gib_buffer_size(&replies)));
    gib_session_received(&session, gib_buffer_size(&replies));
    gib_buffer_clear(&replies);
}

START_TEST(question_goes_in_front_of_what_is_pending)
{
    begin();
    for (int i = 0; i < REQUESTS; i++) {
        push(i % 2 ? GIBSON_OP_SET : GIBSON_OP_GET);
    }
    put_first();
    ck_assert_uint_eq(gib_session_outstanding(&session), REQUESTS);
    ck_assert_uint_eq(gib_session_due(&session), GIBSON_OP_COUNT);
    serve_all();
    for (int i = 0; i < REQUESTS; i++) {
        ck_assert_status(gib_session_next(&session, &reply, &error), GIBSON_OK);
        ck_assert_uint_eq(reply.opcode, i % 2 ? GIBSON_OP_SET : GIBSON_OP_GET);
        ck_assert(sample_reply_matches(&reply));
        ck_assert_ptr_null(gib_session_check(&session));
    }
    ck_assert_uint_eq(gib_session_count(&session), 0);
    end();
}
END_TEST

START_TEST(question_in_front_finds_out_a_reply_too_many)
{
    begin();
    push(GIBSON_OP_GET);
    put_first();
    gib_buffer stray = bytes_new();
    reply_add_bytes(&stray, "stray", 5);
    gibson_bytes parts[2];
    gib_session_sent(&session, gib_session_output(&session, SIZE_MAX, parts));
    ck_assert(gib_session_copy_input(&session, bytes_of(&stray), gib_buffer_size(&stray)));
    gib_session_received(&session, gib_buffer_size(&stray));
    gib_buffer_clear(&stray);
    ck_assert_status(gib_session_next(&session, &reply, &error), GIBSON_PROTOCOL);
    ck_assert(gib_session_take_surplus(&session));
    ck_assert(!gib_session_take_surplus(&session));
    gib_session_break(&session);
    gib_session_abandon_all(&session);
    end();
}
END_TEST

START_TEST(question_without_memory_leaves_what_is_pending)
{
    begin();
    for (size_t n = 1; n <= 2; n++) {
        push(GIBSON_OP_GET);
        const size_t pending = gib_session_count(&session);
        failing_allocator_arm(&counts, n);
        const gibson_status status = gib_session_put_question_first(&session, &error);
        failing_allocator_arm(&counts, 0);
        ck_assert(status == GIBSON_OK || status == GIBSON_NOMEM);
        ck_assert_ptr_null(gib_session_check(&session));
        ck_assert_uint_eq(gib_session_outstanding(&session), pending);
        serve_all();
        while (gib_session_outstanding(&session)) {
            ck_assert_status(gib_session_next(&session, &reply, &error), GIBSON_OK);
            ck_assert(sample_reply_matches(&reply));
        }
        gib_session_reset(&session);
    }
    end();
}
END_TEST

START_TEST(question_in_front_keeps_track_of_long_times)
{
    begin();
    gib_session_set_seconds(&session, 100000, GIB_SECONDS_TOLD);
    push(GIBSON_OP_GET);
    ck_assert(!gib_session_has_long_time(&session));
    const gibson_request day = gibson_request_key_number(GIBSON_OP_TTL, gibson_str("key"), 86400);
    ck_assert_status(gib_session_push(&session, &day, GIB_VALUE_COPIED, &error), GIBSON_OK);
    put_first();
    serve_all();
    ck_assert(gib_session_has_long_time(&session));
    ck_assert_status(gib_session_next(&session, &reply, &error), GIBSON_OK);
    ck_assert(gib_session_has_long_time(&session));
    ck_assert_status(gib_session_next(&session, &reply, &error), GIBSON_OK);
    ck_assert(!gib_session_has_long_time(&session));
    end();
}
END_TEST

SUITE("session_question", question_goes_in_front_of_what_is_pending,
      question_in_front_finds_out_a_reply_too_many, question_without_memory_leaves_what_is_pending,
      question_in_front_keeps_track_of_long_times)
