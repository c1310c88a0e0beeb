/* wire/request_encode: what is sent, and what is refused before anything is. */
#include "wire/request_encode.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/failing_allocator.h"
#include "support/replies.h"
#include "support/samples.h"
#include "support/suite.h"
#include "wire/number.h"

static const gib_limits limits = {.max_reply_size = 1 << 20,
                                  .max_request_size = 1 << 16,
                                  .max_key_size = 1023,
                                  .max_value_size = 1 << 16,
                                  .max_seconds = 32767};

static gib_buffer out;
static gib_encoded encoded;
static gibson_error error;

static gibson_status encode(const gibson_request *request, gib_value_place place)
{
    return gib_request_encode(request, &limits, place, &out, &encoded, &error);
}

/* Checks that a request is refused, that the error names `word`, and that nothing was appended. */
static void check_refused(gibson_request request, const char *word)
{
    out = bytes_new();
    bytes_add(&out, "before", 6);
    for (gib_value_place place = GIB_VALUE_COPIED; place <= GIB_VALUE_BORROWED; place++) {
        ck_assert_status(encode(&request, place), GIBSON_INVALID);
        ck_assert_int_eq(error.status, GIBSON_INVALID);
        ck_assert_message_has(&error, word);
        ck_assert_uint_eq(gib_buffer_size(&out), 6);
        ck_assert_mem_eq(bytes_of(&out), "before", 6);
    }
    gib_buffer_clear(&out);
}

static void check_accepted(gibson_request request)
{
    out = bytes_new();
    ck_assert_msg(encode(&request, GIB_VALUE_COPIED) == GIBSON_OK, "%s", error.message);
    ck_assert_uint_eq(gib_buffer_size(&out), encoded.frame_size);
    gib_buffer_clear(&out);
}

/* Checks the bytes of a frame, one by one. */
static void check_frame(const uint8_t *frame, size_t size, unsigned int opcode, const void *payload,
                        size_t payload_size)
{
    size_t counted = payload_size + 2;
    ck_assert_uint_eq(size, counted + 4);
    const uint8_t head[] = {(uint8_t)counted,         (uint8_t)(counted >> 8),
                            (uint8_t)(counted >> 16), (uint8_t)(counted >> 24),
                            (uint8_t)opcode,          0};
    ck_assert_mem_eq(frame, head, sizeof head);
    if (payload_size) {
        ck_assert_mem_eq(frame + sizeof head, payload, payload_size);
    }
}

START_TEST(encode_each_command_gives_its_frame)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const sample *each = &samples[i];
        out = bytes_new();
        ck_assert_status(encode(&each->request, GIB_VALUE_COPIED), GIBSON_OK);
        check_frame(bytes_of(&out), gib_buffer_size(&out), each->request.opcode, each->payload,
                    strlen(each->payload));
        ck_assert_uint_eq(encoded.frame_size, strlen(each->payload) + 6);
        gib_buffer_clear(&out);
    }
}
END_TEST

START_TEST(encode_set_is_byte_exact)
{
    static const uint8_t frame[] = {12,  0,   0,   0,   1, 0,   '7', ' ',
                                    'k', 'e', 'y', ' ', 0, 255, ' ', '\n'};
    gibson_request request =
        gibson_request_value(GIBSON_OP_SET, gibson_str("key"), gibson_bytes_of("\0\377 \n", 4), 7);
    out = bytes_new();
    ck_assert_status(encode(&request, GIB_VALUE_COPIED), GIBSON_OK);
    ck_assert_uint_eq(gib_buffer_size(&out), sizeof frame);
    ck_assert_mem_eq(bytes_of(&out), frame, sizeof frame);
    gib_buffer_clear(&out);
}
END_TEST

START_TEST(encode_borrowed_value_stays_where_it_is)
{
    out = bytes_new();
    const sample *set = sample_of(GIBSON_OP_SET);
    ck_assert_status(encode(&set->request, GIB_VALUE_BORROWED), GIBSON_OK);
    ck_assert_uint_eq(encoded.value_size, set->request.value.size);
    ck_assert_uint_eq(gib_buffer_size(&out), encoded.frame_size - encoded.value_size);
    bytes_add(&out, set->request.value.data, set->request.value.size);
    check_frame(bytes_of(&out), gib_buffer_size(&out), GIBSON_OP_SET, set->payload,
                strlen(set->payload));
    gib_buffer_clear(&out);
}
END_TEST

