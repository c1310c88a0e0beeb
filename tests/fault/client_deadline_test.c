/* Deadlines: no peer, however slow or silent, stretches an operation, and a reply that is late is
   never read. */
#include <gibson/pipeline.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/peer.h"
#include "support/process.h"
#include "support/samples.h"
#include "support/suite.h"

enum { TIMEOUT_MS = 150 };

static peer *server;
static gibson_client *client;
static gibson_options options;

static void begin(peer_kind kind, peer_script *script)
{
    gibson_options_init(&options);
    options.timeout_ms = TIMEOUT_MS;
    server = peer_start(kind, script, NULL);
}

static void connect_client(void)
{
    client = sample_client(server, &options);
}

/* For a peer that answers not even what sample_client may send. */
static void connect_client_cold(void)
{
    peer_point(server, &options);
    ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_OK);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
}

static void end(void)
{
    gibson_client_free(client);
    peer_stop(server);
}

static gibson_status get(void)
{
    gibson_value value;
    gibson_status status = gibson_client_get(client, gibson_str("key"), &value);
    if (status != GIBSON_OK) {
        ck_assert_int_eq(value.kind, GIBSON_KIND_NONE);
    }
    return status;
}

/* Checks that a call ends with TIMEOUT, in time, and that the connection is closed over it. */
static void check_times_out(gibson_status (*call)(void), int64_t timeout_ms)
{
    int64_t began = suite_now_ms();
    ck_assert_status(call(), GIBSON_TIMEOUT);
    int64_t took = suite_now_ms() - began;
    ck_assert_int_ge(took, timeout_ms - 1);
    ck_assert_int_le(took, timeout_ms + SUITE_SLACK_MS);
    ck_assert_message_has(gibson_client_error(client), "timeout of ");
    ck_assert_int_eq(gibson_client_descriptor(client), -1);
    ck_assert(!gibson_client_connected(client));
}

/* Reads requests and says nothing. */
static void be_silent(peer_link *link)
{
    sample_warm_up(link);
    peer_read_to_end(link);
}

START_TEST(operation_on_a_silent_peer_times_out)
{
    static const peer_kind kinds[] = {PEER_UNIX, PEER_TCP4};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        begin(kinds[i], be_silent);
        connect_client();
        check_times_out(get, TIMEOUT_MS);
        ck_assert_status(get(), GIBSON_CLOSED);
        ck_assert_message_has(gibson_client_error(client), "timeout of ");
        end();
    }
}
END_TEST

START_TEST(operation_on_a_peer_that_never_accepts_times_out)
{
    begin(PEER_UNIX, NULL);
    connect_client_cold();
    check_times_out(get, TIMEOUT_MS);
    end();
}
END_TEST

/* redis-py 2243: there is a deadline without asking for one. */
START_TEST(operation_without_options_has_the_default_deadline)
{
    begin(PEER_UNIX, NULL);
    options.timeout_ms = 0;
    connect_client_cold();
    check_times_out(get, GIBSON_DEFAULT_TIMEOUT_MS);
    end();
}
END_TEST

/* A large reply, one byte every few milliseconds: it would take a minute. */
static void dribble(peer_link *link)
{
    peer_frame frame;
    if (sample_warm_up(link) && peer_read_frame(link, &frame)) {
        uint8_t value[10000] = {0};
        gib_buffer reply = bytes_new();
        reply_add_bytes(&reply, value, sizeof value);
        peer_send_steps(link, bytes_of(&reply), gib_buffer_size(&reply), 1, 5);
        gib_buffer_clear(&reply);
    }
}

/* redis-py 2243: a byte now and then must not extend the deadline. */
START_TEST(operation_on_a_dribbling_peer_times_out)
{
    begin(PEER_UNIX, dribble);
    connect_client();
    check_times_out(get, TIMEOUT_MS);
    end();

    begin(PEER_UNIX, dribble); /* under signals as well */
    connect_client();
    process_signal_storm(3000);
    check_times_out(get, TIMEOUT_MS);
    ck_assert_uint_ge(process_signal_storm(0), 2);
    end();
}
END_TEST

/* Reads the first request and no more, but always has one more byte of its reply to send. */
static void send_and_never_read(peer_link *link)
{
    peer_frame frame;
    sample_warm_up(link);
    if (peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        uint8_t value[10000] = {0};
        reply_add_bytes(&reply, value, sizeof value);
        peer_send_steps(link, bytes_of(&reply), gib_buffer_size(&reply), 1, 5);
        gib_buffer_clear(&reply);
    }
}

