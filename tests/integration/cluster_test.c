/* A cluster over servers that run: keys are where the ring says, and what is asked of all is the
   answer of all, or says who has not answered. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <gibson/cluster.h>
#include <gibson/cluster_pipeline.h>

#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"

enum { SERVERS = 3, KEYS = 60 };

static test_server servers[SERVERS];
static bool runs[SERVERS];
static gibson_cluster *cluster;
static gibson_cluster_client *client;
static gibson_cluster_options options;
static gibson_options of_clients;

static void stop(int i)
{
    if (runs[i]) {
        test_server_stop(&servers[i]);
        runs[i] = false;
    }
}

static void set_up(void)
{
    for (int i = 0; i < SERVERS; i++) {
        test_server_start(&servers[i], TEST_UNIX, NULL);
        runs[i] = true;
    }
    gibson_options_init(&of_clients);
    of_clients.timeout_ms = 5000;
    gibson_cluster_options_init(&options);
    options.client = &of_clients;
    options.failure_limit = 2;
    options.retry_delay_ms = 60000;
}

static void make(void)
{
    gibson_cluster_server list[SERVERS];
    for (int i = 0; i < SERVERS; i++) {
        list[i] = (gibson_cluster_server){.unix_socket = servers[i].unix_socket};
    }
    gibson_error error;
    const gibson_status status = gibson_cluster_new(&cluster, list, SERVERS, &options, &error);
    ck_assert_msg(status == GIBSON_OK, "%s", error.message);
    ck_assert_status(gibson_cluster_client_new(&client, cluster), GIBSON_OK);
}

static void tear_down(void)
{
    gibson_cluster_free(cluster);
    gibson_cluster_client_free(client);
    for (int i = 0; i < SERVERS; i++) {
        stop(i);
    }
}

static gibson_reply call(gibson_request request, gibson_status expected)
{
    gibson_reply reply;
    const gibson_status status = gibson_cluster_call(client, &request, &reply);
    ck_assert_msg(status == expected, "%s instead of %s: %s", gibson_status_name(status),
                  gibson_status_name(expected), gibson_cluster_error(client)->message);
    ck_assert_int_eq(reply.status, status);
    return reply;
}

static gibson_bytes key_of(int i)
{
    static char text[32];
    snprintf(text, sizeof text, "user:%d:name", i);
    return gibson_str(text);
}

static void fill(void)
{
    for (int i = 0; i < KEYS; i++) {
        (void)call(gibson_request_value(GIBSON_OP_SET, key_of(i), gibson_str("value"), 0),
                   GIBSON_OK);
    }
}

static int64_t number_of(gibson_opcode opcode, const char *prefix)
{
    return call(gibson_request_key(opcode, gibson_str(prefix)), GIBSON_OK).value.number;
}

START_TEST(cluster_spreads_keys_over_its_servers)
{
    make();
    fill();
    size_t on_each[SERVERS] = {0};
    for (int i = 0; i < KEYS; i++) {
        on_each[gibson_cluster_server_of(client, key_of(i))]++;
        const gibson_reply reply = call(gibson_request_key(GIBSON_OP_GET, key_of(i)), GIBSON_OK);
        ck_assert_uint_eq(reply.value.bytes.size, 5);
    }
    for (int i = 0; i < SERVERS; i++) {
        int descriptor = test_server_connect(&servers[i]);
        ck_assert_uint_gt(on_each[i], 5);
        ck_assert_int_eq(raw_ask_number(descriptor, GIBSON_OP_COUNT, "user:"), (int64_t)on_each[i]);
        close(descriptor);
    }
    (void)call(gibson_request_key(GIBSON_OP_GET, gibson_str("none")), GIBSON_NOT_FOUND);
}
END_TEST

START_TEST(cluster_asks_all_for_a_prefix)
{
    make();
    (void)call(gibson_request_key(GIBSON_OP_COUNT, gibson_str("user:")), GIBSON_OK);
    fill();
    ck_assert_int_eq(number_of(GIBSON_OP_COUNT, "user:"), KEYS);
    size_t count;
    const gibson_cluster_answer *answers = gibson_cluster_answers(client, &count);
    ck_assert_uint_eq(count, SERVERS);
    int64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        ck_assert_status(answers[i].status, GIBSON_OK);
        sum += answers[i].number;
    }
    ck_assert_int_eq(sum, KEYS);
    gibson_reply reply = call(gibson_request_key(GIBSON_OP_MGET, gibson_str("user:")), GIBSON_OK);
    ck_assert_uint_eq(gibson_items_count(&reply.items), KEYS);
    for (int i = 0; i < KEYS; i++) {
        gibson_value value;
        ck_assert(gibson_items_find(&reply.items, key_of(i), &value));
        ck_assert_uint_eq(value.bytes.size, 5);
    }
    reply = call(gibson_request_key_number(GIBSON_OP_MGET, gibson_str("user:"), 7), GIBSON_OK);
    ck_assert_uint_eq(gibson_items_count(&reply.items), 7);
    ck_assert_int_eq(number_of(GIBSON_OP_MDEL, "user:1"), 11);
    (void)call(gibson_request_key(GIBSON_OP_MGET, gibson_str("user:1")), GIBSON_NOT_FOUND);
    (void)call(gibson_request_bare(GIBSON_OP_PING), GIBSON_OK);
    (void)call(gibson_request_bare(GIBSON_OP_STATS), GIBSON_USAGE);
}
END_TEST

START_TEST(cluster_keeps_what_belongs_together_on_one_server)
{
    options.separator = ':';
    options.depth = 2;
    make();
    for (int i = 0; i < KEYS; i++) {
        char key[32];
        snprintf(key, sizeof key, "user:%d:%d", i % 10, i);
        (void)call(gibson_request_value(GIBSON_OP_SET, gibson_str(key), gibson_str("value"), 0),
                   GIBSON_OK);
    }
    size_t index;
    ck_assert_uint_eq(gibson_cluster_servers_of(client, gibson_str("user:3:"), &index, 1), 1);
    ck_assert_int_eq(number_of(GIBSON_OP_COUNT, "user:3:"), KEYS / 10);
    size_t count;
    ck_assert_str_eq(gibson_cluster_answers(client, &count)[0].server + 5,
                     servers[index].unix_socket);
    ck_assert_uint_eq(count, 1);
    ck_assert_uint_eq(gibson_cluster_servers_of(client, gibson_str("user:3"), NULL, 0), SERVERS);
    ck_assert_int_eq(number_of(GIBSON_OP_COUNT, "user:3"), KEYS / 10);
}
END_TEST

/* A server that is gone: never a sum without it that looks like one of all. */
START_TEST(cluster_tells_who_has_not_answered)
{
    make();
    fill();
    stop(1);
    const gibson_request request = gibson_request_key(GIBSON_OP_COUNT, gibson_str("user:"));
    for (int i = 0; i < 3; i++) {
        gibson_reply reply;
        ck_assert_status(gibson_cluster_call(client, &request, &reply), GIBSON_UNREACHABLE);
        ck_assert_int_eq(reply.value.kind, GIBSON_KIND_NONE);
        size_t count;
        const gibson_cluster_answer *answers = gibson_cluster_answers(client, &count);
        ck_assert_uint_eq(count, SERVERS);
        ck_assert_status(answers[0].status, GIBSON_OK);
        ck_assert_status(answers[1].status, GIBSON_UNREACHABLE);
        ck_assert_status(answers[2].status, GIBSON_OK);
        ck_assert_int_lt(answers[0].number + answers[2].number, KEYS);
    }
    ck_assert_message_has(gibson_cluster_error(client), "is ejected");
}
END_TEST

