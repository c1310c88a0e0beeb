/* A pool and many threads: who is served when, and that nothing is lost. */
#include <gibson/pipeline.h>
#include <gibson/pool.h>

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>

#include "pool/gate.h"
#include "support/idle.h"
#include "support/pooled.h"
#include "support/random.h"
#include "support/samples.h"
#include "support/suite.h"

enum { MOST_THREADS = 100 };

static peer *server;
static pooled options;
static gibson_pool *pool;
static atomic_bool stop;
static atomic_int failures; /* of what a thread has seen */

static void set_up(void)
{
    server = peer_start(PEER_UNIX, sample_serve, NULL);
    pooled_init(&options, server, 1);
    atomic_store(&stop, false);
    atomic_store(&failures, 0);
}

static void tear_down(void)
{
    peer_stop(server);
}

typedef void *work(void *number);

/* Runs threads, each with its number, to their end. */
static void run_threads(size_t count, work *what)
{
    pthread_t threads[MOST_THREADS];
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, what, (void *)i), 0);
    }
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&failures), 0);
}

static void await_waiting(unsigned int count)
{
    while (pooled_stats(pool).waiting != count) {
        sched_yield();
    }
}

/* Nothing is lent, and as many can be lent as ever. */
static void check_full(void)
{
    gibson_client *clients[MOST_THREADS] = {NULL};
    ck_assert_uint_eq(pooled_stats(pool).in_use, 0);
    ck_assert_uint_eq(pooled_stats(pool).waiting, 0);
    for (uint32_t i = 0; i < options.pool.max; i++) {
        clients[i] = pooled_acquire(pool);
        ck_assert_status(gibson_client_ping(clients[i]), GIBSON_OK);
    }
    for (uint32_t i = 0; i < options.pool.max; i++) {
        ck_assert_status(gibson_pool_release(pool, clients[i]), GIBSON_OK);
    }
    ck_assert_uint_eq(pooled_stats(pool).idle, options.pool.max);
    pooled_check(pool);
}

/* ---- Order ---- */

static size_t order[MOST_THREADS];
static atomic_size_t served;

static void *note_order(void *number)
{
    gibson_client *client;
    if (gibson_pool_acquire(pool, 0, &client, NULL) != GIBSON_OK) {
        atomic_fetch_add(&failures, 1);
        return NULL;
    }
    order[atomic_fetch_add(&served, 1)] = (size_t)number;
    gibson_pool_release(pool, client);
    return NULL;
}

START_TEST(waiters_are_served_in_the_order_in_which_they_came)
{
    enum { WAITERS = 20 };
    pool = pooled_new(&options);
    gibson_client *client = pooled_acquire(pool);
    pthread_t threads[WAITERS];
    atomic_store(&served, 0);
    for (size_t i = 0; i < WAITERS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, note_order, (void *)i), 0);
        await_waiting((unsigned int)i + 1);
    }
    gibson_pool_release(pool, client);
    for (size_t i = 0; i < WAITERS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&failures), 0);
    for (size_t i = 0; i < WAITERS; i++) {
        ck_assert_uint_eq(order[i], i);
    }
    ck_assert_uint_eq(pooled_stats(pool).waited, WAITERS);
    ck_assert_uint_eq(pooled_stats(pool).made, 1);
    check_full();
    gibson_pool_free(pool);
}
END_TEST

static void *hammer(void *number)
{
    (void)number;
    while (!atomic_load(&stop)) {
        gibson_client *client;
        if (gibson_pool_acquire(pool, 0, &client, NULL) != GIBSON_OK ||
            gibson_pool_release(pool, client) != GIBSON_OK) {
            atomic_fetch_add(&failures, 1);
        }
    }
    return NULL;
}

/* asyncpg 1247: those that come back at once must not go before those that wait. */
START_TEST(waiter_is_not_starved_by_threads_that_come_back_at_once)
{
    pool = pooled_new(&options);
    pthread_t threads[3];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, hammer, NULL), 0);
    }
    for (int i = 0; i < 2000; i++) {
        gibson_pool_release(pool, pooled_acquire(pool));
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&failures), 0);
    check_full();
    gibson_pool_free(pool);
}
END_TEST

