/* Clusters without servers: what their options and lists may be, and which keys move with those. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "net/fork.h"
#include "support/failing_allocator.h"
#include "support/suite.h"

enum { MOST = 3000, MOVED_KEYS = 100000 };

static gibson_cluster_server list[MOST + 1];
static char hosts[MOST + 1][40];
static gibson_cluster *cluster;
static gibson_cluster_client *client;
static size_t places[MOVED_KEYS]; /* by the number of the host, not by the index */

static void fill(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(hosts[i], sizeof hosts[i], "cache-%zu.example", i);
        list[i] = (gibson_cluster_server){.host = hosts[i]};
    }
}

static void make(size_t count)
{
    gibson_error error;
    ck_assert_msg(gibson_cluster_new(&cluster, list, count, NULL, &error) == GIBSON_OK, "%s",
                  error.message);
    ck_assert_status(gibson_cluster_client_new(&client, cluster), GIBSON_OK);
}

static void end(void)
{
    gibson_cluster_client_free(client);
    gibson_cluster_free(cluster);
}

static void set(size_t count)
{
    ck_assert_status(gibson_cluster_set_servers(cluster, list, count, NULL), GIBSON_OK);
}

static size_t place_of(int number)
{
    char key[32];
    snprintf(key, sizeof key, "user:%d", number);
    const size_t index = gibson_cluster_server_of(client, gibson_str(key));
    const char *peer = gibson_cluster_server_at(client, index, NULL, NULL);
    return strtoul(peer + strlen("cache-"), NULL, 10);
}

static void note_places(void)
{
    for (int i = 0; i < MOVED_KEYS; i++) {
        places[i] = place_of(i);
    }
}

/* How many keys are elsewhere than they were noted. */
static size_t moved(void)
{
    size_t count = 0;
    for (int i = 0; i < MOVED_KEYS; i++) {
        count += place_of(i) != places[i];
    }
    return count;
}

static size_t allowed(size_t servers)
{
    return MOVED_KEYS / servers + MOVED_KEYS / 20;
}

START_TEST(server_more_or_less_moves_at_most_its_share_and_5_percent_of_100000_keys)
{
    static const size_t counts[] = {3, 8, 30};
    const size_t count = counts[_i];
    fill(count + 1);
    make(count);
    note_places();
    set(count + 1);
    ck_assert_uint_le(moved(), allowed(count + 1));
    note_places();
    list[1] = list[count]; /* one in the middle is gone, and the last is at its place */
    set(count);
    ck_assert_uint_le(moved(), allowed(count + 1));
    end();
}
END_TEST

/* memcached-proxylibs 9: the order in which a name is resolved moves keys between servers. */
START_TEST(servers_in_another_order_have_the_same_keys)
{
    enum { COUNT = 30 };
    fill(COUNT);
    make(COUNT);
    note_places();
    for (size_t i = COUNT - 1; i > 0; i--) {
        const size_t other = suite_random() % (i + 1);
        const gibson_cluster_server kept = list[i];
        list[i] = list[other];
        list[other] = kept;
    }
    set(COUNT);
    ck_assert_uint_eq(moved(), 0);
    end();
}
END_TEST

/* A list of thousands is compared with the former, and searched for what is there twice. */
START_TEST(list_of_3000_servers_is_replaced_and_searched_for_duplicates)
{
    fill(MOST);
    make(MOST);
    const size_t before = place_of(1);
    for (int i = 0; i < 5; i++) {
        set(MOST);
        ck_assert_uint_eq(place_of(1), before);
    }
    gibson_error error;
    list[MOST] = list[7];
    list[MOST].port = GIBSON_DEFAULT_PORT;
    ck_assert_status(gibson_cluster_set_servers(cluster, list, MOST + 1, &error), GIBSON_INVALID);
    ck_assert_message_has(&error, "server 3000 is there twice: cache-7.example:10128");
    ck_assert_status(
        gibson_cluster_set_servers(cluster, list, GIBSON_MOST_CLUSTER_SERVERS + 1, &error),
        GIBSON_INVALID);
    ck_assert_message_has(&error, "1 to 65535 servers, not 65536");
    ck_assert_uint_eq(place_of(1), before);
    end();
}
END_TEST

static void refuse(const gibson_cluster_options *options, const char *word)
{
    gibson_error error;
    ck_assert_status(gibson_cluster_new(&cluster, list, 1, options, &error), GIBSON_INVALID);
    ck_assert_ptr_null(cluster);
    ck_assert_message_has(&error, word);
}

