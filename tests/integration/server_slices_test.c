/* Commands that take long, and what other clients see meanwhile. The server stops between the
   slices, until a test lets it go on. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "program/server.h"
#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "wire/frame.h"

enum { ITEMS = 100, WORK = 10, LARGE = 300000, PIECE = 65536 };

static test_server server;
static int client; /* looks */
static int busy;   /* asks for much */
static uint8_t large[LARGE + 64];

/* Each test runs with epoll and with poll. */
static void start_with(int method, const char *name, const char *value)
{
    const char *directives[] = {"use_poll", method ? "1" : "0", "compression", "1G", name, value,
                                NULL};
    test_server_start(&server, TEST_UNIX, directives);
    client = test_server_connect(&server);
    busy = test_server_connect(&server);
}

static void start(int method)
{
    start_with(method, NULL, NULL);
}

static void stop(void)
{
    gibs_server_give_slices(server.server, -1);
    close(client);
    close(busy);
    test_server_stop(&server);
}

/* Sets k:000 and on to a value. */
static void fill(int items, const char *value)
{
    char payload[32];
    for (int i = 0; i < items; i++) {
        snprintf(payload, sizeof payload, "0 k:%03d %s", i, value);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, payload), GIB_CODE_VAL);
    }
}

static void await_requests(int64_t before)
{
    int64_t end = gib_deadline_after(gib_now_ns(), 20000);
    while (raw_stat(client, "total_requests") == ++before) {
        ck_assert_int_lt(gib_now_ns(), end);
    }
}

/* Sends a request, and waits until its first slice is done. */
static void begin_bytes(uint16_t opcode, const void *payload, size_t size, size_t work)
{
    gibs_server_limit_slices(server.server, work);
    int64_t before = raw_stat(client, "total_requests");
    ck_assert(raw_send_request(busy, opcode, payload, size));
    await_requests(before);
}

static void begin(uint16_t opcode, const char *payload)
{
    begin_bytes(opcode, payload, strlen(payload), WORK);
}

/* Lets so many more slices be done, and waits until they are. */
static void do_slices(int64_t slices)
{
    int64_t end = gib_deadline_after(gib_now_ns(), 20000);
    gibs_server_give_slices(server.server, slices);
    while (gibs_server_slices_left(server.server)) {
        ck_assert_int_lt(gib_now_ns(), end);
    }
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK); /* it is over */
}

static bool has_replied(void)
{
    struct pollfd descriptor = {busy, POLLIN, 0};
    return poll(&descriptor, 1, 0) > 0;
}

static raw_reply finish(void)
{
    gibs_server_give_slices(server.server, -1);
    return raw_read_reply(busy);
}

static void finish_number(int64_t expected)
{
    raw_reply reply = finish();
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    ck_assert_int_eq(reply.encoding, GIB_ENCODING_NUMBER);
    ck_assert_int_eq((int64_t)gib_load_u64(reply.data), expected);
    raw_reply_free(&reply);
}

static int64_t number_of(const char *key)
{
    return raw_ask_number(client, GIBSON_OP_GET, key);
}

static int set(const char *payload)
{
    return raw_ask_code(client, GIBSON_OP_SET, payload);
}

/* In order of the keys, each item as it is when the command comes to it. */
START_TEST(minc_changes_items_as_it_comes_to_them)
{
    start(_i);
    fill(ITEMS, "0");
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_MINC, "k:"), ITEMS); /* now numbers */
    begin(GIBSON_OP_MINC, "k:");
    ck_assert_int_eq(number_of("k:009"), 2);
    ck_assert_int_eq(number_of("k:010"), 1);
    do_slices(2);
    ck_assert_int_eq(number_of("k:029"), 2);
    ck_assert_int_eq(number_of("k:030"), 1);
    ck_assert_int_eq(set("0 k:000 70"), GIB_CODE_VAL); /* behind it */
    ck_assert_int_eq(set("0 k:000x 70"), GIB_CODE_VAL);
    ck_assert_int_eq(set("0 k:050 70"), GIB_CODE_VAL);
    ck_assert_int_eq(set("0 k:050x 70"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "k:099"), GIB_CODE_OK);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_LOCK, "k:098 -1"), GIB_CODE_OK);
    finish_number(ITEMS + 1 - 2);
    raw_reply reply = raw_ask(client, GIBSON_OP_GET, "k:000");
    ck_assert_int_eq(reply.encoding, GIB_ENCODING_PLAIN);
    raw_reply_free(&reply);
    ck_assert_int_eq(number_of("k:050"), 71);
    ck_assert_int_eq(number_of("k:050x"), 71);
    ck_assert_int_eq(number_of("k:098"), 1);
    ck_assert_int_eq(number_of("k:097"), 2);
    stop();
}
END_TEST