START_TEST(cluster_fails_fast_or_rehashes_when_a_server_is_ejected)
{
    options.policy = _i ? GIBSON_CLUSTER_REHASH : GIBSON_CLUSTER_FAIL_FAST;
    make();
    fill();
    int key = 0;
    while (gibson_cluster_server_of(client, key_of(key)) != 1) {
        key++;
    }
    stop(1);
    const gibson_request set =
        gibson_request_value(GIBSON_OP_SET, key_of(key), gibson_str("again"), 0);
    gibson_reply reply;
    ck_assert_int_ne(gibson_cluster_call(client, &set, &reply), GIBSON_OK);
    ck_assert_int_ne(gibson_cluster_call(client, &set, &reply), GIBSON_OK); /* the limit is 2 */
    ck_assert_status(gibson_cluster_call(client, &set, &reply),
                     _i ? GIBSON_OK : GIBSON_UNREACHABLE);
    for (int i = 0; i < KEYS; i++) {
        const bool is_there = gibson_cluster_server_of(client, key_of(i)) != 1;
        if (is_there) {
            (void)call(gibson_request_key(GIBSON_OP_GET, key_of(i)), GIBSON_OK);
        }
    }
}
END_TEST

/* Callers with connections of their own get the same placement, and the same failures. */
START_TEST(cluster_routes_for_those_who_ask_themselves)
{
    options.retry_delay_ms = 1;
    make();
    gibson_cluster_target targets[SERVERS];
    size_t count;
    for (int i = 0; i < KEYS; i++) {
        const gibson_request get = gibson_request_key(GIBSON_OP_GET, key_of(i));
        ck_assert_status(gibson_cluster_route(client, &get, targets, 1, &count), GIBSON_OK);
        ck_assert_uint_eq(count, 1);
        const size_t owner = gibson_cluster_server_of(client, get.key);
        ck_assert_str_eq(targets[0].server, gibson_cluster_server_at(client, owner, NULL, NULL));
        ck_assert_int_eq(targets[0].use, GIBSON_CLUSTER_FINE);
    }
    const gibson_request all = gibson_request_key(GIBSON_OP_COUNT, gibson_str("key"));
    ck_assert_status(gibson_cluster_route(client, &all, targets, 2, &count), GIBSON_USAGE);
    ck_assert_uint_eq(count, SERVERS);
    ck_assert_status(gibson_cluster_route(client, &all, targets, SERVERS, &count), GIBSON_OK);
    ck_assert_uint_eq(count, SERVERS);
    const char *server = gibson_cluster_server_at(client, 1, NULL, NULL);
    gibson_cluster_note(client, server, GIBSON_CLUSTER_FINE, GIBSON_NOT_FOUND); /* an answer */
    gibson_cluster_note(client, server, GIBSON_CLUSTER_FINE, GIBSON_TIMEOUT);
    gibson_cluster_route(client, &all, targets, SERVERS, &count);
    ck_assert_int_eq(targets[1].use, GIBSON_CLUSTER_FAILED);
    gibson_cluster_note(client, server, GIBSON_CLUSTER_FAILED, GIBSON_CLOSED);
    bool is_ejected;
    gibson_cluster_server_at(client, 1, &is_ejected, NULL);
    ck_assert(is_ejected);
    do { /* until the delay is over */
        gibson_cluster_route(client, &all, targets, SERVERS, &count);
    } while (targets[1].use == GIBSON_CLUSTER_EJECTED);
    ck_assert_int_eq(targets[1].use, GIBSON_CLUSTER_PROBE);
    gibson_cluster_route(client, &all, targets, SERVERS, &count);
    ck_assert_int_eq(targets[1].use, GIBSON_CLUSTER_EJECTED); /* it is that caller's turn */
    gibson_cluster_note(client, server, GIBSON_CLUSTER_PROBE, GIBSON_INTERRUPTED);
    gibson_cluster_route(client, &all, targets, SERVERS, &count);
    ck_assert_int_eq(targets[1].use, GIBSON_CLUSTER_PROBE);
    gibson_cluster_note(client, server, GIBSON_CLUSTER_PROBE, GIBSON_OK);
    gibson_cluster_route(client, &all, targets, SERVERS, &count);
    ck_assert_int_eq(targets[1].use, GIBSON_CLUSTER_FINE);
}
END_TEST