#define REFUSE(word, ...)                                                                          \
    do {                                                                                           \
        gibson_cluster_options options_;                                                           \
        gibson_cluster_options_init(&options_);                                                    \
        options_ = (gibson_cluster_options){.struct_size = sizeof options_, __VA_ARGS__};          \
        refuse(&options_, (word));                                                                 \
    } while (0)

START_TEST(option_that_makes_no_sense_is_named)
{
    gibson_options of_clients;
    gibson_options_init(&of_clients);
    of_clients.timeout_ms = -7;
    fill(1);
    REFUSE("retry_delay_ms is negative: -1", .retry_delay_ms = -1);
    REFUSE("retry_max_delay_ms is negative", .retry_max_delay_ms = -1);
    REFUSE("policy is none: 2", .policy = (gibson_cluster_policy)2);
    REFUSE("depth and separator need each other", .depth = 1);
    REFUSE("depth and separator need each other", .separator = ':');
    REFUSE("separator is a space", .separator = ' ', .depth = 1);
    REFUSE("exclude each other", .separator = ':', .depth = 1, .hash_tag = true);
    REFUSE("flush_prefix: ", .flush_prefix = "a b");
    REFUSE("flush_prefix: ", .flush_prefix = ""); /* which does not stand for all keys, nor none */
    REFUSE("timeout_ms is negative: -7", .client = &of_clients);
    refuse(&(gibson_cluster_options){0}, "gibson_cluster_options_init");
    ck_assert_status(gibson_cluster_new(NULL, list, 1, NULL, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_cluster_new(&cluster, NULL, 1, NULL, NULL), GIBSON_INVALID);
    ck_assert_status(gibson_cluster_new(&cluster, list, 0, NULL, NULL), GIBSON_INVALID);
    list[0].host = "";
    ck_assert_status(gibson_cluster_new(&cluster, list, 1, NULL, NULL), GIBSON_INVALID);
}
END_TEST

START_TEST(option_of_connections_that_is_not_used_may_be_anything)
{
    gibson_options of_clients;
    gibson_options_init(&of_clients);
    of_clients.host = of_clients.unix_socket = "";
    of_clients.reconnect_delay_ms = of_clients.reconnect_max_delay_ms = -1;
    const gibson_cluster_options options = {.struct_size = sizeof options, .client = &of_clients};
    fill(1);
    ck_assert_status(gibson_cluster_new(&cluster, list, 1, &options, NULL), GIBSON_OK);
    gibson_cluster_free(cluster);
    of_clients.struct_size = 0;
    refuse(&options, "gibson_options_init");
}
END_TEST

/* An older program knows fewer options; a newer one has more, which are not known here. */
START_TEST(options_of_another_version_are_taken_as_far_as_they_are_known)
{
    struct {
        gibson_cluster_options known;
        char more[64];
    } newer;
    gibson_cluster_options older;
    fill(2);
    gibson_cluster_options_init_sized(&newer.known, sizeof newer);
    newer.known.failure_limit = 1;
    ck_assert_status(gibson_cluster_new(&cluster, list, 2, &newer.known, NULL), GIBSON_OK);
    gibson_cluster_free(cluster);
    memset(&older, 0xff, sizeof older);
    gibson_cluster_options_init_sized(&older, offsetof(gibson_cluster_options, policy));
    ck_assert_status(gibson_cluster_new(&cluster, list, 2, &older, NULL), GIBSON_OK);
    gibson_cluster_free(cluster);
    gibson_cluster_options_init(NULL);
}
END_TEST

/* Whatever allocation fails: the call says so, nothing leaks, and all goes on. */
START_TEST(allocation_n_failing_gives_nomem_and_the_cluster_goes_on)
{
    failing_allocator failing = {0};
    gibson_options of_clients;
    gibson_cluster_options options;
    gibson_options_init(&of_clients);
    of_clients.allocator = failing_allocator_functions(&failing);
    of_clients.timeout_ms = 20000;
    gibson_cluster_options_init(&options);
    options.client = &of_clients;
    options.flush_prefix = "a";
    const gibson_cluster_server away[] = {{.unix_socket = "/nonexistent/a"},
                                          {.unix_socket = "/nonexistent/b"}};
    const gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    const gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_str("a"));
    bool is_over = false;
    for (size_t n = 1; !is_over; n++) {
        ck_assert_uint_lt(n, 100);
        failing_allocator_arm(&failing, n);
        client = NULL;
        gibson_reply reply = {.status = GIBSON_OK};
        gibson_status status = gibson_cluster_new(&cluster, away, 2, &options, NULL);
        status = status ? status : gibson_cluster_client_new(&client, cluster);
        if (status == GIBSON_OK) {
            status = gibson_cluster_call(client, &ping, &reply);
            status =
                status == GIBSON_UNREACHABLE ? gibson_cluster_call(client, &get, &reply) : status;
            ck_assert_int_eq(status, reply.status);
        }
        is_over = status == GIBSON_UNREACHABLE;
        ck_assert(is_over || status == GIBSON_NOMEM);
        if (client) { /* with memory, it works */
            failing_allocator_arm(&failing, 0);
            ck_assert_status(gibson_cluster_call(client, &ping, &reply), GIBSON_UNREACHABLE);
        }
        gibson_cluster_client_free(client);
        gibson_cluster_free(cluster);
        ck_assert_uint_eq(failing.live, 0);
    }
}
END_TEST

