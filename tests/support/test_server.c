#include "test_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "program/server.h"

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "test_server: %s: %s\n", what, why);
    abort();
}

static void set(gibson_server_config *config, const char *name, const char *value)
{
    gibson_error error;
    if (gibson_server_config_set(config, name, value, &error) != GIBSON_OK) {
        fail(name, error.message);
    }
}

static void make_directory(test_server *test)
{
    const char *base = getenv("TMPDIR");
    snprintf(test->directory, sizeof test->directory, "%.50s/gibson-test-XXXXXX",
             base ? base : "/tmp");
    if (!mkdtemp(test->directory)) {
        fail(test->directory, "cannot make the directory");
    }
    snprintf(test->unix_socket, sizeof test->unix_socket, "%s/socket", test->directory);
}

void test_server_start(test_server *test, test_transport transport, const char *const *directives)
{
    *test = (test_server){0};
    gibson_server_config *config;
    if (gibson_server_config_new(&config) != GIBSON_OK) {
        fail("config", "no memory");
    }
    set(config, "loglevel", "3");
    set(config, "logfile", "/dev/stderr");
    if (transport == TEST_UNIX) {
        make_directory(test);
        set(config, "unix_socket", test->unix_socket);
    } else {
        set(config, "port", "0");
    }
    for (; directives && *directives; directives += 2) {
        set(config, directives[0], directives[1]);
    }
    gibson_error error;
    if (gibson_server_start(&test->server, config, &error) != GIBSON_OK) {
        fail("start", error.message);
    }
    gibson_server_config_free(config);
    test->port = gibson_server_port(test->server);
}

static int connect_to(const struct sockaddr *address, socklen_t size)
{
    int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0 || connect(descriptor, address, size)) {
        fail("connect", strerror(errno));
    }
    return descriptor;
}

int test_server_connect(const test_server *test)
{
    if (test->port) {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(test->port)};
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return connect_to((const struct sockaddr *)&address, sizeof address);
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", test->unix_socket);
    return connect_to((const struct sockaddr *)&address, sizeof address);
}

void test_server_pass_time(test_server *test, int64_t ms)
{
    gibs_server_advance_clock(test->server, ms);
}

void test_server_stop(test_server *test)
{
    gibson_server_stop(test->server);
    if (test->directory[0] && rmdir(test->directory)) {
        fail(test->directory, "the server has left something behind");
    }
    *test = (test_server){0};
}
