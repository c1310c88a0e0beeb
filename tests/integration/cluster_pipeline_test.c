/* Pipelines over a cluster: which reply is whose, in which order, whatever becomes of the servers.
   They run, and proxies break them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gibson/cluster_pipeline.h>

#include "support/clustered.h"
#include "support/failing_allocator.h"
#include "support/suite.h"

enum { SERVERS = 3, KEYS = 60 };

static clustered all;
static char text[64];

static void set_up(void)
{
    clustered_start(&all, SERVERS);
}

static void tear_down(void)
{
    clustered_stop(&all);
}

static void retry_soon(void)
{
    all.options.retry_delay_ms = all.options.retry_max_delay_ms = 1;
}

/* ---- Steps ---- */

static void queue(gibson_request request)
{
    const size_t before = gibson_cluster_outstanding(all.client);
    const gibson_status status = gibson_cluster_queue(all.client, &request);
    ck_assert_msg(status == GIBSON_OK, "%s: %s", gibson_status_name(status),
                  gibson_cluster_error(all.client)->message);
    ck_assert_uint_eq(gibson_cluster_outstanding(all.client), before + 1);
}

static void queue_get(gibson_bytes key)
{
    queue(gibson_request_key(GIBSON_OP_GET, key));
}

static gibson_reply next(gibson_status expected)
{
    gibson_reply reply;
    const gibson_status status = gibson_cluster_next(all.client, &reply);
    ck_assert_msg(status == expected, "%s instead of %s: %s", gibson_status_name(status),
                  gibson_status_name(expected), gibson_cluster_error(all.client)->message);
    ck_assert_int_eq(reply.status, status);
    ck_assert_int_eq(gibson_cluster_error(all.client)->status, status);
    return reply;
}

static void expect_bytes(const gibson_reply *reply, gibson_bytes expected)
{
    ck_assert_uint_eq(reply->value.bytes.size, expected.size);
    ck_assert_mem_eq(reply->value.bytes.data, expected.data, expected.size);
}

static void next_value(gibson_bytes expected)
{
    const gibson_reply reply = next(GIBSON_OK);
    expect_bytes(&reply, expected);
}

static void expect_end(void)
{
    ck_assert_uint_eq(gibson_cluster_outstanding(all.client), 0);
    (void)next(GIBSON_END);
}

/* Key number `i` of a space, whichever server has it. Its value is its name. */
static gibson_bytes name_key(const char *space, int i, char to[64])
{
    snprintf(to, 64, "%s:%d", space, i);
    return gibson_str(to);
}

static void store_keys(const char *space)
{
    for (int i = 0; i < KEYS; i++) {
        const gibson_bytes key = name_key(space, i, text);
        const gibson_request set = gibson_request_value(GIBSON_OP_SET, key, key, 0);
        while (gibson_cluster_queue(all.client, &set) == GIBSON_WOULD_BLOCK) {
            (void)next(GIBSON_OK);
        }
    }
    while (gibson_cluster_outstanding(all.client)) {
        (void)next(GIBSON_OK);
    }
    expect_end();
}

static size_t server_of_key(const char *space, int i)
{
    char name[64];
    return gibson_cluster_server_of(all.client, name_key(space, i, name));
}

/* ---- Order ---- */

START_TEST(replies_come_in_the_order_of_queueing_over_all_servers)
{
    clustered_make(&all);
    store_keys("a");
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < KEYS; i++) {
            queue_get(name_key("a", i, text));
        }
        for (int i = 0; i < KEYS; i++) {
            next_value(name_key("a", i, text));
            size_t count;
            const gibson_cluster_answer *answer = gibson_cluster_answers(all.client, &count);
            const char *server =
                gibson_cluster_server_at(all.client, server_of_key("a", i), NULL, NULL);
            ck_assert_uint_eq(count, 1);
            ck_assert_str_eq(answer->server, server);
        }
        expect_end();
    }
}
END_TEST

START_TEST(replies_are_right_while_requests_are_queued_between_them)
{
    clustered_make(&all);
    store_keys("a");
    enum { AHEAD = 7 };
    for (int i = 0; i < 5 * KEYS; i++) {
        queue_get(name_key("a", i % KEYS, text));
        if (i >= AHEAD) {
            next_value(name_key("a", (i - AHEAD) % KEYS, text));
        }
    }
    for (int i = 5 * KEYS - AHEAD; i < 5 * KEYS; i++) {
        next_value(name_key("a", i % KEYS, text));
    }
    expect_end();
}
END_TEST

