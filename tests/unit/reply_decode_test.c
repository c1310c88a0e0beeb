/* wire/reply_decode and wire/items: what is accepted, and what is refused. */
#include "wire/reply_decode.h"

#include <stdlib.h>
#include <string.h>

#include "support/replies.h"
#include "support/samples.h"
#include "support/suite.h"
#include "support/vectors.h"
#include "wire/items.h"

static gibson_reply reply;
static gibson_error error;
static size_t frame_size;

/* Decodes from a block of exactly that size, so that sanitizers and valgrind see an overrun. The
   views of the reply point into `data` all the same. */
static gibson_status decode(gibson_opcode opcode, const uint8_t *data, size_t size)
{
    const gibson_command *command = gibson_command_by_opcode(opcode);
    uint8_t *copy = malloc(size ? size : 1);
    ck_assert_ptr_nonnull(copy);
    if (size) {
        memcpy(copy, data, size);
    }
    gibson_status status =
        gib_reply_decode(copy, size, command, VECTOR_MAX_REPLY, &reply, &frame_size, &error);
    if (status == GIBSON_OK) { /* again, for views that outlive the copy */
        status =
            gib_reply_decode(data, size, command, VECTOR_MAX_REPLY, &reply, &frame_size, &error);
    }
    free(copy);
    return status;
}

/* Decodes every beginning of a frame, which must be incomplete, and then the whole. */
static gibson_status decode_growing(gibson_opcode opcode, const gib_buffer *frame)
{
    size_t size = gib_buffer_size(frame);
    for (size_t i = 0; i < size; i++) {
        ck_assert_status(decode(opcode, bytes_of(frame), i), GIBSON_WOULD_BLOCK);
        ck_assert_uint_eq(frame_size, i < GIB_REPLY_HEADER ? GIB_REPLY_HEADER : size);
    }
    gibson_status status = decode(opcode, bytes_of(frame), size);
    ck_assert_uint_eq(frame_size, size);
    return status;
}

START_TEST(decode_reply_to_each_command)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        gib_buffer frame = bytes_new();
        gibson_opcode opcode = samples[i].request.opcode;
        sample_reply(&frame, opcode, samples[i].payload, strlen(samples[i].payload));
        ck_assert_status(decode_growing(opcode, &frame), GIBSON_OK);
        ck_assert_uint_eq(reply.opcode, opcode);
        ck_assert(sample_reply_matches(&reply));
        gib_buffer_clear(&frame);
    }
}
END_TEST

START_TEST(decode_answer_of_each_code_to_each_command)
{
    static const struct {
        gib_code code;
        gibson_status status;
    } rows[] = {{GIB_CODE_ERR, GIBSON_SERVER_ERROR},
                {GIB_CODE_NOT_FOUND, GIBSON_NOT_FOUND},
                {GIB_CODE_NAN, GIBSON_NAN},
                {GIB_CODE_MEM, GIBSON_SERVER_MEMORY},
                {GIB_CODE_LOCKED, GIBSON_LOCKED}};
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t j = 0; j < COUNT_OF(rows); j++) {
            gib_buffer frame = bytes_new();
            reply_add_short(&frame, rows[j].code);
            ck_assert_status(decode_growing(samples[i].request.opcode, &frame), GIBSON_OK);
            ck_assert_status(reply.status, rows[j].status);
            ck_assert_int_eq(reply.value.kind, GIBSON_KIND_NONE);
            ck_assert_uint_eq(gibson_items_count(&reply.items), 0);
            gib_buffer_clear(&frame);
        }
    }
}
END_TEST

START_TEST(decode_value_of_any_bytes)
{
    static const char data[] = "\0\377 value\n";
    gib_buffer frame = bytes_new();
    reply_add_bytes(&frame, data, sizeof data);
    ck_assert_status(decode_growing(GIBSON_OP_GET, &frame), GIBSON_OK);
    ck_assert_int_eq(reply.value.kind, GIBSON_KIND_BYTES);
    ck_assert_uint_eq(reply.value.bytes.size, sizeof data);
    ck_assert_mem_eq(reply.value.bytes.data, data, sizeof data);
    gib_buffer_clear(&frame);

    reply_add_bytes(&frame, "", 0);
    ck_assert_status(decode_growing(GIBSON_OP_GET, &frame), GIBSON_OK);
    ck_assert_int_eq(reply.value.kind, GIBSON_KIND_BYTES);
    ck_assert_uint_eq(reply.value.bytes.size, 0);
    gib_buffer_clear(&frame);
}
END_TEST

