/* The proxy between two sockets that the test holds in its hands. */
#include "proxy/proxy.h"
#include "support/suite.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_S = 20, PATIENCE_MS = PATIENCE_S * 1000, LARGE = 3 << 20 };

typedef struct fixture {
    char directory[80];
    int listener; /* of the server that the test plays */
    gibp_proxy *proxy;
    int client;
    int server;
} fixture;

static fixture test;
static char problem[GIBP_PROXY_ERROR_SIZE];

/* Makes a socket wait, but not for ever. */
static int patient(int descriptor)
{
    const struct timeval timeout = {.tv_sec = PATIENCE_S};
    ck_assert_int_ge(descriptor, 0);
    ck_assert_int_eq(setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
    return descriptor;
}

static int connect_client(void)
{
    gibp_proxy_address address;
    ck_assert(gibp_proxy_address_parse(&address, gibp_proxy_listens_on(test.proxy), problem));
    int client = socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(connect(client, (const struct sockaddr *)&address.storage, address.size), 0);
    gibp_proxy_no_delay(client);
    return patient(client);
}

static void connect_both(void)
{
    test.client = connect_client();
    test.server = patient(accept4(test.listener, NULL, NULL, SOCK_CLOEXEC));
}

static void start(const char *listen, const char *connect)
{
    gibp_proxy_address address;
    char there[GIBP_PROXY_ADDRESS_SIZE];
    ck_assert(gibp_proxy_address_parse(&address, connect, problem));
    test.listener = gibp_proxy_address_listen(&address);
    ck_assert_int_ge(test.listener, 0);
    ck_assert_int_eq(fcntl(patient(test.listener), F_SETFL, 0), 0); /* accept waits */
    gibp_proxy_address_format(&address, there);
    const gibp_proxy_options options = {.listen = listen, .connect = there};
    ck_assert_msg(gibp_proxy_start(&test.proxy, &options, problem), "%s", problem);
}

static void add(const char *text)
{
    gibp_fault fault;
    ck_assert_msg(gibp_fault_parse(&fault, text, problem), "%s", problem);
    ck_assert_msg(gibp_proxy_add(test.proxy, &fault, problem), "%s", problem);
}

static void set_up(void)
{
    test = (fixture){.client = -1, .server = -1};
    start("127.0.0.1:0", "127.0.0.1:0");
}

static void set_up_with_unix_sockets(void)
{
    char listen[120];
    char connect[120];
    test = (fixture){.client = -1, .server = -1};
    const char *base = getenv("TMPDIR");
    snprintf(test.directory, sizeof test.directory, "%.50s/gibson-proxy-XXXXXX",
             base ? base : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(test.directory));
    snprintf(listen, sizeof listen, "unix:%s/proxy", test.directory);
    snprintf(connect, sizeof connect, "unix:@%s/server", test.directory);
    start(listen, connect);
}

static void close_if_open(int descriptor)
{
    if (descriptor >= 0) {
        close(descriptor);
    }
}

static void tear_down(void)
{
    close_if_open(test.client);
    close_if_open(test.server);
    close_if_open(test.listener);
    gibp_proxy_stop(test.proxy);
    if (test.directory[0]) {
        ck_assert_int_eq(rmdir(test.directory), 0); /* the proxy has removed its socket */
    }
}

static void give(int descriptor, const char *bytes)
{
    ck_assert_int_eq(send(descriptor, bytes, strlen(bytes), MSG_NOSIGNAL), (ssize_t)strlen(bytes));
}

static void expect(int descriptor, const char *bytes)
{
    char got[64];
    ck_assert_int_eq(recv(descriptor, got, strlen(bytes), MSG_WAITALL), (ssize_t)strlen(bytes));
    ck_assert_mem_eq(got, bytes, strlen(bytes));
}

static void expect_end(int descriptor)
{
    char byte;
    ck_assert_int_eq(recv(descriptor, &byte, 1, 0), 0);
}

static void expect_nothing_yet(int descriptor)
{
    char byte;
    ck_assert_int_eq(recv(descriptor, &byte, 1, MSG_DONTWAIT), -1);
    ck_assert_int_eq(errno, EAGAIN);
}

static bool keeps_back(const gibp_proxy_counters *counters, void *context)
{
    return counters->kept_back >= *(const uint64_t *)context;
}

static void await_kept_back(uint64_t bytes)
{
    ck_assert(gibp_proxy_await(test.proxy, keeps_back, &bytes, PATIENCE_MS));
}

static bool has_struck(const gibp_proxy_counters *counters, void *context)
{
    return counters->struck >= *(const uint64_t *)context;
}

static void await_struck(uint64_t faults)
{
    ck_assert(gibp_proxy_await(test.proxy, has_struck, &faults, PATIENCE_MS));
}

static bool has_none_open(const gibp_proxy_counters *counters, void *context)
{
    (void)context;
    return !counters->open;
}

START_TEST(proxy_passes_bytes_and_ends_both_ways)
{
    connect_both();
    give(test.client, "request");
    expect(test.server, "request");
    give(test.server, "reply");
    expect(test.client, "reply");
    shutdown(test.client, SHUT_WR);
    expect_end(test.server);
    give(test.server, "late");
    expect(test.client, "late");
    close(test.server);
    test.server = -1;
    expect_end(test.client);
    close(test.client);
    test.client = -1;
    ck_assert(gibp_proxy_await(test.proxy, has_none_open, NULL, PATIENCE_MS));
    gibp_proxy_counters counters = gibp_proxy_count(test.proxy);
    ck_assert_uint_eq(counters.accepted, 1);
    ck_assert_uint_eq(counters.request_bytes, 7);
    ck_assert_uint_eq(counters.reply_bytes, 9);
}
END_TEST

START_TEST(proxy_cuts_a_reply_after_each_byte)
{
    char text[40];
    snprintf(text, sizeof text, "reply:cut@%d", _i);
    add(text);
    connect_both();
    give(test.client, "request");
    if (_i) { /* else the connection may be over before */
        expect(test.server, "request");
        give(test.server, "reply");
    }
    char got[8] = "";
    ck_assert_int_eq(recv(test.client, got, sizeof got, MSG_WAITALL), _i);
    ck_assert_mem_eq(got, "reply", (size_t)_i);
    expect_end(test.client);
    if (_i) {
        expect_end(test.server);
    }
}
END_TEST

START_TEST(proxy_cuts_a_request_after_its_byte)
{
    add("request:cut@3");
    connect_both();
    give(test.client, "request");
    expect(test.server, "req");
    expect_end(test.server);
    expect_end(test.client);
}
END_TEST

START_TEST(proxy_corrupts_a_byte_in_each_direction)
{
    add("request:corrupt@1=0x20");
    add("reply:corrupt@0=0x20");
    connect_both();
    give(test.client, "request");
    expect(test.server, "rEquest");
    give(test.server, "reply");
    expect(test.client, "Reply");
}
END_TEST

START_TEST(proxy_dribbles_a_reply)
{
    add("reply:dribble@1=20");
    connect_both();
    int64_t begin_ms = suite_now_ms();
    give(test.server, "reply");
    expect(test.client, "reply");
    ck_assert_int_ge(suite_now_ms() - begin_ms, 59); /* 3 pauses between 4 bytes */
}
END_TEST

START_TEST(proxy_delays_a_request)
{
    add("request:delay@0=50");
    connect_both();
    int64_t begin_ms = suite_now_ms();
    give(test.client, "request");
    expect(test.server, "request");
    ck_assert_int_ge(suite_now_ms() - begin_ms, 49);
}
END_TEST

START_TEST(proxy_holds_a_reply_until_released)
{
    add("reply:hold@2");
    connect_both();
    give(test.server, "reply");
    await_kept_back(3);
    expect(test.client, "re");
    expect_nothing_yet(test.client);
    gibp_proxy_release(test.proxy);
    expect(test.client, "ply");
}
END_TEST

START_TEST(proxy_holds_a_reply_for_a_time)
{
    add("reply:hold@0=50");
    connect_both();
    int64_t begin_ms = suite_now_ms();
    give(test.server, "reply");
    expect(test.client, "reply");
    ck_assert_int_ge(suite_now_ms() - begin_ms, 49);
}
END_TEST

START_TEST(proxy_survives_a_client_that_has_gone_before_its_reply)
{
    add("1/reply:hold@0");
    connect_both();
    give(test.server, "reply");
    await_kept_back(5);
    close(test.client);
    test.client = -1;
    expect_end(test.server);
    close(test.server);
    gibp_proxy_release(test.proxy);
    ck_assert(gibp_proxy_await(test.proxy, has_none_open, NULL, PATIENCE_MS));
    connect_both();
    give(test.client, "request");
    expect(test.server, "request");
}
END_TEST

START_TEST(proxy_black_hole_swallows_in_silence)
{
    add("request:blackhole@3");
    connect_both();
    give(test.client, "request");
    expect(test.server, "req");
    await_struck(1);
    give(test.client, "more");
    give(test.server, "reply");
    expect(test.client, "reply");
    expect_nothing_yet(test.server);
    expect_nothing_yet(test.client);
}
END_TEST

START_TEST(proxy_resets_the_client_and_ends_the_server_in_order)
{
    add("request:reset@3");
    connect_both();
    give(test.client, "request");
    expect(test.server, "req");
    expect_end(test.server);
    char byte;
    ck_assert_int_eq(recv(test.client, &byte, 1, 0), -1);
    ck_assert_int_eq(errno, ECONNRESET);
}
END_TEST

START_TEST(proxy_half_closes_one_direction)
{
    add("reply:half-close@2");
    connect_both();
    give(test.server, "reply");
    expect(test.client, "re");
    expect_end(test.client);
    give(test.client, "request");
    expect(test.server, "request");
    give(test.server, "lost"); /* is taken and thrown away */
    expect_nothing_yet(test.server);
}
END_TEST

START_TEST(proxy_fault_of_one_connection_leaves_the_others_alone)
{
    add("2/reply:cut@1");
    connect_both();
    int first_client = test.client;
    int first_server = test.server;
    connect_both();
    give(test.server, "reply");
    expect(test.client, "r");
    expect_end(test.client);
    give(first_server, "reply");
    expect(first_client, "reply");
    close(first_client);
    close(first_server);
}
END_TEST

START_TEST(proxy_fault_added_to_an_open_connection_counts_from_then)
{
    connect_both();
    give(test.server, "reply");
    expect(test.client, "reply");
    add("reply:cut@2");
    give(test.server, "reply");
    expect(test.client, "re");
    expect_end(test.client);
}
END_TEST

START_TEST(proxy_heal_lets_all_through)
{
    add("reply:hold");
    add("request:blackhole");
    connect_both();
    await_struck(2);
    give(test.server, "reply");
    await_kept_back(5);
    gibp_proxy_heal(test.proxy);
    expect(test.client, "reply");
    give(test.client, "request");
    expect(test.server, "request");
}
END_TEST

START_TEST(proxy_drop_waits_for_the_server)
{
    connect_both();
    give(test.client, "request");
    ck_assert(!gibp_proxy_drop(test.proxy, 20));
    expect_end(test.client);
    close(test.server);
    test.server = -1;
    ck_assert(gibp_proxy_drop(test.proxy, PATIENCE_MS));
}
END_TEST

static void *drop_all(void *context)
{
    *(bool *)context = gibp_proxy_drop(test.proxy, 3000);
    return NULL;
}

START_TEST(proxy_drop_does_not_wait_for_later_connections)
{
    pthread_t thread;
    bool dropped = false;
    connect_both();
    add("2/reply:half-close@0");
    pthread_create(&thread, NULL, drop_all, &dropped);
    expect_end(test.client);
    int later = connect_client(); /* its server's side stays open, as its client does */
    int server = patient(accept4(test.listener, NULL, NULL, SOCK_CLOEXEC));
    expect_end(later);
    close(test.server);
    test.server = -1;
    pthread_join(thread, NULL);
    ck_assert(dropped);
    close(later);
    close(server);
}
END_TEST

START_TEST(proxy_drop_takes_in_connections_that_wait_to_be_accepted)
{
    int clients[8];
    for (size_t i = 0; i < 8; i++) {
        clients[i] = connect_client();
    }
    int tries = 0;
    do {
        (void)gibp_proxy_drop(test.proxy,
                              200); /* the server accepts nothing, so it takes so long */
    } while (++tries < 100 && gibp_proxy_count(test.proxy).accepted < 8);
    ck_assert_uint_eq(gibp_proxy_count(test.proxy).accepted, 8);
    for (size_t i = 0; i < 8; i++) {
        expect_end(clients[i]);
        close(clients[i]);
    }
}
END_TEST

START_TEST(proxy_without_a_server_closes_the_connection)
{
    close(test.listener);
    test.listener = -1;
    test.client = connect_client();
    char byte;
    ck_assert_int_le(recv(test.client, &byte, 1, 0), 0);
}
END_TEST

static void *send_much(void *context)
{
    char *bytes = malloc(LARGE);
    for (size_t i = 0; i < LARGE; i++) {
        bytes[i] = (char)(i * 7 + i / 251);
    }
    for (size_t sent = 0; sent < LARGE;) {
        ssize_t more = send(*(int *)context, bytes + sent, LARGE - sent, MSG_NOSIGNAL);
        if (more <= 0) {
            break;
        }
        sent += (size_t)more;
    }
    free(bytes);
    return NULL;
}

static void expect_much(int descriptor)
{
    char *bytes = malloc(LARGE);
    ck_assert_int_eq(recv(descriptor, bytes, LARGE, MSG_WAITALL), LARGE);
    size_t wrong = 0;
    for (size_t i = 0; i < LARGE; i++) {
        wrong += bytes[i] != (char)(i * 7 + i / 251);
    }
    ck_assert_uint_eq(wrong, 0);
    free(bytes);
}

START_TEST(proxy_passes_much_through_both_ways_at_once)
{
    pthread_t threads[2];
    connect_both();
    pthread_create(&threads[0], NULL, send_much, &test.client);
    pthread_create(&threads[1], NULL, send_much, &test.server);
    expect_much(test.client);
    expect_much(test.server);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
}
END_TEST

static int64_t cpu_ms(void)
{
    struct timespec used;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static bool never(const gibp_proxy_counters *counters, void *context)
{
    (void)counters;
    (void)context;
    return false;
}

/* A peer that is gone while bytes for it are held: poll would report it over and over. */
START_TEST(proxy_that_waits_uses_no_processor_time)
{
    add("reply:hold@0");
    connect_both();
    give(test.server, "reply");
    await_kept_back(5);
    close(test.client);
    test.client = -1;
    expect_end(test.server);
    close(test.server);
    test.server = -1;
    int64_t before_ms = cpu_ms();
    ck_assert(!gibp_proxy_await(test.proxy, never, NULL, 300));
    ck_assert_int_lt(cpu_ms() - before_ms, 100);
}
END_TEST

static size_t plan(void *context, uint64_t connection, gibp_fault *faults, size_t capacity)
{
    (void)context;
    ck_assert_uint_ge(capacity, 1);
    faults[0] = (gibp_fault){.direction = GIBP_REPLIES, .kind = GIBP_FAULT_CUT, .at = connection};
    return 1;
}

START_TEST(proxy_asks_the_plan_for_each_connection)
{
    char there[GIBP_PROXY_ADDRESS_SIZE];
    gibp_proxy_address address = {.size = sizeof address.storage};
    getsockname(test.listener, (struct sockaddr *)&address.storage, &address.size);
    gibp_proxy_address_format(&address, there);
    gibp_proxy_stop(test.proxy);
    const gibp_proxy_options options = {.listen = "[::1]:0", .connect = there, .plan = plan};
    if (!gibp_proxy_start(&test.proxy, &options, problem)) {
        const gibp_proxy_options four = {.listen = "127.0.0.1:0", .connect = there, .plan = plan};
        ck_assert_msg(gibp_proxy_start(&test.proxy, &four, problem), "%s", problem);
    }
    ck_assert_uint_ne(gibp_proxy_port(test.proxy), 0);
    for (int i = 1; i <= 3; i++) {
        connect_both();
        give(test.server, "reply");
        char got[8];
        ck_assert_int_eq(recv(test.client, got, sizeof got, MSG_WAITALL), i);
        close(test.client);
        close(test.server);
        test.client = test.server = -1;
    }
}
END_TEST

START_TEST(proxy_start_that_fails_says_why)
{
    static const char *const wrong[] = {"nowhere",
                                        ":1",
                                        "127.0.0.1:",
                                        "127.0.0.1:70000",
                                        "unix:",
                                        "unix:@",
                                        "unix:/no/such/folder/here",
                                        "127.0.0.1:xy",
                                        "[::1:5"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        gibp_proxy *proxy;
        const gibp_proxy_options options = {.listen = wrong[i], .connect = "127.0.0.1:1"};
        ck_assert_msg(!gibp_proxy_start(&proxy, &options, problem), "%s", wrong[i]);
        ck_assert_ptr_null(proxy);
        ck_assert_ptr_nonnull(strstr(problem, wrong[i]));
    }
}
END_TEST

int main(void)
{
    const TTest *const everywhere[] = {proxy_passes_bytes_and_ends_both_ways,
                                       proxy_cuts_a_request_after_its_byte,
                                       proxy_corrupts_a_byte_in_each_direction,
                                       proxy_dribbles_a_reply,
                                       proxy_delays_a_request,
                                       proxy_holds_a_reply_until_released,
                                       proxy_holds_a_reply_for_a_time,
                                       proxy_survives_a_client_that_has_gone_before_its_reply,
                                       proxy_black_hole_swallows_in_silence,
                                       proxy_half_closes_one_direction,
                                       proxy_fault_of_one_connection_leaves_the_others_alone,
                                       proxy_fault_added_to_an_open_connection_counts_from_then,
                                       proxy_heal_lets_all_through,
                                       proxy_drop_waits_for_the_server,
                                       proxy_drop_does_not_wait_for_later_connections,
                                       proxy_drop_takes_in_connections_that_wait_to_be_accepted,
                                       proxy_without_a_server_closes_the_connection,
                                       proxy_passes_much_through_both_ways_at_once,
                                       proxy_that_waits_uses_no_processor_time,
                                       NULL};
    const TTest *const at_each_byte[] = {proxy_cuts_a_reply_after_each_byte, NULL};
    const suite_part parts[] = {
        {.tests = everywhere, .set_up = set_up, .tear_down = tear_down},
        {.tests = at_each_byte, .runs = 5, .set_up = set_up, .tear_down = tear_down},
        {.tests = everywhere, .set_up = set_up_with_unix_sockets, .tear_down = tear_down},
        {.tests = at_each_byte,
         .runs = 5,
         .set_up = set_up_with_unix_sockets,
         .tear_down = tear_down},
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(proxy_resets_the_client_and_ends_the_server_in_order,
               proxy_asks_the_plan_for_each_connection, proxy_start_that_fails_says_why)},
    };
    return suite_run("proxy", 1, parts, COUNT_OF(parts));
}
