/* System calls that fail, are interrupted, or do less than they were asked to. They are replaced at
   link time (-Wl,--wrap) for the thread that runs the tests; the peer's are the real ones. */
#include <gibson/pipeline.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/socket.h"
#include "support/idle.h"
#include "support/peer.h"
#include "support/process.h"
#include "support/samples.h"
#include "support/suite.h"

/* ---- The system calls ---- */

/* The next call of that name fails with the errno, once. With failure 0, it takes `takes` bytes at
   the most: send once; sendmsg every time, of its first piece only; recv every time, and slowly. */
static _Thread_local struct {
    const char *call;
    int failure;
    size_t takes;
} fault;

/* What the thread has called since the last reset. */
static _Thread_local struct {
    size_t calls;
    int send_flags; /* those that every send had */
} seen;

static bool fails(const char *call)
{
    seen.calls++;
    if (!fault.call || strcmp(fault.call, call) != 0 || !fault.failure) {
        return false;
    }
    fault.call = NULL;
    errno = fault.failure;
    return true;
}

static size_t taken(const char *call, size_t size)
{
    if (fault.call && !strcmp(fault.call, call) && size > fault.takes) {
        fault.call = NULL;
        return fault.takes;
    }
    return size;
}

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names that ld dictates */

/* WRAP(result, name, failed, parameters, arguments): a call that can be made to fail. */
#define WRAP(result, name, failed, parameters, arguments)                                          \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        return fails(#name) ? (failed) : __real_##name arguments;                                  \
    }

WRAP(int, socket, -1, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(int, poll, -1, (struct pollfd * fds, nfds_t count, int timeout), (fds, count, timeout))
WRAP(int, getsockopt, -1, (int descriptor, int level, int name, void *to, socklen_t *size),
     (descriptor, level, name, to, size))
WRAP(int, pipe2, -1, (int ends[2], int flags), (ends, flags))
WRAP(int, pthread_attr_init, errno, (pthread_attr_t * attributes), (attributes))
WRAP(int, pthread_create, errno,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument),
     (thread, attributes, run, argument))
WRAP(void *, malloc, NULL, (size_t size), (size))

/* connect from the very address it goes to: what chance does, and rarely. */
static _Thread_local bool from_itself;

int __real_connect(int descriptor, const struct sockaddr *to, socklen_t size);
int __wrap_connect(int descriptor, const struct sockaddr *to, socklen_t size);
int __wrap_connect(int descriptor, const struct sockaddr *to, socklen_t size)
{
    if (from_itself && bind(descriptor, to, size)) {
        return -1;
    }
    return fails("connect") ? -1 : __real_connect(descriptor, to, size);
}

ssize_t __real_recv(int descriptor, void *to, size_t size, int flags);
ssize_t __wrap_recv(int descriptor, void *to, size_t size, int flags);
ssize_t __wrap_recv(int descriptor, void *to, size_t size, int flags)
{
    /* The look at an idle connection is another matter than reading a reply. */
    const char *call = flags & MSG_PEEK ? "peek" : "recv";
    if (fault.call && !strcmp(fault.call, call) && fault.takes) {
        usleep(1000);
        return __real_recv(descriptor, to, fault.takes, flags);
    }
    return fails(call) ? -1 : __real_recv(descriptor, to, size, flags);
}

ssize_t __real_send(int descriptor, const void *from, size_t size, int flags);
ssize_t __wrap_send(int descriptor, const void *from, size_t size, int flags);
ssize_t __wrap_send(int descriptor, const void *from, size_t size, int flags)
{
    seen.send_flags &= flags;
    return fails("send") ? -1 : __real_send(descriptor, from, taken("send", size), flags);
}

ssize_t __real_sendmsg(int descriptor, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int descriptor, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int descriptor, const struct msghdr *message, int flags)
{
    seen.send_flags &= flags;
    const struct iovec *first = &message->msg_iov[0];
    if (fault.call && !strcmp(fault.call, "sendmsg") && fault.takes) {
        size_t size = first->iov_len < fault.takes ? first->iov_len : fault.takes;
        return __real_send(descriptor, first->iov_base, size, flags);
    }
    return fails("sendmsg") ? -1 : __real_sendmsg(descriptor, message, flags);
}