/* Each server gets its requests in order, so each has been sent what was queued before. */
START_TEST(request_to_all_sees_what_was_queued_before_it_and_nothing_later)
{
    clustered_make(&all);
    for (int i = 0; i < KEYS; i++) {
        queue(gibson_request_value(GIBSON_OP_SET, name_key("n", i, text), gibson_str("v"), 0));
        queue(gibson_request_key(GIBSON_OP_COUNT, gibson_str("n:")));
    }
    for (int i = 0; i < KEYS; i++) {
        (void)next(GIBSON_OK);
        ck_assert_int_eq(next(GIBSON_OK).value.number, i + 1);
        size_t count;
        (void)gibson_cluster_answers(all.client, &count);
        ck_assert_uint_eq(count, SERVERS);
    }
    queue(gibson_request_key(GIBSON_OP_COUNT, gibson_str("none:")));
    queue(gibson_request_bare(GIBSON_OP_PING));
    queue(gibson_request_make(GIBSON_OP_MGET, gibson_str("n:"), gibson_bytes_of(NULL, 0), 7));
    queue(gibson_request_key(GIBSON_OP_MDEL, gibson_str("n:")));
    ck_assert_int_eq(next(GIBSON_OK).value.number, 0);
    (void)next(GIBSON_OK);
    const gibson_reply some = next(GIBSON_OK);
    ck_assert_uint_eq(gibson_items_count(&some.items), 7);
    ck_assert_int_eq(next(GIBSON_OK).value.number, KEYS);
    expect_end();
}
END_TEST

/* A value is stored on the second server though nobody waits for that one's reply. */
START_TEST(all_servers_are_sent_their_requests_before_one_is_waited_for)
{
    char other[64];
    clustered_make(&all);
    const gibson_bytes second = clustered_key(&all, 1, "k", 1, other);
    queue(gibson_request_value(GIBSON_OP_SET, clustered_key(&all, 0, "k", 0, text), gibson_str("0"),
                               0));
    queue(gibson_request_value(GIBSON_OP_SET, second, gibson_str("1"), 0));
    (void)next(GIBSON_OK);
    gibson_options options;
    gibson_client *direct;
    gibson_value value;
    gibson_options_init(&options);
    options.unix_socket = all.servers[1].unix_socket;
    ck_assert_status(gibson_client_new(&direct, &options, NULL), GIBSON_OK);
    ck_assert_status(gibson_client_connect(direct), GIBSON_OK);
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    while (gibson_client_get(direct, second, &value) != GIBSON_OK) {
        ck_assert_int_lt(suite_now_ms(), end_ms);
    }
    gibson_client_free(direct);
    (void)next(GIBSON_OK);
    expect_end();
}
END_TEST

START_TEST(flush_sends_to_all_servers)
{
    clustered_make(&all);
    ck_assert_status(gibson_cluster_flush(all.client), GIBSON_OK);
    for (size_t i = 0; i < SERVERS; i++) {
        queue_get(clustered_key(&all, i, "k", 0, text));
        ck_assert_uint_eq(gibp_proxy_count(all.proxies[i]).request_bytes, 0);
    }
    ck_assert_status(gibson_cluster_flush(all.client), GIBSON_OK);
    for (size_t i = 0; i < SERVERS; i++) {
        const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
        while (!gibp_proxy_count(all.proxies[i]).request_bytes) {
            ck_assert_int_lt(suite_now_ms(), end_ms);
        }
        (void)next(GIBSON_NOT_FOUND);
    }
    expect_end();
}
END_TEST

START_TEST(requests_on_a_subtree_go_to_the_server_that_has_it)
{
    all.options.separator = ':';
    all.options.depth = 1;
    clustered_make(&all);
    for (int i = 0; i < KEYS; i++) {
        char space[16];
        snprintf(space, sizeof space, "tree%d", i % 7);
        const gibson_bytes key = name_key(space, i, text);
        queue(gibson_request_value(GIBSON_OP_SET, key, key, 0));
        queue(gibson_request_key(GIBSON_OP_COUNT, gibson_bytes_of(key.data, 6)));
        queue_get(key);
    }
    for (int i = 0; i < KEYS; i++) {
        char space[16];
        snprintf(space, sizeof space, "tree%d", i % 7);
        (void)next(GIBSON_OK);
        ck_assert_int_eq(next(GIBSON_OK).value.number, i / 7 + 1);
        size_t count;
        (void)gibson_cluster_answers(all.client, &count);
        ck_assert_uint_eq(count, 1);
        next_value(name_key(space, i, text));
    }
    expect_end();
}
END_TEST

/* ---- Views ---- */

START_TEST(views_of_a_reply_stay_while_requests_are_queued)
{
    clustered_make(&all);
    store_keys("a");
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, name_key("a", 0, text));
    const gibson_reply called = clustered_call(&all, get, GIBSON_OK);
    const gibson_request get_all = gibson_request_key(GIBSON_OP_MGET, gibson_str("a:"));
    for (int i = 1; i < KEYS; i++) {
        queue_get(name_key("a", i, text));
        queue(get_all);
    }
    expect_bytes(&called, name_key("a", 0, text));
    gibson_owned_reply *owned;
    ck_assert_status(gibson_cluster_take_reply(all.client, &owned), GIBSON_OK);
    next_value(name_key("a", 1, text));
    const gibson_reply gathered = next(GIBSON_OK);
    queue(get_all);
    queue_get(name_key("a", 2, text));
    gibson_value value;
    for (int i = 0; i < KEYS; i++) {
        const gibson_bytes key = name_key("a", i, text);
        ck_assert(gibson_items_find(&gathered.items, key, &value));
        expect_bytes(&(gibson_reply){.value = value}, key);
    }
    expect_bytes(&called, name_key("a", 0, text)); /* it was taken */
    gibson_owned_reply_free(owned);
    ck_assert_status(gibson_cluster_take_reply(all.client, &owned), GIBSON_OK);
    gibson_owned_reply_free(owned);
}
END_TEST

