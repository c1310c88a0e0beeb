/* What clients do to a server with their bytes and connections, on purpose or dying. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "wire/frame.h"

/* Each test runs with epoll and with poll. */
static const char *use_poll[] = {"0", "1"};

static test_server server;
static int client;

static void start_with(int method, test_transport transport, const char *name, const char *value,
                       const char *name2, const char *value2)
{
    const char *directives[] = {"use_poll", use_poll[method], name, value, name2, value2, NULL};
    test_server_start(&server, transport, directives);
    client = test_server_connect(&server);
}

static void start(int method)
{
    start_with(method, TEST_UNIX, NULL, NULL, NULL, NULL);
}

static void stop(void)
{
    close(client);
    test_server_stop(&server);
}

static int open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    int count = 0;
    while (readdir(directory)) {
        count++;
    }
    closedir(directory);
    return count;
}

START_TEST(stream_request_split_at_every_byte)
{
    uint8_t bytes[64];
    start_with(_i, TEST_TCP, NULL, NULL, NULL, NULL);
    size_t size = raw_request(bytes, GIBSON_OP_SET, "0 key value", 11);
    for (size_t cut = 1; cut < size; cut++) {
        ck_assert(raw_send(client, bytes, cut));
        /* Another client is answered: so the server has read the first part. */
        int other = test_server_connect(&server);
        ck_assert_int_eq(raw_ask_code(other, GIBSON_OP_PING, ""), GIB_CODE_OK);
        close(other);
        ck_assert(raw_send(client, bytes + cut, size - cut));
        raw_reply reply = raw_read_reply(client);
        ck_assert_int_eq(reply.code, GIB_CODE_VAL);
        ck_assert_uint_eq(reply.size, 5);
        raw_reply_free(&reply);
    }
    stop();
}
END_TEST

START_TEST(stream_byte_by_byte)
{
    uint8_t bytes[64];
    start(_i);
    size_t size = raw_request(bytes, GIBSON_OP_SET, "0 key value", 11);
    for (size_t at = 0; at < size; at++) {
        ck_assert(raw_send(client, bytes + at, 1));
    }
    raw_reply reply = raw_read_reply(client);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    raw_reply_free(&reply);
    stop();
}
END_TEST

START_TEST(stream_many_requests_at_once_are_answered_in_order)
{
    enum { REQUESTS = 20000 };
    uint8_t *bytes = malloc((size_t)REQUESTS * 32);
    size_t size = 0;
    char payload[32];
    start(_i);
    for (int i = 0; i < REQUESTS; i++) {
        int length = snprintf(payload, sizeof payload, "0 k%d %d", i % 100, i);
        size += raw_request(bytes + size, GIBSON_OP_SET, payload, (size_t)length);
    }
    pid_t child = fork(); /* writes while this reads */
    if (child == 0) {
        _exit(raw_send(client, bytes, size) ? 0 : 1);
    }
    for (int i = 0; i < REQUESTS; i++) {
        raw_reply reply = raw_read_reply(client);
        snprintf(payload, sizeof payload, "%d", i);
        if (reply.closed || reply.size != strlen(payload) ||
            memcmp(reply.data, payload, reply.size)) {
            ck_abort_msg("reply %d", i);
        }
        raw_reply_free(&reply);
    }
    int status;
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(status, 0);
    free(bytes);
    stop();
}
END_TEST

/* With so many items the server looks at the keys of several requests before it answers them, also
   of those that it refuses, and of the ones that others have changed meanwhile. */
