/* gibson-server as a process: options, signals, log, pidfile, background, readiness. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "raw_client.h"
#include "support/server_program.h"
#include "support/suite.h"
#include "wire/frame.h"

START_TEST(process_serves_and_ends_with_0_on_sigterm_and_sigint)
{
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--logfile", path_of("log"),
                               NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    int descriptor = connect_unix();
    ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_SET, "0 k v"), GIB_CODE_VAL);
    ck_assert(raw_send_request(descriptor, GIBSON_OP_GET, "k", 1));
    kill(child, _i ? SIGINT : SIGTERM);
    raw_reply reply = raw_read_reply(descriptor); /* what was sent before is answered */
    ck_assert(!reply.closed);
    raw_reply_free(&reply);
    expect_notification("STOPPING=1");
    ck_assert_int_eq(exit_code(child), 0);
    ck_assert_int_eq(access(path_of("socket"), F_OK), -1);
    close(descriptor);
}
END_TEST

START_TEST(process_opens_its_log_again_on_sighup)
{
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--logfile", path_of("log"),
                               NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    await_text(path_of("log"), "listening on unix socket");
    ck_assert_int_eq(rename(path_of("log"), path_of("log.1")), 0);
    kill(child, SIGHUP);
    await_text(path_of("log"), "opened the log again");
    int descriptor = connect_unix();
    ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(descriptor);
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
    await_text(path_of("log"), "stopped");
}
END_TEST

/* Whoever waits for READY=1 may look for the port in the log then. */
START_TEST(process_that_is_ready_has_said_where_it_listens)
{
    enum { ROUNDS = 20 };
    char text[8192];
    const char *arguments[] = {"--port", "0", "--logfile", path_of("log"), NULL};
    for (int i = 0; i < ROUNDS; i++) {
        pid_t child = spawn(arguments, -1);
        expect_notification("READY=1");
        read_file(path_of("log"), text, sizeof text);
        ck_assert_ptr_nonnull(strstr(text, "listening on 127.0.0.1 port"));
        kill(child, SIGTERM);
        ck_assert_int_eq(exit_code(child), 0);
        expect_notification("STOPPING=1");
        unlink(path_of("log"));
    }
}
END_TEST

START_TEST(process_says_when_it_is_reachable_from_outside)
{
    const char *arguments[] = {"--address", "0.0.0.0",      "--port", "0",
                               "--logfile", path_of("log"), NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    await_text(path_of("log"), "is reachable from other machines");
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
}
END_TEST

START_TEST(process_says_nothing_of_it_on_loopback)
{
    char text[8192];
    const char *arguments[] = {"--port", "0", "--logfile", path_of("log"), NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
    read_file(path_of("log"), text, sizeof text);
    ck_assert_ptr_nonnull(strstr(text, "listening on 127.0.0.1 port"));
    ck_assert_ptr_null(strstr(text, "reachable"));
}
END_TEST

START_TEST(process_reads_its_configuration_file)
{
    int descriptor = open(path_of("config"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_gt(dprintf(descriptor, "unix_socket %s\nlogfile %s\nmax_value_size 3\n",
                             path_of("socket"), path_of("log")),
                     0);
    close(descriptor);
    const char *arguments[] = {"-c", path_of("config"), NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    descriptor = connect_unix();
    ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_SET, "0 k abc"), GIB_CODE_VAL);
    ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_SET, "0 k abcd"), GIB_CODE_ERR);
    close(descriptor);
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
}
END_TEST

static long read_pid(const char *path)
{
    char text[32];
    read_file(path, text, sizeof text);
    return strtol(text, NULL, 10);
}

START_TEST(process_goes_to_the_background_and_keeps_a_pidfile)
{
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--logfile",   path_of("log"),
                               "--pidfile",     path_of("pid"),    "--daemonize", NULL};
    /* So that the process in the background becomes a child of this one. */
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    pid_t child = spawn(arguments, -1);
    ck_assert_int_eq(exit_code(child), 0); /* when clients can connect, and not before */
    int descriptor = connect_unix();
    ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(descriptor);
    pid_t daemon = (pid_t)read_pid(path_of("pid"));
    ck_assert_int_gt(daemon, 0);
    ck_assert_int_ne(daemon, child);
    ck_assert_int_ne(getsid(daemon), getsid(0));
    kill(daemon, SIGTERM);
    ck_assert_int_eq(exit_code(daemon), 0);
    ck_assert_int_eq(access(path_of("pid"), F_OK), -1);
    while (waitpid(-1, NULL, 0) > 0) { /* the process in between */
    }
}
END_TEST

