/* Lost connections: what is repeated, what never is, and when a new connection is tried. */
#include <gibson/pipeline.h>

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/idle.h"
#include "support/peer.h"
#include "support/samples.h"
#include "support/suite.h"

/* ---- Cut after every byte ---- */

/* The first connection of a scenario is cut after so many bytes of the request and, where that is
   all of it, of the reply. Every later one serves. */
static struct {
    atomic_bool armed;
    atomic_size_t request_bytes;
    atomic_size_t reply_bytes;
    atomic_bool reset;
    atomic_size_t effects; /* whole requests that the peer has read, but for PING and questions */
} cut;

static void serve_and_count(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (frame.opcode != GIBSON_OP_PING &&
            !sample_is_probe(frame.opcode, frame.payload, frame.size)) {
            atomic_fetch_add(&cut.effects, 1);
        }
        if (!sample_answer(link, &frame)) {
            return;
        }
    }
}

static void cut_off(peer_link *link)
{
    if (!atomic_exchange(&cut.armed, false)) {
        serve_and_count(link);
        return;
    }
    if (!sample_warm_up(link)) {
        return;
    }
    if (!cut.reply_bytes) {
        uint8_t bytes[64];
        peer_read(link, bytes, cut.request_bytes);
    } else {
        peer_frame frame;
        if (peer_read_frame(link, &frame)) {
            atomic_fetch_add(&cut.effects, 1);
            gib_buffer reply = bytes_new();
            sample_reply(&reply, frame.opcode, frame.payload, frame.size);
            peer_send(link, bytes_of(&reply), cut.reply_bytes);
            gib_buffer_clear(&reply);
        }
    }
    if (cut.reset) {
        peer_reset(link);
    }
}

static size_t sample_reply_size(const sample *each)
{
    gib_buffer reply = bytes_new();
    sample_reply(&reply, each->request.opcode, each->payload, strlen(each->payload));
    size_t size = gib_buffer_size(&reply);
    gib_buffer_clear(&reply);
    return size;
}

/* Runs one command whose connection is cut, and checks the outcome and the effects at the peer. */
static void check_cut(gibson_client *client, const sample *each, bool retry)
{
    const gibson_command *command = gibson_command_by_opcode(each->request.opcode);
    bool repeated = retry && command->effect <= GIBSON_EFFECT_REPEATABLE;
    atomic_store(&cut.effects, 0);
    atomic_store(&cut.armed, true);
    sample_connect(client);
    gibson_reply reply;
    gibson_status status = gibson_client_call(client, &each->request, &reply);
    if (repeated) {
        ck_assert_msg(status == GIBSON_OK, "%s, cut after %zu and %zu bytes: %s", command->name,
                      atomic_load(&cut.request_bytes), atomic_load(&cut.reply_bytes),
                      gibson_client_error(client)->message);
        ck_assert(sample_reply_matches(&reply));
        return;
    }
    ck_assert_msg(status == GIBSON_CLOSED, "%s, cut after %zu and %zu bytes: %s", command->name,
                  atomic_load(&cut.request_bytes), atomic_load(&cut.reply_bytes),
                  gibson_status_name(status));
    ck_assert_status(reply.status, GIBSON_CLOSED);
    ck_assert_int_eq(reply.value.kind, GIBSON_KIND_NONE);
    /* The next call is right again, on a new connection, and the lost one was not repeated. */
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    ck_assert_uint_le(atomic_load(&cut.effects), 1);
}

static void check_cuts_everywhere(peer_kind kind, bool retry, bool reset)
{
    gibson_options options;
    gibson_options_init(&options);
    options.reconnect = true;
    options.retry_repeatable = retry;
    peer *server = peer_start(kind, cut_off, NULL);
    gibson_client *client = sample_client(server, &options);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK); /* this connection is not the one */
    cut.reset = reset;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        size_t request_size = GIB_REQUEST_HEADER + strlen(samples[i].payload);
        cut.reply_bytes = 0;
        for (cut.request_bytes = 1; cut.request_bytes <= request_size; cut.request_bytes++) {
            check_cut(client, &samples[i], retry);
        }
        size_t reply_size = sample_reply_size(&samples[i]);
        for (cut.reply_bytes = 1; cut.reply_bytes < reply_size; cut.reply_bytes++) {
            check_cut(client, &samples[i], retry);
        }
    }
    gibson_client_free(client);
    peer_stop(server);
}

/* redis-py 261, 977 and 3559: a retry ran INCR twice. */
START_TEST(cut_at_every_byte_without_retry_repeats_nothing)
{
    check_cuts_everywhere(PEER_UNIX, false, false);
    check_cuts_everywhere(PEER_TCP4, false, true);
}
END_TEST

