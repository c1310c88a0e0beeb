/* Connecting: every kind of address, names, and addresses that do not answer. getaddrinfo is
   replaced (-Wl,--wrap), so no test needs a network or a resolver. */
#include <gibson/client.h>

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/peer.h"
#include "support/process.h"
#include "support/samples.h"
#include "support/suite.h"

/* ---- The resolver ---- */

/* What a name resolves to: ports of 127.0.0.1, up to a 0; or an error; or, with hangs, nothing
   until resolver_go_on. */
static struct {
    uint16_t ports[12];
    int failure;
    bool hangs;
} resolver;

static sem_t resolver_go_on;
static sem_t resolver_gone;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names that ld dictates */
int __real_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **addresses);
int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **addresses);
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

int __wrap_getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
                       struct addrinfo **addresses)
{
    if (strcmp(host, "test.invalid") != 0 || hints->ai_flags & AI_NUMERICHOST) {
        return __real_getaddrinfo(host, service, hints, addresses);
    }
    if (resolver.hangs) {
        sem_wait(&resolver_go_on);
        int result = __real_getaddrinfo("127.0.0.1", service, hints, addresses);
        sem_post(&resolver_gone);
        return result; /* late, and for nobody: the thread has to free it */
    }
    errno = EMFILE;
    struct addrinfo **last = addresses;
    for (size_t i = 0; !resolver.failure && resolver.ports[i]; i++) {
        char port[8];
        snprintf(port, sizeof port, "%u", resolver.ports[i]);
        if (__real_getaddrinfo("127.0.0.1", port, hints, last)) {
            abort();
        }
        last = &(*last)->ai_next;
    }
    return resolver.failure;
}

/* ---- Addresses that do not answer ---- */

/* A port that refuses connections for as long as the descriptor is open, since nobody listens. */
static int bound_socket(uint16_t *port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int made = socket(AF_INET, SOCK_STREAM, 0);
    if (made < 0 || bind(made, (struct sockaddr *)&address, size) ||
        getsockname(made, (struct sockaddr *)&address, &size)) {
        abort();
    }
    *port = ntohs(address.sin_port);
    return made;
}

enum { FILLERS = 4 };

/* A port whose listener has its backlog full, so that the kernel drops what comes: an address that
   is dead without a word. */
typedef struct dead_port {
    int listener;
    int fillers[FILLERS];
    uint16_t port;
} dead_port;