/* What it is made of is in memory of one connection, of the client, or of a server that leaves; and
   it goes to all. */
START_TEST(request_may_be_made_of_the_reply_before_it)
{
    enum { LARGE = 40000 };
    static char value[LARGE];
    gibson_cluster_server list[CLUSTERED_MOST];
    char other[64];
    clustered_make(&all);
    clustered_list(&all, list);
    memset(value, 'v', sizeof value);
    const gibson_bytes large = gibson_bytes_of(value, sizeof value);
    for (size_t i = 0; i < SERVERS; i++) {
        const gibson_bytes key = clustered_key(&all, i, "large", 0, other);
        (void)clustered_call(&all, gibson_request_value(GIBSON_OP_SET, key, large, 0), GIBSON_OK);
    }
    const gibson_reply found =
        clustered_call(&all, gibson_request_key(GIBSON_OP_MGET, gibson_str("large:")), GIBSON_OK);
    gibson_items items = found.items;
    gibson_bytes key;
    gibson_value held;
    ck_assert(gibson_items_next(&items, &key, &held));
    const gibson_reply got =
        clustered_call(&all, gibson_request_key(GIBSON_OP_GET, key), GIBSON_OK);
    const gibson_reply changed = clustered_call(
        &all, gibson_request_value(GIBSON_OP_MSET, gibson_str("large:"), got.value.bytes, 0),
        GIBSON_OK);
    ck_assert_int_eq(changed.value.number, SERVERS);
    const gibson_bytes first = clustered_key(&all, 0, "k", 0, other);
    const gibson_request get =
        gibson_request_key(GIBSON_OP_GET, clustered_key(&all, 1, "large", 0, text));
    const gibson_reply last = clustered_call(&all, get, GIBSON_OK);
    ck_assert_status(gibson_cluster_set_servers(all.cluster, list, 1, NULL), GIBSON_OK);
    (void)clustered_call(&all, gibson_request_value(GIBSON_OP_SET, first, last.value.bytes, 0),
                         GIBSON_OK);
    const gibson_reply copy =
        clustered_call(&all, gibson_request_key(GIBSON_OP_GET, first), GIBSON_OK);
    expect_bytes(&copy, large);
}
END_TEST

/* ---- What is refused ---- */

START_TEST(request_that_is_refused_gets_no_reply)
{
    clustered_make(&all);
    const gibson_request refused[] = {
        gibson_request_bare(GIBSON_OP_STATS),
        gibson_request_bare(GIBSON_OP_END),
        gibson_request_key(GIBSON_OP_GET, gibson_str("")),
        gibson_request_key(GIBSON_OP_GET, gibson_str("a key")),
        gibson_request_key(GIBSON_OP_COUNT, gibson_str("a key")),
        gibson_request_key((gibson_opcode)99, gibson_str("key")),
    };
    for (int pass = 0; pass < 3; pass++) {
        for (size_t i = 0; i < COUNT_OF(refused); i++) {
            ck_assert_status(gibson_cluster_queue(all.client, &refused[i]),
                             i < 2 ? GIBSON_USAGE : GIBSON_INVALID);
            ck_assert_int_eq(gibson_cluster_error(all.client)->status,
                             i < 2 ? GIBSON_USAGE : GIBSON_INVALID);
        }
        ck_assert_uint_eq(gibson_cluster_outstanding(all.client), (size_t)pass);
        queue_get(clustered_key(&all, 0, "k", 0, text));
    }
    for (int pass = 0; pass < 3; pass++) {
        (void)next(GIBSON_NOT_FOUND);
    }
    expect_end();
}
END_TEST

/* Its server is gone, so what is found out first is another thing. */
START_TEST(request_that_is_refused_is_so_when_its_server_is_gone)
{
    test_server gone;
    clustered_make(&all);
    test_server_start(&gone, TEST_UNIX, NULL);
    const gibson_cluster_server list[] = {{.unix_socket = gone.unix_socket}};
    ck_assert_status(gibson_cluster_set_servers(all.cluster, list, 1, NULL), GIBSON_OK);
    (void)clustered_call(&all, gibson_request_bare(GIBSON_OP_PING), GIBSON_OK);
    test_server_stop(&gone);
    for (int i = 0; i < 3; i++) {
        const gibson_request bad = gibson_request_key(GIBSON_OP_GET, gibson_str("a key"));
        ck_assert_status(gibson_cluster_queue(all.client, &bad), GIBSON_INVALID);
    }
    queue_get(gibson_str("key"));
    gibson_reply reply;
    ck_assert_int_gt(gibson_cluster_next(all.client, &reply), GIBSON_TRUNCATED);
    expect_end();
}
END_TEST

START_TEST(call_while_replies_are_outstanding_is_refused)
{
    clustered_make(&all);
    store_keys("a");
    queue_get(name_key("a", 1, text));
    const gibson_request requests[] = {gibson_request_key(GIBSON_OP_GET, gibson_str("a:2")),
                                       gibson_request_bare(GIBSON_OP_PING)};
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        (void)clustered_call(&all, requests[i], GIBSON_USAGE);
        ck_assert_message_has(gibson_cluster_error(all.client), "unread");
    }
    next_value(name_key("a", 1, text));
    (void)clustered_call(&all, requests[0], GIBSON_OK);
}
END_TEST

