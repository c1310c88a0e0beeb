/* A pool: what it lends, what it drops, and what it tells. */
#include <gibson/pipeline.h>
#include <gibson/pool.h>

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "support/failing_allocator.h"
#include "support/idle.h"
#include "support/pooled.h"
#include "support/samples.h"
#include "support/suite.h"

/* The clock of the library can be set forward. */
static int64_t moved_ns;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names of the linker */
int __real_clock_gettime(clockid_t id, struct timespec *time);
int __wrap_clock_gettime(clockid_t id, struct timespec *time);

int __wrap_clock_gettime(clockid_t id, struct timespec *time)
{
    const int result = __real_clock_gettime(id, time);
    time->tv_sec += (time_t)(moved_ns / 1000000000);
    return result;
}

/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static peer *server;
static pooled options;

static void set_up(void)
{
    server = peer_start(PEER_UNIX, sample_serve, NULL);
    pooled_init(&options, server, 2);
}

static void tear_down(void)
{
    peer_stop(server);
    moved_ns = 0;
}

START_TEST(acquired_client_is_connected_and_comes_back)
{
    gibson_pool *pool = pooled_new(&options);
    ck_assert_uint_eq(pooled_stats(pool).made, 0);
    gibson_client *client = pooled_acquire(pool);
    ck_assert(gibson_client_connected(client));
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_pool_stats stats = pooled_stats(pool);
    ck_assert_uint_eq(stats.in_use, 1);
    ck_assert_uint_eq(stats.idle, 0);
    ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
    ck_assert_ptr_eq(pooled_acquire(pool), client);
    ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
    stats = pooled_stats(pool);
    ck_assert_uint_eq(stats.in_use, 0);
    ck_assert_uint_eq(stats.idle, 1);
    ck_assert_uint_eq(stats.made, 1);
    ck_assert_uint_eq(stats.waited, 0);
    pooled_check(pool);
    gibson_pool_free(pool);
    ck_assert_uint_eq(peer_connections(server), 1);
}
END_TEST

/* The last that was used is the first to be used again. */
START_TEST(acquire_lends_the_last_that_was_released)
{
    gibson_pool *pool = pooled_new(&options);
    gibson_client *first = pooled_acquire(pool);
    gibson_client *second = pooled_acquire(pool);
    ck_assert_ptr_ne(first, second);
    gibson_pool_release(pool, first);
    gibson_pool_release(pool, second);
    ck_assert_ptr_eq(pooled_acquire(pool), second);
    ck_assert_ptr_eq(pooled_acquire(pool), first);
    gibson_pool_release(pool, second);
    gibson_pool_release(pool, first);
    ck_assert_ptr_eq(pooled_acquire(pool), first);
    gibson_pool_release(pool, first);
    pooled_check(pool);
    gibson_pool_free(pool);
}
END_TEST

/* pymemcache 267, redis-py 2220: who asks for one too many waits, and no longer than was said. */
START_TEST(acquire_from_an_exhausted_pool_times_out_and_says_so)
{
    gibson_pool *pool = pooled_new(&options);
    gibson_client *lent[2] = {pooled_acquire(pool), pooled_acquire(pool)};
    gibson_client *client = lent[0];
    gibson_error error;
    const int64_t before_ms = suite_now_ms();
    ck_assert_status(gibson_pool_acquire(pool, 30, &client, &error), GIBSON_TIMEOUT);
    ck_assert_int_ge(suite_now_ms() - before_ms, 30);
    ck_assert_int_lt(suite_now_ms() - before_ms, 30 + SUITE_SLACK_MS);
    ck_assert_ptr_null(client);
    ck_assert_message_has(&error, "timeout_ms of 30 ms passed while waiting for a client");
    ck_assert_message_has(&error, "2 of 2 in use, 1 waiting");
    const gibson_pool_stats stats = pooled_stats(pool);
    ck_assert_uint_eq(stats.timeouts, 1);
    ck_assert_uint_eq(stats.waited, 1);
    ck_assert_uint_ge(stats.waited_ns, 30000000);
    ck_assert_uint_eq(stats.longest_wait_ns, stats.waited_ns);
    ck_assert_uint_eq(stats.waiting, 0);
    gibson_pool_release(pool, lent[0]);
    ck_assert_ptr_eq(pooled_acquire(pool), lent[0]); /* and the pool is as it was */
    gibson_pool_release(pool, lent[0]);
    gibson_pool_release(pool, lent[1]);
    ck_assert_uint_eq(pooled_stats(pool).idle, 2);
    gibson_pool_free(pool);
}
END_TEST