START_TEST(mttl_mset_and_mlock_change_items_as_they_come_to_them)
{
    start(_i);
    fill(ITEMS, "1");
    begin(GIBSON_OP_MTTL, "k: 1000");
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_META, "k:009 ttl"), 1000);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_META, "k:010 ttl"), -1);
    finish_number(ITEMS);
    begin(GIBSON_OP_MSET, "k: longer");
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_META, "k:009 size"), 6);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_META, "k:010 size"), 1);
    finish_number(ITEMS);
    begin(GIBSON_OP_MLOCK, "k: 1000");
    ck_assert_int_eq(set("0 k:009 x"), GIB_CODE_LOCKED);
    ck_assert_int_eq(set("0 k:010 x"), GIB_CODE_VAL);
    finish_number(ITEMS);
    begin(GIBSON_OP_MUNLOCK, "k:");
    ck_assert_int_eq(set("0 k:009 x"), GIB_CODE_VAL);
    ck_assert_int_eq(set("0 k:010 x"), GIB_CODE_LOCKED);
    finish_number(ITEMS);
    stop();
}
END_TEST

/* The requests of a client are answered in order; those of others meanwhile. */
START_TEST(requests_behind_a_long_command_wait_for_it)
{
    start(_i);
    fill(ITEMS, "0");
    begin(GIBSON_OP_MINC, "k:");
    ck_assert(raw_send_request(busy, GIBSON_OP_GET, "k:099", 5));
    do_slices(3);
    ck_assert(!has_replied());
    finish_number(ITEMS);
    raw_reply reply = raw_read_reply(busy);
    ck_assert_int_eq(reply.encoding, GIB_ENCODING_NUMBER);
    raw_reply_free(&reply);
    stop();
}
END_TEST

/* However many items there are; and with what is locked MDEL goes around it. */
START_TEST(count_and_mdel_take_one_step)
{
    start(_i);
    fill(ITEMS, "v");
    gibs_server_limit_slices(server.server, 1);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_COUNT, "k:"), ITEMS);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_MDEL, "k:0"), ITEMS);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_COUNT, "k:"), 0);
    fill(ITEMS, "v");
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_LOCK, "k:055 1000"), GIB_CODE_OK);
    begin_bytes(GIBSON_OP_MDEL, "k:", 2, 1);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_COUNT, "k:00"), 0);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_COUNT, "k:01"), 10);
    ck_assert_int_eq(set("0 k:000 new"), GIB_CODE_VAL); /* it has been there */
    finish_number(ITEMS - 1);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_COUNT, "k:"), 2);
    stop();
}
END_TEST

/* What has expired is cleared away in slices, and seen by nobody. */
START_TEST(count_leaves_out_what_has_expired)
{
    start_with(_i, "expired_cron", "1h");
    fill(ITEMS, "v");
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_MTTL, "k: 1"), ITEMS);
    ck_assert_int_eq(set("0 k:042 v"), GIB_CODE_VAL);
    test_server_pass_time(&server, 2000);
    begin(GIBSON_OP_COUNT, "k:");
    do_slices(1);
    ck_assert(!has_replied());
    ck_assert_int_lt(raw_stat(client, "total_items"), ITEMS);
    ck_assert_int_gt(raw_stat(client, "total_items"), 1);
    ck_assert_int_eq(set("0 k:043x v"), GIB_CODE_VAL);
    finish_number(2);
    stop();
}
END_TEST