/* Whoever waits for the end of its output must not wait for the end of the server. */
START_TEST(process_in_the_background_lets_go_of_its_streams)
{
    char output[4096];
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--pidfile",
                               path_of("pid"),  "--daemonize",     NULL};
    ck_assert_int_eq(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    ck_assert_int_eq(run(arguments, output, sizeof output), 0);
    pid_t daemon = (pid_t)read_pid(path_of("pid"));
    ck_assert_int_gt(daemon, 0);
    kill(daemon, SIGTERM);
    ck_assert_int_eq(exit_code(daemon), 0);
}
END_TEST

START_TEST(process_in_the_background_tells_when_it_cannot_start)
{
    char output[4096];
    const char *arguments[] = {"--unix_socket",
                               "/nonexistent/socket",
                               "--pidfile",
                               path_of("pid"),
                               "--daemonize",
                               "1",
                               NULL};
    ck_assert_int_eq(run(arguments, output, sizeof output), 1);
    ck_assert_ptr_nonnull(strstr(output, "cannot listen on unix socket /nonexistent/socket"));
    ck_assert_int_eq(access(path_of("pid"), F_OK), -1);
}
END_TEST

START_TEST(process_with_the_pidfile_of_another_is_refused)
{
    char output[4096];
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--logfile", path_of("log"),
                               "--pidfile",     path_of("pid"),    NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    ck_assert_int_eq(read_pid(path_of("pid")), child);
    ck_assert_int_eq(run(arguments, output, sizeof output), 1);
    ck_assert_ptr_nonnull(strstr(output, "a server is running already"));
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
    ck_assert_int_eq(access(path_of("pid"), F_OK), -1);
}
END_TEST

START_TEST(process_tells_what_is_wrong_with_its_arguments)
{
    char output[4096];
    ck_assert_int_eq(run((const char *[]){"--port", "x", NULL}, output, sizeof output), 2);
    ck_assert_str_eq(output, "gibson-server: --port: 'x' is not a number\n");
    ck_assert_int_eq(run((const char *[]){"-c", "/nonexistent", NULL}, output, sizeof output), 2);
    ck_assert_str_eq(output,
                     "gibson-server: cannot read /nonexistent: No such file or directory\n");
    ck_assert_int_eq(run((const char *[]){"--max_response_size", "1K", "--check-config", NULL},
                         output, sizeof output),
                     2);
    ck_assert_int_eq(run((const char *[]){"--check-config", NULL}, output, sizeof output), 0);
    ck_assert_str_eq(output, "the configuration is good\n");
}
END_TEST

