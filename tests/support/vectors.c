#include "support/vectors.h"

#include <string.h>

#include "support/replies.h"

/* A vector that is one frame. */
#define FRAME(name, code, encoding, data)                                                          \
    static void name(gib_buffer *to)                                                               \
    {                                                                                              \
        reply_add(to, (code), (encoding), data, sizeof(data) - 1);                                 \
    }

/* A vector that is a header which claims `size` bytes, followed by other data. */
#define CLAIM(name, code, encoding, size, data)                                                    \
    static void name(gib_buffer *to)                                                               \
    {                                                                                              \
        reply_add_header(to, (code), (encoding), (size));                                          \
        bytes_add(to, data, sizeof(data) - 1);                                                     \
    }

#define PLAIN GIB_ENCODING_PLAIN
#define LZF GIB_ENCODING_LZF
#define NUMBER GIB_ENCODING_NUMBER
#define VAL GIB_CODE_VAL
#define KVAL GIB_CODE_KVAL
#define OK GIB_CODE_OK

FRAME(code_8, 8, PLAIN, "\0")
FRAME(code_9, 9, NUMBER, "12345678")
FRAME(code_255, 255, PLAIN, "\0")
FRAME(code_256, 256, PLAIN, "\0") /* the low byte is a code, the whole is not */
FRAME(code_1281, 0x0501, PLAIN, "\0")
FRAME(code_65535, 65535, PLAIN, "\0")

FRAME(ok_for_value, OK, PLAIN, "\0")
FRAME(value_for_none, VAL, PLAIN, "x")
FRAME(value_for_items, VAL, PLAIN, "x")
FRAME(items_for_value, KVAL, PLAIN, "\0\0\0\0")
FRAME(items_for_number, KVAL, PLAIN, "\0\0\0\0")

FRAME(encoding_lzf, VAL, LZF, "abc")
FRAME(encoding_3, VAL, 3, "abc")
FRAME(encoding_255, VAL, 255, "abc")
FRAME(number_as_text, VAL, PLAIN, "12")
FRAME(ok_as_number, OK, NUMBER, "\0")
FRAME(error_as_lzf, GIB_CODE_ERR, LZF, "\0")
FRAME(items_as_number, KVAL, NUMBER, "\0\0\0\0")
FRAME(items_as_lzf, KVAL, LZF, "\0\0\0\0")

FRAME(ok_empty, OK, PLAIN, "")
FRAME(ok_of_2, OK, PLAIN, "\0\0")
FRAME(not_found_of_2, GIB_CODE_NOT_FOUND, PLAIN, "\0\0")
FRAME(ok_of_one, OK, PLAIN, "\1")
FRAME(locked_of_255, GIB_CODE_LOCKED, PLAIN, "\377")
FRAME(number_of_0, VAL, NUMBER, "")
FRAME(number_of_3, VAL, NUMBER, "123")
FRAME(number_of_7, VAL, NUMBER, "1234567")
FRAME(number_of_9, VAL, NUMBER, "123456789")
FRAME(items_of_3, KVAL, PLAIN, "\0\0\0")
FRAME(items_empty, KVAL, PLAIN, "")

CLAIM(size_over_limit, VAL, PLAIN, VECTOR_MAX_REPLY + 1, "x")
CLAIM(size_2_31, VAL, PLAIN, UINT32_C(1) << 31, "x")
CLAIM(size_2_32, VAL, PLAIN, UINT32_MAX, "x")
CLAIM(items_size_2_32, KVAL, PLAIN, UINT32_MAX, "\0\0\0\0")

FRAME(count_of_none, KVAL, PLAIN, "\1\0\0\0")
FRAME(count_2_32, KVAL, PLAIN, "\377\377\377\377\0\0\0\0\0\0\0\0\0")
FRAME(count_2_31, KVAL, PLAIN, "\0\0\0\200\0\0\0\0\0\0\0\0\0")
FRAME(count_one_more, KVAL, PLAIN, "\2\0\0\0\7\0\0\0keykey1\0\2\0\0\0va") /* fits the size alone */
FRAME(count_one_less, KVAL, PLAIN,
      "\1\0\0\0\1\0\0\0k\0\1\0\0\0v"
      "\1\0\0\0k\0\1\0\0\0v")
FRAME(count_0_with_data, KVAL, PLAIN, "\0\0\0\0x")

FRAME(key_one_over, KVAL, PLAIN, "\1\0\0\0\2\0\0\0k\0\0\0\0\0")
FRAME(key_2_32, KVAL, PLAIN, "\1\0\0\0\377\377\377\377k\0\1\0\0\0v")
FRAME(key_2_32_less_5, KVAL, PLAIN, "\1\0\0\0\373\377\377\377k\0\1\0\0\0v")
FRAME(value_one_over, KVAL, PLAIN, "\1\0\0\0\1\0\0\0k\0\2\0\0\0v")
FRAME(value_2_32, KVAL, PLAIN, "\1\0\0\0\1\0\0\0k\0\377\377\377\377v")
FRAME(value_2_32_less_1, KVAL, PLAIN, "\1\0\0\0\1\0\0\0k\0\376\377\377\377v")
FRAME(item_lzf, KVAL, PLAIN, "\1\0\0\0\1\0\0\0k\1\1\0\0\0v")
FRAME(item_encoding_3, KVAL, PLAIN, "\1\0\0\0\1\0\0\0k\3\1\0\0\0v")
FRAME(item_number_of_3, KVAL, PLAIN,
      "\1\0\0\0\1\0\0\0k\2\3\0\0\0"
      "123")