START_TEST(argument_that_is_missing_is_told)
{
    gibson_reply reply;
    const gibson_request request = gibson_request_bare(GIBSON_OP_PING);
    clustered_make(&all);
    ck_assert_status(gibson_cluster_queue(NULL, &request), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_queue(all.client, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_next(NULL, &reply), GIBSON_USAGE);
    ck_assert_status(reply.status, GIBSON_USAGE);
    ck_assert_status(gibson_cluster_next(all.client, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_flush(NULL), GIBSON_USAGE);
    ck_assert_uint_eq(gibson_cluster_outstanding(NULL), 0);
    expect_end();
}
END_TEST

/* ---- The window ---- */

START_TEST(window_holds_over_all_servers_together)
{
    enum { WINDOW = 4 };
    all.of_clients.pipeline_window = WINDOW;
    clustered_make(&all);
    store_keys("a");
    int answered = 0;
    for (int i = 0; i < KEYS; i++) {
        const gibson_request get = gibson_request_key(GIBSON_OP_GET, name_key("a", i, text));
        if (i >= WINDOW) {
            ck_assert_status(gibson_cluster_queue(all.client, &get), GIBSON_WOULD_BLOCK);
            next_value(name_key("a", answered++, text));
            name_key("a", i, text);
        }
        queue(get);
    }
    for (; answered < KEYS; answered++) {
        next_value(name_key("a", answered, text));
    }
    expect_end();
}
END_TEST

START_TEST(bytes_hold_over_all_servers_together)
{
    static const char large[1000];
    all.of_clients.pipeline_bytes = 2500;
    clustered_make(&all);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < SERVERS; i++) { /* the last one may reach over */
            queue(gibson_request_value(GIBSON_OP_SET, clustered_key(&all, i, "k", 0, text),
                                       gibson_bytes_of(large, sizeof large), 0));
        }
        const gibson_request more = gibson_request_bare(GIBSON_OP_PING);
        ck_assert_status(gibson_cluster_queue(all.client, &more), GIBSON_WOULD_BLOCK);
        (void)next(GIBSON_OK);
        queue(more);
        for (size_t i = 0; i < SERVERS; i++) {
            (void)next(GIBSON_OK);
        }
        expect_end();
    }
}
END_TEST

/* ---- Servers that fail ---- */

START_TEST(requests_for_a_server_that_is_ejected_fail_in_their_places)
{
    clustered_make(&all);
    store_keys("a");
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    for (int i = 0; i < KEYS; i++) {
        queue_get(name_key("a", i, text));
        queue(gibson_request_key(GIBSON_OP_COUNT, gibson_str("a:")));
    }
    for (int i = 0; i < KEYS; i++) {
        if (server_of_key("a", i) == 1) {
            (void)next(GIBSON_UNREACHABLE);
            ck_assert_message_has(gibson_cluster_error(all.client), "ejected");
        } else {
            next_value(name_key("a", i, text));
        }
        const gibson_reply none = next(GIBSON_UNREACHABLE);
        ck_assert_int_eq(none.value.number, 0);
        size_t count;
        const gibson_cluster_answer *answers = gibson_cluster_answers(all.client, &count);
        ck_assert_uint_eq(count, SERVERS);
        for (size_t n = 0; n < SERVERS; n++) {
            ck_assert_status(answers[n].status, n == 1 ? GIBSON_UNREACHABLE : GIBSON_OK);
            ck_assert((answers[n].number > 0) == (n != 1));
        }
    }
    expect_end();
}
END_TEST

START_TEST(requests_for_a_server_that_is_ejected_go_to_the_next_one)
{
    all.options.policy = GIBSON_CLUSTER_REHASH;
    clustered_make(&all);
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    store_keys("a");
    for (int i = 0; i < KEYS; i++) {
        queue_get(name_key("a", i, text));
    }
    for (int i = 0; i < KEYS; i++) {
        next_value(name_key("a", i, text));
    }
    expect_end();
}
END_TEST

/* How many of a batch of GETs have failed: those of the second server, and no others. */
static int run_batch_with_a_broken_server(void)
{
    int failed = 0;
    for (int i = 0; i < KEYS; i++) {
        queue_get(name_key("a", i, text));
    }
    for (int i = 0; i < KEYS; i++) {
        if (server_of_key("a", i) == 1) {
            gibson_reply reply;
            ck_assert_int_gt(gibson_cluster_next(all.client, &reply), GIBSON_TRUNCATED);
            ck_assert_ptr_null(reply.value.bytes.data);
            failed++;
        } else {
            next_value(name_key("a", i, text));
        }
    }
    expect_end();
    return failed;
}

/* failure_limit is 2. */
START_TEST(connection_lost_in_a_batch_is_one_failure_however_many_requests_that_are)
{
    clustered_make(&all);
    store_keys("a");
    clustered_break(&all, 1, _i ? GIBP_FAULT_CUT : GIBP_FAULT_RESET);
    ck_assert_int_gt(run_batch_with_a_broken_server(), 5);
    ck_assert(!clustered_is_ejected(all.client, 1));
    (void)run_batch_with_a_broken_server();
    ck_assert(clustered_is_ejected(all.client, 1));
    for (size_t i = 0; i < SERVERS; i += 2) {
        ck_assert(!clustered_is_ejected(all.client, i));
    }
}
END_TEST