START_TEST(process_refuses_configurations_that_cannot_work)
{
    char output[4096];
    char path[201];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    const char *const cases[][3] = {
        {"--unix_socket", path, "unix_socket has 200 bytes, and 107 fit a socket address"},
        {"--unix_socket", "@", "unix_socket is empty"},
        {"--max_value_size", "50M", "max_value_size (52428800) is above max_response_size"},
        {"--max_value_size", "5M", "max_value_size (5242880) is above max_request_size"},
        {"--max_client_memory", "1M", "max_client_memory (1048576) is below"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *start[] = {cases[i][0], cases[i][1], NULL};
        const char *check[] = {cases[i][0], cases[i][1], "--check-config", NULL};
        ck_assert_int_eq(run(start, output, sizeof output), 2);
        ck_assert_msg(strstr(output, cases[i][2]) != NULL, "%s", output);
        ck_assert_int_eq(run(check, output, sizeof output), 2);
        ck_assert_msg(strstr(output, cases[i][2]) != NULL, "%s", output);
    }
}
END_TEST

/* Whoever can write to the directory could have it write to any file. */
START_TEST(process_does_not_follow_a_link_to_its_pidfile)
{
    char output[4096];
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--pidfile", path_of("pid"),
                               NULL};
    int descriptor = open(path_of("log"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_eq(write(descriptor, "precious", 8), 8);
    close(descriptor);
    ck_assert_int_eq(symlink(path_of("log"), path_of("pid")), 0);
    ck_assert_int_eq(run(arguments, output, sizeof output), 1);
    ck_assert_ptr_nonnull(strstr(output, "cannot open pidfile"));
    ck_assert_uint_eq(read_file(path_of("log"), output, sizeof output), 8);
    ck_assert_int_eq(unlink(path_of("pid")), 0);
}
END_TEST

/* They find a socket that a server left behind which was killed, all at the same time. */
START_TEST(process_of_many_on_a_stale_socket_one_lives)
{
    enum { ROUNDS = 5, SERVERS = 4 };
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--logfile", path_of("log"),
                               NULL};
    for (int round = 0; round < ROUNDS; round++) {
        pid_t killed = spawn(arguments, -1);
        expect_notification("READY=1");
        kill(killed, SIGKILL);
        ck_assert_int_eq(waitpid(killed, NULL, 0), killed);
        pid_t servers[SERVERS];
        for (int i = 0; i < SERVERS; i++) {
            servers[i] = spawn(arguments, -1);
        }
        int ended = 0;
        for (; ended < SERVERS - 1; ended++) {
            int status;
            pid_t child = waitpid(-1, &status, 0);
            ck_assert_int_gt(child, 0);
            ck_assert_int_eq(WEXITSTATUS(status), 1);
            for (int i = 0; i < SERVERS; i++) {
                servers[i] = servers[i] == child ? 0 : servers[i];
            }
        }
        expect_notification("READY=1");
        int descriptor = connect_unix();
        ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_PING, ""), GIB_CODE_OK);
        close(descriptor);
        for (int i = 0; i < SERVERS; i++) {
            if (servers[i]) {
                kill(servers[i], SIGTERM);
                ck_assert_int_eq(exit_code(servers[i]), 0);
            }
        }
        expect_notification("STOPPING=1");
    }
}
END_TEST

/* The test is the other server: it replaces the stale socket while a server waits to look at it. */
START_TEST(process_looks_at_a_stale_socket_when_no_other_is_about_to_replace_it)
{
    char output[4096];
    const char *arguments[] = {"--unix_socket", path_of("socket"), NULL};
    struct sockaddr_un address = address_of("socket");
    int stale = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale);
    int lock = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    ck_assert_int_eq(flock(lock, LOCK_EX), 0);
    int descriptors[2];
    ck_assert_int_eq(pipe2(descriptors, O_CLOEXEC), 0);
    pid_t child = spawn(arguments, descriptors[1]);
    close(descriptors[1]);
    struct pollfd ready = {.fd = notifications, .events = POLLIN};
    ck_assert_int_eq(poll(&ready, 1, 300), 0); /* it would be in a moment */
    ck_assert_int_eq(unlink(address.sun_path), 0);
    int live = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(live, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(listen(live, 1), 0);
    close(lock);
    ck_assert_int_eq(exit_code(child), 1);
    ssize_t size = read(descriptors[0], output, sizeof output - 1);
    output[size > 0 ? size : 0] = '\0';
    ck_assert_ptr_nonnull(strstr(output, "Address already in use"));
    close(descriptors[0]);
    close(live);
    unlink(address.sun_path);
}
END_TEST