START_TEST(acquire_timeout_of_the_options_is_named)
{
    options.pool.max = 1;
    options.pool.acquire_timeout_ms = 20;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *lent = pooled_acquire(pool);
    gibson_client *client;
    gibson_error error;
    ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_TIMEOUT);
    ck_assert_message_has(&error, "acquire_timeout of 20 ms");
    gibson_pool_release(pool, lent);
    gibson_pool_free(pool);
}
END_TEST

START_TEST(release_of_what_is_not_lent_is_refused)
{
    gibson_pool *pool = pooled_new(&options);
    gibson_pool *other = pooled_new(&options);
    gibson_client *client = pooled_acquire(pool);
    gibson_client *others = pooled_acquire(other);
    gibson_client *own = sample_client(server, &options.client);
    ck_assert_status(gibson_pool_release(pool, others), GIBSON_USAGE);
    ck_assert_status(gibson_pool_release(pool, own), GIBSON_USAGE);
    ck_assert_status(gibson_pool_release(pool, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_pool_release(NULL, client), GIBSON_USAGE);
    ck_assert_uint_eq(pooled_stats(pool).in_use, 1);
    ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
    ck_assert_status(gibson_pool_release(pool, client), GIBSON_USAGE);
    ck_assert_status(gibson_pool_release(other, others), GIBSON_OK);
    client = pooled_acquire(pool);
    gibson_client_close(client);
    ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
    ck_assert_status(gibson_pool_release(pool, client), GIBSON_USAGE); /* that was dropped, too */
    ck_assert_uint_eq(pooled_stats(pool).idle, 0);
    pooled_check(pool);
    gibson_client_free(own);
    gibson_pool_free(pool);
    gibson_pool_free(other);
}
END_TEST

START_TEST(call_without_arguments_is_refused)
{
    gibson_pool *pool = pooled_new(&options);
    gibson_client *client;
    gibson_error error;
    gibson_reply reply;
    const gibson_request request = gibson_request_bare(GIBSON_OP_PING);
    ck_assert_status(gibson_pool_new(NULL, NULL, &error), GIBSON_USAGE);
    ck_assert_status(gibson_pool_acquire(NULL, 0, &client, &error), GIBSON_USAGE);
    ck_assert_ptr_null(client);
    ck_assert_status(gibson_pool_acquire(pool, 0, NULL, &error), GIBSON_USAGE);
    ck_assert_status(gibson_pool_acquire(pool, -2, &client, &error), GIBSON_INVALID);
    ck_assert_status(gibson_pool_call(NULL, &request, 0, &reply, NULL, &error), GIBSON_USAGE);
    ck_assert_status(reply.status, GIBSON_USAGE);
    ck_assert_status(gibson_pool_call(pool, NULL, 0, &reply, NULL, &error), GIBSON_USAGE);
    ck_assert_status(gibson_pool_call(pool, &request, 0, NULL, NULL, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_pool_call(pool, &request, -2, &reply, NULL, &error), GIBSON_INVALID);
    ck_assert_status(gibson_pool_get_stats(pool, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_pool_get_stats(pool, &(gibson_pool_stats){0}), GIBSON_USAGE);
    gibson_pool_free(NULL);
    gibson_pool_close(NULL);
    gibson_pool_clear(NULL);
    gibson_pool_free(pool);
    pool = NULL;
    options.client.max_seconds = -1;
    ck_assert_status(gibson_pool_new(&pool, &options.pool, &error), GIBSON_INVALID);
    ck_assert_message_has(&error, "max_seconds");
    ck_assert_status(gibson_pool_new(&pool, &(gibson_pool_options){0}, &error), GIBSON_INVALID);
    ck_assert_ptr_null(pool);
}
END_TEST

START_TEST(stats_of_a_shorter_struct_are_not_written_beyond_it)
{
    gibson_pool *pool = pooled_new(&options);
    gibson_pool_release(pool, pooled_acquire(pool));
    gibson_pool_stats stats;
    memset(&stats, 0x55, sizeof stats);
    stats.struct_size = offsetof(gibson_pool_stats, made);
    ck_assert_status(gibson_pool_get_stats(pool, &stats), GIBSON_OK);
    ck_assert_uint_eq(stats.idle, 1);
    ck_assert_uint_eq(stats.made, UINT64_C(0x5555555555555555));
    gibson_pool_free(pool);
}
END_TEST

/* ---- What is not lent again ---- */

/* valkey-glide and redis-py 2624: a reply that was left unread is read by the next. */
START_TEST(client_with_replies_unread_is_not_lent_again)
{
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    for (int way = 0; way < 3; way++) {
        gibson_pool *pool = pooled_new(&options);
        gibson_client *client = pooled_acquire(pool);
        const int before = gibson_client_descriptor(client);
        ck_assert_status(gibson_client_queue(client, &get), GIBSON_OK);
        ck_assert_status(gibson_client_queue(client, &get), GIBSON_OK);
        gibson_reply reply;
        if (way > 0) {
            ck_assert_status(gibson_client_flush(client), GIBSON_OK);
        }
        if (way > 1) {
            ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
        }
        ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
        ck_assert_int_eq(gibson_client_descriptor(client), -1);
        ck_assert_uint_eq(pooled_stats(pool).dropped_unread, 1);
        client = pooled_acquire(pool);
        ck_assert_int_ge(before, 0);
        ck_assert_uint_eq(gibson_client_outstanding(client), 0);
        ck_assert_status(gibson_client_next(client, &reply), GIBSON_END);
        gibson_value value;
        ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
        ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
        ck_assert_uint_eq(pooled_stats(pool).made, 2);
        pooled_check(pool);
        gibson_pool_free(pool);
    }
}
END_TEST

START_TEST(client_whose_pipeline_was_read_is_lent_again)
{
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    gibson_pool *pool = pooled_new(&options);
    for (int i = 0; i < 3; i++) {
        gibson_client *client = pooled_acquire(pool);
        gibson_reply reply;
        for (int n = 0; n < 5; n++) {
            ck_assert_status(gibson_client_queue(client, &get), GIBSON_OK);
        }
        for (int n = 0; n < 5; n++) {
            ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
            ck_assert(sample_reply_matches(&reply));
        }
        ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
    }
    ck_assert_uint_eq(pooled_stats(pool).made, 1);
    gibson_pool_free(pool);
}
END_TEST

static int interrupt(void *context)
{
    (void)context;
    return 1;
}

static void never_answer(peer_link *link)
{
    peer_read_to_end(link);
}

/* A thread that is interrupted in the middle of an operation: redis-py 2499, dalli 956. */
START_TEST(client_that_was_interrupted_in_an_operation_is_dropped)
{
    peer *silent = peer_start(PEER_UNIX, never_answer, NULL);
    peer_point(silent, &options.client);
    options.client.interrupt = interrupt;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *client;
    gibson_error error;
    gibson_status status;
    while ((status = gibson_pool_acquire(pool, 0, &client, &error)) == GIBSON_INTERRUPTED) {
    } /* on a busy machine connecting waits, too */
    ck_assert_status(status, GIBSON_OK);
    ck_assert_status(gibson_client_ping(client), GIBSON_INTERRUPTED);
    ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
    ck_assert_uint_eq(pooled_stats(pool).dropped_broken, 1);
    ck_assert_uint_eq(pooled_stats(pool).in_use, 0);
    pooled_check(pool);
    gibson_pool_free(pool);
    peer_stop(silent);
}
END_TEST

START_TEST(wait_for_a_client_can_be_interrupted)
{
    options.pool.max = 1;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *lent = pooled_acquire(pool);
    gibson_pool_free(pool);
    gibson_pool_release(pool, lent); /* that was its end */
    options.client.interrupt = interrupt;
    pool = pooled_new(&options);
    gibson_client *client;
    gibson_error error;
    gibson_status status;
    while ((status = gibson_pool_acquire(pool, 0, &lent, &error)) == GIBSON_INTERRUPTED) {
    }
    ck_assert_status(status, GIBSON_OK);
    const int64_t before_ms = suite_now_ms();
    ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_INTERRUPTED);
    ck_assert_int_lt(suite_now_ms() - before_ms, 100 + SUITE_SLACK_MS);
    ck_assert_uint_eq(pooled_stats(pool).waiting, 0);
    gibson_pool_release(pool, lent);
    ck_assert_uint_eq(pooled_stats(pool).idle, 1);
    gibson_pool_free(pool);
}
END_TEST

START_TEST(timeout_that_was_set_on_a_client_is_undone)
{
    gibson_pool *pool = pooled_new(&options);
    gibson_client *client = pooled_acquire(pool);
    ck_assert_status(gibson_client_set_timeout(client, 5), GIBSON_OK);
    ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
    ck_assert_ptr_eq(pooled_acquire(pool), client);
    ck_assert_int_eq(inside(client)->settings.timeout_ms, 20000);
    ck_assert_uint_eq(pooled_stats(pool).made, 1);
    gibson_pool_release(pool, client);
    gibson_pool_free(pool);
}
END_TEST

static void answer_one(peer_link *link)
{
    peer_frame frame;
    if (peer_read_frame(link, &frame)) {
        sample_answer(link, &frame);
    }
    peer_close(link);
    peer_report(link);
}

/* pymemcache 309: the server has closed an idle connection. The user sees no error. */
START_TEST(idle_connection_that_the_server_closed_is_not_lent)
{
    peer *closing = peer_start(PEER_UNIX, answer_one, NULL);
    peer_point(closing, &options.client);
    gibson_pool *pool = pooled_new(&options);
    for (int i = 0; i < 5; i++) {
        gibson_client *client = pooled_acquire(pool);
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
        ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
        peer_hear(closing);
        pretend_idle(client);
    }
    ck_assert_uint_eq(pooled_stats(pool).dropped_closed, 4);
    ck_assert_uint_eq(pooled_stats(pool).made, 5);
    pooled_check(pool);
    gibson_pool_free(pool);
    peer_stop(closing);
}
END_TEST

static void answer_twice(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        sample_answer(link, &frame);
        if (link->index == 0) {
            peer_await(link);
            sample_answer(link, &frame);
            peer_report(link);
        }
    }
}

START_TEST(idle_connection_with_bytes_nobody_asked_for_is_not_lent)
{
    peer *doubling = peer_start(PEER_UNIX, answer_twice, NULL);
    peer_point(doubling, &options.client);
    gibson_pool *pool = pooled_new(&options);
    gibson_client *client = pooled_acquire(pool);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_pool_release(pool, client);
    peer_tell(doubling);
    peer_hear(doubling);
    pretend_idle(client);
    client = pooled_acquire(pool);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_pool_release(pool, client);
    ck_assert_uint_eq(pooled_stats(pool).dropped_unasked, 1);
    pooled_check(pool);
    gibson_pool_free(pool);
    peer_stop(doubling);
}
END_TEST

/* The look of the pool is the look of the client. */
START_TEST(client_that_was_looked_at_is_not_looked_at_again)
{
    gibson_pool *pool = pooled_new(&options);
    gibson_client *client = pooled_acquire(pool);
    gibson_pool_release(pool, client);
    pretend_idle(client);
    ck_assert_ptr_eq(pooled_acquire(pool), client);
    ck_assert_int_lt(gib_now_ns() - inside(client)->idle.since_ns,
                     (int64_t)SUITE_SLACK_MS * 1000000);
    gibson_pool_release(pool, client);
    gibson_pool_free(pool);
}
END_TEST

/* ---- Age ---- */

static const int64_t hour_ns = INT64_C(3600000000000);

/* psycopg 1419: after a day without use the pool was of none. */
START_TEST(pool_that_was_idle_for_25_hours_works)
{
    options.pool.max = 4;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = pooled_acquire(pool);
    }
    for (int i = 0; i < 4; i++) {
        gibson_pool_release(pool, clients[i]);
    }
    moved_ns += 25 * hour_ns;
    gibson_client *client = pooled_acquire(pool);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    const gibson_pool_stats stats = pooled_stats(pool);
    ck_assert_uint_eq(stats.dropped_idle + stats.dropped_lifetime, 4);
    ck_assert_uint_eq(stats.made, 5);
    gibson_pool_release(pool, client);
    pooled_check(pool);
    gibson_pool_free(pool);
}
END_TEST