START_TEST(cluster_refuses_to_route_what_it_refuses_to_call)
{
    make();
    gibson_cluster_target targets[SERVERS];
    size_t count;
    const gibson_request bad = gibson_request_key(GIBSON_OP_GET, gibson_str("a b"));
    ck_assert_status(gibson_cluster_route(client, &bad, targets, SERVERS, &count), GIBSON_INVALID);
    ck_assert_status(gibson_cluster_error(client)->status, GIBSON_INVALID);
    ck_assert_uint_eq(count, 0);
    const gibson_request stats = gibson_request_bare(GIBSON_OP_STATS);
    ck_assert_status(gibson_cluster_route(client, &stats, targets, SERVERS, &count), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_route(NULL, &bad, targets, 1, &count), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_route(client, NULL, targets, 1, &count), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_route(client, &bad, NULL, 1, &count), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_route(client, &bad, targets, 1, NULL), GIBSON_USAGE);
    gibson_cluster_note(NULL, "a", GIBSON_CLUSTER_FINE, GIBSON_OK);
    gibson_cluster_note(client, NULL, GIBSON_CLUSTER_FINE, GIBSON_OK);
    gibson_cluster_note(client, "nobody:1", GIBSON_CLUSTER_PROBE, GIBSON_CLOSED);
}
END_TEST

