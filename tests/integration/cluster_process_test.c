/* A cluster of processes of gibson-server that are killed, stopped and started again. */
#include <gibson/cluster.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server_program.h"
#include "support/suite.h"

enum { SERVERS = 3, FIRST_CALLS = 100, KEYS = 30 };

static char sockets[SERVERS][100];
static pid_t servers[SERVERS];
static gibson_options of_clients;
static gibson_cluster_options options;
static gibson_cluster *cluster;
static gibson_cluster_client *client;
static atomic_bool stop;
static atomic_int wrong;
static atomic_int right;

static void start(int i)
{
    const char *const arguments[] = {"--unix_socket", sockets[i], "--loglevel", "2", NULL};
    servers[i] = spawn(arguments, -1);
    expect_notification("READY=1");
}

static void kill_server(int i)
{
    ck_assert_int_eq(kill(servers[i], SIGKILL), 0);
    ck_assert_int_eq(waitpid(servers[i], NULL, 0), servers[i]);
    (void)unlink(sockets[i]);
}

/* Stops it in whatever it does: only once it has stopped does it answer nothing more. */
static void stop_server(int i)
{
    int how;
    ck_assert_int_eq(kill(servers[i], SIGSTOP), 0);
    ck_assert_int_eq(waitpid(servers[i], &how, WUNTRACED), servers[i]);
    ck_assert(WIFSTOPPED(how));
}

static void start_all(void)
{
    for (int i = 0; i < SERVERS; i++) {
        start(i);
    }
}

static void end_all(void)
{
    gibson_cluster_client_free(client);
    gibson_cluster_free(cluster);
    for (int i = 0; i < SERVERS; i++) {
        end_server(servers[i]);
    }
}

static void prepare(void)
{
    gibson_options_init(&of_clients);
    of_clients.timeout_ms = 5000;
    gibson_cluster_options_init(&options);
    options.client = &of_clients;
    options.failure_limit = 2;
    options.retry_delay_ms = options.retry_max_delay_ms = 1;
    for (int i = 0; i < SERVERS; i++) {
        char name[16];
        snprintf(name, sizeof name, "s%d", i);
        snprintf(sockets[i], sizeof sockets[i], "%s", path_of(name));
    }
}

static void make(void)
{
    gibson_cluster_server list[SERVERS];
    for (int i = 0; i < SERVERS; i++) {
        list[i] = (gibson_cluster_server){.unix_socket = sockets[i]};
    }
    ck_assert_status(gibson_cluster_new(&cluster, list, SERVERS, &options, NULL), GIBSON_OK);
    ck_assert_status(gibson_cluster_client_new(&client, cluster), GIBSON_OK);
}

static gibson_bytes key_of(int i)
{
    static char text[32];
    snprintf(text, sizeof text, "key:%d", i);
    return gibson_str(text);
}

static gibson_status set(int i)
{
    gibson_reply reply;
    const gibson_request request = gibson_request_value(GIBSON_OP_SET, key_of(i), key_of(i), 0);
    return gibson_cluster_call(client, &request, &reply);
}

static void set_all(void)
{
    for (int i = 0; i < KEYS; i++) {
        gibson_status status;
        do { /* a busy machine may let a short time pass */
            status = set(i);
        } while (status == GIBSON_TIMEOUT);
        ck_assert_status(status, GIBSON_OK);
    }
}

/* What is read is what was set. */
static gibson_status get(int i)
{
    gibson_reply reply;
    const gibson_bytes key = key_of(i);
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, key);
    const gibson_status status = gibson_cluster_call(client, &request, &reply);
    if (status == GIBSON_OK) {
        ck_assert_uint_eq(reply.value.bytes.size, key.size);
        ck_assert_mem_eq(reply.value.bytes.data, key.data, key.size);
    }
    return status;
}

static int key_on(size_t server)
{
    int i = 0;
    while (gibson_cluster_server_of(client, key_of(i)) != server) {
        i++;
    }
    return i;
}

/* Sets a key until the server that has it by the ring has taken it. */
static void await_server(int key)
{
    const size_t index = gibson_cluster_server_of(client, key_of(key));
    const char *server = gibson_cluster_server_at(client, index, NULL, NULL);
    const int64_t end_ms = suite_now_ms() + PATIENCE_MS;
    while (set(key) != GIBSON_OK ||
           strcmp(gibson_cluster_answers(client, NULL)[0].server, server) != 0) {
        ck_assert_int_lt(suite_now_ms(), end_ms);
    }
}

/* pylibmc 80 and 214, pymemcache 275: a server that was killed is asked for ever, or never again.
 */