START_TEST(stream_requests_looked_at_ahead_are_answered_one_by_one)
{
    enum { ITEMS = 20000, ROUNDS = 200 };
    char payload[128];
    uint8_t *bytes = malloc((size_t)ITEMS * 128);
    size_t size = 0;
    start(_i);
    for (int i = 0; i < ITEMS; i++) {
        int length = snprintf(payload, sizeof payload, "0 key:%d. %0100d", i, i);
        size += raw_request(bytes + size, GIBSON_OP_SET, payload, (size_t)length);
        if (i % 100 == 99) {
            ck_assert(raw_send(client, bytes, size));
            for (int reply = 0; reply < 100; reply++) {
                raw_reply got = raw_read_reply(client);
                ck_assert_int_eq(got.code, GIB_CODE_VAL);
                raw_reply_free(&got);
            }
            size = 0;
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        const int at = round * 97 % ITEMS;
        const struct {
            const char *format;
            int code;
            uint16_t opcode;
        } requests[] = {
            {"key:%d.", GIB_CODE_VAL, GIBSON_OP_GET},
            {"key:%d.", GIB_CODE_OK, GIBSON_OP_DEL},
            {"key:%d.", GIB_CODE_NOT_FOUND, GIBSON_OP_GET},
            {"", GIB_CODE_ERR, GIBSON_OP_GET},
            {"0 key:%d. v", GIB_CODE_VAL, GIBSON_OP_SET},
            {"0 key:%d.", GIB_CODE_ERR, GIBSON_OP_SET},
            {"key:%d.", GIB_CODE_VAL, GIBSON_OP_COUNT},
            {"key:%d.", GIB_CODE_VAL, GIBSON_OP_MDEL},
            {"key:%d.", GIB_CODE_VAL, GIBSON_OP_INC},
            {"key:%d.", GIB_CODE_VAL, GIBSON_OP_GET},
        };
        size = 0;
        for (size_t i = 0; i < 5 * COUNT_OF(requests); i++) {
            const size_t which = i % COUNT_OF(requests);
            snprintf(payload, sizeof payload, requests[which].format, at);
            size += raw_request(bytes + size, requests[which].opcode, payload, strlen(payload));
        }
        ck_assert(raw_send(client, bytes, size));
        for (size_t i = 0; i < 5 * COUNT_OF(requests); i++) {
            raw_reply got = raw_read_reply(client);
            ck_assert_msg(got.code == requests[i % COUNT_OF(requests)].code, "%zu: %d", i,
                          got.code);
            raw_reply_free(&got);
        }
    }
    free(bytes);
    stop();
}
END_TEST

START_TEST(stream_large_value_comes_in_many_pieces)
{
    enum { SIZE = 1500000 };
    char *payload = malloc(SIZE);
    memset(payload, 'x', SIZE);
    memcpy(payload, "0 key ", 6);
    start(_i);
    ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, SIZE));
    raw_reply reply = raw_read_reply(client);
    ck_assert_uint_eq(reply.size, SIZE - 6);
    raw_reply_free(&reply);
    reply = raw_ask(client, GIBSON_OP_GET, "key");
    ck_assert_uint_eq(reply.size, SIZE - 6);
    ck_assert_mem_eq(reply.data, payload + 6, SIZE - 6);
    raw_reply_free(&reply);
    free(payload);
    stop();
}
END_TEST

START_TEST(stream_requests_sent_before_the_client_shuts_its_side_are_answered)
{
    start(_i);
    ck_assert(raw_send_request(client, GIBSON_OP_PING, "", 0));
    ck_assert_int_eq(shutdown(client, SHUT_WR), 0);
    raw_reply reply = raw_read_reply(client);
    ck_assert(!reply.closed);
    raw_reply_free(&reply);
    ck_assert(raw_read_reply(client).closed);
    stop();
}
END_TEST

/* Sends GETs of a large value until the server takes no more for 200 ms. Returns how many went. */
static int send_without_reading(int descriptor)
{
    uint8_t request[16];
    size_t size = raw_request(request, GIBSON_OP_GET, "big", 3);
    int sent = 0;
    struct pollfd wait = {.fd = descriptor, .events = POLLOUT};
    while (poll(&wait, 1, 200) == 1 && sent < 1000000) {
        if (send(descriptor, request, size, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)size) {
            break;
        }
        sent++;
    }
    return sent;
}

/* Reads until the connection ends. Returns how many bytes came. */
static size_t read_to_end(int descriptor)
{
    static char buffer[65536];
    size_t total = 0;
    ssize_t got;
    while ((got = recv(descriptor, buffer, sizeof buffer, 0)) > 0) {
        total += (size_t)got;
    }
    return total;
}