START_TEST(encode_appends_behind_what_is_there)
{
    out = bytes_new();
    bytes_add(&out, "before", 6);
    const sample *del = sample_of(GIBSON_OP_DEL);
    ck_assert_status(encode(&del->request, GIB_VALUE_COPIED), GIBSON_OK);
    ck_assert_mem_eq(bytes_of(&out), "before", 6);
    check_frame(bytes_of(&out) + 6, gib_buffer_size(&out) - 6, GIBSON_OP_DEL, "key", 3);
    gib_buffer_clear(&out);
}
END_TEST

START_TEST(encode_opcode_that_is_none_is_refused)
{
    static const unsigned int opcodes[] = {0, 22, 100, 254, 256, 257, 65537, UINT32_MAX};
    for (size_t i = 0; i < COUNT_OF(opcodes); i++) {
        check_refused(gibson_request_key((gibson_opcode)opcodes[i], gibson_str("key")), "opcode");
    }
}
END_TEST

START_TEST(encode_key_empty_or_null_is_refused)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        gibson_request request = samples[i].request;
        if (!request.key.size) {
            continue;
        }
        const gibson_command *command = gibson_command_by_opcode(request.opcode);
        bool prefix = gibson_takes(command->arguments, GIBSON_ARGUMENT_PREFIX);
        request.key.size = 0;
        check_refused(request, prefix ? "prefix is empty" : "key is empty");
        request.key = gibson_bytes_of(NULL, 0);
        check_refused(request, "is empty");
        request.key = gibson_bytes_of(NULL, 3);
        check_refused(request, prefix ? "prefix is NULL" : "key is NULL");
    }
}
END_TEST

START_TEST(encode_key_too_long_is_refused)
{
    uint8_t key[1024];
    memset(key, 'k', sizeof key);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        gibson_request request = samples[i].request;
        if (!request.key.size) {
            continue;
        }
        request.key = gibson_bytes_of(key, limits.max_key_size);
        check_accepted(request);
        request.key.size = limits.max_key_size + 1;
        check_refused(request, "max_key_size");
        request.key.size = SIZE_MAX;
        check_refused(request, "max_key_size");
    }
}
END_TEST

/* A space would end the key and begin the value (pymemcache 99, pylibmc 282: injection), and prefix
   commands of the reference server cut a key at a NUL. Keys are looked at in words of 8 bytes. */
START_TEST(encode_key_with_space_or_nul_anywhere_is_refused)
{
    static const char forbidden[] = {' ', '\0'};
    for (size_t size = 1; size <= 40; size++) {
        for (size_t at = 0; at < size; at++) {
            for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
                char *key = malloc(size); /* of that size, for the sanitizer to see an overrun */
                ck_assert_ptr_nonnull(key);
                memset(key, 'k', size);
                key[at] = forbidden[i];
                check_refused(gibson_request_key(GIBSON_OP_GET, gibson_bytes_of(key, size)),
                              "space or a NUL");
                check_refused(gibson_request_key(GIBSON_OP_MDEL, gibson_bytes_of(key, size)),
                              "prefix contains");
                free(key);
            }
        }
    }
}
END_TEST

START_TEST(encode_key_of_any_other_byte_is_sent)
{
    for (size_t size = 1; size <= 24; size++) {
        for (int byte = 1; byte < 256; byte++) {
            if (byte == ' ') {
                continue;
            }
            char key[24];
            memset(key, byte, sizeof key);
            out = bytes_new();
            gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_bytes_of(key, size));
            ck_assert_status(encode(&request, GIB_VALUE_COPIED), GIBSON_OK);
            check_frame(bytes_of(&out), gib_buffer_size(&out), GIBSON_OP_GET, key, size);
            gib_buffer_clear(&out);
        }
    }
}
END_TEST

/* A SET without a value crashes the reference server: protocol.md, trap 1. */
START_TEST(encode_value_empty_or_null_is_refused)
{
    static const gibson_opcode opcodes[] = {GIBSON_OP_SET, GIBSON_OP_MSET};
    for (size_t i = 0; i < COUNT_OF(opcodes); i++) {
        check_refused(gibson_request_value(opcodes[i], gibson_str("key"), gibson_str(""), 0),
                      "value is empty");
        check_refused(
            gibson_request_value(opcodes[i], gibson_str("key"), gibson_bytes_of(NULL, 0), 0),
            "value is empty");
        check_refused(
            gibson_request_value(opcodes[i], gibson_str("key"), gibson_bytes_of(NULL, 3), 0),
            "value is NULL");
    }
}
END_TEST