/* A 32-bit server sends numbers of 4 bytes. */
START_TEST(decode_number_of_each_size_keeps_its_sign)
{
    static const struct {
        const char *data;
        size_t size;
        int64_t number;
    } rows[] = {
        {"\0", 1, 0},
        {"\177", 1, 127},
        {"\200", 1, -128},
        {"\377", 1, -1},
        {"\1\2", 2, 0x0201},
        {"\0\200", 2, -32768},
        {"\1\2\3\4", 4, 0x04030201},
        {"\0\0\0\200", 4, INT32_MIN},
        {"\377\377\377\377", 4, -1},
        {"\1\2\3\4\5\6\7\10", 8, INT64_C(0x0807060504030201)},
        {"\377\377\377\377\377\377\377\177", 8, INT64_MAX},
        {"\0\0\0\0\0\0\0\200", 8, INT64_MIN},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        gib_buffer frame = bytes_new();
        reply_add(&frame, GIB_CODE_VAL, GIB_ENCODING_NUMBER, rows[i].data, rows[i].size);
        ck_assert_status(decode_growing(GIBSON_OP_GET, &frame), GIBSON_OK);
        ck_assert_int_eq(reply.value.kind, GIBSON_KIND_NUMBER);
        ck_assert_int_eq(reply.value.number, rows[i].number);
        ck_assert_status(decode_growing(GIBSON_OP_MUNLOCK, &frame), GIBSON_OK);
        ck_assert_int_eq(reply.value.number, rows[i].number);
        gib_buffer_clear(&frame);
    }
}
END_TEST

START_TEST(decode_items_of_every_kind)
{
    gib_buffer frame = bytes_new();
    size_t at = reply_begin_items(&frame, 4);
    reply_add_item(&frame, "bytes", GIB_ENCODING_PLAIN, "\0x", 2);
    reply_add_item(&frame, "", GIB_ENCODING_PLAIN, "", 0);
    reply_add_item(&frame, "wide", GIB_ENCODING_NUMBER, "\7\0\0\0\0\0\0\0", 8);
    reply_add_item(&frame, "narrow", GIB_ENCODING_NUMBER, "\377", 1);
    reply_end_items(&frame, at);
    ck_assert_status(decode_growing(GIBSON_OP_MGET, &frame), GIBSON_OK);

    gibson_bytes key;
    gibson_value value;
    gibson_items walk = reply.items;
    ck_assert_uint_eq(gibson_items_count(&walk), 4);
    ck_assert(gibson_items_next(&walk, &key, &value));
    ck_assert_mem_eq(key.data, "bytes", key.size);
    ck_assert_int_eq(value.kind, GIBSON_KIND_BYTES);
    ck_assert_mem_eq(value.bytes.data, "\0x", value.bytes.size);
    ck_assert(gibson_items_next(&walk, &key, NULL));
    ck_assert_uint_eq(key.size, 0);
    ck_assert(gibson_items_next(&walk, NULL, &value));
    ck_assert_int_eq(value.number, 7);
    ck_assert_uint_eq(gibson_items_count(&walk), 1);
    ck_assert(gibson_items_next(&walk, &key, &value));
    ck_assert_int_eq(value.kind, GIBSON_KIND_NUMBER);
    ck_assert_int_eq(value.number, -1);
    ck_assert(!gibson_items_next(&walk, &key, &value));
    ck_assert_ptr_null(key.data);
    ck_assert_int_eq(value.kind, GIBSON_KIND_NONE);
    ck_assert_uint_eq(gibson_items_count(&reply.items), 4); /* the first walk has not moved */
    gib_buffer_clear(&frame);
}
END_TEST