static gibson_status flush_much(void)
{
    enum { SIZE = 1 << 20 };
    char *value = calloc(1, SIZE);
    gibson_request set =
        gibson_request_value(GIBSON_OP_SET, gibson_str("key"), gibson_bytes_of(value, SIZE), 0);
    ck_assert_status(gibson_client_queue(client, &sample_of(GIBSON_OP_GET)->request), GIBSON_OK);
    for (int i = 1; i < 8; i++) {
        ck_assert_status(gibson_client_queue(client, &set), GIBSON_OK);
    }
    free(value);
    return gibson_client_flush(client);
}

START_TEST(flush_to_a_peer_that_never_reads_times_out)
{
    begin(PEER_UNIX, NULL);
    connect_client_cold();
    check_times_out(flush_much, TIMEOUT_MS);
    ck_assert_uint_eq(gibson_client_outstanding(client), 8);
    end();

    begin(PEER_UNIX, send_and_never_read);
    connect_client();
    check_times_out(flush_much, TIMEOUT_MS);
    end();
}
END_TEST

/* Holds the reply to the first connection until told to send it, late. Each connection answers with
   its own number. */
static void hold_first_reply(peer_link *link)
{
    char value[] = {'#', (char)('0' + link->index)};
    peer_frame frame;
    if (link->index == 0) {
        sample_warm_up(link);
    }
    while (peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        reply_add_bytes(&reply, value, sizeof value);
        if (link->index == 0) {
            peer_await(link);
        }
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
        if (link->index == 0) {
            peer_report(link);
        }
    }
}

/* hiredis 306, php-memcached 531, libmemcached 50; and redis-py 2624 and 2665, where the reply went
   to the next caller: after a timeout, the late reply is never read. */
START_TEST(late_reply_after_a_timeout_is_never_read)
{
    begin(PEER_TCP4, hold_first_reply);
    options.reconnect = true;
    connect_client();
    check_times_out(get, TIMEOUT_MS);
    peer_tell(server);
    peer_hear(server); /* the late reply is on its way */
    gibson_client_set_timeout(client, 5000);
    for (int i = 0; i < 3; i++) {
        gibson_value value;
        ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
        ck_assert_mem_eq(value.bytes.data, "#1", 2);
    }
    end();
}
END_TEST

static void serve_after_a_pause(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        usleep(100000);
        sample_answer(link, &frame);
    }
}

/* hiredis 99 and 1206: EINTR is retried, against the same deadline. */
START_TEST(signal_storm_changes_neither_result_nor_deadline)
{
    begin(PEER_UNIX, serve_after_a_pause);
    options.timeout_ms = 10000;
    connect_client();
    process_signal_storm(1000);
    ck_assert_status(get(), GIBSON_OK);
    ck_assert_uint_ge(process_signal_storm(0), 2);
    end();

    begin(PEER_UNIX, be_silent);
    connect_client();
    process_signal_storm(1000);
    check_times_out(get, TIMEOUT_MS);
    ck_assert_uint_ge(process_signal_storm(0), 2);
    end();
}
END_TEST

START_TEST(no_deadline_waits_for_as_long_as_it_takes)
{
    begin(PEER_UNIX, serve_after_a_pause);
    options.timeout_ms = GIBSON_NO_DEADLINE;
    connect_client();
    process_signal_storm(5000);
    ck_assert_status(get(), GIBSON_OK);
    process_signal_storm(0);
    end();
}
END_TEST

START_TEST(set_timeout_holds_from_the_next_call_on)
{
    begin(PEER_UNIX, hold_first_reply);
    options.timeout_ms = GIBSON_NO_DEADLINE;
    connect_client();
    ck_assert_status(gibson_client_set_timeout(client, -2), GIBSON_INVALID);
    ck_assert_status(gibson_client_set_timeout(client, INT64_MIN), GIBSON_INVALID);
    ck_assert_message_has(gibson_client_error(client), "timeout_ms");
    ck_assert_status(gibson_client_set_timeout(client, 80), GIBSON_OK);
    ck_assert_status(gibson_client_error(client)->status, GIBSON_OK);
    check_times_out(get, 80);
    ck_assert_status(gibson_client_set_timeout(client, 5000), GIBSON_OK);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    ck_assert_status(get(), GIBSON_OK);
    ck_assert_status(gibson_client_set_timeout(client, 0), GIBSON_OK); /* the default */
    ck_assert_status(gibson_client_set_timeout(NULL, 1), GIBSON_USAGE);
    end();
}
END_TEST

