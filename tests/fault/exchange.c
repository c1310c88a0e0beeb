#include "exchange.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "raw_client.h"
#include "wire/frame.h"
#include "wire/request_encode.h"

/* The sizes of the texts are none that a number has, so that one cannot be taken for one. */
#define TEXT "hello world"
#define OTHER "second"

/* In the order of the list of commands. */
static const struct sample {
    const char *key;
    const char *value;
    int64_t number;
} samples[] = {
    [0] = {"k:text", "a new value", 100}, /* set */
    [1] = {"k:text", NULL, 50},           /* ttl */
    [2] = {"k:text", NULL, 0},            /* get */
    [3] = {"k:text", NULL, 0},            /* del */
    [4] = {"k:number", NULL, 0},          /* inc */
    [5] = {"k:number", NULL, 0},          /* dec */
    [6] = {"k:text", NULL, 60},           /* lock */
    [7] = {"k:other", NULL, 0},           /* unlock */
    [8] = {"k:", "the same", 0},          /* mset */
    [9] = {"k:", NULL, 70},               /* mttl */
    [10] = {"k:", NULL, 2},               /* mget */
    [11] = {"k:", NULL, 0},               /* mdel */
    [12] = {"k:", NULL, 0},               /* minc */
    [13] = {"k:", NULL, 0},               /* mdec */
    [14] = {"k:", NULL, 60},              /* mlock */
    [15] = {"k:", NULL, 0},               /* munlock */
    [16] = {"k:", NULL, 0},               /* count */
    [17] = {NULL, NULL, 0},               /* stats */
    [18] = {NULL, NULL, 0},               /* ping */
    [19] = {"k:text", NULL, GIBSON_META_SIZE},
    [20] = {"k:", NULL, 0}, /* keys */
    [21] = {NULL, NULL, 0}, /* end */
};

static void expect_ok(gibson_client *client, gibson_status status)
{
    ck_assert_msg(status == GIBSON_OK, "%s", gibson_client_error(client)->message);
}

void exchange_prepare(gibson_client *client)
{
    (void)gibson_client_munlock(client, gibson_str("k"), NULL);
    (void)gibson_client_mdel(client, gibson_str("k"), NULL);
    expect_ok(client, gibson_client_set(client, gibson_str("k:text"), gibson_str(TEXT), 0));
    expect_ok(client, gibson_client_set(client, gibson_str("k:other"), gibson_str(OTHER), 0));
    expect_ok(client, gibson_client_lock(client, gibson_str("k:other"), 600));
    expect_ok(client, gibson_client_set(client, gibson_str("k:number"), gibson_str("41"), 0));
    expect_ok(client, gibson_client_inc(client, gibson_str("k:number"), NULL));
}

/* The items are asked for by names that cannot be borrowed from a reply, as that lives for one
   call. */
static size_t list_keys(gibson_client *client, char keys[8][16])
{
    size_t count = 0;
    gibson_items items;
    gibson_bytes key;
    gibson_client_mget(client, gibson_str("k"), 0, &items);
    while (count < 8 && gibson_items_next(&items, &key, NULL)) {
        snprintf(keys[count++], 16, "%.*s", (int)key.size, (const char *)key.data);
    }
    return count;
}

void exchange_state(gibson_client *client, char to[EXCHANGE_STATE_SIZE])
{
    char keys[8][16];
    const size_t count = list_keys(client, keys);
    size_t size = 0;
    to[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        const gibson_bytes key = gibson_str(keys[i]);
        int64_t ttl;
        int64_t lock;
        gibson_value value;
        expect_ok(client, gibson_client_meta(client, key, GIBSON_META_TTL, &ttl));
        expect_ok(client, gibson_client_meta(client, key, GIBSON_META_LOCK, &lock));
        expect_ok(client, gibson_client_get(client, key, &value));
        size += (size_t)snprintf(to + size, EXCHANGE_STATE_SIZE - size,
                                 "%s=\"%.*s\"%" PRId64 " ttl %" PRId64 " lock %" PRId64 "\n",
                                 keys[i], (int)value.bytes.size,
                                 value.bytes.size ? (const char *)value.bytes.data : "",
                                 value.number, ttl, lock);
    }
}

static size_t mark(exchange *made, size_t at, exchange_field field, size_t size)
{
    ck_assert_uint_le(at + size, sizeof made->fields);
    memset(made->fields + at, (int)field, size);
    return at + size;
}

