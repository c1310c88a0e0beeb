/* What a server does whose memory is full, seen by its clients. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "random.h"
#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "wire/frame.h"

enum { LARGEST = 3 << 20 };

static test_server server;
static int client;
static uint64_t state;

static void start(const char *const *directives)
{
    test_server_start(&server, TEST_UNIX, directives);
    client = test_server_connect(&server);
}

static void stop(void)
{
    close(client);
    test_server_stop(&server);
}

/* Sends a SET of a value that repeats a text, so that it can be compressed, or of random bytes. */
static size_t send_set(int descriptor, const char *key, size_t value_size, bool random)
{
    static uint8_t payload[LARGEST + 64];
    size_t at = (size_t)sprintf((char *)payload, "0 %s ", key);
    for (size_t i = 0; i < value_size; i++) {
        payload[at + i] = random ? (uint8_t)test_random(&state) : (uint8_t)('a' + i % 7);
    }
    ck_assert(raw_send_request(descriptor, GIBSON_OP_SET, payload, at + value_size));
    return value_size;
}

static void expect_value(int descriptor, size_t size)
{
    raw_reply reply = raw_read_reply(descriptor);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    ck_assert_uint_eq(reply.size, size);
    raw_reply_free(&reply);
}

/* From a byte to a quarter of the memory; most of them are small. */
static size_t any_size(void)
{
    size_t largest = (size_t)1 << test_random_below(&state, 21);
    return 1 + test_random_below(&state, (uint32_t)largest);
}

START_TEST(full_memory_takes_values_of_any_size)
{
    enum { SETS = 3000, MEMORY = 4 << 20, SLACK = 4096 }; /* some nodes of the tree */
    char key[32];
    state = suite_seed();
    start((const char *[]){"max_memory", "4M", "compression", _i ? "1K" : "4M", NULL});
    for (int i = 0; i < SETS; i++) {
        snprintf(key, sizeof key, "key:%u", test_random_below(&state, 1000));
        size_t size = send_set(client, key, any_size(), test_random_below(&state, 2));
        expect_value(client, size);
        ck_assert(raw_send_request(client, GIBSON_OP_GET, key, strlen(key)));
        expect_value(client, size);
        if (i % 100 == 0) {
            ck_assert_int_le(raw_stat(client, "memory_used"), MEMORY + SLACK);
        }
    }
    ck_assert_int_gt(raw_stat(client, "total_evicted_items"), 100);
    ck_assert_int_eq(raw_stat(client, "total_replies_mem"), 0);
    stop();
}
END_TEST

START_TEST(full_memory_refuses_what_is_larger_than_all_and_goes_on)
{
    start((const char *[]){"max_memory", "1M", "compression", "4M", NULL});
    expect_value(client, send_set(client, "a", 1000, false));
    send_set(client, "b", 1 << 20, false);
    raw_reply reply = raw_read_reply(client);
    ck_assert_int_eq(reply.code, GIB_CODE_MEM);
    raw_reply_free(&reply);
    ck_assert_int_eq(raw_stat(client, "total_items"), 1); /* nothing went for it */
    expect_value(client, send_set(client, "b", (1 << 20) - 2000, false));
    stop();
}
END_TEST

/* Fills the memory with small items. */
static void fill(void)
{
    enum { AT_ONCE = 1000 };
    static uint8_t requests[AT_ONCE * 40];
    char payload[32];
    for (int i = 0; !raw_stat(client, "total_evicted_items"); i += AT_ONCE) {
        size_t size = 0;
        for (int j = 0; j < AT_ONCE; j++) {
            int length = snprintf(payload, sizeof payload, "0 k:%06d 1", i + j);
            size += raw_request(requests + size, GIBSON_OP_SET, payload, (size_t)length);
        }
        ck_assert(raw_send(client, requests, size));
        for (int j = 0; j < AT_ONCE; j++) {
            expect_value(client, 1);
        }
    }
}

static void start_with_small_items(void)
{
    start((const char *[]){"max_memory", "6M", "max_value_size", "4M", "compression", "4M",
                           "max_request_size", "8M", NULL});
    fill();
}

/* Sends a SET of another client that has to make a lot of room, and looks at how much there is
   meanwhile. Returns whether it was seen in the midst. */
static bool look_into_set(int busy)
{
    int64_t before = raw_stat(client, "total_evicted_items");
    size_t size = send_set(busy, "large", LARGEST, false);
    int64_t end = gib_deadline_after(gib_now_ns(), 20000);
    int64_t seen = before;
    while (raw_stat(client, "total_requests_set") == 0 || seen == before) {
        seen = raw_stat(client, "total_evicted_items");
        ck_assert_int_lt(gib_now_ns(), end);
    }
    expect_value(busy, size);
    return seen != raw_stat(client, "total_evicted_items");
}

/* On a busy machine it may be over before this process gets to look. */
START_TEST(set_that_makes_a_lot_of_room_lets_others_in)
{
    enum { ATTEMPTS = 50 };
    start_with_small_items();
    int busy = test_server_connect(&server);
    for (int attempts = 0; !look_into_set(busy); attempts++) {
        ck_assert_int_lt(attempts, ATTEMPTS);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "large"), GIB_CODE_OK);
        int64_t evicted = raw_stat(client, "total_evicted_items");
        for (int i = 0; raw_stat(client, "total_evicted_items") == evicted; i++) {
            char payload[32];
            snprintf(payload, sizeof payload, "0 m:%d:%d 1", attempts, i);
            ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, payload), GIB_CODE_VAL);
        }
    }
    close(busy);
    stop();
}
END_TEST

START_TEST(client_that_goes_while_room_is_made_for_it_leaves_no_memory)
{
    start_with_small_items();
    for (int i = 0; i < 3; i++) {
        int busy = test_server_connect(&server);
        send_set(busy, "large", LARGEST, false);
        close(busy);
    }
    ck_assert(raw_await_stat(client, "total_clients", 1));
    ck_assert_int_eq(raw_stat(client, "client_memory_used"), 0);
    stop();
}
END_TEST

START_TEST(full_memory_of_locked_items_says_so_until_one_is_unlocked)
{
    char payload[64];
    start((const char *[]){"max_memory", "64K", NULL});
    int locked = 0;
    for (;; locked++) {
        snprintf(payload, sizeof payload, "0 key:%d some value", locked);
        if (raw_ask_code(client, GIBSON_OP_SET, payload) != GIB_CODE_VAL) {
            break;
        }
        snprintf(payload, sizeof payload, "key:%d -1", locked);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_LOCK, payload), GIB_CODE_OK);
    }
    ck_assert_int_eq(raw_stat(client, "total_items"), locked);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_INC, "a:long:number"), GIB_CODE_MEM);
    int64_t unlocked = raw_ask_number(client, GIBSON_OP_MUNLOCK, "key:7");
    ck_assert_int_gt(unlocked, 10);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_INC, "a:long:number"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, payload), GIB_CODE_VAL);
    ck_assert_int_ge(raw_ask_number(client, GIBSON_OP_COUNT, "key:"), locked - unlocked);
    stop();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.runs = 2, TESTS(full_memory_takes_values_of_any_size)},
        {TESTS(full_memory_refuses_what_is_larger_than_all_and_goes_on,
               set_that_makes_a_lot_of_room_lets_others_in,
               client_that_goes_while_room_is_made_for_it_leaves_no_memory,
               full_memory_of_locked_items_says_so_until_one_is_unlocked)},
    };
    return suite_run("server_room", 1, parts, COUNT_OF(parts));
}
