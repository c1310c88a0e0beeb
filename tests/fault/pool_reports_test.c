/* What attacks on the pool from its documentation have found, each as a test that failed before. */
#include <gibson/pipeline.h>
#include <gibson/pool.h>

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "support/failing_allocator.h"
#include "support/pooled.h"
#include "support/samples.h"
#include "support/suite.h"

/* The clock of the library can be set forward, once or at each reading. */
static _Atomic int64_t moved_ns;
static _Atomic int64_t step_ns;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names of the linker */
int __real_clock_gettime(clockid_t id, struct timespec *time);
int __wrap_clock_gettime(clockid_t id, struct timespec *time);

int __wrap_clock_gettime(clockid_t id, struct timespec *time)
{
    const int result = __real_clock_gettime(id, time);
    const int64_t forward_ns = atomic_fetch_add(&moved_ns, step_ns) + time->tv_nsec;
    time->tv_sec += (time_t)(forward_ns / 1000000000);
    time->tv_nsec = (long)(forward_ns % 1000000000);
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
    moved_ns = step_ns = 0;
    peer_stop(server);
}

static const gibson_request *get(void)
{
    return &sample_of(GIBSON_OP_GET)->request;
}

/* ---- What a lease leaves behind ---- */

static void never_answer(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
    }
}

START_TEST(timeout_of_a_lease_that_broke_is_not_that_of_the_next)
{
    peer *silent = peer_start(PEER_UNIX, never_answer, NULL);
    peer_point(silent, &options.client);
    options.client.timeout_ms = 400;
    gibson_pool *pool = pooled_new(&options);
    gibson_reply reply;
    gibson_error error;
    ck_assert_status(gibson_pool_call(pool, get(), 30, &reply, NULL, &error), GIBSON_TIMEOUT);
    gibson_client *client = pooled_acquire(pool);
    ck_assert_status(gibson_client_call(client, get(), &reply), GIBSON_TIMEOUT);
    ck_assert_message_has(gibson_client_error(client), "timeout of 400 ms");
    gibson_client_close(client);
    ck_assert_status(gibson_client_set_timeout(client, GIBSON_NO_DEADLINE), GIBSON_OK);
    gibson_pool_release(pool, client);
    ck_assert_status(gibson_pool_call(pool, get(), 0, &reply, NULL, &error), GIBSON_TIMEOUT);
    ck_assert_message_has(&error, "timeout of 400 ms");
    gibson_pool_free(pool);
    peer_stop(silent);
}
END_TEST

START_TEST(reply_of_a_lease_is_not_taken_by_the_next)
{
    gibson_pool *pool = pooled_new(&options);
    for (int i = 0; i < 2; i++) { /* by the long way of a release, and by the short one */
        gibson_client *client = pooled_acquire(pool);
        gibson_reply reply;
        ck_assert_status(gibson_client_call(client, get(), &reply), GIBSON_OK);
        ck_assert_status(gibson_client_get(client, gibson_bytes_of("", 0), &reply.value),
                         GIBSON_INVALID);
        gibson_pool_release(pool, client);
        ck_assert_ptr_eq(pooled_acquire(pool), client);
        ck_assert_status(gibson_client_error(client)->status, GIBSON_OK);
        gibson_owned_reply *owned;
        ck_assert_status(gibson_client_take_reply(client, &owned), GIBSON_USAGE);
        ck_assert_ptr_null(owned);
        ck_assert_status(gibson_client_call(client, get(), &reply), GIBSON_OK);
        ck_assert(sample_reply_matches(&reply));
        gibson_pool_release(pool, client);
    }
    gibson_pool_free(pool);
}
END_TEST

/* ---- Who is served ---- */

static gibson_pool *shared;
static atomic_int served;

static void *acquire_and_note(void *argument)
{
    gibson_client *client;
    const gibson_status status = gibson_pool_acquire(shared, 0, &client, NULL);
    *(int *)argument = atomic_fetch_add(&served, 1) + 1;
    if (status == GIBSON_OK) {
        gibson_pool_release(shared, client);
    } else {
        *(int *)argument = -1;
    }
    pthread_testcancel();
    return NULL;
}

static void until_waiting(uint32_t count)
{
    while (pooled_stats(shared).waiting != count) {
        usleep(200);
    }
}

START_TEST(nobody_is_served_before_the_first_where_a_lifetime_is_over)
{
    enum { THREADS = 4 };
    options.pool.max = 1;
    options.pool.lifetime_ms = 1000;
    shared = pooled_new(&options);
    served = 0;
    gibson_client *client = pooled_acquire(shared);
    pthread_t threads[THREADS];
    int place[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, acquire_and_note, &place[i]);
        until_waiting(i + 1);
    }
    moved_ns += INT64_C(2000000000);
    gibson_pool_release(shared, client);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(place[i], i + 1);
    }
    ck_assert_uint_eq(pooled_stats(shared).dropped_lifetime, 1);
    ck_assert_uint_eq(pooled_stats(shared).waited, THREADS);
    pooled_check(shared);
    gibson_pool_free(shared);
}
END_TEST