int __real_fcntl(int descriptor, int command, ...);
int __wrap_fcntl(int descriptor, int command, ...);
int __wrap_fcntl(int descriptor, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    int value = va_arg(arguments, int);
    va_end(arguments);
    return fails("fcntl") ? -1 : __real_fcntl(descriptor, command, value);
}

/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

static void make_fail(const char *call, int failure)
{
    fault.call = call;
    fault.failure = failure;
    fault.takes = 0;
}

static void make_short(const char *call, size_t takes)
{
    fault.call = call;
    fault.failure = 0;
    fault.takes = takes;
}

/* ---- The tests ---- */

static gibson_options options;
static gibson_client *client;
static peer *server;

static void begin(peer_kind kind)
{
    gibson_options_init(&options);
    options.timeout_ms = 5000;
    server = peer_start(kind, sample_serve, NULL);
}

static void end(void)
{
    gibson_client_free(client);
    peer_stop(server);
}

START_TEST(connect_whose_system_call_fails_says_so_and_loses_nothing)
{
    static const struct {
        const char *call;
        int failure;
        peer_kind kind;
        const char *host;
        gibson_status expected;
    } rows[] = {
        {"socket", EMFILE, PEER_UNIX, NULL, GIBSON_SYSTEM},
        {"socket", EMFILE, PEER_TCP4, NULL, GIBSON_SYSTEM},
        {"connect", ECONNREFUSED, PEER_UNIX, NULL, GIBSON_UNREACHABLE},
        {"connect", ENETUNREACH, PEER_TCP4, NULL, GIBSON_UNREACHABLE},
        {"getsockopt", EBADF, PEER_TCP4, NULL, GIBSON_UNREACHABLE},
        {"poll", ENOMEM, PEER_TCP4, NULL, GIBSON_SYSTEM},
        {"pipe2", EMFILE, PEER_TCP4, "localhost", GIBSON_SYSTEM},
        {"pthread_create", EAGAIN, PEER_TCP4, "localhost", GIBSON_SYSTEM},
        {"pthread_attr_init", ENOMEM, PEER_TCP4, "localhost", GIBSON_SYSTEM},
        {"malloc", ENOMEM, PEER_TCP4, "localhost", GIBSON_NOMEM},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(rows[i].kind);
        peer_point(server, &options);
        if (rows[i].host) {
            options.host = rows[i].host;
        }
        ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_OK);
        size_t descriptors = process_open_descriptors();
        make_fail(rows[i].call, rows[i].failure);
        gibson_status status = gibson_client_connect(client);
        ck_assert_msg(!fault.call, "%s was not called", rows[i].call);
        ck_assert_status(status, rows[i].expected);
        const gibson_error *error = gibson_client_error(client);
        ck_assert_int_eq(error->system_errno,
                         rows[i].expected == GIBSON_NOMEM ? 0 : rows[i].failure);
        ck_assert(process_await_descriptors(descriptors));
        ck_assert_status(gibson_client_connect(client), GIBSON_OK);
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
        end();
    }
}
END_TEST

/* Then poll does the waiting. */
START_TEST(socket_that_cannot_be_made_to_wait_works_as_well)
{
    begin(PEER_TCP4);
    make_fail("fcntl", EBADF);
    client = sample_client(server, &options);
    ck_assert_msg(!fault.call, "fcntl was not called");
    for (int i = 0; i < 3; i++) {
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    }
    end();
}
END_TEST

START_TEST(operation_whose_system_call_fails_says_so_and_closes)
{
    static const struct {
        const char *call;
        int failure;
        gibson_status expected;
    } rows[] = {
        {"send", EPIPE, GIBSON_CLOSED},        {"send", ECONNRESET, GIBSON_CLOSED},
        {"send", EHOSTUNREACH, GIBSON_CLOSED}, {"send", EPERM, GIBSON_SYSTEM},
        {"recv", ECONNRESET, GIBSON_CLOSED},   {"recv", ETIMEDOUT, GIBSON_CLOSED},
        {"recv", EIO, GIBSON_SYSTEM},          {"peek", ECONNRESET, GIBSON_CLOSED},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(PEER_UNIX);
        client = sample_client(server, &options);
        int64_t number = 7;
        pretend_idle(client);
        make_fail(rows[i].call, rows[i].failure);
        ck_assert_status(gibson_client_inc(client, gibson_str("n"), &number), rows[i].expected);
        ck_assert_int_eq(number, 0);
        ck_assert_int_eq(gibson_client_error(client)->system_errno, rows[i].failure);
        ck_assert_int_eq(gibson_client_descriptor(client), -1);
        ck_assert_status(gibson_client_ping(client), GIBSON_CLOSED);
        ck_assert_message_has(gibson_client_error(client), strerror(rows[i].failure));
        end();
    }
}
END_TEST