static void *come_and_go(void *number)
{
    uint64_t random = suite_seed() + (uint64_t)(size_t)number;
    for (int i = 0; i < 20000; i++) {
        gibson_client *client;
        if (gibson_pool_acquire(pool, 0, &client, NULL) != GIBSON_OK) {
            atomic_fetch_add(&failures, 1);
            continue;
        }
        pretend_busy(client); /* no look: that would be a pause */
        if (test_random_below(&random, 8) == 0) {
            sched_yield();
        }
        atomic_fetch_add(&failures, gibson_pool_release(pool, client) != GIBSON_OK);
    }
    return NULL;
}

/* There are about as many threads as clients, so some wait now and then: the queue ends while
   others come and go without it. (A client that was released while a waiter woke up was lost.) */
START_TEST(clients_are_not_lost_between_those_that_wait_and_those_that_do_not)
{
    options.pool.max = 4;
    for (size_t threads = 5; threads < 9; threads++) {
        pool = pooled_new(&options);
        run_threads(threads, come_and_go);
        ck_assert_uint_eq(pooled_stats(pool).in_use, 0);
        ck_assert_uint_eq(pooled_stats(pool).idle, pooled_stats(pool).made);
        check_full();
        gibson_pool_free(pool);
    }
}
END_TEST

/* ---- A hand-over that meets a deadline ---- */

enum { RACERS = 4, ALL_TICKS = 100000, TICKS = ALL_TICKS / RACERS };

static atomic_int in_time;
static atomic_int too_late;

static void *race(void *number)
{
    uint64_t random = suite_seed() + (uint64_t)(size_t)number;
    gib_pool_core *core = gib_pool_own_core(pool);
    for (int i = 0; i < TICKS; i++) {
        gib_place *place = NULL;
        const int64_t now_ns = gib_now_ns();
        gib_pool_wait wait = {.began_ns = now_ns,
                              .until = now_ns + test_random_below(&random, 60000),
                              .name = "race"};
        gib_pool_lock(core);
        const gibson_status status = gib_pool_await(core, &wait, &place, NULL);
        gib_pool_unlock(core);
        if (status == GIBSON_OK) {
            atomic_fetch_add(&in_time, 1);
            const int64_t until_ns = gib_now_ns() + test_random_below(&random, 20000);
            while (gib_now_ns() < until_ns) {
            }
            if (gibson_pool_release(pool, place->client) != GIBSON_OK) {
                atomic_fetch_add(&failures, 1);
            }
        } else if (status == GIBSON_TIMEOUT && !place) {
            atomic_fetch_add(&too_late, 1);
        } else {
            atomic_fetch_add(&failures, 1);
        }
    }
    return NULL;
}

/* asyncpg 955: a client that was handed to one whose time was just over was lost. */
START_TEST(hand_over_that_races_a_timeout_loses_no_client_in_100000_ticks)
{
    pool = pooled_new(&options);
    gibson_pool_release(pool, pooled_acquire(pool));
    atomic_store(&in_time, 0);
    atomic_store(&too_late, 0);
    run_threads(RACERS, race);
    printf("%d in time, %d too late\n", atomic_load(&in_time), atomic_load(&too_late));
    ck_assert_int_eq(atomic_load(&in_time) + atomic_load(&too_late), ALL_TICKS);
    ck_assert_int_gt(atomic_load(&in_time), 1000);
    ck_assert_int_gt(atomic_load(&too_late), 1000);
    ck_assert_uint_eq(pooled_stats(pool).made, 1);
    ck_assert_uint_eq(pooled_stats(pool).idle, 1);
    check_full();
    gibson_pool_free(pool);
}
END_TEST

static gibson_client *held;

/* Not what a callback should do: it makes sure of the order. */
static int release_and_interrupt(void *context)
{
    (void)context;
    if (held) {
        gibson_client *client = held;
        held = NULL;
        gibson_pool_release(pool, client);
        return 1;
    }
    return 0;
}

