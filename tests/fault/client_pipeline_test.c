/* Pipelines: windows, full buffers, and what becomes of requests when the connection breaks. */
#include <gibson/pipeline.h>

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "support/peer.h"
#include "support/samples.h"
#include "support/suite.h"

static peer *server;
static gibson_client *client;
static gibson_options options;

static void begin(peer_kind kind, peer_script *script)
{
    gibson_options_init(&options);
    options.timeout_ms = 5000;
    server = peer_start(kind, script, NULL);
}

static void connect_client(void)
{
    client = sample_client(server, &options);
}

static void end(void)
{
    gibson_client_free(client);
    peer_stop(server);
}

static gibson_status queue(gibson_opcode opcode)
{
    return gibson_client_queue(client, &sample_of(opcode)->request);
}

static gibson_status next(gibson_reply *reply)
{
    gibson_status status = gibson_client_next(client, reply);
    ck_assert_status(reply->status, status);
    ck_assert_status(gibson_client_error(client)->status, status);
    return status;
}

START_TEST(pipeline_of_all_commands_gets_replies_in_order)
{
    begin(PEER_TCP4, sample_serve);
    connect_client();
    for (int round = 0; round < 3; round++) {
        gibson_reply reply;
        for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) { /* all but END */
            ck_assert_status(gibson_client_queue(client, &samples[i].request), GIBSON_OK);
        }
        ck_assert_uint_eq(gibson_client_outstanding(client), SAMPLE_COUNT - 1);
        if (round) {
            ck_assert_status(gibson_client_flush(client), GIBSON_OK);
        }
        for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) {
            ck_assert_status(next(&reply), GIBSON_OK);
            ck_assert_uint_eq(reply.opcode, samples[i].request.opcode);
            ck_assert(sample_reply_matches(&reply));
        }
        ck_assert_status(next(&reply), GIBSON_END);
        ck_assert_status(gibson_client_flush(client), GIBSON_OK);
    }
    end();
}
END_TEST

/* redis-py 2624 and 2665 again, over a socket: requests and replies interleaved at random, each
   reply must be the one of its own request. */
START_TEST(pipeline_random_mix_gives_each_request_its_own_reply)
{
    static const peer_kind kinds[] = {PEER_UNIX, PEER_TCP4};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        begin(kinds[i], sample_serve);
        connect_client();
        char value[20000];
        uint32_t pushed = 0;
        uint32_t answered = 0;
        while (answered < 3000) {
            for (uint32_t n = suite_random() % 20; n; n--) {
                memset(value, (int)pushed, sizeof value);
                memcpy(value, &pushed, sizeof pushed);
                size_t size = suite_random() % 10 ? 4 + suite_random() % 200 : sizeof value;
                gibson_request set = gibson_request_value(GIBSON_OP_SET, gibson_str("key"),
                                                          gibson_bytes_of(value, size), 0);
                if (gibson_client_queue(client, &set) == GIBSON_WOULD_BLOCK) {
                    break;
                }
                pushed++;
            }
            for (uint32_t n = suite_random() % 20; n && answered < pushed; n--, answered++) {
                gibson_reply reply;
                ck_assert_status(next(&reply), GIBSON_OK);
                ck_assert_mem_eq(reply.value.bytes.data, &answered, sizeof answered);
            }
        }
        end();
    }
}
END_TEST

