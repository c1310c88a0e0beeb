/* The server's half of the wire: finding requests, reading their payloads, writing replies. */
#include <string.h>

#include "base/alloc.h"
#include "raw_client.h"
#include "support/suite.h"
#include "wire/command.h"
#include "wire/reply_decode.h"
#include "wire/reply_encode.h"
#include "wire/request_decode.h"

static const gib_limits limits = {.max_reply_size = 1000,
                                  .max_request_size = 1000,
                                  .max_key_size = 8,
                                  .max_value_size = 10,
                                  .max_seconds = 100000};

START_TEST(request_is_partial_at_every_byte_and_whole_at_the_last)
{
    uint8_t frame[64];
    gib_request_frame found;
    size_t size = raw_request(frame, GIBSON_OP_GET, "key", 3);
    for (size_t cut = 0; cut < size; cut++) {
        ck_assert_int_eq(gib_request_find(frame, cut, 1000, &found), GIB_FRAME_PARTIAL);
        ck_assert_uint_eq(found.frame_size, cut < GIB_SIZE_FIELD ? GIB_REQUEST_HEADER : size);
    }
    ck_assert_int_eq(gib_request_find(frame, size, 1000, &found), GIB_FRAME_WHOLE);
    ck_assert_uint_eq(found.opcode, GIBSON_OP_GET);
    ck_assert_uint_eq(found.payload.size, 3);
    ck_assert_mem_eq(found.payload.data, "key", 3);
}
END_TEST

START_TEST(request_size_is_bounded_as_soon_as_it_is_there)
{
    static const struct {
        uint32_t size;
        gib_frame_state state;
    } cases[] = {{0, GIB_FRAME_INVALID},    {1, GIB_FRAME_INVALID},
                 {2, GIB_FRAME_PARTIAL},    {1000, GIB_FRAME_PARTIAL},
                 {1001, GIB_FRAME_INVALID}, {UINT32_MAX, GIB_FRAME_INVALID}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint8_t field[GIB_SIZE_FIELD];
        gib_request_frame found;
        gib_store_u32(field, cases[i].size);
        ck_assert_int_eq(gib_request_find(field, sizeof field, 1000, &found), cases[i].state);
    }
}
END_TEST

static gib_code decode(gibson_opcode opcode, const char *payload, gib_excess excess,
                       gibson_request *request)
{
    return gib_request_decode(gib_command(opcode), gibson_str(payload), &limits, excess, request);
}

static void expect_code(gibson_opcode opcode, const char *payload, gib_code code)
{
    gibson_request request;
    ck_assert_msg(decode(opcode, payload, GIB_EXCESS_REFUSED, &request) == code, "opcode %d, '%s'",
                  opcode, payload);
}

START_TEST(request_with_missing_or_wrong_fields_is_refused)
{
    expect_code(GIBSON_OP_SET, "", GIB_CODE_ERR);
    expect_code(GIBSON_OP_SET, "0", GIB_CODE_ERR);
    expect_code(GIBSON_OP_SET, "0 ", GIB_CODE_ERR);
    expect_code(GIBSON_OP_SET, "0 key", GIB_CODE_ERR); /* the reference server crashes */
    expect_code(GIBSON_OP_SET, "0 key ", GIB_CODE_ERR);
    expect_code(GIBSON_OP_SET, "0  v", GIB_CODE_ERR);
    expect_code(GIBSON_OP_SET, "0 key v", GIB_CODE_OK);
    expect_code(GIBSON_OP_SET, "x key v", GIB_CODE_NAN);
    expect_code(GIBSON_OP_SET, "100001 key v", GIB_CODE_ERR);
    expect_code(GIBSON_OP_SET, "100000 key v", GIB_CODE_OK);
    expect_code(GIBSON_OP_SET, "0 12345678 v", GIB_CODE_OK);
    expect_code(GIBSON_OP_SET, "0 123456789 v", GIB_CODE_ERR);
    expect_code(GIBSON_OP_SET, "0 key 1234567890", GIB_CODE_OK);
    expect_code(GIBSON_OP_SET, "0 key 12345678901", GIB_CODE_ERR);
    expect_code(GIBSON_OP_TTL, "key", GIB_CODE_ERR);
    expect_code(GIBSON_OP_TTL, "key ", GIB_CODE_ERR);
    expect_code(GIBSON_OP_TTL, "key 1 2", GIB_CODE_ERR);
    expect_code(GIBSON_OP_TTL, "key 1x", GIB_CODE_NAN);
    expect_code(GIBSON_OP_GET, "", GIB_CODE_ERR);
    expect_code(GIBSON_OP_GET, " key", GIB_CODE_ERR);
    expect_code(GIBSON_OP_GET, "key more", GIB_CODE_ERR);
    expect_code(GIBSON_OP_MGET, "p -1", GIB_CODE_OK);
    expect_code(GIBSON_OP_MGET, "p ", GIB_CODE_ERR);
    expect_code(GIBSON_OP_MSET, "p", GIB_CODE_ERR);
    expect_code(GIBSON_OP_META, "key nope", GIB_CODE_ERR);
    expect_code(GIBSON_OP_META, "key sizes", GIB_CODE_ERR);
    expect_code(GIBSON_OP_META, "key si", GIB_CODE_OK);
    expect_code(GIBSON_OP_PING, "anything at all", GIB_CODE_OK);
}
END_TEST