/* max_key_size 512K stands in the test configuration of the old package for Python. */
START_TEST(process_warns_of_a_quantity_that_it_had_to_lower)
{
    char output[4096];
    const char *said = "max_key_size: '512K' is more than this server can hold, taken as 65535";
    ck_assert_int_eq(run((const char *[]){"--max_key_size", "512K", "--check-config", NULL}, output,
                         sizeof output),
                     0);
    ck_assert_ptr_nonnull(strstr(output, said));
    const char *arguments[] = {"--unix_socket",
                               path_of("socket"),
                               "--logfile",
                               path_of("log"),
                               "--max_key_size",
                               "512K",
                               NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    await_text(path_of("log"), said);
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
}
END_TEST

START_TEST(process_prints_help_and_version)
{
    char output[16384];
    ck_assert_int_eq(run((const char *[]){"--help", NULL}, output, sizeof output), 0);
    ck_assert_ptr_nonnull(strstr(output, "--max_memory SIZE"));
    ck_assert_int_eq(run((const char *[]){"--version", NULL}, output, sizeof output), 0);
    ck_assert_int_eq(strncmp(output, "gibson-server ", 14), 0);
}
END_TEST

/* The descriptors of the server run out before max_clients is reached. */
START_TEST(process_without_descriptors_refuses_clients_and_serves_the_others)
{
    enum { CLIENTS = 40 };
    int descriptors[CLIENTS];
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--logfile", path_of("log"),
                               NULL};
    descriptor_limit = 32;
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    await_text(path_of("log"), "max_clients is 1024, but there are descriptors for");
    int refused = 0;
    for (int i = 0; i < CLIENTS; i++) {
        descriptors[i] = connect_unix();
        refused += raw_ask_code(descriptors[i], GIBSON_OP_PING, "") != GIB_CODE_OK;
    }
    ck_assert_int_gt(refused, 8);
    ck_assert_int_lt(refused, CLIENTS);
    await_text(path_of("log"), "refused a client: no descriptors left");
    ck_assert_int_eq(raw_stat(descriptors[0], "total_refused_clients"), refused);
    ck_assert_int_eq(raw_stat(descriptors[0], "total_connections"), CLIENTS);
    ck_assert_int_eq(raw_ask_code(descriptors[0], GIBSON_OP_PING, ""), GIB_CODE_OK);
    for (int i = 1; i < CLIENTS; i++) {
        close(descriptors[i]);
    }
    ck_assert(raw_await_stat(descriptors[0], "total_clients", 1));
    int again = connect_unix();
    ck_assert_int_eq(raw_ask_code(again, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(again);
    close(descriptors[0]);
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
}
END_TEST

/* Whoever started it may have stopped reading its output. */
START_TEST(process_whose_log_nobody_reads_goes_on)
{
    enum { CLIENTS = 2500 }; /* two lines each: more than a pipe and the ring of the log hold */
    int output[2];
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--loglevel", "0", NULL};
    ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
    pid_t child = spawn(arguments, output[1]);
    expect_notification("READY=1");
    for (int i = 0; i < CLIENTS; i++) {
        int descriptor = connect_unix();
        ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_PING, ""), GIB_CODE_OK);
        close(descriptor);
    }
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
    close(output[0]);
    close(output[1]);
}
END_TEST

START_TEST(process_whose_log_is_read_late_says_how_much_was_lost)
{
    enum { CLIENTS = 4000 };
    static char text[1 << 20];
    int output[2];
    size_t size = 0;
    ssize_t got;
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--loglevel", "0", NULL};
    ck_assert_int_eq(pipe2(output, O_CLOEXEC), 0);
    pid_t child = spawn(arguments, output[1]);
    close(output[1]);
    expect_notification("READY=1");
    for (int i = 0; i < CLIENTS; i++) {
        close(connect_unix());
    }
    int descriptor = connect_unix();
    ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(descriptor);
    kill(child, SIGTERM);
    while ((got = read(output[0], text + size, sizeof text - 1 - size)) > 0) {
        size += (size_t)got;
    }
    text[size] = '\0';
    ck_assert_int_eq(exit_code(child), 0);
    ck_assert_ptr_nonnull(strstr(text, " lines were lost: the log took them too slowly\n"));
    close(output[0]);
}
END_TEST