/* As above, where the first finds out itself that its connection is no good. */
START_TEST(nobody_is_served_before_the_first_where_a_connection_was_closed)
{
    enum { THREADS = 3 };
    options.pool.max = 1;
    options.pool.idle_timeout_ms = 1000; /* so that it is time to look for idle ones, too */
    shared = pooled_new(&options);
    served = 0;
    gibson_client *client = pooled_acquire(shared);
    peer_go_down(server);
    peer_come_up(server);
    pthread_t threads[THREADS];
    int place[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        pthread_create(&threads[i], NULL, acquire_and_note, &place[i]);
        until_waiting(i + 1);
    }
    moved_ns += INT64_C(500000000);
    gibson_pool_release(shared, client);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        ck_assert_int_eq(place[i], i + 1);
    }
    ck_assert_uint_eq(pooled_stats(shared).waited, THREADS);
    pooled_check(shared);
    gibson_pool_free(shared);
}
END_TEST

START_TEST(thread_that_is_cancelled_while_it_waits_leaves_the_pool_usable)
{
    options.pool.max = 1;
    shared = pooled_new(&options);
    gibson_client *lent = pooled_acquire(shared);
    gibson_client *client;
    pthread_t thread;
    int place;
    pthread_create(&thread, NULL, acquire_and_note, &place);
    until_waiting(1);
    pthread_cancel(thread);
    ck_assert_status(gibson_pool_acquire(shared, 5, &client, NULL), GIBSON_TIMEOUT);
    gibson_pool_clear(shared);
    gibson_pool_free(shared); /* ends the wait */
    void *result;
    pthread_join(thread, &result);
    ck_assert(result == PTHREAD_CANCELED);
    ck_assert_int_eq(place, -1);
    ck_assert_status(gibson_pool_release(shared, lent), GIBSON_OK);
}
END_TEST

START_TEST(acquire_that_drops_many_connections_keeps_its_deadline)
{
    enum { MANY = 50 };
    options.pool.max = MANY;
    gibson_pool *pool = pooled_new(&options);
    gibson_client *clients[MANY];
    for (int i = 0; i < MANY; i++) {
        clients[i] = pooled_acquire(pool);
    }
    for (int i = 0; i < MANY; i++) {
        gibson_pool_release(pool, clients[i]);
    }
    peer_go_down(server);
    moved_ns += 10000000; /* a pause, after which they are looked at */
    step_ns = 2000000;    /* each reading of the clock */
    gibson_error error;
    ck_assert_status(gibson_pool_acquire(pool, 30, &clients[0], &error), GIBSON_TIMEOUT);
    step_ns = 0;
    ck_assert_uint_gt(pooled_stats(pool).idle, 0);
    pooled_check(pool);
    gibson_pool_free(pool);
}
END_TEST

/* ---- While connecting ---- */

enum { MOST_OF_BACKLOG = 64 };

/* A server that accepts nothing any more: connections hang. The clients it still took are lent. */
typedef struct deaf {
    peer *peer;
    gibson_client *clients[MOST_OF_BACKLOG];
    uint32_t count;
} deaf;

static void make_deaf(deaf *made)
{
    made->peer = peer_start(PEER_UNIX, NULL, NULL);
    peer_point(made->peer, &options.client);
    options.client.reconnect_delay_ms = options.client.reconnect_max_delay_ms = 100000;
    options.pool.max = MOST_OF_BACKLOG;
    shared = pooled_new(&options);
    gibson_error error;
    gibson_status status = GIBSON_OK;
    for (made->count = 0; status == GIBSON_OK && made->count < MOST_OF_BACKLOG;) {
        status = gibson_pool_acquire(shared, 20, &made->clients[made->count], &error);
        made->count += status == GIBSON_OK;
    }
    ck_assert_status(status, GIBSON_TIMEOUT);
}

static void end_deaf(deaf *made)
{
    while (made->count) {
        gibson_pool_release(shared, made->clients[--made->count]);
    }
    gibson_pool_free(shared);
    peer_stop(made->peer);
}

