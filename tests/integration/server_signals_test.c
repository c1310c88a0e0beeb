/* What gibson-server does while it runs: reads its configuration again, lists its clients, notes
   what is slow. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "raw_client.h"
#include "support/server_program.h"
#include "support/suite.h"
#include "wire/frame.h"

static char text[1 << 20];
static pid_t server;
static int client;

/* Writes a configuration with a unix socket and a log, and what is given behind them. */
static void configure(const char *directives)
{
    char config[4096];
    snprintf(config, sizeof config, "unix_socket %s\nlogfile %s\n%s", path_of("socket"),
             path_of("log"), directives);
    write_file("config", config);
}

static void start(const char *directives)
{
    configure(directives);
    server = spawn((const char *[]){"-c", path_of("config"), NULL}, -1);
    expect_notification("READY=1");
    client = connect_unix();
}

static void stop(void)
{
    close(client);
    end_server(server);
}

static int count_in_log(const char *what)
{
    int count = 0;
    read_file(path_of("log"), text, sizeof text);
    for (const char *at = text; (at = strstr(at, what)); at += strlen(what)) {
        count++;
    }
    return count;
}

/* Reads the configuration again, which the log has to comment on. */
static void reload(const char *comment)
{
    int before = count_in_log("opened the log again");
    kill(server, SIGHUP);
    int64_t end = gib_deadline_after(gib_now_ns(), PATIENCE_MS);
    while (count_in_log("opened the log again") == before) {
        ck_assert_int_lt(gib_now_ns(), end);
    }
    ck_assert_msg(strstr(text, comment) != NULL, "'%s' is not in %s", comment, text);
}

START_TEST(reload_changes_what_can_change_and_says_what_cannot)
{
    start("max_value_size 3\nuse_poll 0\n");
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k abcd"), GIB_CODE_ERR);
    configure("max_value_size 4\nuse_poll 1\nport 1\n");
    reload("max_value_size: 4 instead of 3\n");
    ck_assert_ptr_nonnull(
        strstr(text, "use_poll: 1 instead of 0 needs a restart, and is not in force yet\n"));
    ck_assert_ptr_nonnull(strstr(text, "port: 1 instead of 10128 needs a restart"));
    ck_assert_int_eq(count_in_log(" instead of "), 3);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k abcd"), GIB_CODE_VAL);
    /* What is in force is said once, what is not each time. */
    reload("");
    ck_assert_int_eq(count_in_log("max_value_size:"), 1);
    ck_assert_int_eq(count_in_log("use_poll:"), 2);
    stop();
}
END_TEST

START_TEST(reload_takes_a_directive_back_that_is_no_longer_there)
{
    start("max_value_size 3\n");
    configure("");
    reload("max_value_size: 2M instead of 3\n");
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k abcd"), GIB_CODE_VAL);
    stop();
}
END_TEST

START_TEST(reload_of_a_configuration_that_is_not_good_changes_nothing)
{
    static const char *const cases[][2] = {
        {"max_value_size 4\nmax_key_size x\n", "config:4: max_key_size: 'x' is not a size"},
        {"max_value_size 4\nno_such_thing 1\n", "config:4: "},
        {"max_value_size 4\nmax_response_size 1K\nmax_request_size\n",
         "config:5: the value is missing"},
        {"max_value_size 2K\nmax_response_size 1K\n", "is above max_response_size (1024)"},
        {"max_value_size 4\nunix_socket_groups gibson-no-such-group\n",
         "unix_socket_groups: there is no 'gibson-no-such-group'"},
        {"max_value_size 4\nunix_socket_users 0 gibson-no-such-user 1\n",
         "unix_socket_users: there is no 'gibson-no-such-user'"},
        {"max_value_size 4\nlogfile /nonexistent/log\n", "cannot open the log /nonexistent/log"},
    };
    start("max_value_size 3\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char comment[200];
        snprintf(comment, sizeof comment, "%s", cases[i][1]);
        configure(cases[i][0]);
        ck_assert_int_eq(rename(path_of("log"), path_of("log.1")), 0);
        kill(server, SIGHUP);
        await_text(path_of("log"), "opened the log again"); /* it may have been rotated */
        await_text(path_of("log.1"), "the configuration stays as it was: ");
        await_text(path_of("log.1"), comment);
        ck_assert_int_eq(count_in_log(" instead of "), 0);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k abcd"), GIB_CODE_ERR);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k abc"), GIB_CODE_VAL);
    }
    stop();
}
END_TEST

START_TEST(reload_without_its_file_changes_nothing)
{
    start("max_value_size 3\n");
    ck_assert_int_eq(unlink(path_of("config")), 0);
    reload("the configuration stays as it was: cannot read ");
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k abcd"), GIB_CODE_ERR);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k abc"), GIB_CODE_VAL);
    stop();
}
END_TEST