START_TEST(killed_server_is_ejected_and_put_back_after_it_is_started_again)
{
    prepare();
    options.policy = _i ? GIBSON_CLUSTER_REHASH : GIBSON_CLUSTER_FAIL_FAST;
    start_all();
    make();
    set_all();
    const int key = key_on(1);
    for (int round = 0; round < 3; round++) {
        bool is_ejected = false;
        kill_server(1);
        for (int i = 0; !is_ejected; i++) {
            ck_assert_int_lt(i, 3);
            ck_assert_status(set(key), GIBSON_UNREACHABLE);
            (void)gibson_cluster_server_at(client, 1, &is_ejected, NULL);
        }
        gibson_status status;
        do { /* one call in a while is a probe, and fails */
            status = set(key);
        } while (_i && status == GIBSON_UNREACHABLE);
        ck_assert_status(status, _i ? GIBSON_OK : GIBSON_UNREACHABLE);
        for (int i = 0; i < KEYS; i++) { /* of the others nothing moves */
            ck_assert(gibson_cluster_server_of(client, key_of(i)) == 1 || get(i) == GIBSON_OK);
        }
        start(1);
        await_server(key);
        ck_assert_status(get(key), GIBSON_OK);
    }
    end_all();
}
END_TEST

static void *first_call(void *unused)
{
    (void)unused;
    gibson_cluster_client *own;
    gibson_reply reply;
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    if (gibson_cluster_client_new(&own, cluster) == GIBSON_OK &&
        gibson_cluster_call(own, &get, &reply) == GIBSON_UNREACHABLE) {
        atomic_fetch_add(&right, 1);
    }
    gibson_cluster_client_free(own);
    return NULL;
}

/* coredis 106: first calls race. valkey-py 327: once all servers were down, none is known any more,
   and only a restart of the program helps. */
START_TEST(cluster_whose_servers_are_all_down_heals_itself)
{
    pthread_t threads[FIRST_CALLS];
    prepare();
    options.policy = _i ? GIBSON_CLUSTER_REHASH : GIBSON_CLUSTER_FAIL_FAST;
    make();
    for (int i = 0; i < FIRST_CALLS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, first_call, NULL), 0);
    }
    for (int i = 0; i < FIRST_CALLS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&right), FIRST_CALLS);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3 * KEYS; i++) {
            ck_assert_status(set(i), GIBSON_UNREACHABLE);
        }
        start_all();
        for (size_t i = 0; i < SERVERS; i++) {
            await_server(key_on(i));
        }
        set_all();
        for (int i = 0; i < SERVERS && round == 0; i++) {
            kill_server(i);
        }
    }
    end_all();
}
END_TEST

/* Each failure that counts is an attempt: connections have no delays of their own. */
START_TEST(server_that_is_not_ejected_is_asked_by_each_request)
{
    prepare();
    of_clients.reconnect_delay_ms = of_clients.reconnect_max_delay_ms = 60000;
    options.failure_limit = 100;
    make();
    for (int i = 0; i < KEYS; i++) {
        ck_assert_status(set(i), GIBSON_UNREACHABLE);
    }
    start_all();
    set_all();
    end_all();
}
END_TEST

/* ---- Stopped in the middle of something ---- */

static void *use_until_stopped(void *argument)
{
    gibson_cluster_client *own;
    const size_t thread = (size_t)argument;
    (void)gibson_cluster_client_new(&own, cluster);
    for (unsigned i = 0; !atomic_load(&stop); i++) {
        char text[32];
        snprintf(text, sizeof text, "thread:%zu:%u", thread, i % 50);
        const gibson_bytes key = gibson_str(text);
        const gibson_request requests[] = {gibson_request_value(GIBSON_OP_SET, key, key, 0),
                                           gibson_request_key(GIBSON_OP_GET, key)};
        gibson_reply reply;
        (void)gibson_cluster_call(own, &requests[0], &reply);
        const gibson_status status = gibson_cluster_call(own, &requests[1], &reply);
        const gibson_bytes got = reply.value.bytes;
        const bool is_right = status == GIBSON_OK
                                  ? got.size == key.size && !memcmp(got.data, key.data, key.size)
                                  : status == GIBSON_TIMEOUT || status == GIBSON_UNREACHABLE ||
                                        status == GIBSON_NOT_FOUND; /* its SET had no answer */
        atomic_fetch_add(is_right ? &right : &wrong, 1);
    }
    gibson_cluster_client_free(own);
    return NULL;
}

static void await_more(int more)
{
    const int before = atomic_load(&right);
    while (atomic_load(&right) < before + more) {
        usleep(1000);
    }
}