static dead_port dead_port_new(void)
{
    dead_port made;
    made.listener = bound_socket(&made.port);
    if (listen(made.listener, 0)) {
        abort();
    }
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(made.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    for (int i = 0; i < FILLERS; i++) {
        made.fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(made.fillers[i], (struct sockaddr *)&address, sizeof address);
    }
    return made;
}

static void dead_port_free(dead_port *dead)
{
    for (int i = 0; i < FILLERS; i++) {
        close(dead->fillers[i]);
    }
    close(dead->listener);
}

/* ---- The tests ---- */

static gibson_options options;
static gibson_client *client;
static size_t descriptors;
static int64_t began_ms;

static void begin(void)
{
    gibson_options_init(&options);
    memset(&resolver, 0, sizeof resolver);
    sem_init(&resolver_go_on, 0, 0);
    sem_init(&resolver_gone, 0, 0);
    descriptors = process_open_descriptors();
}

static gibson_status try_to_connect(void)
{
    gibson_error error;
    ck_assert_msg(gibson_client_new(&client, &options, &error) == GIBSON_OK, "%s", error.message);
    began_ms = suite_now_ms();
    return gibson_client_connect(client);
}

/* Frees the client and checks that no descriptor was lost. */
static void end(void)
{
    gibson_client_free(client);
    client = NULL;
    ck_assert(process_await_descriptors(descriptors));
}

static void check_took(int64_t least_ms, int64_t most_ms)
{
    int64_t took = suite_now_ms() - began_ms;
    ck_assert_int_ge(took, least_ms);
    ck_assert_int_le(took, most_ms);
}

static void check_failed(gibson_status expected, const char *word)
{
    const gibson_error *error = gibson_client_error(client);
    ck_assert_status(error->status, expected);
    ck_assert_message_has(error, word);
    ck_assert(!gibson_client_connected(client));
    ck_assert_int_eq(gibson_client_descriptor(client), -1);
    ck_assert_status(gibson_client_ping(client), GIBSON_CLOSED);
    ck_assert_message_has(gibson_client_error(client), word);
}

START_TEST(connect_over_each_kind_of_socket_works)
{
    static const struct {
        peer_kind kind;
        const char *prefix;
    } rows[] = {{PEER_UNIX, "unix:/"},
                {PEER_ABSTRACT, "unix:@gibson-test-"},
                {PEER_TCP4, "127.0.0.1:"},
                {PEER_TCP6, "[::1]:"}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        peer *server = peer_start(rows[i].kind, sample_serve, NULL);
        if (!server) {
            printf("no IPv6 here: not tested\n");
            continue;
        }
        begin();
        options.timeout_ms = 5000;
        peer_point(server, &options);
        ck_assert_status(try_to_connect(), GIBSON_OK);
        ck_assert(gibson_client_connected(client));
        ck_assert_int_ge(gibson_client_descriptor(client), 0);
        ck_assert(!strncmp(gibson_client_peer(client), rows[i].prefix, strlen(rows[i].prefix)));
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
        ck_assert_status(gibson_client_quit(client), GIBSON_OK);
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

/* pymemcache 301 and 303: localhost may be ::1 first, where nobody listens. */
START_TEST(connect_localhost_finds_the_family_that_listens)
{
    begin();
    peer *server = peer_start(PEER_TCP4, sample_serve, NULL);
    peer_point(server, &options);
    options.host = "localhost";
    options.timeout_ms = 5000;
    ck_assert_status(try_to_connect(), GIBSON_OK);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    peer_stop(server);
    end();
}
END_TEST

/* pymemcache 301: a dead first address must not use up the time of the live one. */
START_TEST(connect_dead_first_address_leaves_time_for_the_second)
{
    begin();
    peer *server = peer_start(PEER_TCP4, sample_serve, NULL);
    dead_port dead = dead_port_new();
    peer_point(server, &options);
    options.host = "test.invalid";
    options.connect_timeout_ms = 10000;
    options.timeout_ms = 5000;
    resolver.ports[0] = dead.port;
    resolver.ports[1] = options.port;
    ck_assert_status(try_to_connect(), GIBSON_OK);
    check_took(200, 250 + SUITE_SLACK_MS);
    ck_assert_status(gibson_client_error(client)->status, GIBSON_OK);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    dead_port_free(&dead);
    peer_stop(server);
    end();
}
END_TEST

START_TEST(connect_nine_dead_addresses_leave_the_tenth)
{
    begin();
    peer *server = peer_start(PEER_TCP4, sample_serve, NULL);
    dead_port dead = dead_port_new();
    peer_point(server, &options);
    options.host = "test.invalid";
    options.connect_timeout_ms = 10000;
    for (int i = 0; i < 9; i++) {
        resolver.ports[i] = dead.port;
    }
    resolver.ports[9] = options.port;
    ck_assert_status(try_to_connect(), GIBSON_OK);
    check_took(9 * 250 - 50, 9 * 250 + SUITE_SLACK_MS);
    dead_port_free(&dead);
    peer_stop(server);
    end();
}
END_TEST

START_TEST(connect_name_without_an_address_is_unreachable)
{
    begin();
    options.host = "test.invalid";
    ck_assert_status(try_to_connect(), GIBSON_UNREACHABLE);
    check_failed(GIBSON_UNREACHABLE, "test.invalid has no address");
    end();
}
END_TEST

START_TEST(connect_refused_addresses_are_passed_over_at_once)
{
    begin();
    peer *server = peer_start(PEER_TCP4, sample_serve, NULL);
    peer_point(server, &options);
    options.host = "test.invalid";
    options.connect_timeout_ms = 10000;
    int refusing = bound_socket(&resolver.ports[0]);
    resolver.ports[1] = resolver.ports[0];
    resolver.ports[2] = options.port;
    ck_assert_status(try_to_connect(), GIBSON_OK);
    check_took(0, 400); /* less than two delays of 250 ms */
    close(refusing);
    peer_stop(server);
    end();
}
END_TEST

START_TEST(connect_all_addresses_refused_is_unreachable)
{
    begin();
    options.host = "test.invalid";
    int refusing = bound_socket(&resolver.ports[0]);
    resolver.ports[1] = resolver.ports[0];
    ck_assert_status(try_to_connect(), GIBSON_UNREACHABLE);
    ck_assert_int_eq(gibson_client_error(client)->system_errno, ECONNREFUSED);
    check_failed(GIBSON_UNREACHABLE, "cannot connect to test.invalid");
    close(refusing);
    end();
}
END_TEST

START_TEST(connect_all_addresses_dead_ends_at_the_deadline)
{
    begin();
    dead_port dead = dead_port_new();
    options.host = "test.invalid";
    options.connect_timeout_ms = 600; /* so the third is under way as well */
    resolver.ports[0] = resolver.ports[1] = resolver.ports[2] = dead.port;
    ck_assert_status(try_to_connect(), GIBSON_TIMEOUT);
    check_took(600, 600 + SUITE_SLACK_MS);
    check_failed(GIBSON_TIMEOUT, "connect_timeout of ");
    dead_port_free(&dead);
    end();
}
END_TEST

START_TEST(connect_name_that_does_not_resolve_says_why)
{
    static const struct {
        int failure;
        gibson_status status;
        int system_errno;
    } rows[] = {{EAI_NONAME, GIBSON_UNREACHABLE, 0},
                {EAI_MEMORY, GIBSON_NOMEM, 0},
                {EAI_SYSTEM, GIBSON_UNREACHABLE, EMFILE}};
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin();
        options.host = "test.invalid";
        resolver.failure = rows[i].failure;
        ck_assert_status(try_to_connect(), rows[i].status);
        ck_assert_int_eq(gibson_client_error(client)->system_errno, rows[i].system_errno);
        check_failed(rows[i].status, "resolve test.invalid");
        end();
    }
}
END_TEST

/* Lets the look-up that was given up end, so that no test meets the thread of another. */
static void end_hanging_lookup(void)
{
    sem_post(&resolver_go_on);
    sem_wait(&resolver_gone);
}

/* libvalkey 323: DNS that hangs is bounded by the connect deadline. */
START_TEST(connect_dns_that_hangs_ends_at_the_deadline)
{
    begin();
    options.host = "test.invalid";
    options.connect_timeout_ms = 150;
    resolver.hangs = true;
    ck_assert_status(try_to_connect(), GIBSON_TIMEOUT);
    check_took(150, 150 + SUITE_SLACK_MS);
    check_failed(GIBSON_TIMEOUT, "connect_timeout of ");
    end_hanging_lookup();
    end();
}
END_TEST

static int interrupt_at_once(void *context)
{
    (void)context;
    return 1;
}

START_TEST(connect_dns_that_hangs_can_be_interrupted)
{
    begin();
    options.host = "test.invalid";
    options.connect_timeout_ms = GIBSON_NO_DEADLINE;
    options.interrupt = interrupt_at_once;
    resolver.hangs = true;
    ck_assert_status(try_to_connect(), GIBSON_INTERRUPTED);
    check_took(0, SUITE_SLACK_MS);
    check_failed(GIBSON_INTERRUPTED, "interrupt");
    end_hanging_lookup();
    end();
}
END_TEST

START_TEST(connect_dead_address_can_be_interrupted)
{
    begin();
    dead_port dead = dead_port_new();
    options.host = "test.invalid";
    options.connect_timeout_ms = GIBSON_NO_DEADLINE;
    options.interrupt = interrupt_at_once;
    resolver.ports[0] = dead.port;
    ck_assert_status(try_to_connect(), GIBSON_INTERRUPTED);
    dead_port_free(&dead);
    end();
}
END_TEST

enum { MOST_FILLERS = 16 };

/* Fills the backlog of a peer that never accepts; returns how many clients that took. */
static size_t fill_backlog(const peer *server, gibson_client *clients[MOST_FILLERS])
{
    gibson_options with;
    gibson_options_init(&with);
    with.connect_timeout_ms = 50;
    peer_point(server, &with);
    for (size_t i = 0; i < MOST_FILLERS; i++) {
        ck_assert_status(gibson_client_new(&clients[i], &with, NULL), GIBSON_OK);
        if (gibson_client_connect(clients[i]) != GIBSON_OK) {
            return i + 1;
        }
    }
    ck_abort_msg("the backlog has no end");
    return 0;
}

static void empty_backlog(gibson_client **clients, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gibson_client_free(clients[i]);
    }
}

START_TEST(connect_unix_with_full_backlog_ends_at_the_deadline)
{
    peer *server = peer_start(PEER_UNIX, NULL, NULL);
    gibson_client *fillers[MOST_FILLERS];
    size_t filled = fill_backlog(server, fillers);
    begin();
    peer_point(server, &options);
    options.connect_timeout_ms = 120;
    ck_assert_status(try_to_connect(), GIBSON_TIMEOUT);
    check_took(120, 120 + SUITE_SLACK_MS);
    check_failed(GIBSON_TIMEOUT, "connect_timeout of ");
    end();

    begin(); /* under a storm of signals as well */
    peer_point(server, &options);
    options.connect_timeout_ms = 120;
    process_signal_storm(2000);
    ck_assert_status(try_to_connect(), GIBSON_TIMEOUT);
    ck_assert_uint_ge(process_signal_storm(0), 2);
    check_took(120, 120 + SUITE_SLACK_MS);
    end();
    empty_backlog(fillers, filled);
    peer_stop(server);
}
END_TEST

START_TEST(connect_unix_with_full_backlog_can_be_interrupted)
{
    peer *server = peer_start(PEER_UNIX, NULL, NULL);
    gibson_client *fillers[MOST_FILLERS];
    size_t filled = fill_backlog(server, fillers);
    begin();
    peer_point(server, &options);
    options.connect_timeout_ms = GIBSON_NO_DEADLINE;
    options.interrupt = interrupt_at_once;
    ck_assert_status(try_to_connect(), GIBSON_INTERRUPTED);
    end();
    empty_backlog(fillers, filled);
    peer_stop(server);
}
END_TEST

START_TEST(connect_path_without_a_server_is_unreachable)
{
    begin();
    options.unix_socket = "/nonexistent/gibson.sock";
    ck_assert_status(try_to_connect(), GIBSON_UNREACHABLE);
    ck_assert_int_eq(gibson_client_error(client)->system_errno, ENOENT);
    check_failed(GIBSON_UNREACHABLE, "/nonexistent/gibson.sock");
    end();
}
END_TEST

START_TEST(client_new_path_too_long_is_invalid)
{
    char path[200];
    memset(path, '/', sizeof path);
    path[sizeof path - 1] = '\0';
    begin();
    options.unix_socket = path;
    gibson_error error;
    client = (gibson_client *)path;
    ck_assert_status(gibson_client_new(&client, &options, &error), GIBSON_INVALID);
    ck_assert_ptr_null(client);
    ck_assert_message_has(&error, "unix_socket has 199 bytes");
    ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_INVALID);
    ck_assert_status(gibson_client_new(NULL, &options, &error), GIBSON_USAGE);
}
END_TEST