/* The address that a target lends is still read, if the list was replaced meanwhile. */
START_TEST(cluster_is_told_of_a_server_that_has_left_the_list)
{
    make();
    gibson_cluster_target targets[SERVERS];
    size_t count;
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    ck_assert_status(gibson_cluster_route(client, &get, targets, SERVERS, &count), GIBSON_OK);
    const gibson_cluster_server other = {.host = "10.0.0.9"};
    ck_assert_status(gibson_cluster_set_servers(cluster, &other, 1, NULL), GIBSON_OK);
    gibson_cluster_note(client, targets[0].server, targets[0].use, GIBSON_TIMEOUT);
    ck_assert_uint_eq(gibson_cluster_servers_of(client, gibson_str(""), NULL, 0), 1);
    gibson_cluster_note(client, "10.0.0.9:10128", GIBSON_CLUSTER_FINE, GIBSON_CLOSED);
    ck_assert_status(gibson_cluster_route(client, &get, targets, SERVERS, &count), GIBSON_OK);
    ck_assert_int_ne(targets[0].use, GIBSON_CLUSTER_FINE);
}
END_TEST

/* How long the items on a server live, in seconds: -1 for ever, else that of one of them. */
static int64_t ttl_on(const test_server *one)
{
    const gibson_cluster_server alone = {.unix_socket = one->unix_socket};
    gibson_cluster *of_one;
    gibson_cluster_client *asker;
    gibson_reply reply;
    ck_assert_status(gibson_cluster_new(&of_one, &alone, 1, NULL, NULL), GIBSON_OK);
    ck_assert_status(gibson_cluster_client_new(&asker, of_one), GIBSON_OK);
    const gibson_request keys = gibson_request_key(GIBSON_OP_KEYS, gibson_str("user:"));
    ck_assert_status(gibson_cluster_call(asker, &keys, &reply), GIBSON_OK);
    gibson_value key;
    ck_assert(gibson_items_next(&reply.items, NULL, &key));
    const gibson_request ttl =
        gibson_request_key_number(GIBSON_OP_META, key.bytes, GIBSON_META_TTL);
    ck_assert_status(gibson_cluster_call(asker, &ttl, &reply), GIBSON_OK);
    const int64_t seconds = reply.value.number;
    gibson_cluster_client_free(asker);
    gibson_cluster_free(of_one);
    return seconds;
}