START_TEST(idle_connections_expire_down_to_the_minimum_the_oldest_first)
{
    options.pool.max = 4;
    options.pool.min = 2;
    options.pool.lifetime_ms = GIBSON_NO_DEADLINE;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *clients[4];
    for (int i = 0; i < 4; i++) {
        clients[i] = pooled_acquire(pool);
    }
    for (int i = 0; i < 4; i++) {
        gibson_pool_release(pool, clients[i]);
    }
    moved_ns += 25 * hour_ns;
    ck_assert_ptr_eq(pooled_acquire(pool), clients[3]);
    ck_assert_uint_eq(pooled_stats(pool).dropped_idle, 2);
    ck_assert_ptr_eq(pooled_acquire(pool), clients[2]);
    ck_assert_int_eq(gibson_client_descriptor(clients[0]), -1);
    ck_assert_int_eq(gibson_client_descriptor(clients[1]), -1);
    ck_assert_uint_eq(pooled_stats(pool).made, 4);
    gibson_pool_release(pool, clients[2]);
    gibson_pool_release(pool, clients[3]);
    pooled_check(pool);
    gibson_pool_free(pool);
}
END_TEST

START_TEST(connection_whose_lifetime_is_over_is_replaced)
{
    options.pool.idle_timeout_ms = GIBSON_NO_DEADLINE;
    options.pool.min = 2;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *client = pooled_acquire(pool);
    moved_ns += hour_ns;
    ck_assert_status(gibson_client_ping(client), GIBSON_OK); /* it does not end a lease */
    gibson_pool_release(pool, client);
    client = pooled_acquire(pool);
    ck_assert_uint_eq(pooled_stats(pool).dropped_lifetime, 1);
    ck_assert_uint_eq(pooled_stats(pool).made, 2);
    gibson_pool_release(pool, client);
    pooled_check(pool);
    gibson_pool_free(pool);
}
END_TEST