START_TEST(attempt_that_its_callers_time_has_ended_is_no_failure_of_the_server)
{
    deaf made;
    make_deaf(&made);
    gibson_client *client;
    gibson_error error;
    ck_assert_status(gibson_pool_acquire(shared, 20, &client, &error), GIBSON_TIMEOUT);
    ck_assert_message_has(&error, "while connecting to unix:");
    while (made.count) { /* so that there is none to wait for */
        gibson_client_close(made.clients[--made.count]);
        gibson_pool_release(shared, made.clients[made.count]);
    }
    ck_assert_status(gibson_pool_acquire(shared, 20, &client, &error), GIBSON_TIMEOUT);
    ck_assert_message_has(&error, "while connecting to unix:");
    end_deaf(&made);
}
END_TEST

static void *release_one_while_connecting(void *argument)
{
    deaf *self = argument;
    while (!pooled_stats(shared).connecting) {
        usleep(200);
    }
    gibson_pool_release(shared, self->clients[--self->count]);
    return NULL;
}

START_TEST(caller_that_could_not_connect_takes_a_client_that_came_free)
{
    deaf made;
    make_deaf(&made);
    pthread_t thread;
    pthread_create(&thread, NULL, release_one_while_connecting, &made);
    gibson_client *client;
    gibson_error error;
    const gibson_status status = gibson_pool_acquire(shared, 1000, &client, &error);
    pthread_join(thread, NULL);
    ck_assert_msg(status == GIBSON_OK, "%s", error.message);
    gibson_pool_release(shared, client);
    pooled_check(shared);
    end_deaf(&made);
}
END_TEST

static void *close_while_connecting(void *argument)
{
    (void)argument;
    while (!pooled_stats(shared).connecting) {
        usleep(200);
    }
    gibson_pool_close(shared);
    return NULL;
}

START_TEST(close_ends_connecting)
{
    deaf made;
    make_deaf(&made);
    pthread_t thread;
    pthread_create(&thread, NULL, close_while_connecting, NULL);
    gibson_client *client;
    gibson_error error;
    const int64_t began_ms = suite_now_ms();
    const gibson_status status = gibson_pool_acquire(shared, 20000, &client, &error);
    pthread_join(thread, NULL);
    ck_assert_status(status, GIBSON_CLOSED);
    ck_assert_message_has(&error, "the pool is closed");
    ck_assert_int_lt(suite_now_ms() - began_ms, 10000);
    end_deaf(&made);
}
END_TEST

/* An allocator that clears the pool, as the next client is made. */
static bool clears;

static void *allocate_and_clear(size_t size, void *context)
{
    if (clears) {
        clears = false;
        gibson_pool_clear(shared);
    }
    return failing_allocator_functions(context).allocate(size, context);
}

START_TEST(connection_that_was_begun_before_clear_is_not_lent)
{
    failing_allocator memory = {0};
    options.client.allocator = failing_allocator_functions(&memory);
    options.client.allocator.allocate = allocate_and_clear;
    shared = pooled_new(&options);
    clears = true;
    gibson_client *client = pooled_acquire(shared);
    ck_assert(!clears);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    ck_assert_uint_eq(pooled_stats(shared).made, 2);
    ck_assert_uint_eq(pooled_stats(shared).dropped_cleared, 1);
    gibson_pool_release(shared, client);
    ck_assert_uint_eq(pooled_stats(shared).idle, 1);
    pooled_check(shared);
    gibson_pool_free(shared);
}
END_TEST

START_TEST(failure_of_this_side_is_told_as_such_until_the_next_attempt)
{
    options.client.reconnect_delay_ms = options.client.reconnect_max_delay_ms = 100000;
    gibson_pool *pool = pooled_new(&options);
    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {3, before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    for (int i = 0; i < 2; i++) {
        gibson_client *client;
        gibson_error error;
        ck_assert_status(gibson_pool_acquire(pool, 0, &client, &error), GIBSON_SYSTEM);
        ck_assert_int_eq(error.system_errno, EMFILE);
    }
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0); /* sanitizers open files at the end */
    gibson_pool_free(pool);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(timeout_of_a_lease_that_broke_is_not_that_of_the_next,
               reply_of_a_lease_is_not_taken_by_the_next,
               nobody_is_served_before_the_first_where_a_lifetime_is_over,
               nobody_is_served_before_the_first_where_a_connection_was_closed,
               thread_that_is_cancelled_while_it_waits_leaves_the_pool_usable,
               acquire_that_drops_many_connections_keeps_its_deadline,
               attempt_that_its_callers_time_has_ended_is_no_failure_of_the_server,
               caller_that_could_not_connect_takes_a_client_that_came_free, close_ends_connecting,
               connection_that_was_begun_before_clear_is_not_lent)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .own_process = true,
         TESTS(failure_of_this_side_is_told_as_such_until_the_next_attempt)},
    };
    return suite_run("pool_reports", 1, parts, COUNT_OF(parts));
}