/* An answer in between is the end of a row. */
START_TEST(batch_that_is_answered_ends_a_row_of_failures)
{
    clustered_make(&all);
    store_keys("a");
    for (int i = 0; i < 4; i++) {
        clustered_break(&all, 1, GIBP_FAULT_CUT);
        ck_assert_int_gt(run_batch_with_a_broken_server(), 5);
        clustered_heal(&all, 1);
        store_keys("a");
        ck_assert(!clustered_is_ejected(all.client, 1));
    }
}
END_TEST

/* What was lost is behind what is queued later, and that connects anew once it is read. */
START_TEST(requests_queued_for_a_server_that_was_lost_fail_until_the_lost_ones_are_read)
{
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "k", 0, text);
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    queue_get(key);
    queue_get(key);
    gibson_reply reply;
    ck_assert_int_gt(gibson_cluster_next(all.client, &reply), GIBSON_TRUNCATED);
    clustered_heal(&all, 1);
    queue_get(key);
    queue(gibson_request_bare(GIBSON_OP_PING));
    for (int i = 0; i < 3; i++) {
        ck_assert_int_gt(gibson_cluster_next(all.client, &reply), GIBSON_TRUNCATED);
    }
    expect_end();
    queue_get(key);
    queue(gibson_request_bare(GIBSON_OP_PING));
    (void)next(GIBSON_NOT_FOUND);
    (void)next(GIBSON_OK);
    expect_end();
}
END_TEST

/* A server that is not there: no connection can be made. */
START_TEST(server_that_cannot_be_reached_is_told_by_the_replies)
{
    gibson_cluster_server list[CLUSTERED_MOST];
    clustered_make(&all);
    clustered_list(&all, list);
    list[1] = (gibson_cluster_server){.unix_socket = "/nonexistent/gibson.sock"};
    ck_assert_status(gibson_cluster_set_servers(all.cluster, list, SERVERS, NULL), GIBSON_OK);
    for (int round = 0; round < 2; round++) {
        ck_assert(!clustered_is_ejected(all.client, 1));
        for (int i = 0; i < KEYS; i++) {
            queue_get(name_key("a", i, text));
        }
        queue(gibson_request_bare(GIBSON_OP_PING));
        for (int i = 0; i < KEYS; i++) {
            (void)next(server_of_key("a", i) == 1 ? GIBSON_UNREACHABLE : GIBSON_NOT_FOUND);
        }
        (void)next(GIBSON_UNREACHABLE);
        expect_end();
    }
    ck_assert(clustered_is_ejected(all.client, 1));
}
END_TEST

START_TEST(server_that_is_silent_takes_one_deadline_and_no_reply_of_the_others)
{
    enum { TIMEOUT_MS = 300 };
    all.of_clients.timeout_ms = TIMEOUT_MS;
    clustered_make(&all);
    store_keys("a");
    clustered_break(&all, 1, GIBP_FAULT_BLACK_HOLE);
    const int64_t begin_ms = suite_now_ms();
    ck_assert_int_gt(run_batch_with_a_broken_server(), 5);
    const int64_t took_ms = suite_now_ms() - begin_ms;
    ck_assert_int_ge(took_ms, TIMEOUT_MS);
    ck_assert_int_lt(took_ms, TIMEOUT_MS + SUITE_SLACK_MS);
    queue(gibson_request_bare(GIBSON_OP_PING));
    (void)next(GIBSON_TIMEOUT);
    ck_assert(clustered_is_ejected(all.client, 1));
}
END_TEST

/* More than the buffers of sockets hold is queued for a server that reads nothing. */
START_TEST(server_that_does_not_read_keeps_no_reply_of_another_back)
{
    enum { LARGE = 500000, COUNT = 50 };
    static char large[LARGE];
    char other[64];
    all.of_clients.pipeline_bytes = (size_t)LARGE * (COUNT + 1);
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "large", 0, other);
    clustered_break(&all, 1, GIBP_FAULT_HOLD);
    for (int i = 0; i < COUNT; i++) {
        queue_get(clustered_key(&all, 0, "k", 0, text));
        queue(gibson_request_value(GIBSON_OP_SET, key, gibson_bytes_of(large, LARGE), 0));
    }
    (void)next(GIBSON_NOT_FOUND);
    queue_get(clustered_key(&all, 2, "k", 0, text));
    clustered_heal(&all, 1);
    for (int i = 0; i < COUNT; i++) {
        (void)next(GIBSON_OK);
        (void)next(GIBSON_NOT_FOUND);
    }
    expect_end();
}
END_TEST

/* The server fills its socket with replies while it is sent more: neither can wait for the other.
 */
