/* Commands that take long, and what other clients see meanwhile. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "wire/frame.h"

enum { ITEMS = 100000 };

static test_server server;
static int client;

/* Each test runs with epoll and with poll. */
static void start(int method)
{
    const char *directives[] = {"use_poll", method ? "1" : "0", NULL};
    test_server_start(&server, TEST_UNIX, directives);
    client = test_server_connect(&server);
}

static void stop(void)
{
    close(client);
    test_server_stop(&server);
}

/* Fills the server with numbers under a prefix: k:000000 and on. */
static void fill_with_numbers(int items)
{
    enum { AT_ONCE = 1000 };
    static uint8_t requests[AT_ONCE * 32];
    char payload[32];
    for (int i = 0; i < items; i += AT_ONCE) {
        size_t size = 0;
        for (int j = 0; j < AT_ONCE; j++) {
            int length = snprintf(payload, sizeof payload, "0 k:%06d 1", i + j);
            size += raw_request(requests + size, GIBSON_OP_SET, payload, (size_t)length);
        }
        ck_assert(raw_send(client, requests, size));
        for (int j = 0; j < AT_ONCE; j++) {
            raw_reply reply = raw_read_reply(client);
            ck_assert_int_eq(reply.code, GIB_CODE_VAL);
            raw_reply_free(&reply);
        }
    }
}

/* Sends a command on the prefix from another connection, and waits until it has begun. */
static int begin_long_command(uint16_t opcode)
{
    int busy = test_server_connect(&server);
    int64_t before = raw_stat(client, "total_requests");
    int64_t end = gib_deadline_after(gib_now_ns(), 20000);
    ck_assert(raw_send_request(busy, opcode, "k:", 2));
    while (raw_stat(client, "total_requests") == ++before) {
        ck_assert_int_lt(gib_now_ns(), end);
    }
    return busy;
}

/* Runs MINC, and looks at the first and the last item meanwhile. Returns whether they differ: then
   it has been in the midst. */
static bool look_into_minc(void)
{
    char last[16];
    snprintf(last, sizeof last, "k:%06d", ITEMS - 1);
    int busy = begin_long_command(GIBSON_OP_MINC);
    int64_t first_number = raw_ask_number(client, GIBSON_OP_GET, "k:000000");
    int64_t last_number = raw_ask_number(client, GIBSON_OP_GET, last);
    /* Its own next request waits for it. */
    ck_assert(raw_send_request(busy, GIBSON_OP_PING, "", 0));
    raw_reply reply = raw_read_reply(busy);
    ck_assert_int_eq(reply.encoding, GIB_ENCODING_NUMBER);
    ck_assert_uint_eq(gib_load_u64(reply.data), ITEMS);
    raw_reply_free(&reply);
    reply = raw_read_reply(busy);
    ck_assert_int_eq(reply.code, GIB_CODE_OK);
    raw_reply_free(&reply);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_GET, last),
                     raw_ask_number(client, GIBSON_OP_GET, "k:000000"));
    close(busy);
    return first_number == last_number + 1;
}

/* What another client sees of MINC meanwhile: the first items have changed, the last ones have not.
   On a busy machine it may be over before this process gets to look. */
START_TEST(command_on_many_items_lets_others_in)
{
    enum { ATTEMPTS = 200 };
    start(_i);
    fill_with_numbers(ITEMS);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_MINC, "k:"),
                     ITEMS); /* now they are numbers */
    int attempts = 0;
    while (!look_into_minc()) {
        ck_assert_int_lt(++attempts, ATTEMPTS);
    }
    stop();
}
END_TEST

START_TEST(reply_that_is_built_bit_by_bit_is_whole)
{
    enum { ITEM = 4 + 8 + 5 + 1 };
    start(_i);
    fill_with_numbers(ITEMS);
    int busy = begin_long_command(GIBSON_OP_MGET);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k:000000x 1"), GIB_CODE_VAL);
    raw_reply reply = raw_read_reply(busy);
    ck_assert_int_eq(reply.code, GIB_CODE_KVAL);
    uint32_t count = gib_load_u32(reply.data);
    ck_assert_uint_eq(count, ITEMS); /* it had come past what was added */
    ck_assert_uint_eq(reply.size, 4 + (size_t)count * ITEM);
    for (size_t i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "k:%06zu", i);
        ck_assert_int_eq(memcmp(reply.data + 4 + i * ITEM + 4, key, 8), 0);
    }
    raw_reply_free(&reply);
    close(busy);
    stop();
}
END_TEST

/* Whoever goes in the midst of a command leaves what was done, and nothing else. */
START_TEST(client_that_goes_in_the_midst_of_a_long_command_leaves_no_memory)
{
    start(_i);
    fill_with_numbers(ITEMS);
    close(begin_long_command(GIBSON_OP_MGET));
    close(begin_long_command(GIBSON_OP_MINC));
    ck_assert(raw_await_stat(client, "total_clients", 1));
    ck_assert_int_eq(raw_stat(client, "client_memory_used"), 0);
    stop();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.runs = 2,
         TESTS(command_on_many_items_lets_others_in, reply_that_is_built_bit_by_bit_is_whole,
               client_that_goes_in_the_midst_of_a_long_command_leaves_no_memory)},
    };
    return suite_run("server_slices", 1, parts, COUNT_OF(parts));
}
