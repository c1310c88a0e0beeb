/* Where a server listens, and who may connect. */
#include <arpa/inet.h>
#include <grp.h>
#include <netinet/in.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gibson/command.h>

#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "wire/frame.h"

enum { SOMEBODY = 61234, SOME_GROUP = 61235, OTHER_GROUP = 61236 };

static test_server server;
static gibson_error error;

/* Connects on TCP to 127.0.0.`last`. -1 where nobody listens. */
static int connect_tcp(uint32_t last)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(gibson_server_port(server.server))};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(0x7f000000 | last);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(descriptor, (struct sockaddr *)&address, sizeof address)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

/* Tells whether a client is served; else it is closed. */
static bool is_served(int descriptor)
{
    int code = raw_ask_code(descriptor, GIBSON_OP_PING, "");
    close(descriptor);
    return code == GIB_CODE_OK;
}

START_TEST(server_listens_on_a_unix_socket_and_tcp_together)
{
    test_server_start(&server, TEST_UNIX, (const char *[]){"port", "0", NULL});
    ck_assert_uint_ne(gibson_server_port(server.server), 0);
    int client = connect_tcp(1);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 k v"), GIB_CODE_VAL);
    close(client);
    client = connect_unix(server.unix_socket);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_GET, "k"), GIB_CODE_VAL);
    close(client);
    test_server_stop(&server);
}
END_TEST

START_TEST(server_listens_on_a_unix_socket_alone_where_tcp_is_not_asked_for)
{
    test_server_start(&server, TEST_UNIX, NULL);
    ck_assert_uint_eq(gibson_server_port(server.server), 0);
    test_server_stop(&server);
    test_server_start(&server, TEST_UNIX, (const char *[]){"port", "0", "compat", "1", NULL});
    ck_assert_uint_eq(gibson_server_port(server.server), 0);
    ck_assert(is_served(connect_unix(server.unix_socket)));
    test_server_stop(&server);
}
END_TEST

START_TEST(server_listens_on_several_addresses)
{
    test_server_start(&server, TEST_TCP,
                      (const char *[]){"address", " 127.0.0.2\t127.0.0.3 ", NULL});
    ck_assert(is_served(connect_tcp(2)));
    ck_assert(is_served(connect_tcp(3)));
    ck_assert_int_eq(connect_tcp(4), -1);
    test_server_stop(&server);
}
END_TEST

static bool has_ipv6(void)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool works = descriptor >= 0 && !bind(descriptor, (struct sockaddr *)&address, sizeof address);
    close(descriptor);
    return works;
}

/* Each has a socket of its own: on Linux one for :: alone stands for both. */
START_TEST(server_listens_on_all_addresses_of_both_kinds)
{
    test_server_start(&server, TEST_TCP, (const char *[]){"address", ":: 0.0.0.0", NULL});
    struct sockaddr_in6 address = {.sin6_family = AF_INET6,
                                   .sin6_addr = IN6ADDR_LOOPBACK_INIT,
                                   .sin6_port = htons(gibson_server_port(server.server))};
    int descriptor = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert(is_served(descriptor));
    ck_assert(is_served(connect_tcp(1)));
    test_server_stop(&server);
}
END_TEST

static gibson_server_config *config;

static void set(const char *name, const char *value)
{
    ck_assert_int_eq(gibson_server_config_set(config, name, value, &error), GIBSON_OK);
}

static void begin_config(void)
{
    ck_assert_int_eq(gibson_server_config_new(&config), GIBSON_OK);
    set("loglevel", "3");
    set("logfile", "/dev/stderr");
    set("port", "0");
}

static void expect_no_start(gibson_status status, const char *message)
{
    gibson_server *none;
    ck_assert_int_eq(gibson_server_start(&none, config, &error), status);
    ck_assert_msg(strstr(error.message, message) != NULL, "%s", error.message);
    ck_assert_ptr_null(none);
}

/* Where one of its sockets cannot be had, the others are not left behind. */
START_TEST(server_that_cannot_listen_everywhere_does_not_start)
{
    char directory[] = "/tmp/gibson-listeners-XXXXXX";
    char path[64];
    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(path, sizeof path, "%s/socket", directory);
    begin_config();
    set("unix_socket", path);
    set("address", "127.0.0.1 127.0.0.1"); /* the second cannot have the port of the first */
    expect_no_start(GIBSON_SYSTEM, "cannot listen on 127.0.0.1 port ");
    ck_assert_int_eq(rmdir(directory), 0);
    gibson_server_config_free(config);
}
END_TEST

START_TEST(server_with_too_many_or_no_addresses_does_not_start)
{
    begin_config();
    set("address", " \t ");
    expect_no_start(GIBSON_INVALID, "address: there is none");
    set("address", "::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1 ::1");
    expect_no_start(GIBSON_INVALID, "address: more than 16 sockets to listen on");
    gibson_server_config_free(config);
}
END_TEST