START_TEST(connection_in_use_now_and_then_does_not_expire)
{
    options.pool.lifetime_ms = GIBSON_NO_DEADLINE;
    gibson_pool *pool = pooled_new(&options);
    for (int i = 0; i < 100; i++) {
        gibson_pool_release(pool, pooled_acquire(pool));
        moved_ns += INT64_C(200000000000);
    }
    ck_assert_uint_eq(pooled_stats(pool).made, 1);
    gibson_pool_free(pool);
}
END_TEST

/* ---- Clearing and closing ---- */

START_TEST(clear_ends_idle_connections_at_once_and_lent_ones_on_release)
{
    gibson_pool *pool = pooled_new(&options);
    gibson_client *idle = pooled_acquire(pool);
    gibson_client *lent = pooled_acquire(pool);
    gibson_pool_release(pool, idle);
    gibson_pool_clear(pool);
    ck_assert_int_eq(gibson_client_descriptor(idle), -1);
    ck_assert_status(gibson_client_ping(lent), GIBSON_OK);
    gibson_pool_release(pool, lent);
    ck_assert_int_eq(gibson_client_descriptor(lent), -1);
    ck_assert_uint_eq(pooled_stats(pool).dropped_cleared, 2);
    gibson_client *fresh = pooled_acquire(pool);
    ck_assert_status(gibson_client_ping(fresh), GIBSON_OK);
    gibson_pool_release(pool, fresh);
    ck_assert_uint_eq(pooled_stats(pool).idle, 1);
    pooled_check(pool);
    gibson_pool_free(pool);
}
END_TEST