FRAME(item_number_of_0, KVAL, PLAIN, "\1\0\0\0\1\0\0\0k\2\0\0\0\0")
FRAME(key_as_number, KVAL, PLAIN, "\1\0\0\0\1\0\0\0000\2\1\0\0\0v")
FRAME(items_trailing, KVAL, PLAIN, "\1\0\0\0\1\0\0\0k\0\1\0\0\0vx")

static void second_item_lies(gib_buffer *to)
{
    size_t frame = reply_begin_items(to, 2);
    reply_add_item(to, "good", PLAIN, "value", 5);
    reply_add_item(to, "bad", LZF, "value", 5);
    reply_end_items(to, frame);
}

static void bytes_after_reply(gib_buffer *to)
{
    reply_add_short(to, OK);
    bytes_add(to, "x", 1);
}

static void reply_after_reply(gib_buffer *to)
{
    reply_add_bytes(to, "mine", 4);
    reply_add_bytes(to, "somebody else's", 15);
}

#define VECTOR(OPCODE, field, build)                                                               \
    {                                                                                              \
#build, GIBSON_OP_##OPCODE, (field), build                                                 \
    }

const vector vectors[] = {
    VECTOR(GET, "code 8", code_8),
    VECTOR(INC, "code 9", code_9),
    VECTOR(PING, "code 255", code_255),
    VECTOR(PING, "code 256", code_256),
    VECTOR(GET, "code 1281", code_1281),
    VECTOR(MGET, "code 65535", code_65535),
    VECTOR(GET, "code OK", ok_for_value),
    VECTOR(SET, "code OK", ok_for_value),
    VECTOR(COUNT, "code OK", ok_for_value),
    VECTOR(STATS, "code OK", ok_for_value),
    VECTOR(DEL, "code VAL", value_for_none),
    VECTOR(END, "code VAL", value_for_none),
    VECTOR(MGET, "code VAL", value_for_items),
    VECTOR(KEYS, "code VAL", value_for_items),
    VECTOR(GET, "code KVAL", items_for_value),
    VECTOR(PING, "code KVAL", items_for_value),
    VECTOR(MDEL, "code KVAL", items_for_number),
    VECTOR(GET, "encoding 1 (LZF)", encoding_lzf),
    VECTOR(GET, "encoding 3", encoding_3),
    VECTOR(SET, "encoding 255", encoding_255),
    VECTOR(INC, "encoding 0", number_as_text),
    VECTOR(LOCK, "encoding 2", ok_as_number),
    VECTOR(GET, "encoding 1", error_as_lzf),
    VECTOR(MGET, "encoding 2", items_as_number),
    VECTOR(KEYS, "encoding 1", items_as_lzf),
    VECTOR(PING, "size 0", ok_empty),
    VECTOR(TTL, "size 2", ok_of_2),
    VECTOR(GET, "size 2", not_found_of_2),
    VECTOR(UNLOCK, "data of code OK is 1", ok_of_one),
    VECTOR(DEL, "data of code LOCKED is 255", locked_of_255),
    VECTOR(DEC, "size 0", number_of_0),
    VECTOR(MINC, "size 3", number_of_3),
    VECTOR(GET, "size 7", number_of_7),
    VECTOR(META, "size 9", number_of_9),
    VECTOR(STATS, "size 3", items_of_3),
    VECTOR(MGET, "size 0", items_empty),
    VECTOR(GET, "size 1048577 is over max_reply_size", size_over_limit),
    VECTOR(SET, "size 2147483648", size_2_31),
    VECTOR(GET, "size 4294967295", size_2_32),
    VECTOR(MGET, "size 4294967295", items_size_2_32),
    VECTOR(MGET, "count 1", count_of_none),
    VECTOR(MGET, "count 4294967295", count_2_32),
    VECTOR(KEYS, "count 2147483648", count_2_31),
    VECTOR(MGET, "count", count_one_more),
    VECTOR(MGET, "size", count_one_less),
    VECTOR(STATS, "size: 1 bytes are left", count_0_with_data),
    VECTOR(MGET, "key size 2", key_one_over),
    VECTOR(MGET, "key size 4294967295", key_2_32),
    VECTOR(KEYS, "key size 4294967291", key_2_32_less_5),
    VECTOR(MGET, "value size 2", value_one_over),
    VECTOR(STATS, "value size 4294967295", value_2_32),
    VECTOR(MGET, "value size 4294967294", value_2_32_less_1),
    VECTOR(MGET, "encoding 1 of item 0 is LZF", item_lzf),
    VECTOR(MGET, "encoding 3", item_encoding_3),
    VECTOR(MGET, "value size 3", item_number_of_3),
    VECTOR(STATS, "value size 0", item_number_of_0),
    VECTOR(KEYS, "encoding 2", key_as_number),
    VECTOR(MGET, "size: 1 bytes", items_trailing),
    VECTOR(MGET, "of item 1", second_item_lies),
    VECTOR(PING, "1 bytes after the reply", bytes_after_reply),
    VECTOR(GET, "bytes after the reply", reply_after_reply),
};

const size_t vector_count = sizeof vectors / sizeof *vectors;