START_TEST(process_does_not_let_clients_fill_its_log)
{
    enum { CLIENTS = 2000 };
    char text[65536];
    const char *arguments[] = {"--unix_socket",
                               path_of("socket"),
                               "--logfile",
                               path_of("log"),
                               "--max_clients",
                               "1",
                               NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    int first = connect_unix();
    ck_assert_int_eq(raw_ask_code(first, GIBSON_OP_PING, ""), GIB_CODE_OK);
    for (int i = 0; i < CLIENTS; i++) {
        int descriptor = connect_unix();
        ck_assert(raw_read_reply(descriptor).closed);
        close(descriptor);
    }
    await_text(path_of("log"),
               " more lines like this were left out: refused a client: max_clients (1)");
    close(first);
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
    size_t lines = 0;
    read_file(path_of("log"), text, sizeof text);
    for (const char *at = text; (at = strchr(at, '\n')); at++) {
        lines++;
    }
    ck_assert_uint_lt(lines, CLIENTS / 4);
}
END_TEST

/* Sanitizers keep freed memory, so that the size of a process says nothing with them. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define FREED_MEMORY_IS_KEPT true
#elif defined(__has_feature)
#define FREED_MEMORY_IS_KEPT (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define FREED_MEMORY_IS_KEPT false
#endif

/* Field 1 of /proc/PID/statm is what is resident. */
static long resident_pages(pid_t process)
{
    char path[64];
    char text[256];
    char *end = text;
    snprintf(path, sizeof path, "/proc/%ld/statm", (long)process);
    ck_assert_uint_gt(read_file(path, text, sizeof text), 0);
    ck_assert_int_gt(strtol(text, &end, 10), 0);
    return strtol(end, NULL, 10);
}

/* Clients that go leave no memory held; then the server ends. */
static void end_with_clients(pid_t child, int first, const int *descriptors, int count)
{
    for (int i = 0; i < count; i++) {
        close(descriptors[i]);
    }
    ck_assert(raw_await_stat(first, "client_memory_used", 0));
    close(first);
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
}

/* Many clients ask for large replies and read nothing. */
START_TEST(process_memory_stays_within_its_limits_when_nobody_reads)
{
    enum { CLIENTS = 60, VALUES = 20, VALUE = 1 << 20, MEGABYTE_PAGES = 256 };
    static char payload[VALUE + 8];
    const char *arguments[] = {"--unix_socket",
                               path_of("socket"),
                               "--logfile",
                               path_of("log"),
                               "--max_memory",
                               "64M",
                               "--max_response_size",
                               "24M",
                               "--max_client_memory",
                               "64M",
                               "--compression",
                               "4G",
                               NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    int first = connect_unix();
    for (int i = 0; i < VALUES; i++) {
        memset(payload, 'x', sizeof payload);
        int header = snprintf(payload, 8, "0 k%02d ", i);
        payload[header] = 'x';
        ck_assert(raw_send_request(first, GIBSON_OP_SET, payload, (size_t)header + VALUE));
        raw_reply reply = raw_read_reply(first);
        ck_assert_int_eq(reply.code, GIB_CODE_VAL);
        raw_reply_free(&reply);
    }
    int descriptors[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        descriptors[i] = connect_unix();
        ck_assert(raw_send_request(descriptors[i], GIBSON_OP_MGET, "k", 1));
        ck_assert(raw_send_request(descriptors[i], GIBSON_OP_MGET, "k", 1));
        ck_assert_int_le(raw_stat(first, "client_memory_used"), 64 << 20);
        if (!FREED_MEMORY_IS_KEPT) {
            ck_assert_int_le(resident_pages(child), (64L + 64L) * MEGABYTE_PAGES * 11 / 10);
        }
    }
    ck_assert_int_gt(raw_stat(first, "client_memory_used"), 0);
    await_text(path_of("log"), "disconnected a client that holds");
    ck_assert_int_gt(raw_stat(first, "total_disconnected_heavy"), 0);
    ck_assert_int_eq(raw_ask_code(first, GIBSON_OP_PING, ""), GIB_CODE_OK);
    end_with_clients(child, first, descriptors, CLIENTS);
}
END_TEST

/* Many clients send a request each, a piece at a time in turns, and none to the end: their buffers
   grow between each other. */
START_TEST(process_memory_stays_within_its_limits_when_no_request_ends)
{
    enum { CLIENTS = 80, PIECES = 17, PIECE = 1 << 16, MEGABYTE_PAGES = 256 };
    static uint8_t bytes[PIECE];
    const char *arguments[] = {"--unix_socket",
                               path_of("socket"),
                               "--max_memory",
                               "16M",
                               "--max_response_size",
                               "8M",
                               "--max_client_memory",
                               "80M",
                               NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    int first = connect_unix();
    int descriptors[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        descriptors[i] = connect_unix();
        ck_assert(raw_send(descriptors[i],
                           "\0\0\x1e\0\x01\0"
                           "0 k ",
                           10)); /* a SET of 2 MB */
    }
    memset(bytes, 'v', sizeof bytes);
    for (int piece = 0; piece < PIECES; piece++) {
        for (int i = 0; i < CLIENTS; i++) {
            (void)raw_send(descriptors[i], bytes, sizeof bytes); /* it may have been cut */
        }
        ck_assert_int_eq(raw_ask_code(first, GIBSON_OP_PING, ""), GIB_CODE_OK);
        if (!FREED_MEMORY_IS_KEPT) {
            ck_assert_int_le(resident_pages(child), (16L + 80L) * MEGABYTE_PAGES * 11 / 10);
        }
    }
    ck_assert_int_gt(raw_stat(first, "client_memory_used"), 40 << 20);
    end_with_clients(child, first, descriptors, CLIENTS);
}
END_TEST

/* Fills the server and empties it, with clients that come, send half a request, and go. */
static void use_and_abuse(int descriptor)
{
    char payload[1100];
    memset(payload, 'v', sizeof payload);
    for (int i = 0; i < 3000; i++) {
        int size = snprintf(payload, sizeof payload, "0 app:user:%d:field ", i);
        payload[size] = 'v';
        ck_assert(
            raw_send_request(descriptor, GIBSON_OP_SET, payload, (size_t)(size + 100 + i % 900)));
        raw_reply reply = raw_read_reply(descriptor);
        ck_assert_int_eq(reply.code, GIB_CODE_VAL);
        raw_reply_free(&reply);
    }
    for (int i = 0; i < 50; i++) {
        int other = connect_unix();
        ck_assert(raw_send(other, "\xff\xff\0\0\x01\0half a request", 20));
        close(other);
    }
    raw_reply all = raw_ask(descriptor, GIBSON_OP_MGET, "app");
    ck_assert_int_eq(all.code, GIB_CODE_KVAL);
    raw_reply_free(&all);
    ck_assert_int_eq(raw_ask_number(descriptor, GIBSON_OP_MDEL, "app"), 3000);
    ck_assert(raw_await_stat(descriptor, "memory_used", 0));
    ck_assert(raw_await_stat(descriptor, "total_clients", 1));
}

/* Sends SETs of keys under k: with values of 1,000 bytes, many at a time. */
static void fill_much(int descriptor, int items)
{
    enum { AT_ONCE = 50, VALUE = 1000 };
    static uint8_t requests[AT_ONCE * (VALUE + 40)];
    char payload[VALUE + 40];
    memset(payload, 'v', sizeof payload);
    for (int i = 0; i < items; i += AT_ONCE) {
        size_t size = 0;
        for (int j = 0; j < AT_ONCE; j++) {
            int header = snprintf(payload, 40, "0 k:%d ", i + j);
            payload[header] = 'v';
            size += raw_request(requests + size, GIBSON_OP_SET, payload, (size_t)header + VALUE);
        }
        ck_assert(raw_send(descriptor, requests, size));
        for (int j = 0; j < AT_ONCE; j++) {
            raw_reply reply = raw_read_reply(descriptor);
            ck_assert_int_eq(reply.code, GIB_CODE_VAL);
            raw_reply_free(&reply);
        }
    }
}

static void await_pages_below(pid_t process, long pages)
{
    int64_t end = gib_deadline_after(gib_now_ns(), PATIENCE_MS);
    while (!FREED_MEMORY_IS_KEPT && resident_pages(process) >= pages) {
        ck_assert_int_lt(gib_now_ns(), end);
    }
}

/* What is deleted goes back to the system, also where a few items stay. */
START_TEST(process_gives_memory_back)
{
    enum { ITEMS = 50000, MEGABYTE_PAGES = 256 };
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--logfile", path_of("log"),
                               NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    int descriptor = connect_unix();
    fill_much(descriptor, ITEMS);
    ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_SET, "0 stays 1"), GIB_CODE_VAL);
    ck_assert_int_gt(resident_pages(child), 50L * MEGABYTE_PAGES);
    if (_i == 0) {
        ck_assert_int_eq(raw_ask_number(descriptor, GIBSON_OP_MDEL, "k:"), ITEMS);
    } else {
        ck_assert_int_eq(raw_ask_number(descriptor, GIBSON_OP_MSET, "k: small"), ITEMS);
    }
    /* Small values stay between the holes that large ones have left. */
    await_pages_below(child, (_i == 0 ? 10L : 35L) * MEGABYTE_PAGES);
    close(descriptor);
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
}
END_TEST

START_TEST(process_does_not_grow_with_use)
{
    enum { WARM_UP = 5, ROUNDS = 25, SLACK_PAGES = 256 };
    const char *arguments[] = {"--unix_socket", path_of("socket"), "--logfile", path_of("log"),
                               NULL};
    pid_t child = spawn(arguments, -1);
    expect_notification("READY=1");
    int descriptor = connect_unix();
    long before = 0;
    for (int i = 0; i < WARM_UP + ROUNDS; i++) {
        use_and_abuse(descriptor);
        before = i < WARM_UP ? resident_pages(child) : before;
    }
    long growth = resident_pages(child) - before;
    ck_assert_msg(FREED_MEMORY_IS_KEPT || growth < SLACK_PAGES, "%ld pages", growth);
    close(descriptor);
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 2,
         .own_process = true,
         TESTS(process_serves_and_ends_with_0_on_sigterm_and_sigint, process_gives_memory_back)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .own_process = true,
         TESTS(process_opens_its_log_again_on_sighup,
               process_that_is_ready_has_said_where_it_listens,
               process_says_when_it_is_reachable_from_outside,
               process_says_nothing_of_it_on_loopback, process_reads_its_configuration_file,
               process_goes_to_the_background_and_keeps_a_pidfile,
               process_in_the_background_lets_go_of_its_streams,
               process_in_the_background_tells_when_it_cannot_start,
               process_with_the_pidfile_of_another_is_refused,
               process_tells_what_is_wrong_with_its_arguments,
               process_refuses_configurations_that_cannot_work,
               process_does_not_follow_a_link_to_its_pidfile,
               process_of_many_on_a_stale_socket_one_lives,
               process_looks_at_a_stale_socket_when_no_other_is_about_to_replace_it,
               process_warns_of_a_quantity_that_it_had_to_lower, process_prints_help_and_version,
               process_whose_log_nobody_reads_goes_on,
               process_memory_stays_within_its_limits_when_nobody_reads,
               process_memory_stays_within_its_limits_when_no_request_ends,
               process_whose_log_is_read_late_says_how_much_was_lost,
               process_does_not_let_clients_fill_its_log,
               process_without_descriptors_refuses_clients_and_serves_the_others,
               process_does_not_grow_with_use)},
    };
    return suite_run("server_process", 1, parts, COUNT_OF(parts));
}