START_TEST(slow_reader_is_bounded_and_disconnected)
{
    enum { VALUE = 50000, LIMIT = 65536 };
    char payload[VALUE + 6];
    memset(payload, 'x', sizeof payload);
    memcpy(payload, "0 big ", 6);
    start_with(_i, TEST_UNIX, "max_output_size", "64K", "max_write_stall", "30");
    ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, sizeof payload));
    raw_reply reply = raw_read_reply(client);
    raw_reply_free(&reply);
    int slow = test_server_connect(&server);
    int sent = send_without_reading(slow);
    ck_assert_int_lt(sent, 1000000); /* it has stopped reading */
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    ck_assert_int_eq(raw_stat(client, "total_clients"), 2);
    test_server_pass_time(&server, 31000);
    ck_assert(raw_await_stat(client, "total_clients", 1));
    ck_assert_int_eq(raw_stat(client, "total_disconnected_stalled"), 1);
    /* What comes is what socket buffers held, far less than was asked for. */
    ck_assert_uint_lt(read_to_end(slow), (size_t)2 << 20);
    close(slow);
    stop();
}
END_TEST

static void read_exactly(int descriptor, size_t size)
{
    static char buffer[65536];
    while (size) {
        ssize_t got = recv(descriptor, buffer, size < sizeof buffer ? size : sizeof buffer, 0);
        ck_assert_int_gt(got, 0);
        size -= (size_t)got;
    }
}

/* Waits until the server has looked for clients that stall. */
static void await_housekeeping(void)
{
    int64_t before = raw_stat(client, "total_cron_done");
    int64_t end = gib_deadline_after(gib_now_ns(), 20000);
    while (raw_stat(client, "total_cron_done") < before + 2) {
        ck_assert_int_lt(gib_now_ns(), end);
    }
}

/* It takes 360 KB in the time of a stall, of which 150 KB are due. The kernel holds megabytes of
   replies, and takes more only when it has got rid of many of them. */
START_TEST(slow_reader_that_takes_enough_is_not_disconnected)
{
    enum {
        VALUE = 200000,
        REQUESTS = 400,
        ALL_AT_ONCE = 8000000,
        PART = 120000,
        ROUNDS = 20,
        ROUND_MS = 10000
    };
    static char payload[VALUE + 6] = "0 big ";
    int small = 65536;
    start_with(_i, TEST_TCP, "max_output_size", "1M", "cron_period", "1");
    ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, sizeof payload));
    raw_reply reply = raw_read_reply(client);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    raw_reply_free(&reply);
    int slow = test_server_connect(&server);
    ck_assert_int_eq(setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    for (int i = 0; i < REQUESTS; i++) {
        ck_assert(raw_send_request(slow, GIBSON_OP_GET, "big", 3));
    }
    read_exactly(slow, ALL_AT_ONCE); /* so that the kernel holds as much as it can */
    for (int i = 0; i < ROUNDS; i++) {
        read_exactly(slow, PART);
        test_server_pass_time(&server, ROUND_MS);
        await_housekeeping();
        ck_assert_int_eq(raw_stat(client, "total_disconnected_stalled"), 0);
    }
    /* Now it takes nothing more; what it has taken so far still counts once or twice. */
    for (int i = 0; !raw_stat(client, "total_disconnected_stalled"); i++) {
        ck_assert_int_lt(i, ROUNDS);
        test_server_pass_time(&server, ROUND_MS);
        await_housekeeping();
    }
    close(slow);
    stop();
}
END_TEST

/* What can end a connection behind requests that are answered, and how much of it is there. */
static const struct {
    const char *bytes;
    size_t size;
} ends[] = {
    {"\x02\0\0\0\xff\0", 6},       /* END */
    {"\x02\0\0\0\x99\0", 6},       /* no opcode */
    {"\xff\xff\xff\xff\x03\0", 6}, /* a request of 4 GB */
};

/* Closing a TCP socket whose bytes were not all read would take back replies that are on their way.
 */