START_TEST(closed_pool_lends_nothing_and_takes_back_what_is_lent)
{
    gibson_pool *pool = pooled_new(&options);
    gibson_client *idle = pooled_acquire(pool);
    gibson_client *lent = pooled_acquire(pool);
    gibson_pool_release(pool, idle);
    gibson_pool_close(pool);
    gibson_client *client;
    gibson_error error;
    ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_CLOSED);
    ck_assert_message_has(&error, "the pool is closed");
    ck_assert_status(gibson_client_ping(lent), GIBSON_OK);
    ck_assert_status(gibson_pool_release(pool, lent), GIBSON_OK);
    ck_assert_status(gibson_pool_release(pool, lent), GIBSON_USAGE);
    ck_assert_uint_eq(pooled_stats(pool).in_use, 0);
    pooled_check(pool);
    gibson_pool_close(pool);
    gibson_pool_free(pool);
}
END_TEST

START_TEST(freed_pool_lives_until_the_last_client_is_released)
{
    failing_allocator counts = {0};
    options.client.allocator = failing_allocator_functions(&counts);
    gibson_pool *pool = pooled_new(&options);
    gibson_client *first = pooled_acquire(pool);
    gibson_client *second = pooled_acquire(pool);
    gibson_pool_free(pool);
    ck_assert_status(gibson_client_ping(first), GIBSON_OK);
    ck_assert_status(gibson_pool_release(pool, first), GIBSON_OK);
    ck_assert_status(gibson_client_ping(second), GIBSON_OK);
    ck_assert_uint_gt(counts.live, 0);
    ck_assert_status(gibson_pool_release(pool, second), GIBSON_OK);
    ck_assert_uint_eq(counts.live, 0);
}
END_TEST

