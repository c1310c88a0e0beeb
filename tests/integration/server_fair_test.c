/* Many clients of which none asks for much more than another, and one that asks for little. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "raw_client.h"
#include "support/server_program.h"
#include "support/suite.h"
#include "wire/frame.h"

enum { DEPTH = 1500, CLIENTS = 64, EACH = 16 };

static pid_t server;
static int client;

static void start(int method)
{
    server =
        spawn((const char *[]){"--unix_socket", path_of("socket"), "--logfile", path_of("log"),
                               "--max_key_size", "4096", "--use_poll", method ? "1" : "0", NULL},
              -1);
    expect_notification("READY=1");
    client = connect_unix();
}

/* Keys of which each is the beginning of the next: to get to the last one takes a step for each. */
static void set_nested_keys(void)
{
    static uint8_t payload[DEPTH + 4] = "0 ";
    for (size_t size = 1; size <= DEPTH; size++) {
        memset(payload + 2, 'k', size);
        memcpy(payload + 2 + size, " 1", 2);
        ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, size + 4));
        raw_reply reply = raw_read_reply(client);
        ck_assert_int_eq(reply.code, GIB_CODE_VAL);
        raw_reply_free(&reply);
    }
}

/* Sends SETs of the last of them, which the server reads at once. */
static void send_costly_requests(int descriptor)
{
    static uint8_t requests[EACH * (DEPTH + 10)];
    uint8_t payload[DEPTH + 4] = "0 ";
    size_t size = 0;
    memset(payload + 2, 'k', DEPTH);
    memcpy(payload + 2 + DEPTH, " 2", 2);
    for (int i = 0; i < EACH; i++) {
        size += raw_request(requests + size, GIBSON_OP_SET, payload, sizeof payload);
    }
    ck_assert(raw_send(descriptor, requests, size));
}

static void stop_for_now(void)
{
    int status;
    kill(server, SIGSTOP);
    ck_assert_int_eq(waitpid(server, &status, WUNTRACED), server);
    ck_assert(WIFSTOPPED(status));
}

static void expect_values(int descriptor, int count)
{
    for (int i = 0; i < count; i++) {
        raw_reply reply = raw_read_reply(descriptor);
        ck_assert_int_eq(reply.code, GIB_CODE_VAL);
        raw_reply_free(&reply);
    }
}

/* They have come just now, or have asked for little so far. */
static void connect_others(int *others, bool known)
{
    for (int i = 0; i < CLIENTS; i++) {
        others[i] = connect_unix();
        ck_assert(!known || raw_ask_code(others[i], GIBSON_OP_PING, "") == GIB_CODE_OK);
    }
    ck_assert(raw_await_stat(client, "total_clients", CLIENTS + 1));
}

/* All that is asked is there when the server begins with it, in one batch of events. */
START_TEST(client_that_asks_for_little_does_not_wait_for_all_that_ask_for_what_is_costly)
{
    uint8_t both[32];
    int others[CLIENTS];
    start(_i % 2);
    set_nested_keys();
    connect_others(others, _i / 2);
    int64_t before = raw_stat(client, "total_requests_set");
    int asks_little = connect_unix(); /* after the others, so that its event comes after theirs, */
    int last = connect_unix();        /* and is not left from before */
    ck_assert_int_eq(raw_ask_code(asks_little, GIBSON_OP_PING, ""), GIB_CODE_OK);
    ck_assert_int_eq(raw_ask_code(last, GIBSON_OP_PING, ""), GIB_CODE_OK);
    stop_for_now();
    for (int i = 0; i < CLIENTS; i++) {
        send_costly_requests(others[i]);
    }
    size_t size = raw_request(both, GIBSON_OP_GET, "k", 1);
    size += raw_request(both + size, GIBSON_OP_STATS, "", 0);
    ck_assert(raw_send(asks_little, both, size));
    kill(server, SIGCONT);
    expect_values(asks_little, 1);
    int64_t answered = raw_read_stat(asks_little, "total_requests_set") - before;
    ck_assert_int_ge(answered, 0);
    ck_assert_int_lt(answered, INT64_C(1) * CLIENTS * EACH);
    for (int i = 0; i < CLIENTS; i++) {
        expect_values(others[i], EACH);
        close(others[i]);
    }
    close(last);
    close(asks_little);
    close(client);
    end_server(server);
}
END_TEST

enum { PART = 40000, MORE = 100000 };

/* Makes each known for asking little, and then lets it send the beginning of a SET of 2 MB. */
static void begin_uploads(const int *others)
{
    enum { PINGS = 10 };
    static uint8_t part[PART] = "\0\0\x1e\0\x01\0"
                                "0 k ";
    for (int i = 0; i < CLIENTS; i++) {
        for (int ping = 0; ping < PINGS; ping++) {
            ck_assert_int_eq(raw_ask_code(others[i], GIBSON_OP_PING, ""), GIB_CODE_OK);
        }
        int64_t before = raw_stat(client, "total_bytes_in");
        ck_assert(raw_send(others[i], part, sizeof part));
        int64_t end = gib_deadline_after(gib_now_ns(), 20000);
        while (raw_stat(client, "total_bytes_in") < before + PART) {
            ck_assert_int_lt(gib_now_ns(), end);
        }
    }
}

START_TEST(client_that_asks_for_little_does_not_wait_for_all_that_send_large_values)
{
    static const uint8_t more[MORE];
    uint8_t both[32];
    int others[CLIENTS];
    start(_i % 2);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k 1"), GIB_CODE_VAL);
    connect_others(others, true);
    begin_uploads(others);
    int asks_little = connect_unix(); /* as above */
    int last = connect_unix();
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(raw_ask_code(asks_little, GIBSON_OP_PING, ""), GIB_CODE_OK);
    }
    ck_assert_int_eq(raw_ask_code(last, GIBSON_OP_PING, ""), GIB_CODE_OK);
    int64_t before = raw_stat(client, "total_bytes_in");
    stop_for_now();
    for (int i = 0; i < CLIENTS; i++) {
        ck_assert(raw_send(others[i], more, sizeof more));
    }
    size_t size = raw_request(both, GIBSON_OP_GET, "k", 1);
    size += raw_request(both + size, GIBSON_OP_STATS, "", 0);
    ck_assert(raw_send(asks_little, both, size));
    kill(server, SIGCONT);
    expect_values(asks_little, 1);
    ck_assert_int_lt(raw_read_stat(asks_little, "total_bytes_in") - before,
                     INT64_C(1) * CLIENTS / 2 * PART);
    for (int i = 0; i < CLIENTS; i++) {
        close(others[i]);
    }
    close(last);
    close(asks_little);
    close(client);
    end_server(server);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 4,
         .own_process = true,
         TESTS(client_that_asks_for_little_does_not_wait_for_all_that_ask_for_what_is_costly,
               client_that_asks_for_little_does_not_wait_for_all_that_send_large_values)}};
    return suite_run("server_fair", 1, parts, COUNT_OF(parts));
}
