/* The examples for threads, clusters and event loops, as they are built, against gibson-server. */
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "support/suite.h"
#include "test_server.h"

/* Paths of programs, of which each is given the unix socket of a server. */
static const char *const examples[] = {EXAMPLES};

enum { MOST_OUTPUT = 8192 }; /* each thread of an example may say what has failed */

/* Runs an example. Returns its exit code, and what it has printed. */
static int run(const char *example, const char *unix_socket, char output[MOST_OUTPUT])
{
    char command[1000];
    snprintf(command, sizeof command, "'%s' '%s' 2>&1", example, unix_socket);
    FILE *program = popen(command, "r"); /* NOLINT(cert-env33-c): the paths are quoted */
    ck_assert_ptr_nonnull(program);
    output[fread(output, 1, MOST_OUTPUT - 1, program)] = '\0';
    const int how = pclose(program);
    ck_assert(WIFEXITED(how));
    return WEXITSTATUS(how);
}

START_TEST(example_of_each_loop_stores_and_reads)
{
    test_server server;
    char output[MOST_OUTPUT];
    test_server_start(&server, TEST_UNIX, NULL);
    ck_assert_int_eq(run(examples[_i], server.unix_socket, output), 0);
    ck_assert_str_eq(output,
                     "set: Ada\nset: Charles\nset: Grace\nget: Ada\nget: Charles\nget: Grace\n");
    test_server_stop(&server);
}
END_TEST

START_TEST(example_without_a_server_fails)
{
    char output[MOST_OUTPUT];
    ck_assert_int_eq(run(examples[_i], "/nonexistent/gibson.sock", output), 1);
    ck_assert_msg(strstr(output, "/nonexistent/gibson.sock"), "%s", output);
}
END_TEST

START_TEST(example_of_the_pool_counts_what_all_threads_did)
{
    test_server server;
    char output[MOST_OUTPUT];
    test_server_start(&server, TEST_UNIX, NULL);
    ck_assert_int_eq(run(POOL, server.unix_socket, output), 0);
    ck_assert_str_eq(output, "1600 visits by 16 threads\n"
                             "over 4 or fewer connections, all of them back\n");
    test_server_stop(&server);
    ck_assert_int_eq(run(POOL, "/nonexistent/gibson.sock", output), 1);
    ck_assert_msg(strstr(output, "/nonexistent/gibson.sock"), "%s", output);
}
END_TEST

START_TEST(example_of_the_cluster_counts_what_is_on_all_and_on_one)
{
    enum { SERVERS = 3 };
    test_server servers[SERVERS];
    char sockets[SERVERS * (sizeof servers[0].unix_socket + 3)];
    char output[MOST_OUTPUT];
    size_t size = 0;
    for (int i = 0; i < SERVERS; i++) {
        test_server_start(&servers[i], TEST_UNIX, NULL);
        size += (size_t)snprintf(sockets + size, sizeof sockets - size, "%s%s", i ? "' '" : "",
                                 servers[i].unix_socket);
    }
    ck_assert_int_eq(run(CLUSTER, sockets, output), 0);
    ck_assert_str_eq(output, "user:   20 keys, on all servers\nuser:7: 1 key, on 1 server\n");
    for (int i = 0; i < SERVERS; i++) {
        test_server_stop(&servers[i]);
    }
    ck_assert_int_eq(run(CLUSTER, sockets, output), 1);
    ck_assert_msg(strstr(output, "user:0:name: "), "%s", output);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.runs = COUNT_OF(examples),
         TESTS(example_of_each_loop_stores_and_reads, example_without_a_server_fails)},
        {TESTS(example_of_the_pool_counts_what_all_threads_did,
               example_of_the_cluster_counts_what_is_on_all_and_on_one)},
    };
    return suite_run("examples", 1, parts, COUNT_OF(parts));
}