/* Single commands and pipelines take different ways through the client, and share its buffers. */
START_TEST(single_commands_and_pipelines_alternate)
{
    begin(PEER_UNIX, sample_serve);
    connect_client();
    for (int round = 0; round < 400; round++) {
        gibson_reply reply;
        gibson_owned_reply *owned = NULL;
        const gibson_request *request = &samples[suite_random() % (SAMPLE_COUNT - 1)].request;
        if (suite_random() % 2) {
            ck_assert_status(gibson_client_call(client, request, &reply), GIBSON_OK);
            ck_assert(sample_reply_matches(&reply));
        }
        for (uint32_t n = suite_random() % 4; n; n--) {
            ck_assert_status(gibson_client_queue(client, request), GIBSON_OK);
        }
        while (gibson_client_outstanding(client)) {
            ck_assert_status(next(&reply), GIBSON_OK);
            ck_assert_uint_eq(reply.opcode, request->opcode);
            ck_assert(sample_reply_matches(&reply));
        }
        if (suite_random() % 5 == 0) {
            (void)gibson_client_take_reply(client, &owned);
        }
        if (suite_random() % 9 == 0) {
            ck_assert_status(gibson_client_connect(client), GIBSON_OK);
        }
        gibson_owned_reply_free(owned);
    }
    end();
}
END_TEST

START_TEST(queue_past_the_window_would_block)
{
    begin(PEER_UNIX, sample_serve);
    options.pipeline_window = 3;
    connect_client();
    gibson_reply reply;
    for (int i = 0; i < 3; i++) {
        ck_assert_status(queue(GIBSON_OP_PING), GIBSON_OK);
    }
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_WOULD_BLOCK);
    ck_assert_message_has(gibson_client_error(client), "full");
    ck_assert_uint_eq(gibson_client_outstanding(client), 3);
    ck_assert_status(next(&reply), GIBSON_OK);
    ck_assert_status(queue(GIBSON_OP_GET), GIBSON_OK);
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_WOULD_BLOCK);
    end();
}
END_TEST

START_TEST(queue_past_the_bytes_would_block)
{
    begin(PEER_UNIX, sample_serve);
    options.pipeline_bytes = 1000;
    connect_client();
    char value[1500] = {0};
    gibson_request set = gibson_request_value(GIBSON_OP_SET, gibson_str("key"),
                                              gibson_bytes_of(value, sizeof value), 0);
    /* A single request is let through, or it could never be sent. */
    ck_assert_status(gibson_client_queue(client, &set), GIBSON_OK);
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_WOULD_BLOCK);
    gibson_reply reply;
    ck_assert_status(next(&reply), GIBSON_OK);
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_OK);
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_OK);
    end();
}
END_TEST

/* Requests of nothing but a key are queued by a short way, which must not pass the limit either. */
START_TEST(queue_of_keys_past_the_bytes_would_block)
{
    enum { KEY_SIZE = 100, FRAME_SIZE = GIB_REQUEST_HEADER + KEY_SIZE };
    begin(PEER_UNIX, sample_serve);
    char key[KEY_SIZE];
    memset(key, 'k', sizeof key);
    gibson_request get = gibson_request_key(GIBSON_OP_GET, gibson_bytes_of(key, sizeof key));
    for (options.pipeline_bytes = 1; options.pipeline_bytes < 3000; options.pipeline_bytes += 97) {
        connect_client();
        size_t most = (options.pipeline_bytes - 1) / FRAME_SIZE + 1; /* the last may pass it */
        for (int round = 0; round < 2; round++) {
            for (size_t i = 0; i < most; i++) {
                ck_assert_status(gibson_client_queue(client, &get), GIBSON_OK);
            }
            ck_assert_status(gibson_client_queue(client, &get), GIBSON_WOULD_BLOCK);
            gibson_reply reply;
            for (size_t i = 0; i < most; i++) {
                ck_assert_status(next(&reply), GIBSON_OK);
            }
        }
        gibson_client_free(client);
    }
    peer_stop(server);
}
END_TEST