/* hiredis 99 and 1206 once more: whichever call is interrupted, it is tried again. */
START_TEST(interrupted_or_blocked_call_is_tried_again)
{
    static const struct {
        const char *call;
        int failure;
    } rows[] = {{"send", EINTR}, {"send", EAGAIN}, {"recv", EINTR}, {"recv", EAGAIN}};
    begin(PEER_UNIX);
    client = sample_client(server, &options);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t n = 0; n + 1 < SAMPLE_COUNT; n++) {
            gibson_reply reply;
            make_fail(rows[i].call, rows[i].failure);
            gibson_status status = gibson_client_call(client, &samples[n].request, &reply);
            ck_assert_msg(status == GIBSON_OK, "%s", gibson_client_error(client)->message);
            ck_assert(sample_reply_matches(&reply));
            ck_assert_ptr_null(fault.call);
        }
    }
    ck_assert_uint_eq(peer_connections(server), 1);
    end();
}
END_TEST

/* A send that takes only some bytes, for each number of them, alone and in a pipeline. */
START_TEST(short_send_at_every_byte_goes_on_where_it_stopped)
{
    begin(PEER_UNIX);
    client = sample_client(server, &options);
    for (size_t n = 0; n + 1 < SAMPLE_COUNT; n++) {
        size_t size = GIB_REQUEST_HEADER + strlen(samples[n].payload);
        for (size_t takes = 1; takes < size; takes++) {
            gibson_reply reply;
            make_short("send", takes);
            ck_assert_status(gibson_client_call(client, &samples[n].request, &reply), GIBSON_OK);
            ck_assert_ptr_null(fault.call);
            ck_assert(sample_reply_matches(&reply));
            for (int i = 0; i < 3; i++) {
                ck_assert_status(gibson_client_queue(client, &samples[n].request), GIBSON_OK);
            }
            make_short("send", size + takes);
            for (int i = 0; i < 3; i++) {
                ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
                ck_assert(sample_reply_matches(&reply));
            }
            ck_assert_ptr_null(fault.call);
        }
    }
    end();
}
END_TEST

/* A large value is sent from where it is: header and value are two pieces of one call. */
START_TEST(short_send_of_a_large_value_goes_on_where_it_stopped)
{
    enum { SIZE = 50000 };
    static char value[SIZE];
    for (size_t i = 0; i < SIZE; i++) {
        value[i] = (char)(i * 7);
    }
    begin(PEER_UNIX);
    client = sample_client(server, &options);
    static const size_t takes[] = {97, 1, 4096, SIZE - 1, SIZE};
    for (size_t i = 0; i < COUNT_OF(takes); i++) {
        make_short("sendmsg", takes[i]);
        ck_assert_status(
            gibson_client_set(client, gibson_str("key"), gibson_bytes_of(value, SIZE), 0),
            GIBSON_OK);
    }
    make_fail("sendmsg", EPIPE);
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_bytes_of(value, SIZE), 0),
                     GIBSON_CLOSED);
    end();
}
END_TEST

static void serve_large(peer_link *link)
{
    peer_frame frame;
    static const uint8_t value[100000];
    while (peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        reply_add_bytes(&reply, value, sizeof value);
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

/* redis-py 2243 once more: a peer that always has one more byte ready, so that no wait is ever
   needed, does not stretch an operation either. */
START_TEST(reply_that_is_always_ready_in_part_ends_at_the_deadline)
{
    gibson_options_init(&options);
    options.timeout_ms = 100;
    server = peer_start(PEER_UNIX, serve_large, NULL);
    peer_point(server, &options);
    ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_OK);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    gibson_value value;
    make_short("recv", 1);
    int64_t began = suite_now_ms();
    ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_TIMEOUT);
    ck_assert_int_le(suite_now_ms() - began, 100 + SUITE_SLACK_MS);
    ck_assert_int_eq(gibson_client_descriptor(client), -1);
    fault.call = NULL;
    end();
}
END_TEST

