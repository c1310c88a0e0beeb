/* What gibson-server tells of itself by the STATS of its own, and clients that ask nothing. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gibson/command.h>

#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "wire/frame.h"

static test_server server;
static int client;

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

START_TEST(stats_count_hits_misses_and_what_was_refused)
{
    start(NULL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 a text"), GIB_CODE_VAL);
    for (int i = 0; i < 3; i++) {
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, "a"), GIB_CODE_VAL);
    }
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, "b"), GIB_CODE_NOT_FOUND);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "b"), GIB_CODE_NOT_FOUND);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_INC, "a"), GIB_CODE_NAN);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_LOCK, "a 10"), GIB_CODE_OK);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_DEL, "a"), GIB_CODE_LOCKED);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 key"), GIB_CODE_ERR);
    ck_assert_int_eq(raw_stat(client, "total_hits"), 3);
    ck_assert_int_eq(raw_stat(client, "total_misses"), 1);
    ck_assert_int_eq(raw_stat(client, "total_replies_not_found"), 2);
    ck_assert_int_eq(raw_stat(client, "total_replies_nan"), 1);
    ck_assert_int_eq(raw_stat(client, "total_replies_locked"), 1);
    ck_assert_int_eq(raw_stat(client, "total_replies_err"), 1);
    ck_assert_int_eq(raw_stat(client, "total_replies_mem"), 0);
    stop();
}
END_TEST

START_TEST(stats_count_requests_by_command)
{
    start(NULL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 a text"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_COUNT, "a"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_COUNT, ""), GIB_CODE_ERR);
    ck_assert_int_eq(raw_stat(client, "total_requests_set"), 1);
    ck_assert_int_eq(raw_stat(client, "total_requests_count"), 2);
    ck_assert_int_eq(raw_stat(client, "total_requests_mget"), 0);
    ck_assert_int_eq(raw_stat(client, "total_requests_stats"), 3); /* those before */
    ck_assert_int_eq(raw_stat(client, "total_requests"), 8);
    stop();
}
END_TEST

START_TEST(stats_count_bytes)
{
    enum { SET_SIZE = 4 + 2 + 8, REPLY_SIZE = 7 + 4, STATS_SIZE = 4 + 2 };
    start(NULL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 a text"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_stat(client, "total_bytes_in"), SET_SIZE + STATS_SIZE);
    ck_assert_int_gt(raw_stat(client, "total_bytes_out"), REPLY_SIZE);
    raw_reply reply = raw_ask(client, GIBSON_OP_STATS, "");
    int64_t after = raw_stat(client, "total_bytes_out");
    ck_assert_int_eq(after, REPLY_SIZE + INT64_C(3) * (GIB_REPLY_HEADER + reply.size));
    raw_reply_free(&reply);
    stop();
}
END_TEST

START_TEST(stats_count_expired_items_when_they_are_met_and_when_they_are_swept)
{
    char payload[32];
    start((const char *[]){"cron_period", "1", NULL});
    for (int i = 0; i < 10; i++) {
        snprintf(payload, sizeof payload, "1 key:%d text", i);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, payload), GIB_CODE_VAL);
    }
    test_server_pass_time(&server, 2000);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, "key:3"), GIB_CODE_NOT_FOUND);
    ck_assert_int_eq(raw_stat(client, "total_expired_items"), 1);
    test_server_pass_time(&server, 6000);
    ck_assert(raw_await_stat(client, "total_items", 0));
    ck_assert_int_eq(raw_stat(client, "total_expired_items"), 10);
    ck_assert_int_eq(raw_stat(client, "total_evicted_items"), 0);
    stop();
}
END_TEST

START_TEST(stats_count_clients_that_were_refused_or_disconnected)
{
    start((const char *[]){"max_clients", "2", NULL});
    for (int i = 0; i < 3; i++) {
        int other = test_server_connect(&server);
        ck_assert_int_eq(raw_ask_code(other, GIBSON_OP_PING, ""), GIB_CODE_OK);
        int third = test_server_connect(&server);
        ck_assert(raw_read_reply(third).closed);
        close(third);
        ck_assert(raw_send_request(other, i ? 99 : 3000, "", 0)); /* no command */
        ck_assert(raw_read_reply(other).closed);
        close(other);
        ck_assert(raw_await_stat(client, "total_clients", 1));
    }
    ck_assert(raw_send(client, "\1\0\0\0", 4)); /* no room for an opcode */
    ck_assert(raw_read_reply(client).closed);
    close(client);
    client = test_server_connect(&server);
    ck_assert_int_eq(raw_stat(client, "total_refused_clients"), 3);
    ck_assert_int_eq(raw_stat(client, "total_disconnected_malformed"), 4);
    ck_assert_int_eq(raw_stat(client, "total_disconnected_stalled"), 0);
    stop();
}
END_TEST

START_TEST(stats_count_what_is_no_request_of_any_command)
{
    start(NULL);
    int other = test_server_connect(&server);
    ck_assert(raw_send_request(other, 99, "", 0));
    ck_assert(raw_read_reply(other).closed);
    close(other);
    ck_assert_int_eq(raw_stat(client, "total_requests"), 2);
    other = test_server_connect(&server);
    ck_assert(raw_send(other, "\xff\xff\xff\xff\x03\0", 6)); /* of 4 GB */
    ck_assert(raw_read_reply(other).closed);
    close(other);
    ck_assert_int_eq(raw_stat(client, "total_requests"), 3);
    ck_assert_int_eq(raw_stat(client, "total_requests_stats"), 2); /* those before */
    ck_assert_int_eq(raw_stat(client, "total_disconnected_malformed"), 2);
    stop();
}
END_TEST

