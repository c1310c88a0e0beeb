/* A server for a test: in a thread, on a socket of its own, gone when the test is over. Whatever
   fails here ends the program with a message. */
#ifndef TEST_SERVER_H
#define TEST_SERVER_H

#include <gibson-server/server.h>

typedef enum test_transport {
    TEST_UNIX, /* in a fresh directory below TMPDIR */
    TEST_TCP,  /* 127.0.0.1, any free port */
} test_transport;

typedef struct test_server {
    gibson_server *server;
    char directory[80];    /* of the unix socket, empty for TCP */
    char unix_socket[100]; /* its path, empty for TCP */
    uint16_t port;         /* of TCP, else 0 */
} test_server;

/* Starts a server. directives is a list of names and values that ends with NULL, or NULL. Unless
   they say otherwise the log has errors only. */
void test_server_start(test_server *test, test_transport transport, const char *const *directives);

/* Connects a blocking socket. */
int test_server_connect(const test_server *test);

/* Lets time pass for ttls and locks, without waiting. */
void test_server_pass_time(test_server *test, int64_t ms);

/* Stops the server and removes its directory. */
void test_server_stop(test_server *test);

#endif
