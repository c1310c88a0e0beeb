/* gibson-server on sockets that somebody else has opened: as systemd passes them on, and by systemd
   itself where it is there (the group "systemd", which CK_RUN_CASE selects). */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gibson/command.h>

#include "raw_client.h"
#include "support/server_program.h"
#include "support/suite.h"
#include "wire/frame.h"

enum { MOST_PASSED = 20, FIRST_PASSED = 3, SKIPPED = 77 };

/* What the next server is given. */
static int passed[MOST_PASSED];
static int passed_count;
static const char *listen_fds; /* what it is told that there are */
static bool for_another;       /* process */

static void pass_on(void)
{
    char pid[32];
    int copies[MOST_PASSED];
    for (int i = 0; i < passed_count; i++) { /* out of the way of where they are to go */
        copies[i] = fcntl(passed[i], F_DUPFD_CLOEXEC, FIRST_PASSED + MOST_PASSED);
    }
    for (int i = 0; i < MOST_PASSED; i++) {
        if (i >= passed_count || dup2(copies[i], FIRST_PASSED + i) < 0) {
            close(FIRST_PASSED + i);
        }
    }
    snprintf(pid, sizeof pid, "%ld", (long)(for_another ? getppid() : getpid()));
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDNAMES", "one:two", 1);
    if (listen_fds) {
        setenv("LISTEN_FDS", listen_fds, 1);
    } else {
        unsetenv("LISTEN_FDS");
    }
}

static void set_up_passing(void)
{
    set_up();
    before_program = pass_on;
    passed_count = 0;
    listen_fds = "0";
    for_another = false;
}

static void tear_down_passing(void)
{
    for (int i = 0; i < passed_count; i++) {
        close(passed[i]);
    }
    tear_down();
}

static int open_unix(int type, bool listens)
{
    struct sockaddr_un address = address_of("socket");
    int descriptor = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert(!listens || listen(descriptor, 10) == 0);
    passed[passed_count++] = descriptor;
    return descriptor;
}

/* Returns the port. */
static uint16_t open_tcp(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    socklen_t size = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(bind(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(descriptor, 10), 0);
    ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&address, &size), 0);
    passed[passed_count++] = descriptor;
    return ntohs(address.sin_port);
}

static int connect_tcp(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ck_assert_int_eq(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    return descriptor;
}

static void expect_served(int descriptor)
{
    ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(descriptor);
}

/* What came before the server was there is served too, and what comes after it waits for the next.
 */
START_TEST(activation_serves_the_sockets_that_are_passed)
{
    const char *arguments[] = {"--logfile", path_of("log"), "--port", "1", NULL};
    open_unix(SOCK_STREAM, true);
    uint16_t port = open_tcp();
    listen_fds = "2";
    int early = connect_unix();
    for (int i = 0; i < 2; i++) {
        pid_t server = spawn(arguments, -1);
        expect_notification("READY=1");
        expect_served(early);
        expect_served(connect_unix());
        expect_served(connect_tcp(port));
        end_server(server);
        expect_notification("STOPPING=1");
        early = connect_unix();
    }
    await_text(path_of("log"), "listening on unix socket /tmp/");
    await_text(path_of("log"), "listening on 127.0.0.1 port ");
    close(early);
    ck_assert_int_eq(unlink(path_of("socket")), 0); /* it is not the server's to remove */
}
END_TEST

START_TEST(activation_knows_who_connects)
{
    const char *arguments[] = {"--logfile", path_of("log"), "--unix_socket_users", "4294967294",
                               NULL};
    open_unix(SOCK_STREAM, true);
    listen_fds = "1";
    pid_t server = spawn(arguments, -1);
    expect_notification("READY=1");
    int descriptor = connect_unix();
    ck_assert(raw_read_reply(descriptor).closed);
    close(descriptor);
    end_server(server);
    ck_assert_int_eq(unlink(path_of("socket")), 0);
}
END_TEST

/* A reload, and going to the background, change nothing about it. */
START_TEST(activation_outlives_reload_and_background)
{
    const char *arguments[] = {"--logfile",    path_of("log"), "--pidfile",
                               path_of("pid"), "--daemonize",  NULL};
    char pid[32];
    open_unix(SOCK_STREAM, true);
    listen_fds = "1";
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    ck_assert_int_eq(exit_code(spawn(arguments, -1)), 0);
    read_file(path_of("pid"), pid, sizeof pid);
    pid_t server = (pid_t)strtol(pid, NULL, 10);
    ck_assert_int_gt(server, 0);
    expect_served(connect_unix());
    kill(server, SIGHUP);
    await_text(path_of("log"), "opened the log again");
    expect_served(connect_unix());
    end_server(server);
    while (waitpid(-1, NULL, 0) > 0) { /* the process in between */
    }
    ck_assert_int_eq(unlink(path_of("socket")), 0);
}
END_TEST

START_TEST(activation_of_another_process_or_of_nothing_is_none)
{
    static const char *const counts[] = {"1", "0", NULL};
    const char *arguments[] = {"--logfile", path_of("log"), "--port", "0", NULL};
    open_unix(SOCK_STREAM, true);
    listen_fds = counts[_i];
    for_another = _i == 0;
    pid_t server = spawn(arguments, -1);
    expect_notification("READY=1");
    await_text(path_of("log"), "listening on 127.0.0.1 port ");
    end_server(server);
    ck_assert_int_eq(unlink(path_of("socket")), 0);
}
END_TEST

static void expect_failure(const char *message)
{
    char output[1024];
    ck_assert_int_eq(
        run((const char *[]){"--logfile", path_of("log"), NULL}, output, sizeof output), 1);
    ck_assert_msg(strstr(output, message) != NULL, "%s", output);
}

START_TEST(activation_with_a_wrong_number_of_sockets_is_refused)
{
    static const char *const cases[][2] = {
        {"2", "descriptor 4 is no stream socket that listens"},
        {"16", "descriptor 4 is no stream socket that listens"},
        {"17", "more than 16 sockets to listen on"},
        {"99999999999999", "more than 16 sockets to listen on"},
        {"99999999999999999999999", "more than 16 sockets to listen on"},
        {"-1", "LISTEN_FDS: '-1' is not a number"},
        {"1 ", "LISTEN_FDS: '1 ' is not a number"},
        {"", "LISTEN_FDS: '' is not a number"},
    };
    open_tcp();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        listen_fds = cases[i][0];
        expect_failure(cases[i][1]);
    }
}
END_TEST

