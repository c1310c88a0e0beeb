/* A cluster whose servers fail and come back: who is asked, what is served, and how long it takes.
   The servers run, and proxies break them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/clustered.h"
#include "support/failing_allocator.h"
#include "support/peer.h"
#include "support/replies.h"
#include "support/suite.h"

enum { SERVERS = 3, KEYS = 40 };

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

static void set(gibson_bytes key, const char *value, gibson_status expected)
{
    (void)clustered_call(&all, gibson_request_value(GIBSON_OP_SET, key, gibson_str(value), 0),
                         expected);
}

static gibson_reply get(gibson_bytes key, gibson_status expected)
{
    return clustered_call(&all, gibson_request_key(GIBSON_OP_GET, key), expected);
}

static void expect_value(gibson_bytes key, const char *value)
{
    const gibson_reply reply = get(key, GIBSON_OK);
    ck_assert_uint_eq(reply.value.bytes.size, strlen(value));
    ck_assert_mem_eq(reply.value.bytes.data, value, strlen(value));
}

/* Probes may come at once. */
static void retry_soon(void)
{
    all.options.retry_delay_ms = all.options.retry_max_delay_ms = 1;
}

/* pymemcache 353: set_many hides which keys have failed. libmemcached 67, pylibmc 302: what has
   failed looks like a miss. */
START_TEST(exactly_the_keys_of_the_server_that_is_down_fail_and_none_is_a_miss)
{
    clustered_make(&all);
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    int failed = 0;
    for (int i = 0; i < KEYS; i++) {
        gibson_reply reply;
        char name[64];
        snprintf(name, sizeof name, "many:%d", i);
        const bool is_down = gibson_cluster_server_of(all.client, gibson_str(name)) == 1;
        const gibson_request requests[] = {
            gibson_request_value(GIBSON_OP_SET, gibson_str(name), gibson_str("v"), 0),
            gibson_request_key(GIBSON_OP_GET, gibson_str(name))};
        for (int n = 0; n < 2; n++) {
            const gibson_status status = gibson_cluster_call(all.client, &requests[n], &reply);
            ck_assert_msg(is_down ? status == GIBSON_CLOSED || status == GIBSON_UNREACHABLE
                                  : status == GIBSON_OK,
                          "%s: %s", name, gibson_status_name(status));
        }
        failed += is_down;
    }
    ck_assert_int_gt(failed, 5);
    ck_assert_int_lt(failed, KEYS - 5);
}
END_TEST

/* The reply that a request is made of ends with the call: nobody looks at the request after that.
 */
START_TEST(request_made_of_a_reply_is_not_read_after_its_server_was_lost)
{
    all.options.failure_limit = 1000;
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "view", 1, text);
    const gibson_opcode opcodes[] = {GIBSON_OP_GET, GIBSON_OP_DEL, GIBSON_OP_INC};
    for (int i = 0; i < 30; i++) {
        gibson_reply reply;
        const gibson_request get = gibson_request_key(GIBSON_OP_GET, key);
        gibson_request of_reply = {0};
        do {
            set(key, text, GIBSON_OK);
            ck_assert_status(gibson_cluster_call(all.client, &get, &reply), GIBSON_OK);
            of_reply = gibson_request_key(opcodes[i % 3], reply.value.bytes);
            clustered_break(&all, 1, GIBP_FAULT_CUT);
        } while (gibson_cluster_call(all.client, &of_reply, &reply) == GIBSON_OK);
        ck_assert_msg(reply.status == GIBSON_CLOSED || reply.status == GIBSON_NAN, "%s: %s",
                      gibson_status_name(reply.status), gibson_cluster_error(all.client)->message);
        clustered_heal(&all, 1);
        ck_assert_status(clustered_await(all.client, key), GIBSON_OK);
    }
}
END_TEST

/* pylibmc 80 and 214, pymemcache 275: never ejected, or never put back. oslo.cache 1819957: what it
   serves then is from before. */
START_TEST(server_that_comes_back_is_flushed_before_it_serves)
{
    char other[64];
    retry_soon();
    all.options.flush_prefix = "cache:";
    all.options.policy = _i ? GIBSON_CLUSTER_REHASH : GIBSON_CLUSTER_FAIL_FAST;
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "cache", 1, text);
    const gibson_bytes kept = clustered_key(&all, 1, "kept", 1, other);
    set(key, "old", GIBSON_OK);
    set(kept, "old", GIBSON_OK);
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    clustered_heal(&all, 1);
    ck_assert_status(clustered_await(all.client, key), GIBSON_NOT_FOUND);
    expect_value(kept, "old"); /* the option is for one namespace */
    ck_assert(!clustered_is_ejected(all.client, 1));
    set(key, "new", GIBSON_OK);
    expect_value(key, "new");
}
END_TEST