START_TEST(queue_refused_gets_no_reply)
{
    begin(PEER_UNIX, sample_serve);
    connect_client();
    gibson_request bad = gibson_request_key(GIBSON_OP_GET, gibson_str(""));
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_OK);
    ck_assert_status(gibson_client_queue(client, &bad), GIBSON_INVALID);
    ck_assert_status(gibson_client_queue(client, NULL), GIBSON_USAGE);
    ck_assert_status(queue(GIBSON_OP_GET), GIBSON_OK);
    gibson_reply reply;
    ck_assert_status(next(&reply), GIBSON_OK);
    ck_assert_uint_eq(reply.opcode, GIBSON_OP_PING);
    ck_assert_status(next(&reply), GIBSON_OK);
    ck_assert_uint_eq(reply.opcode, GIBSON_OP_GET);
    ck_assert_status(next(&reply), GIBSON_END);
    ck_assert_status(gibson_client_next(client, NULL), GIBSON_USAGE);
    end();
}
END_TEST

START_TEST(single_command_while_replies_are_unread_is_usage)
{
    begin(PEER_UNIX, sample_serve);
    connect_client();
    gibson_value value = {.kind = GIBSON_KIND_NUMBER};
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_OK);
    ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_USAGE);
    ck_assert_int_eq(value.kind, GIBSON_KIND_NONE);
    ck_assert_message_has(gibson_client_error(client), "unread");
    gibson_reply reply;
    ck_assert_status(next(&reply), GIBSON_OK);
    ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
    end();
}
END_TEST

START_TEST(queue_keeps_the_views_of_the_last_reply)
{
    begin(PEER_UNIX, sample_serve);
    connect_client();
    gibson_reply reply;
    ck_assert_status(queue(GIBSON_OP_GET), GIBSON_OK);
    ck_assert_status(next(&reply), GIBSON_OK);
    for (int i = 0; i < 100; i++) {
        ck_assert_status(queue(GIBSON_OP_MGET), GIBSON_OK);
    }
    ck_assert(sample_reply_matches(&reply));
    end();
}
END_TEST

/* ---- Full buffers ---- */

/* Far below the megabyte of the values. A window below the segment size of loopback, 64 KiB, would
   only test the timers of TCP. */
static void make_buffers_small(int descriptor)
{
    int small = 64 * 1024;
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
}

/* A server that does not read while it writes, as the reference server is (protocol.md, 13), with
   small buffers: it answers GET with a megabyte. */
static void serve_large_values(peer_link *link)
{
    enum { SIZE = 1 << 20 };
    make_buffers_small(link->descriptor);
    peer_frame frame;
    gib_buffer large = bytes_new();
    uint8_t *value = calloc(1, SIZE);
    reply_add_bytes(&large, value, SIZE);
    free(value);
    while (peer_read_frame(link, &frame)) {
        if (frame.opcode == GIBSON_OP_GET) {
            peer_send(link, bytes_of(&large), gib_buffer_size(&large));
        } else {
            sample_answer(link, &frame);
        }
    }
    gib_buffer_clear(&large);
}

/* valkey-glide 5900: both sides write, nobody reads, and both wait for ever. */
START_TEST(pipeline_with_both_buffers_full_does_not_deadlock)
{
    enum { VALUE_SIZE = 1 << 20, PAIRS = 6 };
    static const peer_kind kinds[] = {PEER_UNIX, PEER_TCP4};
    char *value = malloc(VALUE_SIZE);
    ck_assert_ptr_nonnull(value);
    memset(value, 'v', VALUE_SIZE);
    for (size_t kind = 0; kind < COUNT_OF(kinds); kind++) {
        for (int flush = 0; flush < 2; flush++) {
            begin(kinds[kind], serve_large_values);
            options.timeout_ms = 30000;
            connect_client();
            make_buffers_small(gibson_client_descriptor(client));
            gibson_request set = gibson_request_value(GIBSON_OP_SET, gibson_str("key"),
                                                      gibson_bytes_of(value, VALUE_SIZE), 0);
            for (int i = 0; i < PAIRS; i++) {
                ck_assert_status(queue(GIBSON_OP_GET), GIBSON_OK);
                ck_assert_status(gibson_client_queue(client, &set), GIBSON_OK);
            }
            if (flush) {
                ck_assert_status(gibson_client_flush(client), GIBSON_OK);
            }
            gibson_reply reply;
            for (int i = 0; i < PAIRS; i++) {
                ck_assert_status(next(&reply), GIBSON_OK);
                ck_assert_uint_eq(reply.opcode, GIBSON_OP_GET);
                ck_assert_uint_eq(reply.value.bytes.size, 1 << 20);
                ck_assert_status(next(&reply), GIBSON_OK); /* the echo was compared */
                ck_assert_uint_eq(reply.opcode, GIBSON_OP_SET);
            }
            end();
        }
    }
    free(value);
}
END_TEST

