#include "server_program.h"

#include <check.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

enum { MOST_ARGUMENTS = 40, LARGEST_LOG = 1 << 20 };

char directory[64];
rlim_t descriptor_limit;
int notifications;
void (*before_program)(void);

const char *path_of(const char *name)
{
    static char paths[4][128];
    static int next;
    next = (next + 1) % 4;
    snprintf(paths[next], sizeof paths[next], "%s/%s", directory, name);
    return paths[next];
}

struct sockaddr_un address_of(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s/%s", directory, name);
    return address;
}

void set_up(void)
{
    strcpy(directory, "/tmp/gibson-process-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    struct sockaddr_un address = address_of("notify");
    notifications = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(notifications, (struct sockaddr *)&address, sizeof address), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

void tear_down(void)
{
    close(notifications);
    unlink(path_of("notify"));
    unlink(path_of("log"));
    unlink(path_of("log.1"));
    unlink(path_of("config"));
    ck_assert_int_eq(rmdir(directory), 0);
}

void write_file(const char *name, const char *text)
{
    int descriptor = open(path_of(name), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
}

static void become(const char *path, char **arguments, int output)
{
    if (descriptor_limit) {
        struct rlimit limit = {descriptor_limit, descriptor_limit};
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (output >= 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
    }
    if (before_program) {
        before_program();
    }
    execvp(path, arguments);
    _exit(127);
}

static pid_t start_program(const char *path, const char *const *arguments, int output)
{
    char *copies[MOST_ARGUMENTS] = {NULL};
    for (int i = 0; arguments[i]; i++) {
        ck_assert_int_lt(i, MOST_ARGUMENTS - 1);
        copies[i] = (char *)(uintptr_t)arguments[i];
    }
    pid_t child = fork();
    if (child == 0) {
        become(path, copies, output);
    }
    return child;
}

pid_t spawn(const char *const *arguments, int output)
{
    const char *all[MOST_ARGUMENTS] = {"gibson-server"};
    for (int i = 0; arguments[i]; i++) {
        ck_assert_int_lt(i, MOST_ARGUMENTS - 2);
        all[i + 1] = arguments[i];
    }
    return start_program(GIBSON_SERVER, all, output);
}

pid_t spawn_program(const char *const *arguments, int output)
{
    return start_program(arguments[0], arguments, output);
}

void expect_notification(const char *message)
{
    char text[64];
    struct pollfd wait = {.fd = notifications, .events = POLLIN};
    ck_assert_int_eq(poll(&wait, 1, PATIENCE_MS), 1);
    ssize_t size = recv(notifications, text, sizeof text - 1, 0);
    ck_assert_int_gt(size, 0);
    text[size] = '\0';
    ck_assert_str_eq(text, message);
}

int exit_code(pid_t child)
{
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

void end_server(pid_t child)
{
    kill(child, SIGTERM);
    ck_assert_int_eq(exit_code(child), 0);
}

int run(const char *const *arguments, char *output, size_t room)
{
    int ends[2];
    size_t size = 0;
    ssize_t got;
    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    pid_t child = spawn(arguments, ends[1]);
    close(ends[1]);
    while ((got = read(ends[0], output + size, room - 1 - size)) > 0) {
        size += (size_t)got;
    }
    close(ends[0]);
    output[size] = '\0';
    return exit_code(child);
}

size_t read_file(const char *path, char *text, size_t room)
{
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t got = 0;
    while (descriptor >= 0 && (got = read(descriptor, text + size, room - 1 - size)) > 0) {
        size += (size_t)got;
    }
    if (descriptor >= 0) {
        close(descriptor);
    }
    text[size] = '\0';
    return size;
}

void await_text(const char *path, const char *text)
{
    static char content[LARGEST_LOG];
    int64_t end = gib_deadline_after(gib_now_ns(), PATIENCE_MS);
    do {
        ck_assert_msg(gib_now_ns() < end, "'%s' is not in %s:\n%.2000s", text, path, content);
        read_file(path, content, sizeof content);
    } while (!strstr(content, text));
}

int connect_unix(void)
{
    struct sockaddr_un address = address_of("socket");
    int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(descriptor, (struct sockaddr *)&address, sizeof address), 0);
    return descriptor;
}