START_TEST(server_that_comes_back_by_a_request_to_all_is_flushed_before_it_answers)
{
    retry_soon();
    all.options.flush_prefix = "cache:";
    clustered_make(&all);
    for (size_t i = 0; i < SERVERS; i++) {
        set(clustered_key(&all, i, "cache", 1, text), "old", GIBSON_OK);
    }
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    clustered_heal(&all, 1);
    const gibson_request count = gibson_request_key(GIBSON_OP_COUNT, gibson_str("cache:"));
    gibson_reply reply;
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    while (gibson_cluster_call(all.client, &count, &reply) != GIBSON_OK) {
        ck_assert_int_lt(suite_now_ms(), end_ms);
    }
    ck_assert_int_eq(reply.value.number, SERVERS - 1);
}
END_TEST

/* An answer in place of what was to be deleted is no reason to trust a server. */
START_TEST(server_that_is_not_flushed_stays_ejected)
{
    retry_soon();
    all.options.flush_prefix = "cache:";
    all.of_clients.timeout_ms = 300;
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "cache", 1, text);
    set(key, "old", GIBSON_OK);
    clustered_break(&all, 1, GIBP_FAULT_BLACK_HOLE);
    clustered_eject(&all, 1);
    for (int probes = 0; probes < 2;) {
        gibson_reply reply;
        const gibson_request request = gibson_request_key(GIBSON_OP_GET, key);
        const gibson_status status = gibson_cluster_call(all.client, &request, &reply);
        ck_assert(status == GIBSON_TIMEOUT || status == GIBSON_UNREACHABLE);
        probes += status == GIBSON_TIMEOUT;
        ck_assert(clustered_is_ejected(all.client, 1));
    }
}
END_TEST

/* Closes the first connection, and answers whatever is asked on others with an error. */
static void answer_with_errors(peer_link *link)
{
    peer_frame frame;
    gib_buffer reply = bytes_new();
    reply_add_short(&reply, GIB_CODE_ERR);
    while (peer_read_frame(link, &frame) && link->index > 0 &&
           peer_send(link, bytes_of(&reply), gib_buffer_size(&reply))) {
    }
    gib_buffer_clear(&reply);
}

START_TEST(answer_other_than_that_it_is_flushed_does_not_put_a_server_back)
{
    retry_soon();
    all.options.flush_prefix = "cache:";
    all.options.failure_limit = 1;
    peer *odd = peer_start(PEER_UNIX, answer_with_errors, NULL);
    gibson_options where;
    gibson_options_init(&where);
    peer_point(odd, &where);
    clustered_make(&all);
    const gibson_cluster_server list[] = {{.unix_socket = where.unix_socket}};
    ck_assert_status(gibson_cluster_set_servers(all.cluster, list, 1, NULL), GIBSON_OK);
    const gibson_request request = _i ? gibson_request_key(GIBSON_OP_COUNT, gibson_str("cache:"))
                                      : gibson_request_key(GIBSON_OP_GET, gibson_str("cache:1"));
    gibson_reply reply;
    ck_assert_status(gibson_cluster_call(all.client, &request, &reply), GIBSON_CLOSED);
    const char *message;
    do {
        ck_assert_status(gibson_cluster_call(all.client, &request, &reply), GIBSON_UNREACHABLE);
        message = gibson_cluster_error(all.client)->message;
    } while (!strstr(message, "flush_prefix was not deleted"));
    ck_assert_msg(strstr(message, "refused the request as malformed") != NULL, "%s", message);
    ck_assert(clustered_is_ejected(all.client, 0));
    peer_stop(odd);
}
END_TEST

/* Another would go on serving what was to be deleted, and serve it again once this one is ejected.
 */