START_TEST(cut_at_every_byte_with_retry_never_repeats_a_write)
{
    check_cuts_everywhere(PEER_UNIX, true, false);
    check_cuts_everywhere(PEER_TCP4, true, true);
}
END_TEST

static void close_first_at_once(peer_link *link)
{
    if (link->index == 0) {
        sample_warm_up(link);
        peer_close(link);
        peer_report(link);
    } else {
        serve_and_count(link);
    }
}

/* Of a request that met a closed socket no byte was sent, so any command may be repeated. */
START_TEST(request_of_which_no_byte_was_sent_is_repeated)
{
    gibson_options options;
    gibson_options_init(&options);
    options.reconnect = true;
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        atomic_store(&cut.effects, 0);
        peer *server = peer_start(PEER_UNIX, close_first_at_once, NULL);
        gibson_client *client = sample_client(server, &options);
        peer_hear(server);
        gibson_reply reply;
        if (samples[i].request.opcode == GIBSON_OP_END) { /* nobody connects to say END */
            ck_assert_status(gibson_client_call(client, &samples[i].request, &reply),
                             GIBSON_CLOSED);
            ck_assert_uint_eq(peer_connections(server), 1);
            gibson_client_free(client);
            peer_stop(server);
            continue;
        }
        ck_assert_status(gibson_client_call(client, &samples[i].request, &reply), GIBSON_OK);
        ck_assert(sample_reply_matches(&reply));
        ck_assert_uint_eq(peer_connections(server), 2);
        ck_assert_uint_eq(atomic_load(&cut.effects),
                          samples[i].request.opcode == GIBSON_OP_PING ? 0 : 1);
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

START_TEST(lost_connection_without_reconnect_stays_lost)
{
    peer *server = peer_start(PEER_UNIX, close_first_at_once, NULL);
    gibson_client *client = sample_client(server, NULL);
    peer_hear(server);
    for (int i = 0; i < 3; i++) {
        ck_assert_status(gibson_client_ping(client), GIBSON_CLOSED);
    }
    ck_assert_message_has(gibson_client_error(client), "the connection is broken");
    ck_assert_uint_eq(peer_connections(server), 1);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

static void close_after_first_request(peer_link *link)
{
    peer_frame frame;
    if (link->index || sample_warm_up(link)) {
        peer_read_frame(link, &frame);
    }
}

/* A server that closes every connection must not be asked again and again by one call. */
START_TEST(repeated_request_is_repeated_once)
{
    gibson_options options;
    gibson_options_init(&options);
    options.reconnect = true;
    options.retry_repeatable = true;
    peer *server = peer_start(PEER_UNIX, close_after_first_request, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_value value;
    ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_CLOSED);
    ck_assert_uint_eq(peer_connections(server), 2);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* ---- Servers that come and go ---- */

START_TEST(server_restarted_between_two_operations)
{
    static const peer_kind kinds[] = {PEER_UNIX, PEER_TCP4};
    gibson_options options;
    gibson_options_init(&options);
    options.reconnect = true;
    options.retry_repeatable = true;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        peer *server = peer_start(kinds[i], sample_serve, NULL);
        gibson_client *client = sample_client(server, &options);
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
        peer_go_down(server);
        peer_come_up(server);
        gibson_value value;
        ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
        ck_assert_mem_eq(value.bytes.data, "value", 5);
        ck_assert_uint_eq(peer_connections(server), 2);
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

/* While a server is down, calls fail at once, and it is not asked more often than agreed. */
START_TEST(server_that_is_down_makes_calls_fail_fast_until_the_delay_has_passed)
{
    gibson_options options;
    gibson_options_init(&options);
    options.reconnect = true;
    options.reconnect_delay_ms = 300;
    options.reconnect_max_delay_ms = 300;
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    gibson_client *client = sample_client(server, &options);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    peer_go_down(server);
    ck_assert_status(gibson_client_ping(client), GIBSON_UNREACHABLE);
    int64_t failed_ms = suite_now_ms();
    ck_assert_message_has(gibson_client_error(client), "cannot connect");
    peer_come_up(server);
    size_t refused = 0;
    while (gibson_client_ping(client) == GIBSON_UNREACHABLE) {
        ck_assert_message_has(gibson_client_error(client), "no attempt to connect for another");
        ck_assert_int_le(suite_now_ms() - failed_ms, 300 + SUITE_SLACK_MS);
        refused++;
        usleep(1000);
    }
    /* The delay is a random one of the upper half. */
    ck_assert_int_ge(suite_now_ms() - failed_ms, 140);
    ck_assert_uint_gt(refused, 2);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    ck_assert_uint_eq(peer_connections(server), 2);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* The application's own connect is never delayed. */
START_TEST(connect_by_hand_does_not_wait_for_the_delay)
{
    gibson_options options;
    gibson_options_init(&options);
    options.reconnect = true;
    options.reconnect_delay_ms = 1000000;
    options.reconnect_max_delay_ms = 1000000;
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    gibson_client *client = sample_client(server, &options);
    peer_go_down(server);
    ck_assert_status(gibson_client_ping(client), GIBSON_UNREACHABLE);
    peer_come_up(server);
    ck_assert_status(gibson_client_ping(client), GIBSON_UNREACHABLE);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* ---- Connections that went stale ---- */

static void serve_one(peer_link *link)
{
    peer_frame frame;
    if (link->index == 0) {
        sample_warm_up(link);
        peer_read_frame(link, &frame);
        gib_buffer reply = bytes_new();
        uint8_t value[100000];
        memset(value, 'v', sizeof value);
        reply_add_bytes(&reply, value, sizeof value);
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
        peer_await(link);
        if (link->context) { /* an unasked-for reply instead of the end */
            peer_send(link, "\5\0\0\1\0\0\0\0", 8);
        } else {
            peer_close(link);
        }
        peer_report(link);
        peer_await(link);
    } else {
        serve_and_count(link);
    }
}

/* Makes a client whose connection has gone stale while it was idle. *value is the last reply. */
static gibson_client *stale_client(peer **server, bool unasked, gibson_value *value)
{
    gibson_options options;
    gibson_options_init(&options);
    options.reconnect = true;
    *server = peer_start(PEER_TCP4, serve_one, unasked ? "x" : NULL);
    gibson_client *client = sample_client(*server, &options);
    ck_assert_status(gibson_client_get(client, gibson_str("key"), value), GIBSON_OK);
    peer_tell(*server);
    peer_hear(*server);
    struct pollfd arrived = {.fd = gibson_client_descriptor(client), .events = POLLIN};
    ck_assert_int_eq(poll(&arrived, 1, 5000), 1);
    pretend_idle(client);
    return client;
}

/* pymemcache 309, pylibmc 228: the server closed an idle connection; nobody sees an error, not even
   for a write. */
START_TEST(idle_connection_that_the_server_closed_is_replaced)
{
    for (int unasked = 0; unasked < 2; unasked++) {
        peer *server;
        gibson_value value;
        gibson_client *client = stale_client(&server, unasked, &value);
        atomic_store(&cut.effects, 0);
        int64_t number;
        ck_assert_status(gibson_client_inc(client, gibson_str("n"), &number), GIBSON_OK);
        ck_assert_int_eq(number, 42);
        ck_assert_uint_eq(atomic_load(&cut.effects), 1);
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

START_TEST(idle_connection_that_is_fine_is_kept)
{
    gibson_options options;
    gibson_options_init(&options);
    options.reconnect = true;
    peer *server = peer_start(PEER_TCP4, sample_serve, NULL);
    gibson_client *client = sample_client(server, &options);
    for (int i = 0; i < 3; i++) {
        pretend_idle(client);
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    }
    ck_assert_uint_eq(peer_connections(server), 1);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* Queueing keeps the views of the last reply, also where it replaces the connection. */
START_TEST(queue_on_a_stale_connection_keeps_the_views)
{
    peer *server;
    gibson_value value;
    gibson_client *client = stale_client(&server, false, &value);
    gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    ck_assert_status(gibson_client_queue(client, &ping), GIBSON_OK);
    ck_assert_uint_eq(value.bytes.size, 100000);
    size_t kept = 0; /* to assert each byte takes long, and to connect must not */
    while (kept < value.bytes.size && ((const char *)value.bytes.data)[kept] == 'v') {
        kept++;
    }
    ck_assert_uint_eq(kept, value.bytes.size);
    gibson_reply reply;
    ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
    ck_assert_uint_eq(reply.opcode, GIBSON_OP_PING);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

SUITE_IN_MODES("client_reconnect", SAMPLE_MODES, cut_at_every_byte_without_retry_repeats_nothing,
               cut_at_every_byte_with_retry_never_repeats_a_write,
               request_of_which_no_byte_was_sent_is_repeated,
               lost_connection_without_reconnect_stays_lost, repeated_request_is_repeated_once,
               server_restarted_between_two_operations,
               server_that_is_down_makes_calls_fail_fast_until_the_delay_has_passed,
               connect_by_hand_does_not_wait_for_the_delay,
               idle_connection_that_the_server_closed_is_replaced,
               idle_connection_that_is_fine_is_kept, queue_on_a_stale_connection_keeps_the_views)
