/* A cluster that threads share, while servers fail, lists change, and processes fork. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/clustered.h"
#include "support/random.h"
#include "support/suite.h"

enum { SERVERS = 4, THREADS = 16, MANY_THREADS = 200, STACK = 256 * 1024 };

static clustered all;
static atomic_bool stop;
static atomic_int wrong;
static atomic_int right;
static atomic_int timeouts;

static void set_up(void)
{
    clustered_start(&all, SERVERS);
    atomic_store(&stop, false);
    atomic_store(&wrong, 0);
    atomic_store(&right, 0);
    atomic_store(&timeouts, 0);
}

static void tear_down(void)
{
    clustered_stop(&all);
}

static void run_threads(size_t count, void *(*work)(void *), void (*meanwhile)(void))
{
    static pthread_t threads[MANY_THREADS];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK);
    for (size_t i = 0; i < count; i++) {
        ck_assert_int_eq(pthread_create(&threads[i], &attributes, work, (void *)i), 0);
    }
    pthread_attr_destroy(&attributes);
    if (meanwhile) {
        meanwhile();
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void await_more(int more)
{
    const int before = atomic_load(&right);
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    while (atomic_load(&right) < before + more) {
        ck_assert_int_lt(suite_now_ms(), end_ms);
        usleep(1000);
    }
}

/* Sets and reads a key whose value is its name. */
static void use_key(gibson_cluster_client *client, const char *key)
{
    gibson_reply reply;
    const gibson_bytes name = gibson_str(key);
    const gibson_request set = gibson_request_value(GIBSON_OP_SET, name, name, 0);
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, name);
    (void)gibson_cluster_call(client, &set, &reply);
    const gibson_status status = gibson_cluster_call(client, &get, &reply);
    if (status == GIBSON_OK) {
        const gibson_bytes got = reply.value.bytes;
        const bool is_same = got.size == name.size && !memcmp(got.data, name.data, name.size);
        atomic_fetch_add(is_same ? &right : &wrong, 1);
    }
    atomic_fetch_add(&timeouts, status == GIBSON_TIMEOUT);
}

/* Counts what a thread has for itself, where all servers answer: never more than it has set. */
static void count_keys(gibson_cluster_client *client, size_t number, int most)
{
    char prefix[32];
    gibson_reply reply;
    snprintf(prefix, sizeof prefix, "thread:%zu:", number);
    const gibson_request count = gibson_request_key(GIBSON_OP_COUNT, gibson_str(prefix));
    const gibson_status status = gibson_cluster_call(client, &count, &reply);
    atomic_fetch_add(&wrong, status == GIBSON_OK && reply.value.number > most);
}

static void *use_until_stopped(void *argument)
{
    enum { KEYS = 50 };
    const size_t number = (size_t)argument;
    uint64_t random = suite_seed() + number;
    gibson_cluster_client *client;
    if (gibson_cluster_client_new(&client, all.cluster) != GIBSON_OK) {
        atomic_fetch_add(&wrong, 1);
        return NULL;
    }
    while (!atomic_load(&stop)) {
        char key[64];
        snprintf(key, sizeof key, "thread:%zu:%u", number, test_random_below(&random, KEYS));
        use_key(client, key);
        if (test_random_below(&random, 10) == 0) {
            /* A list may leave copies behind, and have each server twice. */
            count_keys(client, number, 2 * KEYS * SERVERS);
        }
    }
    gibson_cluster_client_free(client);
    return NULL;
}

/* ---- The list ---- */

/* A random part of the servers, behind their proxies or not, in any order. */
static size_t random_list(gibson_cluster_server *list)
{
    gibson_cluster_server every[2 * SERVERS];
    size_t left = COUNT_OF(every);
    const size_t count = 1 + suite_random() % left;
    clustered_list(&all, every);
    clustered_list_direct(&all, every + SERVERS);
    for (size_t i = 0; i < count; i++) {
        const size_t taken = suite_random() % left--;
        list[i] = every[taken];
        list[i].weight = suite_random() % 3;
        every[taken] = every[left];
    }
    return count;
}

static void replace_lists(void)
{
    for (int i = 0; i < 150; i++) {
        gibson_cluster_server list[2 * SERVERS];
        const size_t count = random_list(list);
        ck_assert_status(gibson_cluster_set_servers(all.cluster, list, count, NULL), GIBSON_OK);
        await_more(5);
    }
}

/* aws-elasticache-cluster-client-libmemcached 18: several servers are replaced at once, and memory
   is overrun. */
START_TEST(lists_replaced_under_load_give_no_wrong_value)
{
    clustered_make(&all);
    run_threads(THREADS, use_until_stopped, replace_lists);
    ck_assert_int_eq(atomic_load(&wrong), 0);
    ck_assert_int_eq(atomic_load(&timeouts), 0);
}
END_TEST