START_TEST(server_takes_sockets_that_it_is_given)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    begin_config();
    ck_assert_int_eq(gibson_server_config_add_socket(config, descriptor, NULL), GIBSON_OK);
    expect_no_start(GIBSON_INVALID, "is no stream socket that listens");
    ck_assert_int_eq(listen(descriptor, 5), 0);
    ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&address, &size), 0);
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(gibson_server_start(&server.server, config, &error), GIBSON_OK);
        ck_assert_uint_eq(gibson_server_port(server.server), ntohs(address.sin_port));
        ck_assert(is_served(connect_tcp(1)));
        gibson_server_stop(server.server); /* and the socket still listens */
    }
    close(descriptor);
    for (int i = 1; i < 16; i++) {
        ck_assert_int_eq(gibson_server_config_add_socket(config, descriptor, NULL), GIBSON_OK);
    }
    ck_assert_int_eq(gibson_server_config_add_socket(config, descriptor, &error), GIBSON_INVALID);
    ck_assert_str_eq(error.message, "more than 16 sockets to listen on");
    expect_no_start(GIBSON_INVALID, "is no stream socket that listens"); /* it is closed */
    gibson_server_config_free(config);
}
END_TEST

/* A client as another user, which only root can be: its first group, and a further one. */
typedef struct person {
    uid_t user;
    gid_t group;
    gid_t further_group;
} person;

static const person somebody = {SOMEBODY, SOME_GROUP, OTHER_GROUP};

static bool is_served_as(const person *who)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(1, &who->further_group) || setgid(who->group) || setuid(who->user)) {
            _exit(2);
        }
        _exit(is_served(connect_unix(server.unix_socket)) ? 0 : 1);
    }
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    ck_assert_int_ne(WEXITSTATUS(status), 2);
    return WEXITSTATUS(status) == 0;
}

/* All may come to the socket, so that the lists alone decide. */
static void start_for(const char *users, const char *groups)
{
    test_server_start(&server, TEST_UNIX,
                      (const char *[]){"unix_socket_users", users, "unix_socket_groups", groups,
                                       "unix_socket_mode", "777", "port", "0", NULL});
    if (getuid() == 0) {
        ck_assert_int_eq(chmod(server.directory, 0711), 0);
    }
}

static const char *own_id(long id)
{
    static char text[32];
    snprintf(text, sizeof text, "%ld", id);
    return text;
}

START_TEST(users_that_are_listed_may_connect)
{
    start_for(own_id((long)getuid()), "");
    ck_assert(is_served(connect_unix(server.unix_socket)));
    test_server_stop(&server);
    start_for("4294967294", "");
    for (int i = 0; i < 20; i++) {
        ck_assert(!is_served(connect_unix(server.unix_socket)));
    }
    int client = connect_tcp(1); /* the list does not hold there */
    ck_assert_int_eq(raw_stat(client, "total_refused_clients"), 20);
    ck_assert_int_eq(raw_stat(client, "total_clients"), 1);
    close(client);
    test_server_stop(&server);
}
END_TEST

START_TEST(users_and_groups_have_names)
{
    const struct passwd *user = getpwuid(getuid());  /* NOLINT(concurrency-mt-unsafe) */
    const struct group *group = getgrgid(getegid()); /* NOLINT(concurrency-mt-unsafe) */
    ck_assert_ptr_nonnull(user);
    ck_assert_ptr_nonnull(group);
    char list[200];
    snprintf(list, sizeof list, "4294967294 %s", user->pw_name);
    start_for(list, "");
    ck_assert(is_served(connect_unix(server.unix_socket)));
    test_server_stop(&server);
    snprintf(list, sizeof list, "%s 4294967294", group->gr_name);
    start_for("", list);
    ck_assert(is_served(connect_unix(server.unix_socket)));
    test_server_stop(&server);
}
END_TEST