/* A reply has each item as it was at some time meanwhile; those that were added behind are not in
 * it. */
START_TEST(mget_and_keys_are_built_in_slices)
{
    start(_i);
    fill(ITEMS, "v");
    uint16_t opcode = _i < 2 ? GIBSON_OP_MGET : GIBSON_OP_KEYS;
    begin(opcode, "k:");
    ck_assert_int_eq(set("0 k:000 new"), GIB_CODE_VAL);
    ck_assert_int_eq(set("0 k:000x new"), GIB_CODE_VAL);
    ck_assert_int_eq(set("0 k:010 new"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "k:001"), GIB_CODE_OK);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "k:011"), GIB_CODE_OK);
    do_slices(3);
    ck_assert(!has_replied());
    raw_reply reply = finish();
    ck_assert_int_eq(reply.code, GIB_CODE_KVAL);
    ck_assert_uint_eq(gib_load_u32(reply.data), ITEMS - 1);
    const uint8_t *at = reply.data + 4;
    for (int i = 0; i < ITEMS; i++) {
        if (i == 11) {
            continue;
        }
        char key[16];
        snprintf(key, sizeof key, "k:%03d", i);
        const char *value = i == 10 ? "new" : "v";
        uint32_t key_size = gib_load_u32(at);
        uint32_t value_size = gib_load_u32(at + 4 + key_size + 1);
        const uint8_t *name = opcode == GIBSON_OP_KEYS ? at + 9 + key_size : at + 4;
        ck_assert_int_eq(memcmp(name, key, 5), 0);
        if (opcode == GIBSON_OP_MGET) {
            ck_assert_uint_eq(value_size, strlen(value));
        }
        at += 9 + key_size + value_size;
    }
    ck_assert_ptr_eq(at, reply.data + reply.size);
    raw_reply_free(&reply);
    stop();
}
END_TEST

START_TEST(reply_above_the_limit_is_an_error_in_slices_too)
{
    const char *directives[] = {
        "use_poll", _i ? "1" : "0", "max_response_size", "1000", "max_value_size", "100", NULL};
    test_server_start(&server, TEST_UNIX, directives);
    client = test_server_connect(&server);
    busy = test_server_connect(&server);
    fill(ITEMS, "v");
    begin(GIBSON_OP_MGET, "k:");
    do_slices(3);
    ck_assert_int_gt(raw_stat(client, "client_memory_used"), 0);
    raw_reply reply = finish();
    ck_assert_int_eq(reply.code, GIB_CODE_ERR);
    raw_reply_free(&reply);
    ck_assert(raw_await_stat(client, "client_memory_used", 0));
    stop();
}
END_TEST

/* What was done stays done, and nothing else is. */
START_TEST(client_that_goes_in_the_midst_leaves_what_was_done)
{
    start(_i);
    fill(ITEMS, "0");
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_MINC, "k:"), ITEMS);
    begin(GIBSON_OP_MINC, "k:");
    close(busy);
    do_slices(3); /* it does not look whether its client is there; but then it has to */
    gibs_server_give_slices(server.server, -1);
    ck_assert(raw_await_stat(client, "total_clients", 1));
    ck_assert_int_eq(raw_stat(client, "client_memory_used"), 0);
    ck_assert_int_eq(number_of("k:039"), 2);
    busy = test_server_connect(&server);
    begin(GIBSON_OP_MGET, "k:");
    close(busy);
    gibs_server_give_slices(server.server, -1);
    ck_assert(raw_await_stat(client, "total_clients", 1));
    ck_assert_int_eq(raw_stat(client, "client_memory_used"), 0);
    busy = test_server_connect(&server);
    stop();
}
END_TEST

/* "0 large " or what else stands before it, and a large value of a letter. */
static size_t large_request(const char *before, char letter)
{
    size_t size = strlen(before);
    memcpy(large, before, size);
    memset(large + size, letter, LARGE);
    return size + LARGE;
}