static void *set_lists(void *unused)
{
    (void)unused;
    for (int i = 0; i < 50; i++) {
        gibson_cluster_server list[SERVERS];
        clustered_list(&all, list);
        if (gibson_cluster_set_servers(all.cluster, list, 1 + (size_t)i % SERVERS, NULL)) {
            atomic_fetch_add(&wrong, 1);
        }
    }
    return NULL;
}

START_TEST(lists_may_be_set_by_several_threads)
{
    clustered_make(&all);
    run_threads(4, set_lists, NULL);
    ck_assert_int_eq(atomic_load(&wrong), 0);
    (void)clustered_call(&all, gibson_request_bare(GIBSON_OP_PING), GIBSON_OK);
}
END_TEST

/* ---- Failures ---- */

static void flap(void)
{
    for (int i = 0; i < 40; i++) {
        const size_t index = suite_random() % SERVERS;
        clustered_break(&all, index, i % 2 ? GIBP_FAULT_CUT : GIBP_FAULT_RESET);
        await_more(20);
        clustered_heal(&all, index);
        await_more(20);
    }
}

START_TEST(servers_that_flap_under_load_give_no_wrong_value)
{
    char text[64];
    all.options.policy = _i ? GIBSON_CLUSTER_REHASH : GIBSON_CLUSTER_FAIL_FAST;
    all.options.retry_delay_ms = all.options.retry_max_delay_ms = 1;
    all.options.flush_prefix = _i ? "thread:" : NULL;
    clustered_make(&all);
    run_threads(THREADS, use_until_stopped, flap);
    ck_assert_int_eq(atomic_load(&wrong), 0);
    for (size_t i = 0; i < SERVERS; i++) { /* all are put back */
        (void)clustered_await(all.client, clustered_key(&all, i, "thread", 0, text));
        ck_assert(!clustered_is_ejected(all.client, i));
    }
}
END_TEST

static void *ask_healthy_and_dead(void *argument)
{
    enum { CALLS = 8 };
    gibson_cluster_client *client;
    (void)gibson_cluster_client_new(&client, all.cluster);
    for (unsigned i = 0; i < CALLS * SERVERS; i++) {
        char key[64];
        gibson_reply reply;
        snprintf(key, sizeof key, "stall:%zu:%u", (size_t)argument, i);
        const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str(key));
        const bool is_dead = gibson_cluster_server_of(client, gibson_str(key)) == 1;
        const gibson_status status = gibson_cluster_call(client, &get, &reply);
        const bool is_right = is_dead ? status == GIBSON_TIMEOUT || status == GIBSON_UNREACHABLE
                                      : status == GIBSON_NOT_FOUND;
        atomic_fetch_add(is_right ? &right : &wrong, 1);
        atomic_fetch_add(&timeouts, status == GIBSON_TIMEOUT);
    }
    gibson_cluster_client_free(client);
    return NULL;
}

/* redis-py 4074: one dead server stalls 200 threads. Here each waits for it once at the most. */
START_TEST(dead_server_makes_two_hundred_threads_wait_once_at_the_most)
{
    all.of_clients.timeout_ms = 3000;
    clustered_make(&all);
    clustered_break(&all, 1, GIBP_FAULT_BLACK_HOLE);
    run_threads(MANY_THREADS, ask_healthy_and_dead, NULL);
    ck_assert_int_eq(atomic_load(&wrong), 0);
    ck_assert_int_ge(atomic_load(&timeouts), 2);
    ck_assert_int_le(atomic_load(&timeouts), MANY_THREADS + 1);
    ck_assert_uint_le(gibp_proxy_count(all.proxies[1]).accepted, MANY_THREADS + 1);
}
END_TEST

static void *ask_dead_until_stopped(void *argument)
{
    char text[64];
    gibson_cluster_client *client;
    (void)argument;
    (void)gibson_cluster_client_new(&client, all.cluster);
    clustered view = {.client = client};
    const gibson_request get =
        gibson_request_key(GIBSON_OP_GET, clustered_key(&view, 1, "probe", 0, text));
    while (!atomic_load(&stop)) {
        gibson_reply reply;
        const gibson_status status = gibson_cluster_call(client, &get, &reply);
        atomic_fetch_add(&timeouts, status == GIBSON_TIMEOUT);
        atomic_fetch_add(&right, 1);
    }
    gibson_cluster_client_free(client);
    return NULL;
}

static void await_probes(void)
{
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    while (atomic_load(&timeouts) < 5) {
        ck_assert_int_lt(suite_now_ms(), end_ms);
        usleep(1000);
    }
}

/* redis-py 4049: all ask the server that is to come back. Here one does, for as long as it takes.
 */
