/* session: what is handed to the kernel in one call. The reference server corrupts its own memory
   when the header of a request arrives in two reads, so no header may be cut: protocol.md, trap 2.
 */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "support/replies.h"
#include "support/suite.h"

enum { MOST_FRAMES = 64 };

static gib_session session;
static gibson_error error;

/* What should come out: the frames, and where each ends. */
static gib_buffer expected;
static size_t ends[MOST_FRAMES];
static size_t frame_count;

static void begin(void)
{
    static const gib_limits limits = {.max_reply_size = 1 << 20,
                                      .max_request_size = 1 << 20,
                                      .max_key_size = 1023,
                                      .max_value_size = 1 << 20,
                                      .max_seconds = 32767};
    gib_session_init(&session, &limits, (gib_window){1024, SIZE_MAX}, &gib_default_allocator);
    expected = bytes_new();
    frame_count = 0;
}

static void end(void)
{
    ck_assert_ptr_null(gib_session_check(&session));
    gib_session_clear(&session);
    gib_buffer_clear(&expected);
}

/* Pushes a SET whose frame has `size` bytes, and notes it in `expected`. */
static void push_frame(size_t size, gib_value_place place)
{
    static uint8_t value[1 << 15];
    gib_encoded encoded;
    for (size_t i = 0; i < size && i < sizeof value; i++) {
        value[i] = (uint8_t)(i * 31 + frame_count);
    }
    size_t overhead = GIB_REQUEST_HEADER + strlen("0 k ");
    ck_assert(size > overhead && size - overhead <= sizeof value);
    gibson_request request = gibson_request_value(GIBSON_OP_SET, gibson_str("k"),
                                                  gibson_bytes_of(value, size - overhead), 0);
    ck_assert_status(gib_session_push(&session, &request, place, &error), GIBSON_OK);
    ck_assert_status(gib_request_encode(&request, &session.limits, GIB_VALUE_COPIED, &expected,
                                        &encoded, &error),
                     GIBSON_OK);
    ck_assert_uint_eq(encoded.frame_size, size);
    ends[frame_count++] = gib_buffer_size(&expected);
}

static bool is_end_of_frame(size_t offset)
{
    for (size_t i = 0; i < frame_count; i++) {
        if (ends[i] == offset) {
            return true;
        }
    }
    return false;
}

/* The end of the frame that the byte at an offset belongs to. */
static size_t end_of_frame_at(size_t offset)
{
    size_t i = 0;
    while (ends[i] <= offset) {
        i++;
    }
    return ends[i];
}

/* Asks for output at an offset, checks it, and returns its size. */
static size_t check_output(size_t offset, size_t segment)
{
    gibson_bytes parts[2];
    size_t size = gib_session_output(&session, segment, parts);
    ck_assert_uint_eq(size, parts[0].size + parts[1].size);
    if (offset == gib_buffer_size(&expected)) {
        ck_assert_uint_eq(size, 0);
        return 0;
    }
    ck_assert_uint_gt(size, 0);
    for (size_t i = 0; i < 2; i++) {
        if (parts[i].size) {
            ck_assert_mem_eq(parts[i].data, bytes_of(&expected) + offset, parts[i].size);
        }
        offset += parts[i].size;
    }
    ck_assert_msg(is_end_of_frame(offset), "the output ends inside a frame, at %zu", offset);
    size_t one = end_of_frame_at(offset - size) - (offset - size);
    ck_assert_msg(size <= segment || size == one,
                  "%zu bytes of more than one frame are over the segment of %zu", size, segment);
    return size;
}

START_TEST(output_frames_that_fit_a_segment_go_together)
{
    begin();
    for (int i = 0; i < 10; i++) {
        push_frame(100, GIB_VALUE_COPIED);
    }
    ck_assert_uint_eq(check_output(0, 1000), 1000);
    ck_assert_uint_eq(check_output(0, 999), 900);
    ck_assert_uint_eq(check_output(0, 100), 100);
    ck_assert_uint_eq(check_output(0, 99), 100); /* a frame larger than a segment goes alone */
    ck_assert_uint_eq(check_output(0, 0), 100);
    end();
}
END_TEST