/* ---- The end of the connection ---- */

/* Answers two requests, reads a third, and closes. */
static void close_after_two(peer_link *link)
{
    peer_frame frame;
    for (int i = 0; i < 2 && peer_read_frame(link, &frame); i++) {
        sample_answer(link, &frame);
    }
    peer_read_frame(link, &frame);
}

START_TEST(pipeline_that_breaks_gives_each_request_one_reply)
{
    static const gibson_opcode opcodes[] = {GIBSON_OP_GET, GIBSON_OP_INC, GIBSON_OP_PING,
                                            GIBSON_OP_DEL, GIBSON_OP_KEYS};
    for (int reconnect = 0; reconnect < 2; reconnect++) {
        begin(PEER_TCP4, close_after_two);
        options.reconnect = reconnect;
        options.retry_repeatable = reconnect;
        connect_client();
        for (size_t i = 0; i < COUNT_OF(opcodes); i++) {
            ck_assert_status(queue(opcodes[i]), GIBSON_OK);
        }
        gibson_reply reply;
        for (size_t i = 0; i < COUNT_OF(opcodes); i++) {
            ck_assert_status(next(&reply), i < 2 ? GIBSON_OK : GIBSON_CLOSED);
            ck_assert_uint_eq(reply.opcode, opcodes[i]);
            ck_assert_int_eq(gibson_client_descriptor(client) >= 0, i < 2);
            if (i >= 2) {
                ck_assert_uint_eq(gibson_items_count(&reply.items), 0);
            }
            if (i == 2) { /* what is left is told first, whatever the options */
                ck_assert_status(queue(GIBSON_OP_PING), GIBSON_CLOSED);
                ck_assert_status(gibson_client_flush(client), GIBSON_CLOSED);
            }
        }
        ck_assert_status(next(&reply), GIBSON_END);
        ck_assert_uint_eq(peer_connections(server), 1);
        ck_assert_status(queue(GIBSON_OP_PING), reconnect ? GIBSON_OK : GIBSON_CLOSED);
        end();
    }
}
END_TEST

static void answer_one_with_garbage(peer_link *link)
{
    peer_frame frame;
    peer_read_frame(link, &frame);
    sample_answer(link, &frame);
    peer_read_frame(link, &frame);
    peer_send(link, "\377\377\377\377\377\377\377\377", 8);
    peer_read_to_end(link);
}

START_TEST(pipeline_with_a_malformed_reply_is_never_resynchronised)
{
    begin(PEER_UNIX, answer_one_with_garbage);
    connect_client();
    for (int i = 0; i < 4; i++) {
        ck_assert_status(queue(GIBSON_OP_PING), GIBSON_OK);
    }
    gibson_reply reply;
    ck_assert_status(next(&reply), GIBSON_OK);
    ck_assert_status(next(&reply), GIBSON_PROTOCOL);
    for (int i = 0; i < 2; i++) {
        ck_assert_status(next(&reply), GIBSON_CLOSED);
        ck_assert_message_has(gibson_client_error(client), "size 4294967295");
    }
    ck_assert_status(next(&reply), GIBSON_END);
    end();
}
END_TEST