START_TEST(full_socket_buffers_on_both_sides_block_nothing)
{
    enum { LARGE = 200000, COUNT = 100 };
    static char large[LARGE];
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "large", 0, text);
    const gibson_request set =
        gibson_request_value(GIBSON_OP_SET, key, gibson_bytes_of(large, LARGE), 0);
    all.of_clients.timeout_ms = CLUSTERED_PATIENCE_MS;
    int queued = 0;
    for (int answered = 0; answered < 2 * COUNT;) {
        while (queued < 2 * COUNT) {
            const gibson_request get = gibson_request_key(GIBSON_OP_GET, key);
            const gibson_status status = gibson_cluster_queue(all.client, queued % 2 ? &get : &set);
            if (status == GIBSON_WOULD_BLOCK) {
                break;
            }
            ck_assert_status(status, GIBSON_OK);
            queued++;
        }
        const gibson_reply reply = next(GIBSON_OK);
        ck_assert_uint_eq(reply.value.bytes.size, LARGE);
        answered++;
    }
    expect_end();
}
END_TEST

/* ---- Servers that come back ---- */

/* Queues until the server has been probed. */
static void queue_until_back(gibson_bytes key, gibson_status expected)
{
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    gibson_reply reply;
    do {
        ck_assert_int_lt(suite_now_ms(), end_ms);
        queue_get(key);
        queue_get(key);
        ck_assert_int_eq(gibson_cluster_next(all.client, &reply),
                         gibson_cluster_next(all.client, &reply));
    } while (clustered_is_ejected(all.client, 1));
    ck_assert_status(reply.status, expected);
}

START_TEST(server_that_comes_back_is_flushed_before_requests_are_queued_for_it)
{
    char other[64];
    retry_soon();
    all.options.flush_prefix = "cache:";
    all.options.policy = _i ? GIBSON_CLUSTER_REHASH : GIBSON_CLUSTER_FAIL_FAST;
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "cache", 1, text);
    const gibson_bytes first = clustered_key(&all, 0, "kept", 0, other);
    (void)clustered_call(&all, gibson_request_value(GIBSON_OP_SET, key, gibson_str("old"), 0),
                         GIBSON_OK);
    (void)clustered_call(&all, gibson_request_value(GIBSON_OP_SET, first, first, 0), GIBSON_OK);
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    clustered_heal(&all, 1);
    gibson_request get = gibson_request_key(GIBSON_OP_GET, first);
    const gibson_reply lent = clustered_call(&all, get, GIBSON_OK);
    get.key = key;
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    while (clustered_is_ejected(all.client, 1) && suite_now_ms() < end_ms) {
        if (gibson_cluster_outstanding(all.client)) { /* it was not its turn yet */
            gibson_reply reply;
            (void)gibson_cluster_next(all.client, &reply);
            (void)clustered_call(&all, gibson_request_key(GIBSON_OP_GET, first), GIBSON_OK);
        }
        queue(get);
    }
    if (all.options.policy == GIBSON_CLUSTER_FAIL_FAST) {
        expect_bytes(&lent, first);
    }
    (void)next(GIBSON_NOT_FOUND);
    queue_until_back(key, GIBSON_NOT_FOUND);
}
END_TEST

START_TEST(server_that_is_probed_in_vain_stays_ejected)
{
    retry_soon();
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "k", 1, text);
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    const uint64_t before = gibp_proxy_count(all.proxies[1]).accepted;
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    while (gibp_proxy_count(all.proxies[1]).accepted < before + 2) {
        ck_assert_int_lt(suite_now_ms(), end_ms);
        queue_get(key);
        (void)next(GIBSON_UNREACHABLE);
    }
    ck_assert(clustered_is_ejected(all.client, 1));
    clustered_heal(&all, 1);
    queue_until_back(key, GIBSON_NOT_FOUND);
}
END_TEST

START_TEST(request_to_all_probes_a_server_and_goes_to_it_if_it_is_back)
{
    retry_soon();
    clustered_make(&all);
    store_keys("a");
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    clustered_heal(&all, 1);
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    gibson_reply reply;
    do {
        ck_assert_int_lt(suite_now_ms(), end_ms);
        queue(gibson_request_key(GIBSON_OP_COUNT, gibson_str("a:")));
    } while (gibson_cluster_next(all.client, &reply) == GIBSON_UNREACHABLE);
    ck_assert_status(reply.status, GIBSON_OK);
    ck_assert_int_eq(reply.value.number, KEYS);
    ck_assert(!clustered_is_ejected(all.client, 1));
}
END_TEST

/* ---- The list ---- */

START_TEST(pipeline_that_is_under_way_ends_with_the_former_list)
{
    gibson_cluster_server list[CLUSTERED_MOST];
    clustered_make(&all);
    store_keys("a");
    clustered_list(&all, list);
    for (int i = 0; i < KEYS; i++) {
        queue_get(name_key("a", i, text));
        queue(gibson_request_key(GIBSON_OP_COUNT, gibson_str("a:")));
    }
    next_value(name_key("a", 0, text));
    ck_assert_status(gibson_cluster_set_servers(all.cluster, list, 1, NULL), GIBSON_OK);
    const gibson_request more = gibson_request_key(GIBSON_OP_COUNT, gibson_str("a:"));
    ck_assert_status(gibson_cluster_queue(all.client, &more), GIBSON_WOULD_BLOCK);
    ck_assert_message_has(gibson_cluster_error(all.client), "replaced");
    ck_assert_uint_eq(gibson_cluster_servers_of(all.client, gibson_bytes_of(NULL, 0), NULL, 0),
                      SERVERS);
    ck_assert_int_eq(next(GIBSON_OK).value.number, KEYS);
    for (int i = 1; i < KEYS; i++) {
        next_value(name_key("a", i, text));
        ck_assert_int_eq(next(GIBSON_OK).value.number, KEYS);
    }
    const gibson_cluster_answer *answers = gibson_cluster_answers(all.client, NULL);
    const int64_t of_first = answers[0].number;
    queue(more);
    ck_assert_int_eq(next(GIBSON_OK).value.number, of_first);
    expect_end();
    ck_assert_uint_eq(gibson_cluster_servers_of(all.client, gibson_bytes_of(NULL, 0), NULL, 0), 1);
}
END_TEST