START_TEST(list_that_finds_no_memory_is_as_it_was)
{
    failing_allocator failing = {0};
    gibson_options of_clients;
    gibson_cluster_options options;
    gibson_options_init(&of_clients);
    of_clients.allocator = failing_allocator_functions(&failing);
    gibson_cluster_options_init(&options);
    options.client = &of_clients;
    fill(5);
    ck_assert_status(gibson_cluster_new(&cluster, list, 5, &options, NULL), GIBSON_OK);
    ck_assert_status(gibson_cluster_client_new(&client, cluster), GIBSON_OK);
    gibson_status status = GIBSON_NOMEM;
    for (size_t n = 1; status != GIBSON_OK; n++) {
        failing_allocator_arm(&failing, n);
        status = gibson_cluster_set_servers(cluster, list, 3, NULL);
        ck_assert(status == GIBSON_OK || status == GIBSON_NOMEM);
        failing_allocator_arm(&failing, 0);
        ck_assert_uint_eq(gibson_cluster_servers_of(client, gibson_str("a"), NULL, 0),
                          status == GIBSON_OK ? 3 : 5);
    }
    size_t indexes[3] = {9, 9, 9};
    ck_assert_uint_eq(gibson_cluster_servers_of(client, gibson_str("a"), indexes, 2), 3);
    ck_assert(indexes[0] == 0 && indexes[1] == 1 && indexes[2] == 9);
    const gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    gibson_reply reply;
    set(4);
    failing_allocator_arm(&failing, 1);
    ck_assert_status(gibson_cluster_call(client, &ping, &reply), GIBSON_NOMEM);
    ck_assert_message_has(gibson_cluster_error(client), "list of servers");
    failing_allocator_arm(&failing, 1); /* of what follows the list */
    ck_assert_uint_eq(gibson_cluster_servers_of(client, gibson_str("a"), NULL, 0), 0);
    ck_assert_uint_eq(gibson_cluster_servers_of(client, gibson_str("a"), NULL, 0), 4);
    gibson_cluster_free(cluster); /* the client keeps it */
    ck_assert_uint_eq(gibson_cluster_servers_of(client, gibson_str("a"), NULL, 0), 4);
    gibson_cluster_client_free(client);
    ck_assert_uint_eq(failing.live, 0);
}
END_TEST

/* redis-py 234: a thread that the child does not have held the lock. */
START_TEST(lock_that_a_thread_of_the_parent_held_does_not_stop_a_child)
{
    fill(2);
    make(2);
    atomic_store(&cluster->holder, gib_fork_generation() + 1); /* as if in that thread */
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        bool is_ejected;
        const char *server = gibson_cluster_server_at(client, 0, &is_ejected, NULL);
        _exit(server && !is_ejected &&
                      gibson_cluster_set_servers(cluster, list, 1, NULL) == GIBSON_OK
                  ? 0
                  : 1);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert_msg(WIFEXITED(how) && WEXITSTATUS(how) == 0, "child: %x", (unsigned)how);
    atomic_store(&cluster->holder, 0);
    end();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {TESTS(servers_in_another_order_have_the_same_keys,
               list_of_3000_servers_is_replaced_and_searched_for_duplicates,
               option_that_makes_no_sense_is_named,
               option_of_connections_that_is_not_used_may_be_anything,
               options_of_another_version_are_taken_as_far_as_they_are_known,
               list_that_finds_no_memory_is_as_it_was,
               lock_that_a_thread_of_the_parent_held_does_not_stop_a_child)},
        {.runs = 2, TESTS(allocation_n_failing_gives_nomem_and_the_cluster_goes_on)},
        {.runs = 3,
         TESTS(server_more_or_less_moves_at_most_its_share_and_5_percent_of_100000_keys)},
    };
    return suite_run("cluster_list", 1, parts, COUNT_OF(parts));
}