static void mark_items(exchange *made, size_t at)
{
    uint32_t count = gib_load_u32(made->reply + at);
    at = mark(made, at, EXCHANGE_COUNT, 4);
    while (count--) {
        size_t size = gib_load_u32(made->reply + at);
        at = mark(made, at, EXCHANGE_ITEM_SIZE, 4);
        at = mark(made, at, EXCHANGE_KEY, size);
        const bool is_number = made->reply[at] == GIB_ENCODING_NUMBER;
        at = mark(made, at, EXCHANGE_ITEM_ENCODING, 1);
        size = gib_load_u32(made->reply + at);
        at = mark(made, at, EXCHANGE_ITEM_SIZE, 4);
        at = mark(made, at, is_number ? EXCHANGE_NUMBER : EXCHANGE_VALUE, size);
    }
    ck_assert_uint_eq(at, made->reply_size);
}

static void mark_fields(exchange *made)
{
    const uint16_t code = gib_load_u16(made->reply);
    size_t at = mark(made, 0, EXCHANGE_CODE, 2);
    at = mark(made, at, EXCHANGE_ENCODING, 1);
    at = mark(made, at, EXCHANGE_SIZE, 4);
    if (code == GIB_CODE_KVAL) {
        mark_items(made, at);
        return;
    }
    exchange_field field = EXCHANGE_ZERO;
    if (code == GIB_CODE_VAL) {
        field = made->reply[2] == GIB_ENCODING_NUMBER ? EXCHANGE_NUMBER : EXCHANGE_VALUE;
    }
    mark(made, at, field, made->reply_size - at);
}

static void record_bytes(exchange *made, int raw)
{
    gib_buffer frame;
    gib_encoded encoded;
    gibson_error error;
    const gib_limits limits = {.max_request_size = 1 << 20,
                               .max_key_size = 1000,
                               .max_value_size = 1000,
                               .max_reply_size = 1 << 20,
                               .max_seconds = 1000};
    gib_buffer_init(&frame, &gib_default_allocator);
    ck_assert_int_eq(
        gib_request_encode(&made->request, &limits, GIB_VALUE_COPIED, &frame, &encoded, &error),
        GIBSON_OK);
    made->request_size = encoded.frame_size;
    ck_assert_uint_le(made->request_size, EXCHANGE_REQUEST_SIZE);
    ck_assert(raw_send(raw, frame.data + frame.begin, made->request_size));
    gib_buffer_clear(&frame);
    raw_reply reply = raw_read_reply(raw);
    ck_assert(!reply.closed);
    made->reply_size = GIB_REPLY_HEADER + reply.size;
    ck_assert_uint_le(made->reply_size, sizeof made->reply);
    gib_store_u16(made->reply, reply.code);
    made->reply[2] = reply.encoding;
    gib_store_u32(made->reply + 3, reply.size);
    memcpy(made->reply + GIB_REPLY_HEADER, reply.data, reply.size);
    raw_reply_free(&reply);
}

void exchange_record(exchange *made, size_t index, int raw, gibson_client *client)
{
    ck_assert_uint_lt(index, sizeof samples / sizeof samples[0]);
    const struct sample *from = &samples[index];
    memset(made, 0, sizeof *made);
    made->request = gibson_request_make(gibson_command_at(index)->opcode, gibson_str(from->key),
                                        gibson_str(from->value), from->number);
    exchange_prepare(client);
    exchange_state(client, made->before);
    record_bytes(made, raw);
    mark_fields(made);
    exchange_state(client, made->after);
}

static size_t append(uint8_t *to, size_t size, const gibson_value *value)
{
    if (value->kind == GIBSON_KIND_NUMBER) {
        gib_store_u64(to + size, (uint64_t)value->number);
        return size + sizeof(uint64_t);
    }
    if (value->bytes.size) {
        memcpy(to + size, value->bytes.data, value->bytes.size);
    }
    return size + value->bytes.size;
}

size_t exchange_content(const gibson_reply *reply, uint8_t to[EXCHANGE_REPLY_SIZE])
{
    gibson_items items = reply->items;
    gibson_bytes key;
    gibson_value value;
    size_t size = append(to, 0, &reply->value);
    while (gibson_items_next(&items, &key, &value)) {
        ck_assert_uint_le(size + key.size + value.bytes.size + 8, EXCHANGE_REPLY_SIZE);
        memcpy(to + size, key.data, key.size);
        size = append(to, size + key.size, &value);
    }
    return size;
}