/* One server keeps a time that another does not. */
START_TEST(cluster_asks_no_server_what_one_of_them_refuses)
{
    static const char *const short_lived[] = {"max_item_ttl", "40000", NULL};
    test_server_stop(&servers[1]);
    test_server_start(&servers[1], TEST_UNIX, short_lived);
    make();
    fill();
    const gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    gibson_request mttl = gibson_request_key_number(GIBSON_OP_MTTL, gibson_str("user:"), 100000);
    gibson_reply reply;
    for (int round = 0; round < 3; round++) {
        ck_assert_status(gibson_cluster_call(client, &mttl, &reply), GIBSON_INVALID);
        ck_assert_message_has(gibson_cluster_error(client), "40000");
        ck_assert_status(gibson_cluster_queue(client, &mttl), GIBSON_INVALID);
        ck_assert_message_has(gibson_cluster_error(client), "40000");
        ck_assert_uint_eq(gibson_cluster_outstanding(client), 0);
        ck_assert_status(gibson_cluster_queue(client, &ping), GIBSON_OK);
        ck_assert_status(gibson_cluster_queue(client, &mttl), GIBSON_INVALID);
        ck_assert_status(gibson_cluster_next(client, &reply), GIBSON_OK);
        ck_assert_status(gibson_cluster_next(client, &reply), GIBSON_END);
        ck_assert_status(gibson_cluster_queue(client, &ping), GIBSON_OK);
        ck_assert_str_eq(gibson_cluster_error(client)->message, gibson_status_text(GIBSON_OK));
        ck_assert_status(gibson_cluster_next(client, &reply), GIBSON_OK);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        ck_assert_int_le(ttl_on(&servers[i]), 0);
    }
    mttl.number = 39999;
    ck_assert_status(gibson_cluster_call(client, &mttl, &reply), GIBSON_OK);
    ck_assert_int_eq(reply.value.number, KEYS);
    mttl.number = 40000;
    ck_assert_status(gibson_cluster_queue(client, &mttl), GIBSON_OK);
    ck_assert_status(gibson_cluster_next(client, &reply), GIBSON_OK);
    ck_assert_int_eq(reply.value.number, KEYS);
    for (size_t i = 0; i < SERVERS; i++) {
        ck_assert_int_eq(ttl_on(&servers[i]), 40000);
    }
}
END_TEST

/* A time that every server is asked for with no more ado, but for one that has told of its limit.
 */
START_TEST(cluster_asks_no_server_what_one_is_known_to_refuse)
{
    static const char *const short_lived[] = {"max_item_ttl", "20000", NULL};
    test_server_stop(&servers[1]);
    test_server_start(&servers[1], TEST_UNIX, short_lived);
    make();
    fill();
    gibson_request mttl = gibson_request_key_number(GIBSON_OP_MTTL, gibson_str("user:"), 100000);
    gibson_reply reply;
    ck_assert_status(gibson_cluster_call(client, &mttl, &reply), GIBSON_INVALID);
    mttl.number = 20001;
    ck_assert_status(gibson_cluster_call(client, &mttl, &reply), GIBSON_INVALID);
    ck_assert_message_has(gibson_cluster_error(client), "20000");
    ck_assert_status(gibson_cluster_queue(client, &mttl), GIBSON_INVALID);
    ck_assert_message_has(gibson_cluster_error(client), "20000");
    for (size_t i = 0; i < SERVERS; i++) {
        ck_assert_int_le(ttl_on(&servers[i]), 0);
    }
    mttl.number = 20000;
    ck_assert_status(gibson_cluster_call(client, &mttl, &reply), GIBSON_OK);
    ck_assert_int_eq(reply.value.number, KEYS);
}
END_TEST

START_TEST(cluster_follows_its_list)
{
    make();
    fill();
    const gibson_cluster_server two[] = {{.unix_socket = servers[2].unix_socket},
                                         {.unix_socket = servers[0].unix_socket}};
    ck_assert_status(gibson_cluster_set_servers(cluster, two, 2, NULL), GIBSON_OK);
    ck_assert_status(gibson_cluster_set_servers(cluster, two, 0, NULL), GIBSON_INVALID);
    const gibson_request request = gibson_request_key(GIBSON_OP_COUNT, gibson_str("user:"));
    gibson_reply reply;
    ck_assert_status(gibson_cluster_call(client, &request, &reply), GIBSON_OK);
    ck_assert_int_lt(reply.value.number, KEYS);
    size_t count;
    (void)gibson_cluster_answers(client, &count);
    ck_assert_uint_eq(count, 2);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(cluster_spreads_keys_over_its_servers, cluster_asks_all_for_a_prefix,
               cluster_keeps_what_belongs_together_on_one_server,
               cluster_tells_who_has_not_answered, cluster_routes_for_those_who_ask_themselves,
               cluster_refuses_to_route_what_it_refuses_to_call, cluster_follows_its_list,
               cluster_is_told_of_a_server_that_has_left_the_list,
               cluster_asks_no_server_what_one_of_them_refuses,
               cluster_asks_no_server_what_one_is_known_to_refuse)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 2,
         TESTS(cluster_fails_fast_or_rehashes_when_a_server_is_ejected)},
    };
    return suite_run("cluster", 1, parts, COUNT_OF(parts));
}