/* Options of the command line win over the file, also over the one that has changed. */
START_TEST(reload_leaves_options_of_the_command_line_in_force)
{
    configure("max_value_size 5\n");
    server = spawn(
        (const char *[]){"-c", path_of("config"), "--max_value_size", "3", "--loglevel=1", NULL},
        -1);
    expect_notification("READY=1");
    client = connect_unix();
    configure("max_value_size 6\nloglevel 3\n");
    reload("");
    ck_assert_int_eq(count_in_log(" instead of "), 0);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k abcd"), GIB_CODE_ERR);
    stop();
}
END_TEST

START_TEST(reload_moves_the_log_and_its_level)
{
    start("loglevel 1\n");
    char config[512];
    snprintf(config, sizeof config, "unix_socket %s\nlogfile %s\nloglevel 0\n", path_of("socket"),
             path_of("log.1"));
    write_file("config", config);
    kill(server, SIGHUP);
    await_text(path_of("log.1"), "loglevel: 0 instead of 1\n");
    close(connect_unix());
    await_text(path_of("log.1"), " has come\n");
    stop();
}
END_TEST

static void fill(int items)
{
    char payload[1100];
    memset(payload, 'v', sizeof payload);
    for (int i = 0; i < items; i++) {
        int header = snprintf(payload, 40, "0 k:%d ", i);
        payload[header] = 'v';
        ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, (size_t)header + 1000));
        raw_reply reply = raw_read_reply(client);
        ck_assert_int_eq(reply.code, GIB_CODE_VAL);
        raw_reply_free(&reply);
    }
}

START_TEST(reload_with_less_memory_evicts_until_it_suffices)
{
    enum { ITEMS = 5000 };
    start("");
    fill(ITEMS);
    ck_assert_int_gt(raw_stat(client, "memory_used"), INT64_C(1000) * ITEMS);
    configure("max_memory 1M\n");
    reload("max_memory: 1M instead of 2G\n");
    ck_assert(raw_await_stat(client, "memory_usable", 1 << 20));
    ck_assert_int_le(raw_stat(client, "memory_used"), 1 << 20);
    ck_assert_int_gt(raw_stat(client, "total_evicted_items"), 0);
    fill(10);
    configure("max_memory 64M\n");
    reload("max_memory: 64M instead of 1M\n");
    ck_assert_int_eq(raw_stat(client, "memory_usable"), 64 << 20);
    stop();
}
END_TEST

/* Nobody has to ask for memory for that. */
START_TEST(reload_with_less_memory_evicts_what_is_unlocked_later)
{
    enum { ITEMS = 2000 };
    start("cron_period 1\n");
    fill(ITEMS);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_MLOCK, "k: -1"), ITEMS);
    configure("cron_period 1\nmax_memory 1M\n");
    reload("max_memory: 1M instead of 2G\n");
    ck_assert(raw_await_stat(client, "memory_usable", 1 << 20)); /* as far as it could */
    ck_assert_int_eq(raw_stat(client, "total_items"), ITEMS);
    ck_assert_int_gt(raw_ask_number(client, GIBSON_OP_MUNLOCK, "k:"), ITEMS / 4); /* some may go */
    int64_t end = gib_deadline_after(gib_now_ns(), PATIENCE_MS);
    while (raw_stat(client, "memory_used") > 1 << 20) {
        ck_assert_int_lt(gib_now_ns(), end);
    }
    ck_assert_int_gt(raw_stat(client, "total_items"), ITEMS / 4); /* and no more than that */
    stop();
}
END_TEST

START_TEST(reload_with_less_memory_evicts_nothing_where_that_is_not_wanted)
{
    enum { ITEMS = 2000 };
    start("eviction none\n");
    fill(ITEMS);
    configure("eviction none\nmax_memory 1M\n");
    reload("max_memory: 1M instead of 2G\n");
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 other 1"), GIB_CODE_MEM);
    ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_COUNT, "k:"), ITEMS);
    stop();
}
END_TEST

START_TEST(reload_warns_when_there_are_not_enough_descriptors)
{
    descriptor_limit = 64;
    start("max_clients 10\n");
    configure("max_clients 1000\n");
    reload("max_clients: 1000 instead of 10\n");
    ck_assert_ptr_nonnull(strstr(text, "max_clients is 1000, but there are descriptors for 32\n"));
    stop();
}
END_TEST

/* As many signals as can be sent while clients are served. */
START_TEST(reload_again_and_again_disturbs_nobody)
{
    enum { SIGNALS = 300 };
    start("");
    for (int i = 0; i < SIGNALS; i++) {
        kill(server, i % 3 ? SIGHUP : SIGUSR1);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    }
    reload("");
    stop();
}
END_TEST