START_TEST(items_find_does_not_move_the_walk)
{
    gib_buffer frame = bytes_new();
    size_t at = reply_begin_items(&frame, 2);
    reply_add_item(&frame, "a", GIB_ENCODING_PLAIN, "1", 1);
    reply_add_item(&frame, "", GIB_ENCODING_PLAIN, "2", 1);
    reply_end_items(&frame, at);
    ck_assert_status(decode_growing(GIBSON_OP_STATS, &frame), GIBSON_OK);
    gibson_items walk = reply.items;
    gibson_value value;
    ck_assert(gibson_items_find(&walk, gibson_str("a"), &value));
    ck_assert_mem_eq(value.bytes.data, "1", 1);
    ck_assert(gibson_items_find(&walk, gibson_bytes_of(NULL, 0), &value));
    ck_assert_mem_eq(value.bytes.data, "2", 1);
    ck_assert(gibson_items_find(&walk, gibson_str("a"), NULL));
    ck_assert(!gibson_items_find(&walk, gibson_str("b"), &value));
    ck_assert_int_eq(value.kind, GIBSON_KIND_NONE);
    ck_assert_uint_eq(gibson_items_count(&walk), 2);
    ck_assert(gibson_items_next(&walk, NULL, NULL));
    ck_assert(!gibson_items_find(&walk, gibson_str("a"), &value)); /* it looks from here on */
    gib_buffer_clear(&frame);
}
END_TEST

START_TEST(items_of_nothing_are_empty)
{
    gibson_bytes key = {"x", 1};
    gibson_value value = {.kind = GIBSON_KIND_NUMBER};
    ck_assert_uint_eq(gibson_items_count(NULL), 0);
    ck_assert(!gibson_items_next(NULL, &key, &value));
    ck_assert_uint_eq(key.size, 0);
    ck_assert_int_eq(value.kind, GIBSON_KIND_NONE);
    value.kind = GIBSON_KIND_NUMBER;
    ck_assert(!gibson_items_find(NULL, gibson_str("x"), &value));
    ck_assert_int_eq(value.kind, GIBSON_KIND_NONE);

    gib_buffer frame = bytes_new();
    reply_end_items(&frame, reply_begin_items(&frame, 0));
    ck_assert_status(decode_growing(GIBSON_OP_KEYS, &frame), GIBSON_OK);
    ck_assert_uint_eq(gibson_items_count(&reply.items), 0);
    gib_buffer_clear(&frame);
}
END_TEST

START_TEST(decode_reply_of_exactly_max_reply_size_is_the_last_accepted)
{
    gib_buffer frame = bytes_new();
    reply_add_header(&frame, GIB_CODE_VAL, GIB_ENCODING_PLAIN, VECTOR_MAX_REPLY);
    ck_assert_status(decode(GIBSON_OP_GET, bytes_of(&frame), GIB_REPLY_HEADER), GIBSON_WOULD_BLOCK);
    ck_assert_uint_eq(frame_size, GIB_REPLY_HEADER + VECTOR_MAX_REPLY);
    gib_store_u32(frame.data + 3, VECTOR_MAX_REPLY + 1);
    ck_assert_status(decode(GIBSON_OP_GET, bytes_of(&frame), GIB_REPLY_HEADER), GIBSON_PROTOCOL);
    gib_buffer_clear(&frame);
}
END_TEST

START_TEST(decode_every_code_from_8_is_refused)
{
    for (unsigned int code = 8; code <= UINT16_MAX; code++) {
        gib_buffer frame = bytes_new();
        reply_add_short(&frame, (gib_code)code);
        ck_assert_status(decode(GIBSON_OP_GET, bytes_of(&frame), GIB_REPLY_HEADER),
                         GIBSON_PROTOCOL);
        ck_assert_message_has(&error, "is no code");
        gib_buffer_clear(&frame);
    }
}
END_TEST

/* VAL answers commands that yield a value or a number, KVAL those that yield items, OK the others;
   nothing else passes. */