/* Lets time pass until a client that asks nothing is gone. */
START_TEST(idle_clients_are_disconnected_where_that_is_asked_for)
{
    start((const char *[]){"idle_timeout", "10", "cron_period", "1", NULL});
    int idle = test_server_connect(&server);
    int half = test_server_connect(&server);
    ck_assert_int_eq(raw_ask_code(idle, GIBSON_OP_PING, ""), GIB_CODE_OK);
    ck_assert(raw_send(half, "\xff\0\0\0\1", 5)); /* and never the rest */
    ck_assert(raw_await_stat(client, "total_clients", 3));
    for (int i = 0; i < 3; i++) {
        test_server_pass_time(&server, 4000);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    }
    ck_assert(raw_await_stat(client, "total_clients", 1)); /* who asks stays */
    ck_assert_int_eq(raw_stat(client, "total_disconnected_idle"), 2);
    ck_assert(raw_read_reply(idle).closed);
    ck_assert(raw_read_reply(half).closed);
    close(idle);
    close(half);
    stop();
}
END_TEST

START_TEST(idle_clients_stay_where_it_is_not)
{
    start((const char *[]){"cron_period", "1", NULL});
    int idle = test_server_connect(&server);
    ck_assert_int_eq(raw_ask_code(idle, GIBSON_OP_PING, ""), GIB_CODE_OK);
    test_server_pass_time(&server, INT64_C(1000) * 86400 * 365);
    int64_t rounds = raw_stat(client, "total_cron_done");
    while (raw_stat(client, "total_cron_done") < rounds + 2) {
    }
    ck_assert_int_eq(raw_ask_code(idle, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(idle);
    stop();
}
END_TEST

/* Whoever waits for replies, or takes them slowly, is not idle: that is for max_write_stall. */
START_TEST(idle_is_not_who_has_replies_waiting)
{
    enum { VALUE = 1 << 20, GETS = 40 };
    static char payload[VALUE + 4] = "0 k ";
    uint8_t requests[GETS * 8];
    size_t size = 0;
    memset(payload + 4, 'v', VALUE);
    start((const char *[]){"idle_timeout", "10", "cron_period", "1", "max_write_stall", "1000",
                           NULL});
    ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, sizeof payload));
    raw_reply reply = raw_read_reply(client);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    raw_reply_free(&reply);
    int slow = test_server_connect(&server);
    for (int i = 0; i < GETS; i++) {
        size += raw_request(requests + size, GIBSON_OP_GET, "k", 1);
    }
    ck_assert(raw_send(slow, requests, size));
    while (raw_stat(client, "client_memory_used") < VALUE) { /* until they wait for it */
    }
    test_server_pass_time(&server, 60000);
    close(client); /* it is idle, and may be disconnected */
    client = test_server_connect(&server);
    int64_t rounds = raw_stat(client, "total_cron_done");
    while (raw_stat(client, "total_cron_done") < rounds + 2) {
    }
    for (int i = 0; i < GETS; i++) {
        reply = raw_read_reply(slow);
        ck_assert_int_eq(reply.code, GIB_CODE_VAL);
        raw_reply_free(&reply);
    }
    ck_assert_int_le(raw_stat(client, "total_disconnected_idle"), 1); /* not `slow` */
    close(slow);
    stop();
}
END_TEST

START_TEST(stats_time_all_requests_but_the_latest)
{
    enum { PINGS = 200 };
    char name[] = "latency_below_1048576us";
    uint8_t requests[PINGS * 8];
    size_t size = 0;
    start(NULL);
    for (int i = 0; i < PINGS; i++) {
        size += raw_request(requests + size, GIBSON_OP_PING, "", 0);
    }
    ck_assert(raw_send(client, requests, size));
    for (int i = 0; i < PINGS; i++) {
        raw_reply reply = raw_read_reply(client);
        ck_assert_int_eq(reply.code, GIB_CODE_OK);
        raw_reply_free(&reply);
    }
    ck_assert_int_eq(raw_stat(client, "total_timed_requests"), PINGS);
    int64_t below = raw_stat(client, name);
    ck_assert_int_le(below, PINGS + 1);
    ck_assert_int_le(raw_stat(client, "latency_below_524288us"), PINGS + 2);
    ck_assert_int_eq(raw_stat(client, "total_timed_requests"), PINGS + 3);
    ck_assert_int_gt(raw_stat(client, "total_latency_us"), 0);
    stop();
}
END_TEST

SUITE("server_eyes", stats_count_hits_misses_and_what_was_refused, stats_count_requests_by_command,
      stats_count_bytes, stats_count_expired_items_when_they_are_met_and_when_they_are_swept,
      stats_count_clients_that_were_refused_or_disconnected,
      stats_count_what_is_no_request_of_any_command, stats_time_all_requests_but_the_latest,
      idle_clients_are_disconnected_where_that_is_asked_for, idle_clients_stay_where_it_is_not,
      idle_is_not_who_has_replies_waiting)