START_TEST(list_of_clients_tells_who_they_are)
{
    start("loglevel 3\n");
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k abc"), GIB_CODE_VAL);
    kill(server, SIGUSR1);
    await_text(path_of("log"), "clients: 1 listed\n");
    read_file(path_of("log"), text, sizeof text);
    char who[200];
    snprintf(who, sizeof who, ": process %ld of user %ld, age ", (long)getpid(), (long)getuid());
    ck_assert_msg(strstr(text, who) != NULL, "%s", text);
    ck_assert_ptr_nonnull(strstr(text, "1 requests, 13 bytes in, 10 bytes out, 0 bytes held\n"));
    stop();
}
END_TEST

START_TEST(list_of_clients_is_bounded_and_leaves_nobody_out)
{
    enum { CLIENTS = 1000, SIGNALS = 200 };
    static int others[CLIENTS];
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    int clients = limit.rlim_max > CLIENTS + 50 ? CLIENTS : (int)limit.rlim_max - 50;
    limit.rlim_cur = (rlim_t)clients + 50;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    start("max_clients 2000\n");
    for (int i = 0; i < clients; i++) {
        others[i] = connect_unix();
    }
    ck_assert(raw_await_stat(client, "total_clients", clients + 1));
    int64_t begin_ns = gib_now_ns();
    for (int i = 0; i < SIGNALS; i++) {
        kill(server, SIGUSR1);
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    }
    char end[64];
    snprintf(end, sizeof end, "clients: %d listed\n", clients + 1);
    await_text(path_of("log"), end);
    int lists = count_in_log(" listed\n");
    ck_assert_int_le(lists, 2 + (int)((gib_now_ns() - begin_ns) / 1000000000));
    *strstr(text, end) = '\0';
    int lines = 0;
    for (const char *at = text; (at = strstr(at, ": process ")); at++) {
        lines++;
    }
    ck_assert_int_eq(lines, clients + 1);
    for (int i = 0; i < clients; i++) {
        close(others[i]);
    }
    stop();
}
END_TEST

/* The clients that are next on the list go away while it is made. */
START_TEST(list_of_clients_goes_on_when_they_go)
{
    enum { CLIENTS = 300 };
    int others[CLIENTS];
    start("");
    for (int i = 0; i < CLIENTS; i++) {
        others[i] = connect_unix();
    }
    ck_assert(raw_await_stat(client, "total_clients", CLIENTS + 1));
    kill(server, SIGUSR1);
    await_text(path_of("log"), "clients: 301\n");
    for (int i = 0; i < CLIENTS; i++) {
        close(others[i]);
    }
    await_text(path_of("log"), " listed\n");
    stop();
}
END_TEST

/* How long it takes depends on the machine, so more and more is asked for until it is slow. */
START_TEST(slow_requests_are_noted_with_their_key_and_without_their_value)
{
    start("slow_log 1\n");
    for (int items = 1000; !raw_stat(client, "total_slow_requests"); items *= 2) {
        ck_assert_int_lt(items, 1 << 22);
        for (int i = 0; i < items; i++) {
            char payload[40];
            snprintf(payload, sizeof payload, "0 sl\"\x01:%d 1", i);
            raw_send_request(client, GIBSON_OP_SET, payload, strlen(payload));
            raw_reply reply = raw_read_reply(client);
            raw_reply_free(&reply);
        }
        ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_MSET, "sl\"\x01: secret"), items);
    }
    await_text(path_of("log"), "slow: mset sl\"\\x01: took ");
    ck_assert_int_eq(count_in_log("secret"), 0);
    configure("slow_log 0\n");
    reload("slow_log: 0 instead of 1\n");
    int64_t before = raw_stat(client, "total_slow_requests");
    ck_assert_int_gt(raw_ask_number(client, GIBSON_OP_MSET, "sl x"), 0);
    ck_assert_int_eq(raw_stat(client, "total_slow_requests"), before);
    stop();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         .own_process = true,
         TESTS(reload_changes_what_can_change_and_says_what_cannot,
               reload_takes_a_directive_back_that_is_no_longer_there,
               reload_of_a_configuration_that_is_not_good_changes_nothing,
               reload_without_its_file_changes_nothing,
               reload_leaves_options_of_the_command_line_in_force,
               reload_moves_the_log_and_its_level, reload_with_less_memory_evicts_until_it_suffices,
               reload_with_less_memory_evicts_what_is_unlocked_later,
               reload_with_less_memory_evicts_nothing_where_that_is_not_wanted,
               reload_warns_when_there_are_not_enough_descriptors,
               reload_again_and_again_disturbs_nobody, list_of_clients_tells_who_they_are,
               list_of_clients_is_bounded_and_leaves_nobody_out,
               list_of_clients_goes_on_when_they_go,
               slow_requests_are_noted_with_their_key_and_without_their_value)}};
    return suite_run("server_signals", 1, parts, COUNT_OF(parts));
}