START_TEST(request_fields_are_cut_where_that_is_asked_for)
{
    gibson_request request;
    ck_assert_int_eq(decode(GIBSON_OP_SET, "200000 key 12345678901", GIB_EXCESS_CUT, &request),
                     GIB_CODE_OK);
    ck_assert_int_eq(request.number, 100000);
    ck_assert_uint_eq(request.value.size, 10);
    ck_assert_int_eq(decode(GIBSON_OP_SET, "0 12345678 v", GIB_EXCESS_CUT, &request), GIB_CODE_OK);
    ck_assert_uint_eq(request.key.size, 7);
    ck_assert_uint_eq(request.value.size, 3);
    ck_assert_mem_eq(request.value.data, "8 v", 3);
}
END_TEST

START_TEST(request_times_below_zero_are_one)
{
    gibson_request request;
    ck_assert_int_eq(decode(GIBSON_OP_LOCK, "key -77", GIB_EXCESS_REFUSED, &request), GIB_CODE_OK);
    ck_assert_int_eq(request.number, -1);
}
END_TEST

START_TEST(replies_are_read_by_the_client)
{
    gib_buffer out;
    gibson_reply reply;
    gibson_error error;
    size_t frame_size;
    uint8_t *room;
    gib_items_encoder encoder;
    gib_buffer_init(&out, &gib_default_allocator);
    ck_assert(gib_reply_encode_number(&out, -5));
    ck_assert_int_eq(gib_reply_decode(out.data, out.end, gib_command(GIBSON_OP_INC), 1000, &reply,
                                      &frame_size, &error),
                     GIBSON_OK);
    ck_assert_int_eq(reply.value.number, -5);
    size_t start = out.end;
    ck_assert(gib_items_encode_begin(&encoder, &out));
    ck_assert(gib_items_encode_number(&encoder, gibson_str("a"), 7));
    ck_assert(gib_items_encode_add(&encoder, gibson_str("bc"), GIB_ENCODING_PLAIN, 3, &room));
    memcpy(room, "xyz", 3);
    gib_items_encode_end(&encoder);
    ck_assert_uint_eq(gib_items_encode_size(&encoder), 4 + 9 + 1 + 8 + 9 + 2 + 3);
    ck_assert_int_eq(gib_reply_decode(out.data + start, out.end - start,
                                      gib_command(GIBSON_OP_MGET), 1000, &reply, &frame_size,
                                      &error),
                     GIBSON_OK);
    ck_assert_uint_eq(frame_size, out.end - start);
    gibson_value value;
    ck_assert(gibson_items_find(&reply.items, gibson_str("bc"), &value));
    ck_assert_mem_eq(value.bytes.data, "xyz", 3);
    gib_buffer_clear(&out);
}
END_TEST

SUITE("server_wire", request_is_partial_at_every_byte_and_whole_at_the_last,
      request_size_is_bounded_as_soon_as_it_is_there,
      request_with_missing_or_wrong_fields_is_refused,
      request_fields_are_cut_where_that_is_asked_for, request_times_below_zero_are_one,
      replies_are_read_by_the_client)