/* ---- The interrupt callback ---- */

static _Atomic int64_t stop_asked_ms; /* 0: not yet */
static atomic_int callback_calls;

static int ask_whether_to_stop(void *context)
{
    ck_assert_ptr_eq(context, &options);
    atomic_fetch_add(&callback_calls, 1);
    return atomic_load(&stop_asked_ms) != 0;
}

static void ask_to_stop(int number)
{
    (void)number;
    atomic_store(&stop_asked_ms, suite_now_ms());
}

static void *ask_to_stop_later(void *argument)
{
    (void)argument;
    usleep(120000);
    ask_to_stop(0);
    return NULL;
}

static void use_interrupt(void)
{
    atomic_store(&stop_asked_ms, 0);
    atomic_store(&callback_calls, 0);
    options.interrupt = ask_whether_to_stop;
    options.interrupt_context = &options;
}

/* A wait, and who asks for its end after 120 ms: a signal, or else another thread, as when the
   signal was taken by that, or just before the wait. */
typedef struct interruption {
    peer_script *script;
    gibson_status (*call)(void);
    bool by_signal;
} interruption;

/* Runs a call that is interrupted. Returns how long after the request it ended, in milliseconds. */
static int64_t interrupt_once(const interruption *with)
{
    begin(PEER_UNIX, with->script);
    options.timeout_ms = GIBSON_NO_DEADLINE;
    use_interrupt();
    if (with->script) {
        connect_client();
    } else {
        connect_client_cold();
    }
    pthread_t asker;
    if (with->by_signal) {
        process_signal_once(120);
        struct sigaction action = {.sa_handler = ask_to_stop};
        sigaction(SIGALRM, &action, NULL);
    } else {
        ck_assert_int_eq(pthread_create(&asker, NULL, ask_to_stop_later, NULL), 0);
    }
    ck_assert_status(with->call(), GIBSON_INTERRUPTED);
    int64_t took = suite_now_ms() - atomic_load(&stop_asked_ms);
    ck_assert_int_eq(gibson_client_descriptor(client), -1);
    gibson_reply reply;
    ck_assert_status(gibson_client_outstanding(client) ? gibson_client_next(client, &reply)
                                                       : gibson_client_ping(client),
                     GIBSON_CLOSED);
    ck_assert_message_has(gibson_client_error(client), "interrupt");
    if (!with->by_signal) {
        pthread_join(asker, NULL);
    }
    end();
    return took;
}

/* hiredis 1158: Ctrl-C must end a wait, within 100 ms. And redis-py 2499, dalli 956 and 963: a call
   that is left in the middle of a wait closes its connection, or the next call would get its reply.
   The best of some counts, since it is not the
   load of the machine that is tested. */
static void check_ends_soon(const interruption *with)
{
    int64_t least = INT64_MAX;
    for (int i = 0; i < 20 && least > 100; i++) {
        int64_t took = interrupt_once(with);
        least = took < least ? took : least;
    }
    ck_assert_int_le(least, 100);
}

START_TEST(interrupt_by_a_signal_ends_a_wait_at_once)
{
    check_ends_soon(&(interruption){be_silent, get, true});
    check_ends_soon(&(interruption){NULL, flush_much, true});
}
END_TEST

START_TEST(interrupt_without_a_signal_ends_a_wait_soon)
{
    check_ends_soon(&(interruption){be_silent, get, false});
    check_ends_soon(&(interruption){NULL, flush_much, false});
}
END_TEST

START_TEST(interrupt_callback_that_returns_0_changes_nothing)
{
    begin(PEER_UNIX, be_silent);
    options.timeout_ms = 400;
    use_interrupt();
    connect_client();
    check_times_out(get, 400);
    ck_assert_int_ge(atomic_load(&callback_calls), 3); /* every 50 ms */
    end();
}
END_TEST

SUITE_IN_MODES("client_deadline", SAMPLE_MODES, operation_on_a_silent_peer_times_out,
               operation_on_a_peer_that_never_accepts_times_out,
               operation_without_options_has_the_default_deadline,
               operation_on_a_dribbling_peer_times_out, flush_to_a_peer_that_never_reads_times_out,
               late_reply_after_a_timeout_is_never_read,
               signal_storm_changes_neither_result_nor_deadline,
               no_deadline_waits_for_as_long_as_it_takes, set_timeout_holds_from_the_next_call_on,
               interrupt_by_a_signal_ends_a_wait_at_once,
               interrupt_without_a_signal_ends_a_wait_soon,
               interrupt_callback_that_returns_0_changes_nothing)