/* ---- Servers that are away ---- */

START_TEST(server_that_is_down_makes_acquire_fail_fast_until_the_delay_has_passed)
{
    options.client.reconnect_delay_ms = 100000;
    options.client.reconnect_max_delay_ms = 100000;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *client;
    gibson_error error;
    peer_go_down(server);
    ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_UNREACHABLE);
    ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_UNREACHABLE);
    ck_assert_message_has(&error, "no attempt to connect for another");
    ck_assert_uint_eq(pooled_stats(pool).connect_failures, 1);
    peer_come_up(server);
    ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_UNREACHABLE);
    moved_ns += 100 * INT64_C(1000000000);
    ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_OK);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_pool_release(pool, client);
    pooled_check(pool);
    gibson_pool_free(pool);
}
END_TEST

/* While another client is in use, the server may be there: that one is waited for. */
START_TEST(acquire_after_a_failure_waits_for_a_client_in_use)
{
    options.client.reconnect_delay_ms = 100000;
    options.client.reconnect_max_delay_ms = 100000;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *lent = pooled_acquire(pool);
    gibson_client *client;
    gibson_error error;
    peer_go_down(server);
    ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_UNREACHABLE);
    ck_assert_status(gibson_pool_acquire(pool, 2, &client, &error), GIBSON_TIMEOUT);
    ck_assert_message_has(&error, "connecting failed: ");
    gibson_pool_release(pool, lent); /* which is broken */
    gibson_pool_free(pool);
}
END_TEST

START_TEST(connecting_that_takes_the_time_of_the_caller_says_so)
{
    peer *deaf = peer_start(PEER_UNIX, NULL, NULL);
    peer_point(deaf, &options.client);
    options.pool.max = 8;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *clients[8];
    gibson_error error;
    gibson_status status = GIBSON_OK;
    int count = 0;
    while (status == GIBSON_OK && count < 8) { /* the backlog takes some */
        status = gibson_pool_acquire(pool, 30, &clients[count], &error);
        count += status == GIBSON_OK;
    }
    ck_assert_status(status, GIBSON_TIMEOUT);
    ck_assert_message_has(&error, "timeout_ms of 30 ms passed while connecting to unix:");
    while (count) {
        gibson_pool_release(pool, clients[--count]);
    }
    gibson_pool_free(pool);
    peer_stop(deaf);
}
END_TEST

/* ---- gibson_pool_call ---- */

START_TEST(pool_call_runs_each_command)
{
    gibson_pool *pool = pooled_new(&options);
    for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) {
        gibson_reply reply;
        gibson_owned_reply *owned;
        gibson_error error;
        ck_assert_status(gibson_pool_call(pool, &samples[i].request, 0, &reply, &owned, &error),
                         GIBSON_OK);
        ck_assert(sample_reply_matches(&reply));
        ck_assert_uint_eq(pooled_stats(pool).in_use, 0);
        gibson_owned_reply_free(owned);
        ck_assert_status(gibson_pool_call(pool, &samples[i].request, 0, &reply, NULL, NULL),
                         GIBSON_OK);
        ck_assert_ptr_null(reply.value.bytes.data);
        ck_assert_uint_eq(gibson_items_count(&reply.items), 0);
    }
    ck_assert_uint_eq(pooled_stats(pool).made, 1);
    gibson_pool_free(pool);
}
END_TEST