/* libmemcached 50, hiredis 306: the late reply is read. */
START_TEST(server_stopped_in_mid_operation_gives_no_wrong_value_and_goes_on)
{
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    prepare();
    of_clients.timeout_ms = 200;
    start_all();
    make();
    for (size_t i = 0; i < THREADS; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], NULL, use_until_stopped, (void *)i), 0);
    }
    for (int round = 0; round < 5; round++) {
        await_more(50);
        stop_server(round % SERVERS);
        bool is_ejected = false;
        while (!is_ejected) {
            await_more(1);
            (void)gibson_cluster_server_at(client, (size_t)round % SERVERS, &is_ejected, NULL);
        }
        ck_assert_int_eq(kill(servers[round % SERVERS], SIGCONT), 0);
        await_server(key_on((size_t)round % SERVERS));
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    ck_assert_int_eq(atomic_load(&wrong), 0);
    end_all();
}
END_TEST

START_TEST(server_that_is_stopped_is_named_by_a_request_to_all)
{
    prepare();
    of_clients.timeout_ms = 200;
    options.failure_limit = 1000;
    start_all();
    make();
    set_all();
    stop_server(2);
    gibson_reply reply;
    const gibson_request count = gibson_request_key(GIBSON_OP_COUNT, gibson_str("key:"));
    ck_assert_status(gibson_cluster_call(client, &count, &reply), GIBSON_TIMEOUT);
    ck_assert_int_eq(reply.value.kind, GIBSON_KIND_NONE);
    const gibson_cluster_answer *answers = gibson_cluster_answers(client, NULL);
    ck_assert_status(answers[0].status, GIBSON_OK);
    ck_assert_status(answers[1].status, GIBSON_OK);
    ck_assert_status(answers[2].status, GIBSON_TIMEOUT);
    ck_assert_message_has(gibson_cluster_error(client), sockets[2]);
    ck_assert_int_eq(kill(servers[2], SIGCONT), 0);
    while (gibson_cluster_call(client, &count, &reply) != GIBSON_OK) {
        ck_assert_status(reply.status, GIBSON_TIMEOUT);
    }
    ck_assert_int_eq(reply.value.number, KEYS);
    end_all();
}
END_TEST

static pid_t forked; /* 0 in the child, -1 before there is one */

static int fork_once(void *context)
{
    (void)context;
    if (forked < 0) {
        forked = fork();
    }
    return forked > 0; /* ends the call of the parent */
}

/* What a child finds under way is its parent's, and tells nothing of the server. The last asks each
   server first what time it keeps. */
START_TEST(child_that_is_forked_within_a_call_ejects_nobody)
{
    prepare();
    options.failure_limit = 1;
    options.retry_delay_ms = options.retry_max_delay_ms = 60000;
    of_clients.interrupt = fork_once;
    start_all();
    forked = 0;
    make();
    set_all();
    stop_server(0);
    forked = -1;
    gibson_reply reply;
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, key_of(key_on(0)));
    const gibson_request count = gibson_request_key(GIBSON_OP_COUNT, gibson_str("key:"));
    const gibson_request mttl =
        gibson_request_key_number(GIBSON_OP_MTTL, gibson_str("key:"), 100000);
    const gibson_request *const requests[] = {&get, &count, &mttl};
    const gibson_status status = gibson_cluster_call(client, requests[_i], &reply);
    if (!forked) {
        bool is_ejected = true;
        (void)gibson_cluster_server_at(client, 0, &is_ejected, NULL);
        (void)kill(servers[0], SIGCONT);
        const bool goes_on = gibson_cluster_call(client, &count, &reply) == GIBSON_OK;
        _exit(status == GIBSON_CLOSED && !is_ejected && goes_on ? 0 : 1);
    }
    ck_assert_status(status, GIBSON_INTERRUPTED);
    int how;
    ck_assert_int_eq(waitpid(forked, &how, 0), forked);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    ck_assert_int_eq(kill(servers[0], SIGCONT), 0);
    end_all();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 2,
         .own_process = true,
         TESTS(killed_server_is_ejected_and_put_back_after_it_is_started_again,
               cluster_whose_servers_are_all_down_heals_itself)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 3,
         .own_process = true,
         TESTS(child_that_is_forked_within_a_call_ejects_nobody)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .own_process = true,
         TESTS(server_that_is_not_ejected_is_asked_by_each_request,
               server_stopped_in_mid_operation_gives_no_wrong_value_and_goes_on,
               server_that_is_stopped_is_named_by_a_request_to_all)},
    };
    return suite_run("cluster_process", 1, parts, COUNT_OF(parts));
}