START_TEST(server_stays_ejected_while_another_is_not_flushed)
{
    retry_soon();
    all.options.flush_prefix = "cache:";
    all.options.policy = GIBSON_CLUSTER_REHASH;
    all.options.failure_limit = 1000;
    clustered_make(&all);
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    clustered_heal(&all, 1);
    clustered_break(&all, 2, GIBP_FAULT_CUT);
    const gibson_request request =
        _i ? gibson_request_key(GIBSON_OP_COUNT, gibson_str("cache:"))
           : gibson_request_key(GIBSON_OP_GET, clustered_key(&all, 1, "cache", 1, text));
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    for (int probes = 0; probes < 3;) {
        gibson_reply reply;
        ck_assert_int_lt(suite_now_ms(), end_ms);
        (void)gibson_cluster_call(all.client, &request, &reply);
        size_t count;
        const gibson_cluster_answer *answers = gibson_cluster_answers(all.client, &count);
        probes +=
            _i ? answers[1].status == GIBSON_OK
               : strstr(gibson_cluster_error(all.client)->message, "have not answered") != NULL;
        ck_assert(clustered_is_ejected(all.client, 1));
    }
    clustered_heal(&all, 2);
    (void)clustered_await(all.client, clustered_key(&all, 1, "cache", 1, text));
}
END_TEST

/* twemproxy 604: eject, set, put back, eject again: no read goes back in time. */
START_TEST(flapping_server_serves_nothing_that_is_older)
{
    enum { EJECTIONS = 6, HITS = 100 };
    retry_soon();
    all.options.flush_prefix = "cache:";
    all.options.policy = _i ? GIBSON_CLUSTER_REHASH : GIBSON_CLUSTER_FAIL_FAST;
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "cache", 1, text);
    const gibson_request read = gibson_request_key(GIBSON_OP_GET, key);
    int newest = -1; /* that is known to be stored */
    int hits = 0;
    bool is_broken = false;
    uint64_t ejections = 0;
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    for (int i = 0; ejections < EJECTIONS || hits < HITS; i++) {
        gibson_reply reply;
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        if (suite_random() % 8 == 0) {
            is_broken ? clustered_heal(&all, 1) : clustered_break(&all, 1, GIBP_FAULT_CUT);
            is_broken = !is_broken;
        }
        const gibson_request write = gibson_request_value(GIBSON_OP_SET, key, gibson_str(value), 0);
        if (gibson_cluster_call(all.client, &write, &reply) == GIBSON_OK) {
            newest = i;
        }
        for (int n = 0; n < 3; n++) {
            if (gibson_cluster_call(all.client, &read, &reply) == GIBSON_OK) {
                const gibson_bytes got = reply.value.bytes;
                snprintf(value, sizeof value, "%.*s", (int)got.size, (const char *)got.data);
                ck_assert_int_ge(atoi(value), newest); /* NOLINT(cert-err34-c) */
                hits++;
            }
        }
        (void)gibson_cluster_server_at(all.client, 1, NULL, &ejections);
        ck_assert_int_lt(suite_now_ms(), end_ms);
    }
}
END_TEST

/* twemproxy 134, pymemcache 359 and 527, mcrouter 190: clients that disagree about who is alive.
   One deletes a key while its server is away for him; when it comes back, the key is gone for both.
 */
START_TEST(key_deleted_by_a_client_that_is_cut_off_is_gone_when_its_server_comes_back)
{
    retry_soon();
    all.options.flush_prefix = "cache:";
    all.options.policy = GIBSON_CLUSTER_REHASH;
    clustered_make(&all);
    const gibson_bytes key = clustered_key(&all, 1, "cache", 1, text);
    set(key, "old", GIBSON_OK);
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    gibson_reply reply;
    const gibson_request del = gibson_request_key(GIBSON_OP_DEL, key);
    while (gibson_cluster_call(all.client, &del, &reply) != GIBSON_NOT_FOUND) {
        ck_assert_int_ne(reply.status, GIBSON_OK); /* where it went there was none */
    }
    gibson_client *other;
    gibson_options options;
    gibson_value value;
    gibson_options_init(&options);
    options.unix_socket = all.servers[1].unix_socket;
    options.timeout_ms = 20000;
    ck_assert_status(gibson_client_new(&other, &options, NULL), GIBSON_OK);
    ck_assert_status(gibson_client_connect(other), GIBSON_OK);
    ck_assert_status(gibson_client_get(other, key, &value), GIBSON_OK); /* it is not cut off */
    clustered_heal(&all, 1);
    ck_assert_status(clustered_await(all.client, key), GIBSON_NOT_FOUND);
    ck_assert_status(gibson_client_get(other, key, &value), GIBSON_NOT_FOUND);
    gibson_client_free(other);
}
END_TEST