START_TEST(encode_value_too_long_is_refused)
{
    gib_limits small = limits;
    small.max_value_size = 10;
    out = bytes_new();
    gibson_request request =
        gibson_request_value(GIBSON_OP_MSET, gibson_str("p"), gibson_str("0123456789A"), 0);
    ck_assert_status(gib_request_encode(&request, &small, GIB_VALUE_COPIED, &out, &encoded, &error),
                     GIBSON_INVALID);
    ck_assert_message_has(&error, "max_value_size");
    request.value.size = 10;
    ck_assert_status(gib_request_encode(&request, &small, GIB_VALUE_COPIED, &out, &encoded, &error),
                     GIBSON_OK);
    gib_buffer_clear(&out);
}
END_TEST

START_TEST(encode_seconds_out_of_range_are_refused)
{
    static const struct {
        gibson_opcode opcode;
        int64_t lowest;
    } rows[] = {{GIBSON_OP_SET, 0},
                {GIBSON_OP_TTL, 0},
                {GIBSON_OP_MTTL, 0},
                {GIBSON_OP_LOCK, -1},
                {GIBSON_OP_MLOCK, -1}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const int64_t refused[] = {INT64_MIN, INT32_MIN,        rows[i].lowest - 1, 32768,
                                   65536,     INT64_C(1) << 32, INT64_MAX};
        gibson_request request = sample_of(rows[i].opcode)->request;
        for (size_t j = 0; j < COUNT_OF(refused); j++) {
            request.number = refused[j];
            check_refused(request, "max_seconds (32767)");
        }
        request.number = rows[i].lowest;
        check_accepted(request);
        request.number = 32767;
        check_accepted(request);
    }
}
END_TEST

START_TEST(encode_seconds_follow_the_limit_of_the_options)
{
    gib_limits wide = limits;
    wide.max_seconds = INT64_MAX;
    out = bytes_new();
    gibson_request request = gibson_request_key_number(GIBSON_OP_TTL, gibson_str("k"), INT64_MAX);
    ck_assert_status(gib_request_encode(&request, &wide, GIB_VALUE_COPIED, &out, &encoded, &error),
                     GIBSON_OK);
    check_frame(bytes_of(&out), gib_buffer_size(&out), GIBSON_OP_TTL, "k 9223372036854775807", 21);
    gib_buffer_clear(&out);
}
END_TEST

START_TEST(encode_meta_field_that_is_none_is_refused)
{
    static const int64_t fields[] = {-1, 7, 255, INT64_C(1) << 32, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        check_refused(gibson_request_key_number(GIBSON_OP_META, gibson_str("key"), fields[i]),
                      "no field");
    }
}
END_TEST

START_TEST(encode_meta_sends_the_name_of_the_field)
{
    for (int64_t field = GIBSON_META_SIZE; field <= GIBSON_META_LOCK; field++) {
        char payload[32];
        int size = snprintf(payload, sizeof payload, "key %s",
                            gibson_meta_field_name((gibson_meta_field)field));
        out = bytes_new();
        gibson_request request =
            gibson_request_key_number(GIBSON_OP_META, gibson_str("key"), field);
        ck_assert_status(encode(&request, GIB_VALUE_COPIED), GIBSON_OK);
        check_frame(bytes_of(&out), gib_buffer_size(&out), GIBSON_OP_META, payload, (size_t)size);
        gib_buffer_clear(&out);
    }
}
END_TEST