START_TEST(server_that_is_ejected_is_probed_by_one_thread_at_a_time)
{
    enum { TIMEOUT_MS = 100 };
    all.of_clients.timeout_ms = TIMEOUT_MS;
    all.options.retry_delay_ms = all.options.retry_max_delay_ms = 1;
    clustered_make(&all);
    clustered_break(&all, 1, GIBP_FAULT_BLACK_HOLE);
    clustered_eject(&all, 1);
    const int64_t begin_ms = suite_now_ms();
    run_threads(THREADS, ask_dead_until_stopped, await_probes);
    const int64_t most = (suite_now_ms() - begin_ms) / TIMEOUT_MS + 1;
    ck_assert_int_le(atomic_load(&timeouts), most);
    ck_assert_int_gt(atomic_load(&right), 100); /* the others did not wait */
}
END_TEST

/* ---- Processes ---- */

/* What a child does: it has its own connections, and what threads of the parent held does not
   matter. Returns the exit status. */
static int use_in_child(void)
{
    gibson_cluster_client *client;
    if (gibson_cluster_client_new(&client, all.cluster) != GIBSON_OK) {
        return 1;
    }
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str("none"));
    gibson_reply reply;
    for (int i = 0; i < 20; i++) {
        const gibson_status status = gibson_cluster_call(client, &get, &reply);
        if (status != GIBSON_NOT_FOUND && status != GIBSON_UNREACHABLE && status != GIBSON_CLOSED) {
            return 2;
        }
    }
    gibson_cluster_server list[SERVERS];
    clustered_list_direct(&all, list);
    if (gibson_cluster_set_servers(all.cluster, list, SERVERS, NULL) != GIBSON_OK) {
        return 3;
    }
    if (gibson_cluster_call(client, &get, &reply) != GIBSON_NOT_FOUND) {
        return 4;
    }
    gibson_cluster_client_free(client);
    return 0;
}

static void fork_often(void)
{
    for (int i = 0; i < 40; i++) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(60);
            _exit(use_in_child());
        }
        int how;
        ck_assert_int_eq(waitpid(child, &how, 0), child);
        ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "child: %x", (unsigned)how);
        await_more(5);
    }
}

/* redis-py 234 and 863: the lock of a cluster is held by a thread that a child does not have, or a
   server is being probed by one. */
START_TEST(child_goes_on_with_a_cluster_whatever_threads_of_its_parent_were_doing)
{
    all.options.retry_delay_ms = all.options.retry_max_delay_ms = 1;
    clustered_make(&all);
    clustered_break(&all, 1, GIBP_FAULT_CUT); /* so that the lock is needed all the time */
    run_threads(4, use_until_stopped, fork_often);
    ck_assert_int_eq(atomic_load(&wrong), 0);
}
END_TEST

/* Asks a server that nobody else probes in this process. Returns the exit status. */
static int probe_in_child(void)
{
    char text[64];
    gibson_cluster_client *client;
    if (gibson_cluster_client_new(&client, all.cluster) != GIBSON_OK) {
        return 1;
    }
    clustered view = {.client = client};
    const gibson_request get =
        gibson_request_key(GIBSON_OP_GET, clustered_key(&view, 1, "probe", 0, text));
    const int64_t end_ms = suite_now_ms() + CLUSTERED_PATIENCE_MS;
    gibson_reply reply;
    while (gibson_cluster_call(client, &get, &reply) == GIBSON_UNREACHABLE) {
        if (suite_now_ms() > end_ms) {
            return 2;
        }
    }
    return reply.status == GIBSON_TIMEOUT ? 0 : 3;
}

static bool is_probed(const gibp_proxy_counters *counters, void *before)
{
    return counters->accepted > *(const uint64_t *)before;
}

static void fork_in_a_probe(void)
{
    for (int i = 0; i < 3; i++) {
        uint64_t before = gibp_proxy_count(all.proxies[1]).accepted;
        ck_assert(gibp_proxy_await(all.proxies[1], is_probed, &before, CLUSTERED_PATIENCE_MS));
        const pid_t child = fork();
        if (child == 0) {
            _exit(probe_in_child());
        }
        int how;
        ck_assert_int_eq(waitpid(child, &how, 0), child);
        ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "child: %x", (unsigned)how);
    }
}

/* What a thread of the parent is finding out, nobody does in the child. */
START_TEST(child_probes_a_server_that_its_parent_was_probing)
{
    all.of_clients.timeout_ms = 300;
    all.options.retry_delay_ms = all.options.retry_max_delay_ms = 1;
    clustered_make(&all);
    clustered_break(&all, 1, GIBP_FAULT_BLACK_HOLE);
    clustered_eject(&all, 1);
    run_threads(1, ask_dead_until_stopped, fork_in_a_probe);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(lists_replaced_under_load_give_no_wrong_value, lists_may_be_set_by_several_threads,
               dead_server_makes_two_hundred_threads_wait_once_at_the_most,
               server_that_is_ejected_is_probed_by_one_thread_at_a_time,
               child_goes_on_with_a_cluster_whatever_threads_of_its_parent_were_doing,
               child_probes_a_server_that_its_parent_was_probing)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 2,
         TESTS(servers_that_flap_under_load_give_no_wrong_value)},
    };
    return suite_run("cluster_threads", 1, parts, COUNT_OF(parts));
}