START_TEST(output_rest_of_a_frame_takes_along_what_fits_behind)
{
    begin();
    push_frame(1000, GIB_VALUE_COPIED);
    push_frame(100, GIB_VALUE_COPIED);
    push_frame(100, GIB_VALUE_COPIED);
    gib_session_sent(&session, 950);
    ck_assert_uint_eq(check_output(950, 250), 250);
    ck_assert_uint_eq(check_output(950, 249), 150);
    ck_assert_uint_eq(check_output(950, 149), 50);
    end();
}
END_TEST

START_TEST(output_borrowed_value_is_the_second_part)
{
    begin();
    push_frame(10000, GIB_VALUE_BORROWED);
    gibson_bytes parts[2];
    ck_assert_uint_eq(gib_session_output(&session, 10, parts), 10000);
    ck_assert_uint_eq(parts[0].size, GIB_REQUEST_HEADER + strlen("0 k "));
    for (size_t offset = 0; offset < 10000; offset++) {
        ck_assert_uint_eq(check_output(offset, 10), 10000 - offset);
        gib_session_sent(&session, 1);
    }
    ck_assert_uint_eq(check_output(10000, 10), 0);
    end();
}
END_TEST

/* Frames of random sizes, segments of random sizes that change on the way, and a kernel that takes
   as much as it likes. */
START_TEST(output_random_frames_and_short_writes_cut_no_header)
{
    for (int round = 0; round < 100; round++) {
        begin();
        size_t offset = 0;
        size_t largest = suite_random() % 4 ? 400 : 20000;
        do {
            while (frame_count < MOST_FRAMES && suite_random() % 4) {
                push_frame(12 + suite_random() % largest, GIB_VALUE_COPIED);
            }
            size_t size = check_output(offset, suite_random() % 1500);
            if (size && suite_random() % 3 == 0) {
                size = suite_random() % (size + 1);
            }
            gib_session_sent(&session, size);
            offset += size;
            ck_assert_ptr_null(gib_session_check(&session));
        } while (offset < gib_buffer_size(&expected) || frame_count < MOST_FRAMES);
        ck_assert_uint_eq(gib_session_unsent_frames(&session), 0);
        end();
    }
}
END_TEST

/* The frames of answered requests leave the output, which must not disturb those behind them. */
START_TEST(output_goes_on_while_replies_come_in)
{
    begin();
    size_t offset = 0;
    size_t answered = 0;
    for (size_t i = 0; i < MOST_FRAMES; i++) {
        push_frame(12 + suite_random() % 300, GIB_VALUE_COPIED);
        size_t size = check_output(offset, 700);
        size -= size && suite_random() % 2 ? suite_random() % size : 0;
        gib_session_sent(&session, size);
        offset += size;
        if (offset >= ends[answered]) {
            gibson_reply reply;
            gib_buffer frame = bytes_new();
            reply_add_short(&frame, GIB_CODE_LOCKED);
            uint8_t *room;
            size_t room_size;
            ck_assert(gib_session_input(&session, &room, &room_size));
            memcpy(room, bytes_of(&frame), gib_buffer_size(&frame));
            gib_session_received(&session, gib_buffer_size(&frame));
            gib_buffer_clear(&frame);
            ck_assert_status(gib_session_next(&session, &reply, &error), GIBSON_OK);
            answered++;
            ck_assert_ptr_null(gib_session_check(&session));
        }
    }
    ck_assert_uint_gt(answered, MOST_FRAMES / 2);
    end();
}
END_TEST

SUITE("session_output", output_frames_that_fit_a_segment_go_together,
      output_rest_of_a_frame_takes_along_what_fits_behind, output_borrowed_value_is_the_second_part,
      output_random_frames_and_short_writes_cut_no_header, output_goes_on_while_replies_come_in)