START_TEST(client_new_copies_its_strings)
{
    begin();
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    peer_point(server, &options);
    char path[128];
    snprintf(path, sizeof path, "%s", options.unix_socket);
    options.unix_socket = path;
    gibson_error error;
    ck_assert_status(gibson_client_new(&client, &options, &error), GIBSON_OK);
    memset(path, 'x', sizeof path);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    peer_stop(server);
    end();
}
END_TEST

static int option_of(int descriptor, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    ck_assert_int_eq(getsockopt(descriptor, level, name, &value, &size), 0);
    return value;
}

/* hiredis 593: options are there after reconnecting as well. */
START_TEST(connect_sets_socket_options_each_time)
{
    peer *server = peer_start(PEER_TCP4, sample_serve, NULL);
    begin();
    peer_point(server, &options);
    options.tcp_keepalive_s = 17;
    options.tcp_user_timeout_ms = 1234;
    ck_assert_status(try_to_connect(), GIBSON_OK);
    for (int round = 0; round < 2; round++) {
        int descriptor = gibson_client_descriptor(client);
        ck_assert_int_eq(fcntl(descriptor, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        ck_assert_int_eq(fcntl(descriptor, F_GETFL) & O_NONBLOCK, 0);
        ck_assert_int_ne(option_of(descriptor, IPPROTO_TCP, TCP_NODELAY), 0);
        ck_assert_int_ne(option_of(descriptor, SOL_SOCKET, SO_KEEPALIVE), 0);
        ck_assert_int_eq(option_of(descriptor, IPPROTO_TCP, TCP_KEEPIDLE), 17);
        ck_assert_int_eq(option_of(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT), 1234);
        struct timeval timeout;
        socklen_t size = sizeof timeout;
        ck_assert_int_eq(getsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, &size), 0);
        ck_assert_int_ge(timeout.tv_usec, 60000);
        ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    }
    gibson_client_free(client);
    options.tcp_keepalive_s = -1;
    ck_assert_status(try_to_connect(), GIBSON_OK);
    ck_assert_int_eq(option_of(gibson_client_descriptor(client), SOL_SOCKET, SO_KEEPALIVE), 0);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

START_TEST(connect_unix_socket_is_closed_on_exec)
{
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    client = sample_client(server, NULL);
    ck_assert_int_eq(fcntl(gibson_client_descriptor(client), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

SUITE("client_connect", connect_over_each_kind_of_socket_works,
      connect_localhost_finds_the_family_that_listens,
      connect_dead_first_address_leaves_time_for_the_second,
      connect_nine_dead_addresses_leave_the_tenth, connect_name_without_an_address_is_unreachable,
      connect_refused_addresses_are_passed_over_at_once,
      connect_all_addresses_refused_is_unreachable, connect_all_addresses_dead_ends_at_the_deadline,
      connect_name_that_does_not_resolve_says_why, connect_dns_that_hangs_ends_at_the_deadline,
      connect_dns_that_hangs_can_be_interrupted, connect_dead_address_can_be_interrupted,
      connect_unix_with_full_backlog_ends_at_the_deadline,
      connect_unix_with_full_backlog_can_be_interrupted,
      connect_path_without_a_server_is_unreachable, client_new_path_too_long_is_invalid,
      client_new_copies_its_strings, connect_sets_socket_options_each_time,
      connect_unix_socket_is_closed_on_exec)