static void set_large(const char *before, char letter)
{
    size_t size = large_request(before, letter);
    ck_assert(raw_send_request(client, GIBSON_OP_SET, large, size));
    raw_reply reply = raw_read_reply(client);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    ck_assert_uint_eq(reply.size, LARGE);
    raw_reply_free(&reply);
}

static bool is_all(const uint8_t *bytes, size_t size, int letter)
{
    size_t at = 0;
    while (at < size && bytes[at] == letter) {
        at++;
    }
    return at == size;
}

/* The letter of which a reply is made. */
static int letter_of(raw_reply reply)
{
    int letter = reply.code == GIB_CODE_VAL && reply.size ? reply.data[0] : -1;
    ck_assert(letter < 0 || is_all(reply.data, reply.size, letter));
    raw_reply_free(&reply);
    return letter;
}

static int get_letter(const char *key)
{
    return letter_of(raw_ask(client, GIBSON_OP_GET, key));
}

/* Others see the value that was there before until all of the new one is. */
START_TEST(set_of_a_large_value_is_seen_as_one_step)
{
    start(_i);
    ck_assert_int_eq(set("0 large s"), GIB_CODE_VAL);
    begin_bytes(GIBSON_OP_SET, large, large_request("0 large ", 'x'), 1);
    ck_assert_int_eq(get_letter("large"), 's');
    do_slices(2);
    ck_assert_int_eq(get_letter("large"), 's');
    ck_assert_int_eq(letter_of(finish()), 'x');
    gibs_server_give_slices(server.server, -1);
    ck_assert_int_eq(get_letter("large"), 'x');
    begin_bytes(GIBSON_OP_SET, large, large_request("0 large ", 'y'), 1);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_LOCK, "large -1"), GIB_CODE_OK);
    raw_reply reply = finish();
    ck_assert_int_eq(reply.code, GIB_CODE_LOCKED);
    raw_reply_free(&reply);
    ck_assert_int_eq(get_letter("large"), 'x');
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_UNLOCK, "large"), GIB_CODE_OK);
    begin_bytes(GIBSON_OP_SET, large, large_request("0 large ", 'z'), 1);
    close(busy);
    gibs_server_give_slices(server.server, -1);
    ck_assert(raw_await_stat(client, "total_clients", 1));
    ck_assert_int_eq(raw_stat(client, "client_memory_used"), 0);
    busy = test_server_connect(&server);
    stop();
}
END_TEST

/* The value is the one that was there when the command began, whatever others do to it. */
START_TEST(get_of_a_large_value_is_seen_as_one_step)
{
    start(_i);
    set_large("0 large ", 'x');
    begin_bytes(GIBSON_OP_GET, "large", 5, 1);
    ck_assert_int_eq(set("0 large s"), GIB_CODE_VAL);
    do_slices(1);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "large"), GIB_CODE_OK);
    ck_assert_int_eq(raw_stat(client, "memory_used"), 0);
    ck_assert_int_gt(raw_stat(client, "client_memory_used"), INT64_C(2) * LARGE); /* both of them */
    ck_assert_int_eq(letter_of(finish()), 'x');
    ck_assert(raw_await_stat(client, "client_memory_used", 0));
    set_large("0 large ", 'x');
    begin_bytes(GIBSON_OP_GET, "large", 5, 1);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "large"), GIB_CODE_OK);
    close(busy); /* the value goes with its last reader */
    gibs_server_give_slices(server.server, -1);
    ck_assert(raw_await_stat(client, "total_clients", 1));
    ck_assert_int_eq(raw_stat(client, "item_pool_current_capacity"), 0);
    busy = test_server_connect(&server);
    stop();
}
END_TEST

static int64_t size_of(const char *key)
{
    char payload[32];
    snprintf(payload, sizeof payload, "%s size", key);
    return raw_ask_number(client, GIBSON_OP_META, payload);
}

