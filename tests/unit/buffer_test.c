/* base/buffer: a byte queue that grows. */
#include "base/buffer.h"

#include <string.h>

#include "support/failing_allocator.h"
#include "support/replies.h"
#include "support/suite.h"

/* A buffer that holds `size` bytes counting up from 0. */
static void fill(gib_buffer *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint8_t byte = (uint8_t)i;
        bytes_add(buffer, &byte, 1);
    }
}

static void check_content(const gib_buffer *buffer, size_t first, size_t size)
{
    ck_assert_uint_eq(gib_buffer_size(buffer), size);
    size_t same = 0;
    while (same < size && bytes_of(buffer)[same] == (uint8_t)(first + same)) {
        same++;
    }
    ck_assert_uint_eq(same, size);
}

START_TEST(buffer_new_owns_no_memory)
{
    failing_allocator counts = {0};
    gibson_allocator allocator = failing_allocator_functions(&counts);
    gib_buffer buffer;
    gib_buffer_init(&buffer, &allocator);
    ck_assert_uint_eq(gib_buffer_size(&buffer), 0);
    gib_buffer_clear(&buffer);
    ck_assert_uint_eq(counts.calls, 0);
}
END_TEST

START_TEST(buffer_consume_all_starts_over)
{
    gib_buffer buffer = bytes_new();
    fill(&buffer, 10);
    gib_buffer_consume(&buffer, 4);
    check_content(&buffer, 4, 6);
    ck_assert_uint_eq(buffer.begin, 4);
    gib_buffer_consume(&buffer, 6);
    ck_assert_uint_eq(buffer.begin, 0);
    ck_assert_uint_eq(buffer.end, 0);
    gib_buffer_clear(&buffer);
}
END_TEST

START_TEST(buffer_make_room_exact_allocates_no_more)
{
    gib_buffer buffer = bytes_new();
    ck_assert(gib_buffer_make_room(&buffer, 1000, false));
    ck_assert_uint_eq(buffer.capacity, 1000);
    buffer.end = 1000;
    ck_assert(gib_buffer_make_room(&buffer, 1, false));
    ck_assert_uint_eq(buffer.capacity, 1001);
    gib_buffer_clear(&buffer);
}
END_TEST

START_TEST(buffer_make_room_moves_instead_of_growing)
{
    gib_buffer buffer = bytes_new();
    ck_assert(gib_buffer_make_room(&buffer, 100, false));
    fill(&buffer, 100);
    gib_buffer_consume(&buffer, 40);
    ck_assert(gib_buffer_make_room(&buffer, 40, false));
    ck_assert_uint_eq(buffer.capacity, 100);
    ck_assert_uint_eq(buffer.begin, 0);
    check_content(&buffer, 40, 60);
    gib_buffer_clear(&buffer);
}
END_TEST

/* Appending must stay linear: the bytes are not moved again and again for a little room. */
START_TEST(buffer_reserve_with_little_consumed_grows)
{
    gib_buffer buffer = bytes_new();
    ck_assert(gib_buffer_make_room(&buffer, 1000, false));
    fill(&buffer, 1000);
    gib_buffer_consume(&buffer, 10);
    ck_assert(gib_buffer_reserve(&buffer, 5));
    ck_assert_uint_ge(buffer.capacity, 2000);
    check_content(&buffer, 10, 990);
    gib_buffer_clear(&buffer);
}
END_TEST

START_TEST(buffer_reserve_room_already_there_changes_nothing)
{
    gib_buffer buffer = bytes_new();
    ck_assert(gib_buffer_reserve(&buffer, 1));
    size_t room = gib_buffer_room(&buffer);
    const uint8_t *data = buffer.data;
    ck_assert(gib_buffer_reserve(&buffer, room));
    ck_assert_ptr_eq(buffer.data, data);
    ck_assert_uint_eq(gib_buffer_room(&buffer), room);
    gib_buffer_clear(&buffer);
}
END_TEST

START_TEST(buffer_make_room_without_memory_keeps_content)
{
    failing_allocator counts = {0};
    gibson_allocator allocator = failing_allocator_functions(&counts);
    gib_buffer buffer;
    gib_buffer_init(&buffer, &allocator);
    fill(&buffer, 300);
    gib_buffer_consume(&buffer, 7);
    failing_allocator_arm(&counts, 1);
    ck_assert(!gib_buffer_make_room(&buffer, 5000, true));
    check_content(&buffer, 7, 293);
    gib_buffer_clear(&buffer);
    ck_assert_uint_eq(counts.live, 0);
}
END_TEST

START_TEST(buffer_make_room_past_size_max_fails)
{
    gib_buffer buffer = bytes_new();
    fill(&buffer, 2);
    ck_assert(!gib_buffer_make_room(&buffer, SIZE_MAX - 1, false));
    ck_assert(!gib_buffer_make_room(&buffer, SIZE_MAX, true));
    check_content(&buffer, 0, 2);
    gib_buffer_clear(&buffer);
}
END_TEST

/* Against a model: whatever the order of appending and consuming, bytes come out as they went in.
 */
START_TEST(buffer_random_use_keeps_order)
{
    gib_buffer buffer = bytes_new();
    size_t written = 0;
    size_t consumed = 0;
    for (int round = 0; round < 2000; round++) {
        size_t room = suite_random() % 300;
        ck_assert(gib_buffer_make_room(&buffer, room, suite_random() % 2));
        ck_assert_uint_ge(gib_buffer_room(&buffer), room);
        for (size_t i = 0; i < room; i++) {
            buffer.data[buffer.end++] = (uint8_t)written++;
        }
        size_t size = gib_buffer_size(&buffer);
        size_t taken = size ? suite_random() % (size + 1) : 0;
        gib_buffer_consume(&buffer, taken);
        consumed += taken;
        check_content(&buffer, consumed, written - consumed);
    }
    gib_buffer_clear(&buffer);
}
END_TEST

SUITE("buffer", buffer_new_owns_no_memory, buffer_consume_all_starts_over,
      buffer_make_room_exact_allocates_no_more, buffer_make_room_moves_instead_of_growing,
      buffer_reserve_with_little_consumed_grows, buffer_reserve_room_already_there_changes_nothing,
      buffer_make_room_without_memory_keeps_content, buffer_make_room_past_size_max_fails,
      buffer_random_use_keeps_order)