/* Each allocation of each command's call in turn. */
START_TEST(pool_call_for_which_there_is_no_memory_says_so_and_loses_nothing)
{
    failing_allocator memory = {0};
    options.client.allocator = failing_allocator_functions(&memory);
    for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) {
        size_t n = 0;
        gibson_status status;
        do {
            failing_allocator_arm(&memory, 0);
            gibson_pool *pool = pooled_new(&options);
            gibson_pool_release(pool, pooled_acquire(pool));
            gibson_reply reply;
            gibson_owned_reply *owned;
            gibson_error error = {.status = GIBSON_OK};
            failing_allocator_arm(&memory, ++n);
            status = gibson_pool_call(pool, &samples[i].request, 0, &reply, &owned, &error);
            failing_allocator_arm(&memory, 0);
            ck_assert_status(reply.status, status);
            if (status != GIBSON_OK) {
                ck_assert_status(status, GIBSON_NOMEM);
                ck_assert_status(error.status, status);
                ck_assert_message_has(&error, "memory");
                ck_assert_ptr_null(owned);
            }
            gibson_owned_reply_free(owned);
            pooled_check(pool);
            gibson_pool_free(pool);
            ck_assert_uint_eq(memory.live, 0);
        } while (status != GIBSON_OK);
    }
}
END_TEST

START_TEST(pool_call_says_which_time_ran_out)
{
    options.pool.max = 1;
    options.pool.acquire_timeout_ms = 20;
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    gibson_pool *pool = pooled_new(&options);
    gibson_client *lent = pooled_acquire(pool);
    gibson_reply reply;
    gibson_error error;
    ck_assert_status(gibson_pool_call(pool, &get, 0, &reply, NULL, &error), GIBSON_TIMEOUT);
    ck_assert_message_has(&error, "acquire_timeout of 20 ms passed while waiting for a client");
    ck_assert_status(gibson_pool_call(pool, &get, 10, &reply, NULL, &error), GIBSON_TIMEOUT);
    ck_assert_message_has(&error, "timeout of 10 ms passed while waiting for a client");
    ck_assert_status(reply.status, GIBSON_TIMEOUT);
    gibson_pool_release(pool, lent);
    gibson_pool_free(pool);
    peer *silent = peer_start(PEER_UNIX, never_answer, NULL);
    peer_point(silent, &options.client);
    options.pool.acquire_timeout_ms = 20000;
    pool = pooled_new(&options);
    lent = pooled_acquire(pool);
    gibson_pool_release(pool, lent);
    ck_assert_status(gibson_pool_call(pool, &get, 40, &reply, NULL, &error), GIBSON_TIMEOUT);
    ck_assert_message_has(&error, "while waiting for the reply");
    ck_assert_uint_eq(pooled_stats(pool).dropped_broken, 1);
    pooled_check(pool);
    gibson_pool_free(pool);
    peer_stop(silent);
}
END_TEST

typedef struct late {
    gibson_pool *pool;
    gibson_client *client;
} late;

static void *release_when_somebody_waits(void *argument)
{
    late *self = argument;
    gibson_pool_stats stats = {.struct_size = sizeof stats};
    do {
        usleep(1000);
        gibson_pool_get_stats(self->pool, &stats);
    } while (!stats.waiting);
    usleep(30000);
    gibson_pool_release(self->pool, self->client);
    return NULL;
}