START_TEST(activation_with_something_else_than_a_listening_stream_is_refused)
{
    int pipe_fds[2];
    listen_fds = "1";
    open_unix(SOCK_STREAM, false);
    expect_failure("descriptor 3 is no stream socket that listens");
    close(passed[--passed_count]);
    unlink(path_of("socket"));
    open_unix(SOCK_SEQPACKET, true);
    expect_failure("descriptor 3 is no stream socket that listens");
    close(passed[--passed_count]);
    unlink(path_of("socket"));
    open_unix(SOCK_DGRAM, false);
    expect_failure("descriptor 3 is no stream socket that listens");
    close(passed[--passed_count]);
    unlink(path_of("socket"));
    ck_assert_int_eq(pipe2(pipe_fds, O_CLOEXEC), 0);
    passed[passed_count++] = pipe_fds[0];
    expect_failure("descriptor 3 is no stream socket that listens");
    close(pipe_fds[1]);
}
END_TEST

/* systemd-socket-activate starts it when the first client comes. */
START_TEST(activation_by_systemd)
{
    char notify[128];
    snprintf(notify, sizeof notify, "NOTIFY_SOCKET=%s", path_of("notify"));
    const char *arguments[] = {"systemd-socket-activate",
                               "-E",
                               notify,
                               "-l",
                               path_of("socket"),
                               GIBSON_SERVER,
                               "--logfile",
                               path_of("log"),
                               NULL};
    before_program = NULL;
    pid_t server = spawn_program(arguments, -1);
    struct sockaddr_un address = address_of("socket");
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    while (connect(descriptor, (struct sockaddr *)&address,
                   sizeof address)) { /* it is about to listen */
        ck_assert_int_eq(waitpid(server, NULL, WNOHANG), 0);
    }
    expect_notification("READY=1");
    expect_served(descriptor);
    expect_served(connect_unix());
    end_server(server);
    ck_assert_int_eq(unlink(path_of("socket")), 0);
}
END_TEST

/* Tells whether a program is on PATH. */
static bool is_there(const char *program)
{
    char command[128];
    snprintf(command, sizeof command, "command -v %s >/dev/null", program);
    return system(command) == 0; /* NOLINT(cert-env33-c,concurrency-mt-unsafe) */
}

int main(void)
{
    const char *wanted = getenv("GIBSON_TEST");
    const bool by_systemd = wanted && !strcmp(wanted, "*by_systemd");
    if (by_systemd && !is_there("systemd-socket-activate")) {
        puts("skipped: there is no systemd-socket-activate");
        return SKIPPED;
    }
    const suite_part systemd[] = {{.set_up = set_up_passing,
                                   .tear_down = tear_down_passing,
                                   .own_process = true,
                                   TESTS(activation_by_systemd)}};
    const suite_part parts[] = {
        {.set_up = set_up_passing,
         .tear_down = tear_down_passing,
         .own_process = true,
         TESTS(activation_serves_the_sockets_that_are_passed, activation_knows_who_connects,
               activation_outlives_reload_and_background,
               activation_with_a_wrong_number_of_sockets_is_refused,
               activation_with_something_else_than_a_listening_stream_is_refused)},
        {.set_up = set_up_passing,
         .tear_down = tear_down_passing,
         .runs = 3,
         .own_process = true,
         TESTS(activation_of_another_process_or_of_nothing_is_none)},
    };
    return by_systemd ? suite_run("server_activation", 1, systemd, COUNT_OF(systemd))
                      : suite_run("server_activation", 1, parts, COUNT_OF(parts));
}