START_TEST(replies_before_the_end_reach_a_slow_reader)
{
    enum { VALUE = 50000, REQUESTS = 60, REPLY = 7 + VALUE };
    static char junk[300000];
    char payload[VALUE + 6];
    memset(payload, 'x', sizeof payload);
    memcpy(payload, "0 big ", 6);
    size_t kind = (size_t)_i / 2;
    start_with(_i % 2, TEST_TCP, NULL, NULL, NULL, NULL);
    ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, sizeof payload));
    raw_reply reply = raw_read_reply(client);
    raw_reply_free(&reply);
    int slow = test_server_connect(&server);
    for (int i = 0; i < REQUESTS; i++) {
        ck_assert(raw_send_request(slow, GIBSON_OP_GET, "big", 3));
    }
    ck_assert(raw_send(slow, ends[kind].bytes, ends[kind].size));
    /* These may be more than the socket takes before the server has read some of them. */
    send(slow, junk, sizeof junk, MSG_NOSIGNAL | MSG_DONTWAIT);
    ck_assert(raw_await_stat(client, "total_clients", 2));
    size_t expected = (size_t)REQUESTS * REPLY + (kind == 0 ? 8 : 0);
    size_t total = 0;
    ssize_t got;
    while ((got = recv(slow, payload, sizeof payload, 0)) > 0) {
        total += (size_t)got;
        ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    }
    ck_assert_int_eq(got, 0);
    ck_assert_uint_eq(total, expected);
    close(slow);
    ck_assert(raw_await_stat(client, "total_clients", 1));
    stop();
}
END_TEST

START_TEST(client_that_is_told_to_go_and_stays_is_disconnected)
{
    start_with(_i, TEST_TCP, "max_write_stall", "30", NULL, NULL);
    int rude = test_server_connect(&server);
    ck_assert_int_eq(raw_ask_code(rude, GIBSON_OP_END, ""), GIB_CODE_OK);
    ck_assert(raw_read_reply(rude).closed);
    ck_assert(raw_send(rude, "more", 4));
    ck_assert_int_eq(raw_stat(client, "total_clients"), 2);
    test_server_pass_time(&server, 31000);
    ck_assert(raw_await_stat(client, "total_clients", 1));
    close(rude);
    stop();
}
END_TEST

START_TEST(reader_that_is_only_late_gets_everything)
{
    enum { VALUE = 50000, REQUESTS = 200 };
    char payload[VALUE + 6];
    memset(payload, 'x', sizeof payload);
    memcpy(payload, "0 big ", 6);
    start_with(_i, TEST_UNIX, "max_output_size", "64K", NULL, NULL);
    ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, sizeof payload));
    raw_reply reply = raw_read_reply(client);
    raw_reply_free(&reply);
    for (int i = 0; i < REQUESTS; i++) {
        ck_assert(raw_send_request(client, GIBSON_OP_GET, "big", 3));
    }
    int other = test_server_connect(&server);
    ck_assert_int_eq(raw_ask_code(other, GIBSON_OP_PING, ""), GIB_CODE_OK);
    close(other);
    for (int i = 0; i < REQUESTS; i++) {
        reply = raw_read_reply(client);
        ck_assert(!reply.closed);
        ck_assert_uint_eq(reply.size, VALUE);
        raw_reply_free(&reply);
    }
    stop();
}
END_TEST

/* Sends SETs of keys under k:, many at a time. */
static void fill(int items)
{
    enum { AT_ONCE = 500 };
    static uint8_t requests[AT_ONCE * 32];
    char payload[32];
    for (int i = 0; i < items; i += AT_ONCE) {
        size_t size = 0;
        for (int j = 0; j < AT_ONCE; j++) {
            int length = snprintf(payload, sizeof payload, "0 k:%d v", i + j);
            size += raw_request(requests + size, GIBSON_OP_SET, payload, (size_t)length);
        }
        ck_assert(raw_send(client, requests, size));
        for (int j = 0; j < AT_ONCE; j++) {
            raw_reply reply = raw_read_reply(client);
            raw_reply_free(&reply);
        }
    }
}