START_TEST(end_inside_a_pipeline_closes_what_follows)
{
    begin(PEER_UNIX, sample_serve);
    connect_client();
    ck_assert_status(queue(GIBSON_OP_GET), GIBSON_OK);
    ck_assert_status(queue(GIBSON_OP_END), GIBSON_OK);
    ck_assert_status(queue(GIBSON_OP_INC), GIBSON_OK);
    gibson_reply reply;
    ck_assert_status(next(&reply), GIBSON_OK);
    ck_assert_status(next(&reply), GIBSON_OK);
    ck_assert_uint_eq(reply.opcode, GIBSON_OP_END);
    ck_assert(!gibson_client_connected(client));
    ck_assert_status(next(&reply), GIBSON_CLOSED);
    ck_assert_uint_eq(reply.opcode, GIBSON_OP_INC);
    ck_assert_message_has(gibson_client_error(client), "END");
    ck_assert_status(next(&reply), GIBSON_END);
    end();
}
END_TEST

START_TEST(close_connect_and_quit_drop_what_is_queued)
{
    begin(PEER_UNIX, sample_serve);
    connect_client();
    gibson_reply reply;
    ck_assert_status(queue(GIBSON_OP_GET), GIBSON_OK);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    ck_assert_status(next(&reply), GIBSON_END);
    ck_assert_status(queue(GIBSON_OP_GET), GIBSON_OK);
    ck_assert_status(gibson_client_flush(client), GIBSON_OK);
    ck_assert_status(gibson_client_quit(client), GIBSON_OK);
    ck_assert_status(next(&reply), GIBSON_END);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_OK);
    gibson_client_close(client);
    ck_assert_uint_eq(gibson_client_outstanding(client), 0);
    ck_assert_status(next(&reply), GIBSON_END);
    end();
}
END_TEST

START_TEST(queue_without_a_connection_is_closed)
{
    begin(PEER_UNIX, sample_serve);
    peer_point(server, &options);
    ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_OK);
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_CLOSED);
    ck_assert_uint_eq(gibson_client_outstanding(client), 0);
    gibson_client_free(client);
    options.reconnect = true; /* which also makes the first connection */
    ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_OK);
    gibson_reply reply;
    ck_assert_status(queue(GIBSON_OP_PING), GIBSON_OK);
    ck_assert_status(next(&reply), GIBSON_OK);
    end();
}
END_TEST

START_TEST(taking_a_reply_in_a_pipeline_leaves_the_rest)
{
    begin(PEER_UNIX, sample_serve);
    connect_client();
    gibson_reply replies[3];
    gibson_owned_reply *owned[3];
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        ck_assert_status(queue(GIBSON_OP_MGET), GIBSON_OK);
    }
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        ck_assert_status(next(&replies[i]), GIBSON_OK);
        ck_assert_status(gibson_client_take_reply(client, &owned[i]), GIBSON_OK);
    }
    gibson_client_close(client);
    for (size_t i = 0; i < COUNT_OF(replies); i++) {
        ck_assert(sample_reply_matches(&replies[i]));
        gibson_owned_reply_free(owned[i]);
    }
    end();
}
END_TEST

SUITE("client_pipeline", pipeline_of_all_commands_gets_replies_in_order,
      pipeline_random_mix_gives_each_request_its_own_reply, single_commands_and_pipelines_alternate,
      queue_past_the_window_would_block, queue_past_the_bytes_would_block,
      queue_of_keys_past_the_bytes_would_block, queue_refused_gets_no_reply,
      single_command_while_replies_are_unread_is_usage, queue_keeps_the_views_of_the_last_reply,
      pipeline_with_both_buffers_full_does_not_deadlock,
      pipeline_that_breaks_gives_each_request_one_reply,
      pipeline_with_a_malformed_reply_is_never_resynchronised,
      end_inside_a_pipeline_closes_what_follows, close_connect_and_quit_drop_what_is_queued,
      queue_without_a_connection_is_closed, taking_a_reply_in_a_pipeline_leaves_the_rest)