/* The server of the last reply may be one that leaves. */
START_TEST(views_of_a_reply_stay_when_its_server_leaves_the_list)
{
    gibson_cluster_server list[CLUSTERED_MOST];
    char other[64];
    clustered_make(&all);
    clustered_list(&all, list);
    const gibson_bytes key = clustered_key(&all, 1, "k", 0, text);
    queue(gibson_request_value(GIBSON_OP_SET, key, key, 0));
    queue_get(key);
    (void)next(GIBSON_OK);
    const gibson_reply reply = next(GIBSON_OK);
    const gibson_bytes first = clustered_key(&all, 0, "k", 0, other);
    ck_assert_status(gibson_cluster_set_servers(all.cluster, list, 1, NULL), GIBSON_OK);
    queue_get(first);
    expect_bytes(&reply, key);
    gibson_owned_reply *owned;
    ck_assert_status(gibson_cluster_take_reply(all.client, &owned), GIBSON_OK);
    (void)next(GIBSON_NOT_FOUND);
    expect_bytes(&reply, key);
    gibson_owned_reply_free(owned);
}
END_TEST

/* ---- What ends on this side ---- */

static int interrupt(void *context)
{
    int *left = context;
    return (*left)-- <= 0;
}

START_TEST(interrupt_ends_what_is_waited_for_and_ejects_nobody)
{
    int left = 2;
    all.of_clients.interrupt = interrupt;
    all.of_clients.interrupt_context = &left;
    all.options.failure_limit = 1;
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "k", 0, text);
    clustered_break(&all, 1, GIBP_FAULT_BLACK_HOLE);
    for (int i = 0; i < 5; i++) {
        queue_get(key);
    }
    (void)next(GIBSON_INTERRUPTED);
    for (int i = 1; i < 5; i++) {
        (void)next(GIBSON_CLOSED);
    }
    expect_end();
    clustered_heal(&all, 1);
    left = 1000000;
    ck_assert(!clustered_is_ejected(all.client, 1));
    queue(gibson_request_bare(GIBSON_OP_PING));
    (void)next(GIBSON_OK);
}
END_TEST

/* The server is ejected, and its turn is given back. */
START_TEST(interrupt_of_a_probe_queues_nothing)
{
    int left = 1000000;
    all.of_clients.interrupt = interrupt;
    all.of_clients.interrupt_context = &left;
    retry_soon();
    clustered_make(&all);
    const gibson_request requests[] = {
        gibson_request_key(GIBSON_OP_GET, clustered_key(&all, 1, "k", 0, text)),
        gibson_request_bare(GIBSON_OP_PING)};
    (void)clustered_call(&all, requests[1], GIBSON_OK); /* the others need not be connected to */
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    clustered_heal(&all, 1);
    clustered_break(&all, 1, GIBP_FAULT_BLACK_HOLE);
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    gibson_status status;
    for (;;) {
        left = 0;
        status = gibson_cluster_queue(all.client, &requests[_i]);
        left = 1000000;
        if (status != GIBSON_OK) {
            break;
        }
        ck_assert_int_lt(suite_now_ms(), end_ms); /* it was not its turn yet */
        (void)next(GIBSON_UNREACHABLE);
    }
    ck_assert_status(status, GIBSON_INTERRUPTED);
    expect_end();
    clustered_heal(&all, 1);
    queue_until_back(requests[0].key, GIBSON_NOT_FOUND);
}
END_TEST

static void queue_mixed(int i)
{
    const gibson_bytes key = name_key("m", i, text);
    const gibson_request requests[] = {
        gibson_request_value(GIBSON_OP_SET, key, key, 0), gibson_request_key(GIBSON_OP_GET, key),
        gibson_request_key(GIBSON_OP_MGET, gibson_str("m:")), gibson_request_bare(GIBSON_OP_PING)};
    const gibson_status status = gibson_cluster_queue(all.client, &requests[i % 4]);
    ck_assert(status == GIBSON_OK || status == GIBSON_NOMEM);
}