/* One client asks for a thousand long walks at once; another must not wait for them all. */
START_TEST(client_with_long_commands_does_not_hold_up_others)
{
    enum { ITEMS = 20000, WALKS = 1000 };
    start(_i);
    fill(ITEMS);
    int busy = test_server_connect(&server);
    for (int i = 0; i < WALKS; i++) {
        ck_assert(raw_send_request(busy, GIBSON_OP_MTTL, "k: 1000", 7));
    }
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    int64_t asked = raw_stat(client, "total_requests");
    ck_assert_int_lt(asked, ITEMS + WALKS); /* some of them are still to come */
    for (int i = 0; i < WALKS; i++) {
        raw_reply reply = raw_read_reply(busy);
        ck_assert_int_eq(reply.code, GIB_CODE_VAL);
        raw_reply_free(&reply);
    }
    close(busy);
    stop();
}
END_TEST

START_TEST(thousand_connections_opened_and_dropped)
{
    start_with(_i, TEST_TCP, NULL, NULL, NULL, NULL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    int before = open_descriptors();
    for (int i = 0; i < 1000; i++) {
        int descriptor = test_server_connect(&server);
        if (i % 3 == 1) {
            ck_assert(raw_send(descriptor, "\x10\0\0", 3));
        } else if (i % 3 == 2) {
            ck_assert_int_eq(raw_ask_code(descriptor, GIBSON_OP_PING, ""), GIB_CODE_OK);
        }
        close(descriptor);
    }
    ck_assert(raw_await_stat(client, "total_connections", 1001));
    ck_assert(raw_await_stat(client, "total_clients", 1));
    ck_assert_int_eq(open_descriptors(), before);
    stop();
}
END_TEST

START_TEST(client_killed_in_the_middle_leaves_nothing)
{
    start(_i);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    int before = open_descriptors();
    for (int i = 0; i < 20; i++) {
        int ready[2];
        ck_assert_int_eq(pipe(ready), 0);
        pid_t child = fork();
        if (child == 0) {
            int descriptor = test_server_connect(&server);
            raw_send_request(descriptor, GIBSON_OP_STATS, "", 0);
            raw_send(descriptor, "\xff\xff\0\0\x01\0half", 10);
            if (write(ready[1], "", 1) == 1) {
                pause();
            }
            _exit(1);
        }
        char byte;
        ck_assert_int_eq(read(ready[0], &byte, 1), 1);
        kill(child, SIGKILL);
        ck_assert_int_eq(waitpid(child, NULL, 0), child);
        close(ready[0]);
        close(ready[1]);
    }
    ck_assert(raw_await_stat(client, "total_clients", 1));
    ck_assert_int_eq(open_descriptors(), before);
    stop();
}
END_TEST

START_TEST(filling_and_deleting_again_and_again_does_not_grow)
{
    char payload[128];
    start(_i);
    int64_t first_peak = 0;
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 2000; i++) {
            int size = snprintf(payload, sizeof payload, "0 r:%d:%d value", i, i * 7);
            ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, (size_t)size));
            raw_reply reply = raw_read_reply(client);
            raw_reply_free(&reply);
        }
        ck_assert_int_eq(raw_ask_number(client, GIBSON_OP_MDEL, "r:"), 2000);
        ck_assert(raw_await_stat(client, "memory_used", 0));
        int64_t peak = raw_stat(client, "memory_peak");
        first_peak = round ? first_peak : peak;
        ck_assert_int_eq(peak, first_peak);
    }
    stop();
}
END_TEST

/* A thread, not a process: that would have a copy of the server's end, which would then never be
   closed. */
static void *read_in_thread(void *total)
{
    *(size_t *)total = read_to_end(client);
    return NULL;
}

/* The replies are more than the socket holds. */
START_TEST(stop_answers_what_has_arrived)
{
    enum { REQUESTS = 5000, VALUE = 25 };
    start(_i);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_SET, "0 key 1234567890123456789012345"),
                     GIB_CODE_VAL);
    uint8_t requests[REQUESTS * 9];
    size_t size = 0;
    for (int i = 0; i < REQUESTS; i++) {
        size += raw_request(requests + size, GIBSON_OP_GET, "key", 3);
    }
    ck_assert(raw_send(client, requests, size));
    pthread_t reader;
    size_t total = 0;
    ck_assert_int_eq(pthread_create(&reader, NULL, read_in_thread, &total), 0);
    test_server_stop(&server);
    ck_assert_int_eq(pthread_join(reader, NULL), 0);
    ck_assert_uint_eq(total, (size_t)REQUESTS * (GIB_REPLY_HEADER + VALUE));
    close(client);
}
END_TEST