/* redis-py 4121, asyncpg 464: the end of a wait that was served already. */
START_TEST(hand_over_to_an_interrupted_wait_goes_to_the_next)
{
    options.client.interrupt = release_and_interrupt;
    held = NULL;
    pool = pooled_new(&options);
    held = pooled_acquire(pool);
    gibson_client *client;
    gibson_error error;
    ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_INTERRUPTED);
    ck_assert_uint_eq(pooled_stats(pool).idle, 1);
    check_full();
    gibson_pool_free(pool);
}
END_TEST

/* ---- Servers that are away ---- */

static void *ask_often(void *number)
{
    (void)number;
    for (int i = 0; i < 50; i++) {
        gibson_client *client;
        gibson_error error;
        if (gibson_pool_acquire(pool, 0, &client, &error) != GIBSON_UNREACHABLE || client) {
            atomic_fetch_add(&failures, 1);
        }
    }
    return NULL;
}

START_TEST(threads_do_not_hammer_a_server_that_is_down)
{
    options.pool.max = 8;
    options.client.reconnect_delay_ms = 100000;
    options.client.reconnect_max_delay_ms = 100000;
    pool = pooled_new(&options);
    peer_go_down(server);
    run_threads(50, ask_often);
    const gibson_pool_stats stats = pooled_stats(pool);
    ck_assert_uint_ge(stats.connect_failures, 1);
    ck_assert_uint_le(stats.connect_failures, 8); /* those that were begun before one had failed */
    ck_assert_uint_eq(stats.in_use, 0);
    gibson_pool_free(pool);
}
END_TEST

static void *keep_asking(void *number)
{
    (void)number;
    gibson_status status;
    do {
        gibson_client *client;
        status = gibson_pool_acquire(pool, 0, &client, NULL);
        if (status == GIBSON_OK && gibson_pool_release(pool, client) != GIBSON_OK) {
            atomic_fetch_add(&failures, 1);
        }
        sched_yield();
    } while (status == GIBSON_UNREACHABLE);
    return NULL;
}

/* All down, then up: it heals by itself. */
START_TEST(pool_heals_when_the_server_is_back)
{
    options.pool.max = 8;
    options.client.reconnect_delay_ms = 2;
    options.client.reconnect_max_delay_ms = 5;
    pool = pooled_new(&options);
    peer_go_down(server);
    pthread_t threads[20];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, keep_asking, NULL), 0);
    }
    while (pooled_stats(pool).connect_failures < 10) {
        sched_yield();
    }
    peer_come_up(server);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&failures), 0);
    check_full();
    gibson_pool_free(pool);
}
END_TEST

static void *expect_closed(void *number)
{
    (void)number;
    gibson_client *client;
    if (gibson_pool_acquire(pool, 0, &client, NULL) != GIBSON_CLOSED || client) {
        atomic_fetch_add(&failures, 1);
    }
    return NULL;
}

START_TEST(free_wakes_all_who_wait)
{
    pool = pooled_new(&options);
    gibson_client *client = pooled_acquire(pool);
    pthread_t threads[10];
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, expect_closed, NULL), 0);
    }
    await_waiting(COUNT_OF(threads));
    gibson_pool_free(pool);
    for (size_t i = 0; i < COUNT_OF(threads); i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&failures), 0);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    ck_assert_status(gibson_pool_release(pool, client), GIBSON_OK);
}
END_TEST

/* ---- Everything at once ---- */

/* Answers GET with its key, and ends the connection now and then: before or after a reply, or in
   the middle of it. */
static void serve_keys_and_cut(peer_link *link)
{
    uint64_t random = suite_seed() + link->index;
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        const unsigned int dice = test_random_below(&random, 300);
        gib_buffer reply = bytes_new();
        if (frame.opcode == GIBSON_OP_GET) {
            reply_add_bytes(&reply, frame.payload, frame.size);
        } else {
            sample_reply(&reply, frame.opcode, frame.payload, frame.size);
        }
        if (dice != 0) {
            peer_send(link, bytes_of(&reply), gib_buffer_size(&reply) - (dice == 1));
        }
        gib_buffer_clear(&reply);
        if (dice < 3) {
            return;
        }
    }
}