/* ---- Deadlines ---- */

static void delay_replies(size_t index, int64_t ms)
{
    char problem[GIBP_PROXY_ERROR_SIZE];
    const gibp_fault fault = {.direction = GIBP_REPLIES, .kind = GIBP_FAULT_DELAY, .ms = ms};
    ck_assert_msg(gibp_proxy_add(all.proxies[index], &fault, problem), "%s", problem);
}

static void break_with_flush_pending(void)
{
    retry_soon();
    all.options.failure_limit = 1;
    all.options.flush_prefix = "cache:";
    clustered_make(&all);
    clustered_break(&all, 1, GIBP_FAULT_CUT);
    clustered_eject(&all, 1);
    clustered_heal(&all, 1);
}

/* To flush and to ask take less than the timeout each, and more together. */
START_TEST(flush_and_request_are_under_one_deadline)
{
    all.of_clients.timeout_ms = 1500;
    break_with_flush_pending();
    delay_replies(1, 1000);
    const gibson_request request =
        _i ? gibson_request_key(GIBSON_OP_COUNT, gibson_str("cache:"))
           : gibson_request_key(GIBSON_OP_GET, clustered_key(&all, 1, "cache", 1, text));
    gibson_reply reply;
    do {
        (void)gibson_cluster_call(all.client, &request, &reply);
    } while (reply.status == GIBSON_UNREACHABLE); /* not yet to be probed */
    ck_assert_status(reply.status, GIBSON_TIMEOUT);
    ck_assert(clustered_is_ejected(all.client, 1));
}
END_TEST

/* The others need not wait for one that is probed. */
START_TEST(servers_answer_while_another_is_flushed)
{
    all.of_clients.timeout_ms = 1500;
    break_with_flush_pending();
    clustered_break(&all, 1, GIBP_FAULT_BLACK_HOLE);
    const gibson_request count = gibson_request_key(GIBSON_OP_COUNT, gibson_str("cache:"));
    gibson_reply reply;
    do {
        (void)gibson_cluster_call(all.client, &count, &reply);
    } while (reply.status == GIBSON_UNREACHABLE);
    ck_assert_status(reply.status, GIBSON_TIMEOUT);
    size_t answers;
    const gibson_cluster_answer *answer = gibson_cluster_answers(all.client, &answers);
    ck_assert_uint_eq(answers, SERVERS);
    ck_assert_status(answer[1].status, GIBSON_TIMEOUT);
    for (size_t i = 0; i < SERVERS; i += 2) {
        ck_assert_status(answer[i].status, GIBSON_OK);
        ck_assert(!clustered_is_ejected(all.client, i));
    }
    ck_assert_message_has(gibson_cluster_error(all.client), "1 of 3 servers have not answered");
}
END_TEST

/* ---- What is refused ---- */

static uint64_t bytes_sent(void)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < SERVERS; i++) {
        sum += gibp_proxy_count(all.proxies[i]).accepted;
        sum += gibp_proxy_count(all.proxies[i]).request_bytes;
    }
    return sum;
}

START_TEST(request_that_is_refused_connects_to_no_server)
{
    clustered_make(&all);
    const gibson_bytes key = gibson_str("key");
    const gibson_request refused[] = {
        gibson_request_key(GIBSON_OP_GET, gibson_str("a b")),
        gibson_request_key(GIBSON_OP_GET, gibson_str("")),
        gibson_request_key(GIBSON_OP_GET, (gibson_bytes){NULL, 3}),
        gibson_request_key(GIBSON_OP_COUNT, gibson_str("a b")),
        gibson_request_key(GIBSON_OP_COUNT, gibson_str("")),
        gibson_request_value(GIBSON_OP_SET, key, gibson_str(""), 0),
        gibson_request_value(GIBSON_OP_SET, key, key, -1),
        gibson_request_value(GIBSON_OP_MSET, gibson_str("a b"), key, 0),
        gibson_request_key_number(GIBSON_OP_META, key, 99),
        gibson_request_key((gibson_opcode)77, key),
        gibson_request_key((gibson_opcode)7777, key),
    };
    gibson_reply reply;
    for (size_t i = 0; i < COUNT_OF(refused); i++) {
        ck_assert_status(gibson_cluster_call(all.client, &refused[i], &reply), GIBSON_INVALID);
        ck_assert_int_eq(reply.status, GIBSON_INVALID);
        ck_assert_uint_gt(strlen(gibson_cluster_error(all.client)->message), 10);
        size_t count;
        (void)gibson_cluster_answers(all.client, &count);
        ck_assert_uint_eq(count, 0);
    }
    const gibson_request stats = gibson_request_bare(GIBSON_OP_STATS);
    const gibson_request end = gibson_request_bare(GIBSON_OP_END);
    ck_assert_status(gibson_cluster_call(all.client, &stats, &reply), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_call(all.client, &end, &reply), GIBSON_USAGE);
    ck_assert_message_has(gibson_cluster_error(all.client), "of one server");
    ck_assert_uint_eq(bytes_sent(), 0);
    set(key, "value", GIBSON_OK);
    expect_value(key, "value");
    const uint64_t before = bytes_sent();
    ck_assert_status(gibson_cluster_call(all.client, &refused[0], &reply), GIBSON_INVALID);
    ck_assert_status(gibson_cluster_call(all.client, &refused[1], &reply), GIBSON_INVALID);
    ck_assert_uint_eq(bytes_sent(), before);
}
END_TEST