START_TEST(mset_and_mget_of_large_values_go_in_slices)
{
    start(_i);
    fill(4, "s");
    begin_bytes(GIBSON_OP_MSET, large, large_request("k: ", 'x'), 1);
    int slices = 0;
    while (size_of("k:000") != LARGE) {
        ck_assert_int_eq(size_of("k:000"), 1);
        do_slices(1);
        slices++;
    }
    ck_assert_int_ge(slices, LARGE / PIECE);
    ck_assert_int_eq(size_of("k:001"), 1);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "k:002"), GIB_CODE_OK);
    do_slices(2); /* it is making the next one */
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "k:001"), GIB_CODE_OK);
    finish_number(2);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_COUNT, "k:"), 2);
    begin_bytes(GIBSON_OP_MGET, "k:", 2, 1);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "k:000"), GIB_CODE_OK);
    do_slices(1);
    ck_assert_int_eq(set("0 k:003 s"), GIB_CODE_VAL);
    raw_reply reply = finish();
    ck_assert_int_eq(reply.code, GIB_CODE_KVAL);
    ck_assert_uint_eq(gib_load_u32(reply.data), 2);
    ck_assert_uint_eq(reply.size, 4 + (9 + 5 + LARGE) + (9 + 5 + 1));
    ck_assert(is_all(reply.data + 4 + 9 + 5, LARGE, 'x'));
    raw_reply_free(&reply);
    ck_assert(raw_await_stat(client, "client_memory_used", 0));
    stop();
}
END_TEST

enum { CLIENTS = 8, INCREMENTS = 4000 };

/* Sends a command that has to wait, and many requests behind it. */
static void send_many(int descriptor)
{
    static uint8_t requests[(INCREMENTS + 1) * 16];
    size_t size = raw_request(requests, GIBSON_OP_MINC, "k:", 2);
    for (int i = 0; i < INCREMENTS; i++) {
        size += raw_request(requests + size, GIBSON_OP_INC, "n", 1);
    }
    ck_assert(raw_send(descriptor, requests, size));
}

static int64_t read_number(int descriptor)
{
    raw_reply reply = raw_read_reply(descriptor);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    ck_assert_int_eq(reply.encoding, GIB_ENCODING_NUMBER);
    int64_t number = (int64_t)gib_load_u64(reply.data);
    raw_reply_free(&reply);
    return number;
}

/* Those that ask for much take turns: when one is through, the others are not far behind. All
   increment one number, so that the replies tell in which order the server came to them. */
START_TEST(clients_that_ask_for_much_are_served_in_turn)
{
    static int64_t numbers[CLIENTS][INCREMENTS];
    int descriptors[CLIENTS];
    start(_i);
    fill(ITEMS, "0");
    gibs_server_limit_slices(server.server, 1);
    for (int i = 0; i < CLIENTS; i++) {
        int64_t before = raw_stat(client, "total_requests");
        descriptors[i] = test_server_connect(&server);
        send_many(descriptors[i]);
        await_requests(before);
    }
    gibs_server_give_slices(server.server, -1);
    int64_t through = INT64_MAX;
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_eq(read_number(descriptors[i]), ITEMS);
        for (int n = 0; n < INCREMENTS; n++) {
            numbers[i][n] = read_number(descriptors[i]);
        }
        int64_t last = numbers[i][INCREMENTS - 1];
        through = last < through ? last : through;
        close(descriptors[i]);
    }
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert_int_lt(numbers[i][INCREMENTS / 4], through);
    }
    stop();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.runs = 2,
         TESTS(minc_changes_items_as_it_comes_to_them,
               mttl_mset_and_mlock_change_items_as_they_come_to_them,
               requests_behind_a_long_command_wait_for_it, count_and_mdel_take_one_step,
               count_leaves_out_what_has_expired, reply_above_the_limit_is_an_error_in_slices_too,
               client_that_goes_in_the_midst_leaves_what_was_done,
               set_of_a_large_value_is_seen_as_one_step, get_of_a_large_value_is_seen_as_one_step,
               mset_and_mget_of_large_values_go_in_slices,
               clients_that_ask_for_much_are_served_in_turn)},
        {.runs = 4, TESTS(mget_and_keys_are_built_in_slices)},
    };
    return suite_run("server_slices", 1, parts, COUNT_OF(parts));
}