/* Uses a client in one of the ways there are, good and bad. False if a value was wrong. */
static bool use(gibson_client *client, const char *key, unsigned int dice)
{
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str(key));
    gibson_value value;
    gibson_status status = GIBSON_OK;
    switch (dice) {
    case 0:
        gibson_client_close(client);
        break;
    case 1:
        (void)gibson_client_queue(client, &get);
        (void)gibson_client_flush(client);
        break;
    case 2:
        (void)shutdown(gibson_client_descriptor(client), SHUT_RDWR);
        break;
    default:
        status = gibson_client_get(client, gibson_str(key), &value);
        return status == GIBSON_OK ? value.bytes.size == strlen(key) &&
                                         !memcmp(value.bytes.data, key, value.bytes.size)
                                   : status == GIBSON_CLOSED;
    }
    return true;
}

static void *use_at_random(void *number)
{
    uint64_t random = suite_seed() ^ ((uint64_t)(size_t)number << 32);
    for (int i = 0; i < 100; i++) {
        char key[32];
        snprintf(key, sizeof key, "key:%zu:%d", (size_t)number, i);
        gibson_client *client;
        gibson_error error;
        const bool hurries = test_random_below(&random, 10) == 0;
        const gibson_status status = gibson_pool_acquire(pool, hurries, &client, &error);
        if (status == GIBSON_OK) {
            const bool is_right = use(client, key, test_random_below(&random, 100));
            const bool is_back = gibson_pool_release(pool, client) == GIBSON_OK;
            atomic_fetch_add(&failures, !is_right || !is_back);
        } else if (!hurries || status != GIBSON_TIMEOUT) {
            fprintf(stderr, "%s\n", error.message);
            atomic_fetch_add(&failures, 1);
        }
        if (test_random_below(&random, 500) == 0) {
            gibson_pool_clear(pool);
        }
    }
    return NULL;
}

/* pymemcache 267, redis-py 2517, 2220 and 3056: the pool leaks places, or is wedged. */
START_TEST(hundred_threads_on_eight_connections_that_are_cut_leave_the_pool_full)
{
    peer *cutting = peer_start(PEER_UNIX, serve_keys_and_cut, NULL);
    pooled_init(&options, cutting, 8);
    options.client.timeout_ms = options.pool.acquire_timeout_ms = 60000;
    options.pool.idle_timeout_ms = 20;
    options.pool.lifetime_ms = 50;
    pool = pooled_new(&options);
    run_threads(MOST_THREADS, use_at_random);
    ck_assert_uint_eq(pooled_stats(pool).in_use, 0);
    ck_assert_uint_gt(pooled_stats(pool).dropped_broken, 0);
    ck_assert_uint_gt(pooled_stats(pool).dropped_unread, 0);
    pooled_check(pool);
    for (int round = 0; round < 100; round++) { /* as many as ever, though some are cut again */
        gibson_client *clients[8];
        for (int i = 0; i < 8; i++) {
            clients[i] = pooled_acquire(pool);
        }
        for (int i = 0; i < 8; i++) {
            gibson_pool_release(pool, clients[i]);
        }
    }
    gibson_pool_free(pool);
    peer_stop(cutting);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(waiters_are_served_in_the_order_in_which_they_came,
               waiter_is_not_starved_by_threads_that_come_back_at_once,
               clients_are_not_lost_between_those_that_wait_and_those_that_do_not,
               hand_over_that_races_a_timeout_loses_no_client_in_100000_ticks,
               hand_over_to_an_interrupted_wait_goes_to_the_next,
               threads_do_not_hammer_a_server_that_is_down, pool_heals_when_the_server_is_back,
               free_wakes_all_who_wait,
               hundred_threads_on_eight_connections_that_are_cut_leave_the_pool_full)},
    };
    return suite_run("pool_threads", 1, parts, COUNT_OF(parts));
}