START_TEST(argument_that_is_missing_is_told)
{
    clustered_make(&all);
    gibson_reply reply;
    gibson_owned_reply *owned;
    const gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    ck_assert_status(gibson_cluster_call(NULL, &ping, &reply), GIBSON_USAGE);
    ck_assert_int_eq(reply.status, GIBSON_USAGE);
    ck_assert_status(gibson_cluster_call(all.client, NULL, &reply), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_call(all.client, &ping, NULL), GIBSON_USAGE);
    ck_assert_message_has(gibson_cluster_error(all.client), "NULL");
    ck_assert_message_has(gibson_cluster_error(NULL), "NULL");
    ck_assert_status(gibson_cluster_take_reply(all.client, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_take_reply(NULL, &owned), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_take_reply(all.client, &owned), GIBSON_USAGE);
    ck_assert_ptr_null(owned);
    ck_assert_status(gibson_cluster_set_servers(NULL, NULL, 0, NULL), GIBSON_USAGE);
    gibson_cluster_client *none;
    ck_assert_status(gibson_cluster_client_new(&none, NULL), GIBSON_USAGE);
    ck_assert_ptr_null(none);
    ck_assert_status(gibson_cluster_client_new(NULL, all.cluster), GIBSON_USAGE);
    ck_assert_ptr_null(gibson_cluster_answers(NULL, NULL));
    ck_assert_uint_eq(gibson_cluster_server_of(NULL, gibson_str("a")), SIZE_MAX);
    ck_assert_uint_eq(gibson_cluster_server_of(all.client, gibson_str("")), SIZE_MAX);
    ck_assert_uint_eq(gibson_cluster_servers_of(NULL, gibson_str("a"), NULL, 0), 0);
    ck_assert_ptr_null(gibson_cluster_server_at(all.client, SERVERS, NULL, NULL));
    ck_assert_ptr_null(gibson_cluster_server_at(NULL, 0, NULL, NULL));
    gibson_cluster_client_free(NULL);
    gibson_cluster_free(NULL);
}
END_TEST

/* ---- What ends on this side ---- */

static int interrupt(void *context)
{
    int *left = context;
    return (*left)-- <= 0;
}

/* That tells nothing of the servers. */
START_TEST(interrupt_ends_a_request_to_all_and_ejects_nobody)
{
    int left = 2;
    all.of_clients.interrupt = interrupt;
    all.of_clients.interrupt_context = &left;
    all.options.failure_limit = 1;
    clustered_make(&all);
    clustered_break(&all, 1, GIBP_FAULT_BLACK_HOLE);
    (void)clustered_call(&all, gibson_request_bare(GIBSON_OP_PING), GIBSON_INTERRUPTED);
    clustered_heal(&all, 1);
    left = 1000000;
    for (size_t i = 0; i < SERVERS; i++) {
        ck_assert(!clustered_is_ejected(all.client, i));
    }
    (void)clustered_call(&all, gibson_request_bare(GIBSON_OP_PING), GIBSON_OK);
}
END_TEST

START_TEST(reply_of_all_may_be_taken)
{
    clustered_make(&all);
    for (int i = 0; i < KEYS; i++) {
        char name[64];
        snprintf(name, sizeof name, "take:%d", i);
        set(gibson_str(name), name, GIBSON_OK);
    }
    gibson_owned_reply *owned;
    gibson_reply reply =
        clustered_call(&all, gibson_request_key(GIBSON_OP_MGET, gibson_str("take:")), GIBSON_OK);
    ck_assert_status(gibson_cluster_take_reply(all.client, &owned), GIBSON_OK);
    (void)clustered_call(&all, gibson_request_key(GIBSON_OP_MGET, gibson_str("take:1")), GIBSON_OK);
    ck_assert_uint_eq(gibson_items_count(&reply.items), KEYS);
    gibson_bytes name;
    gibson_value value;
    while (gibson_items_next(&reply.items, &name, &value)) {
        ck_assert_uint_eq(name.size, value.bytes.size);
        ck_assert_mem_eq(name.data, value.bytes.data, name.size);
    }
    gibson_owned_reply_free(owned);
    reply = get(gibson_str("take:1"), GIBSON_OK);
    ck_assert_status(gibson_cluster_take_reply(all.client, &owned), GIBSON_OK);
    (void)get(gibson_str("take:2"), GIBSON_OK);
    ck_assert_mem_eq(reply.value.bytes.data, "take:1", 6);
    gibson_owned_reply_free(owned);
}
END_TEST

/* What is gathered is large, and there may be no memory for it. */
START_TEST(reply_of_all_that_finds_no_memory_is_told_and_the_client_goes_on)
{
    enum { LARGE = 40000 };
    static char value[LARGE];
    char name[64];
    failing_allocator failing = {0};
    all.of_clients.allocator = failing_allocator_functions(&failing);
    clustered_make(&all);
    memset(value, 'v', sizeof value);
    for (size_t i = 0; i < SERVERS; i++) {
        const gibson_bytes key = clustered_key(&all, i, "large", 0, name);
        (void)clustered_call(
            &all, gibson_request_value(GIBSON_OP_SET, key, gibson_bytes_of(value, sizeof value), 0),
            GIBSON_OK);
    }
    const gibson_request request = gibson_request_key(GIBSON_OP_MGET, gibson_str("large:"));
    gibson_reply reply;
    gibson_status status = GIBSON_NOMEM;
    for (size_t n = 1; status != GIBSON_OK; n++) {
        failing_allocator_arm(&failing, n);
        status = gibson_cluster_call(all.client, &request, &reply);
        ck_assert(status == GIBSON_OK || status == GIBSON_NOMEM);
        ck_assert_uint_eq(gibson_items_count(&reply.items), status == GIBSON_OK ? SERVERS : 0);
    }
    gibson_owned_reply *owned;
    failing_allocator_arm(&failing, 1);
    ck_assert_status(gibson_cluster_take_reply(all.client, &owned), GIBSON_NOMEM);
    ck_assert_uint_eq(gibson_items_count(&reply.items), SERVERS);
    const size_t before = failing.live_bytes;
    (void)clustered_call(&all, gibson_request_bare(GIBSON_OP_PING), GIBSON_OK);
    ck_assert_uint_le(failing.live_bytes, before - (size_t)SERVERS * LARGE); /* it is not kept */
    clustered_stop(&all);
    ck_assert_uint_eq(failing.live, 0);
    set_up();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(exactly_the_keys_of_the_server_that_is_down_fail_and_none_is_a_miss,
               request_made_of_a_reply_is_not_read_after_its_server_was_lost,
               server_that_comes_back_by_a_request_to_all_is_flushed_before_it_answers,
               server_that_is_not_flushed_stays_ejected,
               key_deleted_by_a_client_that_is_cut_off_is_gone_when_its_server_comes_back,
               servers_answer_while_another_is_flushed,
               request_that_is_refused_connects_to_no_server, argument_that_is_missing_is_told,
               interrupt_ends_a_request_to_all_and_ejects_nobody, reply_of_all_may_be_taken,
               reply_of_all_that_finds_no_memory_is_told_and_the_client_goes_on)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 2, /* the policies; and one key, all keys */
         TESTS(server_that_comes_back_is_flushed_before_it_serves,
               answer_other_than_that_it_is_flushed_does_not_put_a_server_back,
               server_stays_ejected_while_another_is_not_flushed,
               flapping_server_serves_nothing_that_is_older,
               flush_and_request_are_under_one_deadline)},
    };
    return suite_run("cluster_failures", 1, parts, COUNT_OF(parts));
}