/* The wait for a client is part of the time of the whole. */
START_TEST(pool_call_that_waited_has_less_time_for_the_request)
{
    enum { WHOLE_MS = 400 };
    options.pool.max = 1;
    peer *silent = peer_start(PEER_UNIX, never_answer, NULL);
    peer_point(silent, &options.client);
    gibson_pool *pool = pooled_new(&options);
    late other = {pool, pooled_acquire(pool)};
    pthread_t thread;
    ck_assert_int_eq(pthread_create(&thread, NULL, release_when_somebody_waits, &other), 0);
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    gibson_reply reply;
    gibson_error error;
    const int64_t before_ms = suite_now_ms();
    ck_assert_status(gibson_pool_call(pool, &get, WHOLE_MS, &reply, NULL, &error), GIBSON_TIMEOUT);
    const int64_t took_ms = suite_now_ms() - before_ms;
    pthread_join(thread, NULL);
    ck_assert_int_ge(took_ms, WHOLE_MS - 2);
    ck_assert_int_lt(took_ms, WHOLE_MS + SUITE_SLACK_MS);
    ck_assert_message_has(&error, "timeout of 400 ms passed, ");
    ck_assert_message_has(&error, "while waiting for a client of the pool");
    pooled_check(pool);
    gibson_pool_free(pool);
    peer_stop(silent);
}
END_TEST

/* ---- redis-py 3554: a retry repeats side effects ---- */

typedef struct effects {
    int increments;
} effects;

/* Does what INC asks, and ends the connection before the reply. */
static void count_and_cut(peer_link *link)
{
    effects *done = link->context;
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (frame.opcode == GIBSON_OP_INC) {
            done->increments++;
            return;
        }
        sample_answer(link, &frame);
    }
}

START_TEST(call_cut_between_write_and_reply_has_its_effect_once)
{
    for (int way = 0; way < 4; way++) {
        effects done = {0};
        peer *cutting = peer_start(PEER_UNIX, count_and_cut, &done);
        pooled_init(&options, cutting, 2);
        options.client.reconnect = way & 1;
        options.client.retry_repeatable = way & 2;
        gibson_pool *pool = pooled_new(&options);
        gibson_reply reply;
        gibson_error error;
        const gibson_request inc = gibson_request_key(GIBSON_OP_INC, gibson_str("n"));
        ck_assert_status(gibson_pool_call(pool, &inc, 0, &reply, NULL, &error), GIBSON_CLOSED);
        gibson_client *client = pooled_acquire(pool);
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
        gibson_pool_release(pool, client);
        ck_assert_uint_eq(pooled_stats(pool).dropped_broken, 1);
        pooled_check(pool);
        gibson_pool_free(pool);
        peer_stop(cutting);
        ck_assert_int_eq(done.increments, 1);
    }
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(
             acquired_client_is_connected_and_comes_back, acquire_lends_the_last_that_was_released,
             acquire_from_an_exhausted_pool_times_out_and_says_so,
             acquire_timeout_of_the_options_is_named, release_of_what_is_not_lent_is_refused,
             call_without_arguments_is_refused, stats_of_a_shorter_struct_are_not_written_beyond_it,
             client_with_replies_unread_is_not_lent_again,
             client_whose_pipeline_was_read_is_lent_again,
             client_that_was_interrupted_in_an_operation_is_dropped,
             wait_for_a_client_can_be_interrupted, timeout_that_was_set_on_a_client_is_undone,
             idle_connection_that_the_server_closed_is_not_lent,
             idle_connection_with_bytes_nobody_asked_for_is_not_lent,
             client_that_was_looked_at_is_not_looked_at_again,
             pool_that_was_idle_for_25_hours_works,
             idle_connections_expire_down_to_the_minimum_the_oldest_first,
             connection_whose_lifetime_is_over_is_replaced,
             connection_in_use_now_and_then_does_not_expire,
             clear_ends_idle_connections_at_once_and_lent_ones_on_release,
             closed_pool_lends_nothing_and_takes_back_what_is_lent,
             freed_pool_lives_until_the_last_client_is_released,
             server_that_is_down_makes_acquire_fail_fast_until_the_delay_has_passed,
             acquire_after_a_failure_waits_for_a_client_in_use,
             connecting_that_takes_the_time_of_the_caller_says_so, pool_call_runs_each_command,
             pool_call_for_which_there_is_no_memory_says_so_and_loses_nothing,
             pool_call_says_which_time_ran_out, pool_call_that_waited_has_less_time_for_the_request,
             call_cut_between_write_and_reply_has_its_effect_once)},
    };
    return suite_run("pool", 1, parts, COUNT_OF(parts));
}