START_TEST(decode_success_that_does_not_answer_the_command_is_refused)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const gibson_command *command = gibson_command_at(i);
        gib_code right = command->yield == GIBSON_YIELD_NONE   ? GIB_CODE_OK
                         : gibson_yields_items(command->yield) ? GIB_CODE_KVAL
                                                               : GIB_CODE_VAL;
        for (gib_code code = GIB_CODE_OK; code <= GIB_CODE_KVAL; code++) {
            gib_buffer frame = bytes_new();
            if (code == GIB_CODE_OK) {
                reply_add_short(&frame, code);
            } else if (code == GIB_CODE_VAL) {
                reply_add_number(&frame, 1);
            } else {
                reply_end_items(&frame, reply_begin_items(&frame, 0));
            }
            gibson_status status =
                decode(command->opcode, bytes_of(&frame), gib_buffer_size(&frame));
            ck_assert_status(status, code == right ? GIBSON_OK : GIBSON_PROTOCOL);
            if (code != right) {
                ck_assert_message_has(&error, "does not answer it");
                ck_assert_message_has(&error, command->name);
            }
            gib_buffer_clear(&frame);
        }
    }
}
END_TEST

START_TEST(decode_each_vector_is_refused_by_name)
{
    for (size_t i = 0; i < vector_count; i++) {
        const vector *each = &vectors[i];
        if (strstr(each->field, "after the reply")) {
            continue; /* for the session to find */
        }
        gib_buffer bytes = bytes_new();
        each->build(&bytes);
        ck_assert_msg(decode(each->opcode, bytes_of(&bytes), gib_buffer_size(&bytes)) ==
                          GIBSON_PROTOCOL,
                      "vector %s", each->name);
        ck_assert_int_eq(error.status, GIBSON_PROTOCOL);
        ck_assert_message_has(&error, each->field);
        ck_assert_message_has(&error, gibson_command_by_opcode(each->opcode)->name);
        /* Each beginning is incomplete or refused, and what was refused once stays so. */
        bool refused = false;
        for (size_t size = 0; size < gib_buffer_size(&bytes); size++) {
            gibson_status status = decode(each->opcode, bytes_of(&bytes), size);
            ck_assert(status == GIBSON_PROTOCOL || (status == GIBSON_WOULD_BLOCK && !refused));
            refused = status == GIBSON_PROTOCOL;
        }
        gib_buffer_clear(&bytes);
    }
}
END_TEST

/* Any byte of a reply changed: an answer or a refusal, but never a read outside of the frame, which
   the copy of exact size would show, and never an item that is not inside of it. */
START_TEST(decode_any_byte_corrupt_stays_inside_the_frame)
{
    gib_buffer frame = bytes_new();
    size_t at = reply_begin_items(&frame, 3);
    reply_add_item(&frame, "key", GIB_ENCODING_PLAIN, "value", 5);
    reply_add_item(&frame, "number", GIB_ENCODING_NUMBER, "12345678", 8);
    reply_add_item(&frame, "", GIB_ENCODING_PLAIN, "", 0);
    reply_end_items(&frame, at);
    size_t size = gib_buffer_size(&frame);
    for (size_t i = 0; i < size; i++) {
        for (int byte = 0; byte < 256; byte++) {
            uint8_t before = frame.data[i];
            frame.data[i] = (uint8_t)byte;
            if (decode(GIBSON_OP_MGET, bytes_of(&frame), size) == GIBSON_OK) {
                const uint8_t *end = frame.data + frame.end;
                gibson_bytes key;
                gibson_value value;
                while (gibson_items_next(&reply.items, &key, &value)) {
                    const uint8_t *first = key.data;
                    ck_assert(first > frame.data && key.size <= (size_t)(end - first));
                }
                ck_assert_ptr_eq(reply.items.cursor, end);
            }
            frame.data[i] = before;
        }
    }
    gib_buffer_clear(&frame);
}
END_TEST

SUITE("reply_decode", decode_reply_to_each_command, decode_answer_of_each_code_to_each_command,
      decode_value_of_any_bytes, decode_number_of_each_size_keeps_its_sign,
      decode_items_of_every_kind, items_find_does_not_move_the_walk, items_of_nothing_are_empty,
      decode_reply_of_exactly_max_reply_size_is_the_last_accepted,
      decode_every_code_from_8_is_refused,
      decode_success_that_does_not_answer_the_command_is_refused,
      decode_each_vector_is_refused_by_name, decode_any_byte_corrupt_stays_inside_the_frame)
