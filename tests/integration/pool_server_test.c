/* A pool of clients of gibson-server, which is killed and started again. */
#include <gibson/pool.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server_program.h"
#include "support/pooled.h"
#include "support/random.h"
#include "support/suite.h"

enum { THREADS = 100, CONNECTIONS = 8, KILLS = 10 };

static gibson_pool *pool;
static pooled options;
static atomic_bool stop;
static atomic_int wrong;
static atomic_int right;
static atomic_int lost;

static pid_t start_server(void)
{
    const char *const arguments[] = {"--unix_socket", path_of("socket"), "--loglevel", "2", NULL};
    const pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    return child;
}

static void kill_server(pid_t child)
{
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, NULL, 0), child);
    (void)unlink(path_of("socket"));
}

static gibson_pool *new_pool(void)
{
    static char socket_path[200];
    snprintf(socket_path, sizeof socket_path, "%s", path_of("socket"));
    pooled_init(&options, NULL, CONNECTIONS);
    options.client.unix_socket = socket_path;
    options.client.reconnect_delay_ms = 1;
    options.client.reconnect_max_delay_ms = 20;
    return pooled_new(&options);
}

/* Stores a value that nobody else does, and reads it. What is read may be gone with the server. */
static bool store_and_read(gibson_client *client, size_t number, int i)
{
    char text[64];
    snprintf(text, sizeof text, "key:%zu:%d", number, i);
    gibson_value value;
    gibson_status status = gibson_client_set(client, gibson_str(text), gibson_str(text), 0);
    if (status == GIBSON_OK) {
        status = gibson_client_get(client, gibson_str(text), &value);
    }
    if (status == GIBSON_OK) {
        atomic_fetch_add(&right, 1);
        return value.bytes.size == strlen(text) && !memcmp(value.bytes.data, text, strlen(text));
    }
    atomic_fetch_add(&lost, 1);
    return status == GIBSON_CLOSED || status == GIBSON_NOT_FOUND || status == GIBSON_UNREACHABLE;
}

static void *use_until_stopped(void *number)
{
    uint64_t random = suite_seed() + (uint64_t)(size_t)number;
    for (int i = 0; !atomic_load(&stop); i++) {
        gibson_client *client;
        gibson_error error;
        const gibson_status status = gibson_pool_acquire(pool, 0, &client, &error);
        if (status == GIBSON_UNREACHABLE) {
            usleep(1000);
            continue;
        }
        if (status != GIBSON_OK) {
            fprintf(stderr, "%s\n", error.message);
            atomic_fetch_add(&wrong, 1);
            continue;
        }
        if (test_random_below(&random, 50) == 0) {
            (void)shutdown(gibson_client_descriptor(client), SHUT_RDWR);
        }
        atomic_fetch_add(&wrong, !store_and_read(client, (size_t)number, i));
        atomic_fetch_add(&wrong, gibson_pool_release(pool, client) != GIBSON_OK);
    }
    return NULL;
}

static void await_more(const atomic_int *count, int more)
{
    const int before = atomic_load(count);
    while (atomic_load(count) < before + more) {
        usleep(1000);
    }
}

/* pymemcache 267, redis-py 2517, 2220 and 3056: a pool that is exhausted or wedged for good. */
START_TEST(hundred_threads_on_eight_connections_through_restarts_leave_the_pool_full)
{
    pid_t server = start_server();
    pool = new_pool();
    pthread_t threads[THREADS];
    atomic_store(&stop, false);
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_until_stopped, (void *)i), 0);
    }
    for (int i = 0; i < KILLS; i++) {
        await_more(&right, 200);
        kill_server(server);
        usleep((useconds_t)(suite_random() % 30000));
        server = start_server();
    }
    await_more(&right, 200);
    atomic_store(&stop, true);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&wrong), 0);
    ck_assert_int_gt(atomic_load(&lost), 0);
    ck_assert_uint_eq(pooled_stats(pool).in_use, 0);
    gibson_client *clients[CONNECTIONS];
    for (int i = 0; i < CONNECTIONS; i++) {
        clients[i] = pooled_acquire(pool);
        ck_assert_status(gibson_client_ping(clients[i]), GIBSON_OK);
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        gibson_pool_release(pool, clients[i]);
    }
    ck_assert_uint_eq(pooled_stats(pool).idle, CONNECTIONS);
    pooled_check(pool);
    gibson_pool_free(pool);
    end_server(server);
}
END_TEST

/* pymemcache 309: between two uses the server was restarted. No user sees an error. */
START_TEST(server_restarted_between_two_uses_is_not_seen)
{
    pid_t server = start_server();
    pool = new_pool();
    for (int i = 0; i < 3; i++) {
        gibson_client *clients[CONNECTIONS];
        for (int n = 0; n < CONNECTIONS; n++) {
            clients[n] = pooled_acquire(pool);
            ck_assert_status(
                gibson_client_set(clients[n], gibson_str("key"), gibson_str("value"), 0),
                GIBSON_OK);
        }
        for (int n = 0; n < CONNECTIONS; n++) {
            gibson_pool_release(pool, clients[n]);
        }
        kill_server(server);
        server = start_server();
        usleep(2000); /* the pause after which a connection is looked at */
    }
    ck_assert_uint_eq(pooled_stats(pool).dropped_closed, (uint64_t)2 * CONNECTIONS);
    pooled_check(pool);
    gibson_pool_free(pool);
    end_server(server);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         .own_process = true,
         TESTS(hundred_threads_on_eight_connections_through_restarts_leave_the_pool_full,
               server_restarted_between_two_uses_is_not_seen)},
    };
    return suite_run("pool_server", 1, parts, COUNT_OF(parts));
}