START_TEST(encode_mget_limit_of_0_or_less_is_left_out)
{
    static const struct {
        int64_t limit;
        const char *payload;
    } rows[] = {{0, "p"},   {-1, "p"},    {INT64_MIN, "p"},
                {1, "p 1"}, {10, "p 10"}, {INT64_MAX, "p 9223372036854775807"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        out = bytes_new();
        gibson_request request =
            gibson_request_key_number(GIBSON_OP_MGET, gibson_str("p"), rows[i].limit);
        ck_assert_status(encode(&request, GIB_VALUE_COPIED), GIBSON_OK);
        check_frame(bytes_of(&out), gib_buffer_size(&out), GIBSON_OP_MGET, rows[i].payload,
                    strlen(rows[i].payload));
        gib_buffer_clear(&out);
    }
}
END_TEST

START_TEST(encode_members_a_command_does_not_take_are_ignored)
{
    out = bytes_new();
    gibson_request request = gibson_request_make(GIBSON_OP_PING, gibson_bytes_of("a b", 3),
                                                 gibson_bytes_of(NULL, SIZE_MAX), INT64_MIN);
    ck_assert_status(encode(&request, GIB_VALUE_COPIED), GIBSON_OK);
    ck_assert_uint_eq(encoded.value_size, 0);
    check_frame(bytes_of(&out), gib_buffer_size(&out), GIBSON_OP_PING, "", 0);
    gib_buffer_consume(&out, gib_buffer_size(&out));
    request.opcode = GIBSON_OP_GET;
    request.key = gibson_bytes_of("key", 3);
    ck_assert_status(encode(&request, GIB_VALUE_BORROWED), GIBSON_OK);
    check_frame(bytes_of(&out), gib_buffer_size(&out), GIBSON_OP_GET, "key", 3);
    gib_buffer_clear(&out);
}
END_TEST

/* The size on the wire counts the opcode and the payload. */
START_TEST(encode_request_of_exactly_max_request_size_is_the_last_accepted)
{
    char *value = malloc(limits.max_request_size);
    ck_assert_ptr_nonnull(value);
    memset(value, 'v', limits.max_request_size);
    size_t fits = limits.max_request_size - 2 - strlen("60 key ");
    check_accepted(
        gibson_request_value(GIBSON_OP_SET, gibson_str("key"), gibson_bytes_of(value, fits), 60));
    check_refused(gibson_request_value(GIBSON_OP_SET, gibson_str("key"),
                                       gibson_bytes_of(value, fits + 1), 60),
                  "65537 bytes, over max_request_size (65536)");
    free(value);

    gib_limits small = limits;
    small.max_request_size = 2;
    out = bytes_new();
    gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    ck_assert_status(gib_request_encode(&ping, &small, GIB_VALUE_COPIED, &out, &encoded, &error),
                     GIBSON_OK);
    small.max_request_size = 1;
    ck_assert_status(gib_request_encode(&ping, &small, GIB_VALUE_COPIED, &out, &encoded, &error),
                     GIBSON_INVALID);
    gib_buffer_clear(&out);
}
END_TEST

START_TEST(str_is_a_view_up_to_the_nul)
{
    static const char string[] = "key\0more";
    ck_assert_ptr_eq(gibson_str(string).data, string);
    ck_assert_uint_eq(gibson_str(string).size, 3);
    ck_assert_ptr_nonnull(gibson_str("").data);
    ck_assert_uint_eq(gibson_str("").size, 0);
    ck_assert_ptr_null(gibson_str(NULL).data);
    ck_assert_uint_eq(gibson_str(NULL).size, 0);
}
END_TEST

START_TEST(encode_without_memory_appends_nothing)
{
    failing_allocator counts = {.fail_at = 1};
    gibson_allocator allocator = failing_allocator_functions(&counts);
    gib_buffer_init(&out, &allocator);
    ck_assert_status(encode(&samples[0].request, GIB_VALUE_COPIED), GIBSON_NOMEM);
    ck_assert_int_eq(error.status, GIBSON_NOMEM);
    ck_assert_uint_eq(gib_buffer_size(&out), 0);
    ck_assert_uint_eq(counts.live, 0);
}
END_TEST

START_TEST(number_write_is_decimal_text)
{
    static const int64_t numbers[] = {0,   1,     -1,        9,         10,        -10,          99,
                                      100, 32767, INT32_MIN, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        uint8_t written[GIB_LONGEST_NUMBER];
        char expected[GIB_LONGEST_NUMBER + 1];
        size_t size = gib_number_write(written, numbers[i]);
        ck_assert_int_eq(snprintf(expected, sizeof expected, "%" PRId64, numbers[i]), (int)size);
        ck_assert_mem_eq(written, expected, size);
    }
}
END_TEST

/* Takes a payload apart as a server does, which knows no lengths: fields end at the first spaces,
   and the last has the rest. Returns how many fields there are. */
static size_t split_payload(const uint8_t *payload, size_t size, size_t fields, gibson_bytes *into)
{
    size_t found = 0;
    while (found + 1 < fields) {
        const uint8_t *space = memchr(payload, ' ', size);
        if (!space) {
            break;
        }
        size_t field = (size_t)(space - payload);
        into[found++] = gibson_bytes_of(payload, field);
        payload += field + 1;
        size -= field + 1;
    }
    into[found++] = gibson_bytes_of(payload, size);
    return found;
}

static void random_bytes(uint8_t *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        /* Spaces, NULs and digits are where payloads go wrong. */
        static const uint8_t likely[] = {' ', 0, '0', '-', '\n'};
        uint32_t random = suite_random();
        to[i] = random % 8 == 0 ? likely[random / 8 % sizeof likely] : (uint8_t)(random >> 8);
    }
}