/* hiredis 1229: no send may raise SIGPIPE; and none may block, or let a header be cut. */
START_TEST(every_send_has_its_flags)
{
    begin(PEER_UNIX);
    client = sample_client(server, &options);
    static char value[10000];
    seen.send_flags = GIB_SEND_FLAGS;
    gibson_reply reply;
    for (size_t n = 0; n + 1 < SAMPLE_COUNT; n++) {
        ck_assert_status(gibson_client_call(client, &samples[n].request, &reply), GIBSON_OK);
        ck_assert_status(gibson_client_queue(client, &samples[n].request), GIBSON_OK);
        ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
    }
    ck_assert_status(
        gibson_client_set(client, gibson_str("key"), gibson_bytes_of(value, sizeof value), 0),
        GIBSON_OK);
    ck_assert_int_eq(seen.send_flags, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_EOR);
    end();
}
END_TEST

START_TEST(operation_makes_two_system_calls)
{
    begin(PEER_UNIX);
    client = sample_client(server, &options);
    for (size_t n = 0; n + 1 < SAMPLE_COUNT; n++) {
        gibson_reply reply;
        pretend_busy(client);
        seen.calls = 0;
        gibson_status status = gibson_client_call(client, &samples[n].request, &reply);
        size_t calls = seen.calls;
        ck_assert_status(status, GIBSON_OK);
        ck_assert(calls == 2 || !n); /* the first may need memory */
    }
    end();
}
END_TEST

/* In a loop without pauses the connection is checked once in 127 calls, with three system calls: a
   look and a question. After a pause it is looked at, always. */
START_TEST(operation_checks_the_connection_once_in_127_calls)
{
    begin(PEER_UNIX);
    client = sample_client(server, &options);
    gibson_value value;
    ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
    pretend_busy(client);
    seen.calls = 0;
    enum { CALLS = 5 * GIB_IDLE_USES + 1 };
    size_t failures = 0;
    for (size_t n = 0; n < CALLS; n++) { /* without an assertion, which may call malloc */
        inside(client)->idle.since_ns = gib_now_ns() + INT64_C(3600000000000); /* no pause, ever */
        failures += gibson_client_get(client, gibson_str("key"), &value) != GIBSON_OK;
    }
    size_t calls = seen.calls;
    ck_assert_uint_eq(failures, 0);
    const size_t checks = CALLS / GIB_IDLE_USES;
    const size_t sent_and_received = (size_t)2 * CALLS;
    ck_assert_uint_ge(calls, sent_and_received + 3 * checks);
    ck_assert_uint_le(calls,
                      sent_and_received + 4 * checks); /* one that takes 1 ms is a pause itself */
    for (size_t n = 0; n < 10; n++) {
        pretend_idle(client);
        seen.calls = 0;
        gibson_status status = gibson_client_get(client, gibson_str("key"), &value);
        calls = seen.calls;
        ck_assert_status(status, GIBSON_OK);
        ck_assert_uint_eq(calls, 3);
    }
    end();
}
END_TEST

/* A port of this machine on which nobody listens. */
static uint16_t unused_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    ck_assert_int_eq(bind(descriptor, (const struct sockaddr *)&address, size), 0);
    ck_assert_int_eq(getsockname(descriptor, (struct sockaddr *)&address, &size), 0);
    close(descriptor);
    return ntohs(address.sin_port);
}

START_TEST(connect_that_meets_itself_is_refused)
{
    gibson_options_init(&options);
    options.port = unused_port();
    ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_OK);
    size_t descriptors = process_open_descriptors();
    from_itself = true;
    gibson_status status = gibson_client_connect(client);
    from_itself = false;
    ck_assert_status(status, GIBSON_UNREACHABLE);
    ck_assert_int_eq(gibson_client_error(client)->system_errno, ECONNREFUSED);
    ck_assert(process_await_descriptors(descriptors));
    gibson_client_free(client);
}
END_TEST

SUITE_IN_MODES("client_system", SAMPLE_MODES, connect_that_meets_itself_is_refused,
               connect_whose_system_call_fails_says_so_and_loses_nothing,
               socket_that_cannot_be_made_to_wait_works_as_well,
               operation_whose_system_call_fails_says_so_and_closes,
               interrupted_or_blocked_call_is_tried_again,
               short_send_at_every_byte_goes_on_where_it_stopped,
               short_send_of_a_large_value_goes_on_where_it_stopped,
               reply_that_is_always_ready_in_part_ends_at_the_deadline, every_send_has_its_flags,
               operation_makes_two_system_calls, operation_checks_the_connection_once_in_127_calls)