START_TEST(groups_count_with_all_their_members)
{
    static const struct {
        const char *users, *groups;
        bool serves;
    } cases[] = {
        {"", "", true},         {"61234", "", true},          {"61235", "", false},
        {"", "61234", false},   {"", "61235", true},          {"", "61236", true},
        {"0 1", "61236", true}, {"0 61234 1", "0", true},     {"0 1", "2 3 4", false},
        {"65534", "", false},   {" \t ", "\t 61235\t", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        start_for(cases[i].users, cases[i].groups);
        ck_assert_int_eq(is_served_as(&somebody), cases[i].serves);
        test_server_stop(&server);
    }
}
END_TEST

/* More groups than are asked for at first. */
START_TEST(groups_count_for_who_is_in_very_many)
{
    enum { GROUPS = 200 };
    gid_t many[GROUPS];
    for (gid_t i = 0; i < GROUPS; i++) {
        many[i] = 50000 + i;
    }
    ck_assert_int_eq(setgroups(GROUPS, many), 0);
    start_for("", "50199");
    ck_assert(is_served(connect_unix(server.unix_socket)));
    test_server_stop(&server);
    start_for("", "50200");
    ck_assert(!is_served(connect_unix(server.unix_socket)));
    test_server_stop(&server);
}
END_TEST

START_TEST(users_and_groups_that_do_not_exist_are_refused)
{
    static const struct {
        const char *directive, *value, *message;
    } cases[] = {
        {"unix_socket_users", "gibson-nobody", "unix_socket_users: there is no 'gibson-nobody'"},
        {"unix_socket_groups", "0 gibson-none", "unix_socket_groups: there is no 'gibson-none'"},
        {"unix_socket_users", "4294967295", "unix_socket_users: there is no '4294967295'"},
        {"unix_socket_users", "-1", "unix_socket_users: there is no '-1'"},
        {"unix_socket_users", "99999999999999999999", "there is no '99999999999999999999'"},
        {"unix_socket_groups", "0x10", "unix_socket_groups: there is no '0x10'"},
        {"unix_socket_groups", "1,2", "unix_socket_groups: there is no '1,2'"},
        {"unix_socket_users", "%s%n", "unix_socket_users: there is no '%s%n'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        begin_config();
        set(cases[i].directive, cases[i].value);
        expect_no_start(GIBSON_INVALID, cases[i].message);
        gibson_server_config_free(config);
    }
}
END_TEST

START_TEST(users_with_very_long_names_and_lists_are_no_harm)
{
    enum { NAMES = 5000 };
    static char list[NAMES * 6 + 1];
    begin_config();
    memset(list, 'x', 1000);
    set("unix_socket_users", list);
    expect_no_start(GIBSON_INVALID, "unix_socket_users: there is no 'xxxxxxxx");
    gibson_server_config_free(config);
    for (int i = 0; i < NAMES; i++) {
        snprintf(list + (size_t)i * 6, 7, "%5d ", i + 70000);
    }
    start_for(list, "");
    ck_assert(!is_served(connect_unix(server.unix_socket)));
    test_server_stop(&server);
}
END_TEST

/* Who is there stays, who comes is judged by the new list. */
START_TEST(reload_of_the_lists_holds_for_who_comes)
{
    start_for("", "");
    int client = connect_unix(server.unix_socket);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    begin_config();
    set("unix_socket_users", "4294967294");
    ck_assert_int_eq(gibson_server_reload(server.server, config, &error), GIBSON_OK);
    ck_assert(!is_served(connect_unix(server.unix_socket)));
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    set("unix_socket_users", "4294967294 gibson-nobody");
    ck_assert_int_eq(gibson_server_reload(server.server, config, &error), GIBSON_INVALID);
    ck_assert(!is_served(connect_unix(server.unix_socket)));
    set("unix_socket_users", "");
    ck_assert_int_eq(gibson_server_reload(server.server, config, &error), GIBSON_OK);
    ck_assert(is_served(connect_unix(server.unix_socket)));
    gibson_server_config_free(config);
    close(client);
    test_server_stop(&server);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.own_process = true,
         TESTS(server_listens_on_a_unix_socket_and_tcp_together,
               server_listens_on_a_unix_socket_alone_where_tcp_is_not_asked_for,
               server_listens_on_several_addresses,
               server_that_cannot_listen_everywhere_does_not_start,
               server_with_too_many_or_no_addresses_does_not_start,
               server_takes_sockets_that_it_is_given, users_that_are_listed_may_connect,
               users_and_groups_have_names, users_and_groups_that_do_not_exist_are_refused,
               users_with_very_long_names_and_lists_are_no_harm,
               reload_of_the_lists_holds_for_who_comes)},
        {.own_process = true, TESTS(server_listens_on_all_addresses_of_both_kinds)},
        {.own_process = true,
         TESTS(groups_count_with_all_their_members, groups_count_for_who_is_in_very_many)},
    };
    const bool ipv6 = has_ipv6();
    const bool root = getuid() == 0;
    if (!ipv6) {
        puts("left out, as there is no IPv6: server_listens_on_all_addresses_of_both_kinds");
    }
    if (!root) {
        puts("left out, as only root can be somebody else: groups_count_...");
    }
    suite_part wanted[3] = {parts[0]};
    size_t count = 1;
    if (ipv6) {
        wanted[count++] = parts[1];
    }
    if (root) {
        wanted[count++] = parts[2];
    }
    return suite_run("server_listeners", 1, wanted, count);
}