/* A client that never reads must not keep the server from ending. */
START_TEST(stop_does_not_wait_for_ever)
{
    char payload[100006];
    memset(payload, 'x', sizeof payload);
    memcpy(payload, "0 big ", 6);
    start(_i);
    ck_assert(raw_send_request(client, GIBSON_OP_SET, payload, sizeof payload));
    raw_reply reply = raw_read_reply(client);
    raw_reply_free(&reply);
    send_without_reading(client);
    int64_t before = gib_now_ns();
    test_server_stop(&server);
    ck_assert_int_lt(gib_now_ns() - before, INT64_C(20000000000));
    close(client);
}
END_TEST

/* A process that does nothing until it is killed. */
static pid_t fork_idler(void)
{
    pid_t child = fork();
    if (child == 0) {
        for (;;) {
            pause();
        }
    }
    return child;
}

static void end_process(pid_t process)
{
    kill(process, SIGKILL);
    ck_assert_int_eq(waitpid(process, NULL, 0), process);
}

START_TEST(child_of_fork_does_not_keep_connections_open)
{
    start_with(_i, TEST_TCP, NULL, NULL, NULL, NULL);
    ck_assert_int_eq(raw_ask_code(client, GIBSON_OP_PING, ""), GIB_CODE_OK);
    pid_t child = fork_idler();
    test_server_stop(&server);
    ck_assert(raw_read_reply(client).closed);
    close(client);
    end_process(child);
}
END_TEST

/* Connects until that is refused: what a killed process had open may be closed a little later. */
static void await_refusal(const char *path)
{
    int64_t end = gib_deadline_after(gib_now_ns(), 20000);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int cause = 0;
    while (cause != ECONNREFUSED) {
        int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        cause = connect(descriptor, (struct sockaddr *)&address, sizeof address) ? errno : 0;
        close(descriptor);
        ck_assert_int_lt(gib_now_ns(), end);
    }
}

/* A program with a server has forked, and dies: its child must not look like a server. */
START_TEST(child_of_fork_does_not_keep_the_listener)
{
    struct {
        test_server server;
        pid_t child;
    } told;
    int tell[2];
    ck_assert_int_eq(pipe(tell), 0);
    pid_t program = fork();
    if (program == 0) {
        start(_i);
        told.server = server;
        told.child = fork_idler();
        if (write(tell[1], &told, sizeof told) == sizeof told) {
            pause();
        }
        _exit(1);
    }
    ck_assert_int_eq(read(tell[0], &told, sizeof told), sizeof told);
    end_process(program);
    await_refusal(told.server.unix_socket);
    close(tell[0]);
    close(tell[1]);
    kill(told.child, SIGKILL);
    ck_assert_int_eq(unlink(told.server.unix_socket), 0);
    ck_assert_int_eq(rmdir(told.server.directory), 0);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.runs = 2,
         TESTS(stream_request_split_at_every_byte, stream_byte_by_byte,
               stream_many_requests_at_once_are_answered_in_order,
               stream_requests_looked_at_ahead_are_answered_one_by_one,
               stream_large_value_comes_in_many_pieces,
               stream_requests_sent_before_the_client_shuts_its_side_are_answered,
               slow_reader_is_bounded_and_disconnected,
               slow_reader_that_takes_enough_is_not_disconnected,
               client_that_is_told_to_go_and_stays_is_disconnected,
               reader_that_is_only_late_gets_everything,
               client_with_long_commands_does_not_hold_up_others,
               thousand_connections_opened_and_dropped, client_killed_in_the_middle_leaves_nothing,
               filling_and_deleting_again_and_again_does_not_grow,
               child_of_fork_does_not_keep_connections_open,
               child_of_fork_does_not_keep_the_listener, stop_answers_what_has_arrived,
               stop_does_not_wait_for_ever)},
        {.runs = 6, TESTS(replies_before_the_end_reach_a_slow_reader)},
    };
    return suite_run("server_stream", 1, parts, COUNT_OF(parts));
}