static bool same_bytes(gibson_bytes a, gibson_bytes b)
{
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

static bool same_number(gibson_bytes text, int64_t number)
{
    char expected[GIB_LONGEST_NUMBER + 1];
    int size = snprintf(expected, sizeof expected, "%" PRId64, number);
    return same_bytes(text, gibson_bytes_of(expected, (size_t)size));
}

/* Whatever is accepted, a server reads as it was meant. */
START_TEST(encode_what_is_accepted_decodes_to_the_same)
{
    uint8_t key[32];
    uint8_t value[64];
    size_t accepted = 0;
    for (int round = 0; round < 20000; round++) {
        random_bytes(key, sizeof key);
        random_bytes(value, sizeof value);
        gibson_request request = gibson_request_make(
            samples[suite_random() % SAMPLE_COUNT].request.opcode,
            gibson_bytes_of(key, suite_random() % (suite_random() % 2 ? 4 : sizeof key)),
            gibson_bytes_of(value, suite_random() % sizeof value),
            (int64_t)(suite_random() % 40000) - 2000);
        out = bytes_new();
        gibson_status status = encode(&request, GIB_VALUE_COPIED);
        if (status == GIBSON_OK) {
            const uint8_t *frame = bytes_of(&out);
            gibson_bytes fields[3];
            ck_assert_uint_eq(gib_load_u32(frame) + 4, gib_buffer_size(&out));
            ck_assert_uint_eq(gib_load_u16(frame + 4), request.opcode);
            const uint8_t *payload = frame + GIB_REQUEST_HEADER;
            size_t size = gib_buffer_size(&out) - GIB_REQUEST_HEADER;
            switch (gibson_command_by_opcode(request.opcode)->arguments) {
            case GIBSON_ARGUMENTS_NONE:
                ck_assert_uint_eq(size, 0);
                break;
            case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
                ck_assert_uint_eq(split_payload(payload, size, 3, fields), 3);
                ck_assert(same_number(fields[0], request.number));
                ck_assert(same_bytes(fields[1], request.key));
                ck_assert(same_bytes(fields[2], request.value));
                break;
            case GIBSON_ARGUMENTS_PREFIX_VALUE:
                ck_assert_uint_eq(split_payload(payload, size, 2, fields), 2);
                ck_assert(same_bytes(fields[0], request.key));
                ck_assert(same_bytes(fields[1], request.value));
                break;
            case GIBSON_ARGUMENTS_KEY:
            case GIBSON_ARGUMENTS_PREFIX:
                ck_assert_uint_eq(split_payload(payload, size, 2, fields), 1);
                ck_assert(same_bytes(fields[0], request.key));
                break;
            case GIBSON_ARGUMENTS_PREFIX_LIMIT:
                ck_assert_uint_eq(split_payload(payload, size, 3, fields),
                                  request.number > 0 ? 2 : 1);
                ck_assert(same_bytes(fields[0], request.key));
                ck_assert(request.number <= 0 || same_number(fields[1], request.number));
                break;
            case GIBSON_ARGUMENTS_KEY_FIELD:
                ck_assert_uint_eq(split_payload(payload, size, 3, fields), 2);
                ck_assert(same_bytes(fields[0], request.key));
                break;
            default:
                ck_assert_uint_eq(split_payload(payload, size, 3, fields), 2);
                ck_assert(same_bytes(fields[0], request.key));
                ck_assert(same_number(fields[1], request.number));
                break;
            }
            accepted++;
        } else {
            ck_assert_status(status, GIBSON_INVALID);
        }
        gib_buffer_clear(&out);
    }
    ck_assert_uint_gt(accepted, 2000); /* else the test would prove little */
}
END_TEST

SUITE("request_encode", encode_each_command_gives_its_frame, encode_set_is_byte_exact,
      encode_borrowed_value_stays_where_it_is, encode_appends_behind_what_is_there,
      encode_opcode_that_is_none_is_refused, encode_key_empty_or_null_is_refused,
      encode_key_too_long_is_refused, encode_key_with_space_or_nul_anywhere_is_refused,
      encode_key_of_any_other_byte_is_sent, encode_value_empty_or_null_is_refused,
      encode_value_too_long_is_refused, encode_seconds_out_of_range_are_refused,
      encode_seconds_follow_the_limit_of_the_options, encode_meta_field_that_is_none_is_refused,
      encode_meta_sends_the_name_of_the_field, encode_mget_limit_of_0_or_less_is_left_out,
      encode_members_a_command_does_not_take_are_ignored,
      encode_request_of_exactly_max_request_size_is_the_last_accepted, str_is_a_view_up_to_the_nul,
      encode_without_memory_appends_nothing, number_write_is_decimal_text,
      encode_what_is_accepted_decodes_to_the_same)