START_TEST(memory_that_is_not_found_is_told_and_the_client_goes_on)
{
    failing_allocator failing = {0};
    all.of_clients.allocator = failing_allocator_functions(&failing);
    clustered_make(&all);
    bool failed = true;
    for (size_t n = 1; failed; n++) {
        failing_allocator_arm(&failing, n);
        for (int i = 0; i < KEYS; i++) {
            queue_mixed(i);
        }
        gibson_reply reply;
        size_t replies = gibson_cluster_outstanding(all.client);
        while (gibson_cluster_next(all.client, &reply) != GIBSON_END) {
            ck_assert(reply.status <= GIBSON_NOT_FOUND || reply.status == GIBSON_NOMEM ||
                      reply.status == GIBSON_CLOSED);
            replies--;
        }
        ck_assert_uint_eq(replies, 0);
        failed = failing.calls >= n;
        gibson_cluster_client_free(all.client);
        failing_allocator_arm(&failing, 0);
        ck_assert_status(gibson_cluster_client_new(&all.client, all.cluster), GIBSON_OK);
        ck_assert(!clustered_is_ejected(all.client, 0));
    }
    clustered_stop(&all);
    ck_assert_uint_eq(failing.live, 0);
    set_up();
}
END_TEST

START_TEST(client_may_be_freed_with_replies_outstanding)
{
    failing_allocator failing = {0};
    all.of_clients.allocator = failing_allocator_functions(&failing);
    clustered_make(&all);
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < KEYS; i++) {
            queue_mixed(i);
        }
        if (pass) {
            (void)next(GIBSON_OK);
            ck_assert_status(gibson_cluster_flush(all.client), GIBSON_OK);
        }
        gibson_cluster_client_free(all.client);
        ck_assert_status(gibson_cluster_client_new(&all.client, all.cluster), GIBSON_OK);
    }
    clustered_stop(&all);
    ck_assert_uint_eq(failing.live, 0);
    set_up();
}
END_TEST

/* In a child that has its parent's connections: their replies are the parent's. */
static int read_as_a_child(void)
{
    gibson_reply reply;
    int wrong = 0;
    for (int i = 0; i < KEYS; i++) {
        wrong += gibson_cluster_next(all.client, &reply) != GIBSON_CLOSED;
    }
    for (size_t i = 0; i < SERVERS; i++) {
        wrong += clustered_is_ejected(all.client, i);
    }
    for (int i = 0; i < KEYS; i++) {
        const gibson_request get = gibson_request_key(GIBSON_OP_GET, name_key("a", i, text));
        wrong += gibson_cluster_queue(all.client, &get) != GIBSON_OK;
    }
    for (int i = 0; i < KEYS; i++) {
        wrong += gibson_cluster_next(all.client, &reply) != GIBSON_OK;
    }
    return wrong;
}

START_TEST(child_of_fork_has_none_of_the_replies_and_goes_on)
{
    all.options.failure_limit = 1;
    clustered_make(&all);
    store_keys("a");
    for (int i = 0; i < KEYS; i++) {
        queue_get(name_key("a", i, text));
    }
    ck_assert_status(gibson_cluster_flush(all.client), GIBSON_OK);
    const pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (!child) {
        _exit(read_as_a_child() != 0);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    for (int i = 0; i < KEYS; i++) {
        next_value(name_key("a", i, text));
    }
    expect_end();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(replies_come_in_the_order_of_queueing_over_all_servers,
               replies_are_right_while_requests_are_queued_between_them,
               request_to_all_sees_what_was_queued_before_it_and_nothing_later,
               all_servers_are_sent_their_requests_before_one_is_waited_for,
               flush_sends_to_all_servers, requests_on_a_subtree_go_to_the_server_that_has_it,
               views_of_a_reply_stay_while_requests_are_queued,
               request_may_be_made_of_the_reply_before_it, request_that_is_refused_gets_no_reply,
               request_that_is_refused_is_so_when_its_server_is_gone,
               call_while_replies_are_outstanding_is_refused, argument_that_is_missing_is_told,
               window_holds_over_all_servers_together, bytes_hold_over_all_servers_together)},
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(requests_for_a_server_that_is_ejected_fail_in_their_places,
               requests_for_a_server_that_is_ejected_go_to_the_next_one,
               batch_that_is_answered_ends_a_row_of_failures,
               requests_queued_for_a_server_that_was_lost_fail_until_the_lost_ones_are_read,
               server_that_cannot_be_reached_is_told_by_the_replies,
               server_that_is_silent_takes_one_deadline_and_no_reply_of_the_others,
               server_that_does_not_read_keeps_no_reply_of_another_back,
               full_socket_buffers_on_both_sides_block_nothing,
               server_that_is_probed_in_vain_stays_ejected,
               request_to_all_probes_a_server_and_goes_to_it_if_it_is_back,
               pipeline_that_is_under_way_ends_with_the_former_list,
               views_of_a_reply_stay_when_its_server_leaves_the_list,
               interrupt_ends_what_is_waited_for_and_ejects_nobody,
               memory_that_is_not_found_is_told_and_the_client_goes_on,
               client_may_be_freed_with_replies_outstanding)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 2, /* the ways to lose a connection; the policies; a key or all */
         TESTS(connection_lost_in_a_batch_is_one_failure_however_many_requests_that_are,
               server_that_comes_back_is_flushed_before_requests_are_queued_for_it,
               interrupt_of_a_probe_queues_nothing)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .own_process = true,
         TESTS(child_of_fork_has_none_of_the_replies_and_goes_on)},
    };
    return suite_run("cluster_pipeline", 1, parts, COUNT_OF(parts));
}
