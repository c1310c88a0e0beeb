/* The function of each command: what it sends, and what it fills in on every path. */
#include <gibson/pipeline.h>

#include <stdlib.h>
#include <string.h>

#include "support/peer.h"
#include "support/samples.h"
#include "support/suite.h"

/* Answers each request with the sample reply, if its frame is the sample's, else not at all. */
static void serve_exact_frames(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        const char *payload = sample_of((gibson_opcode)frame.opcode)->payload;
        if (strlen(payload) != frame.size || memcmp(payload, frame.payload, frame.size) != 0) {
            return;
        }
        sample_answer(link, &frame);
    }
}

static gibson_reply reply_of(gibson_opcode opcode, const sample_out *out)
{
    const gibson_command *command = gibson_command_by_opcode(opcode);
    gibson_reply reply = {.opcode = opcode, .value = out->value, .items = out->items};
    if (command->yield == GIBSON_YIELD_NUMBER) {
        reply.value = (gibson_value){.kind = GIBSON_KIND_NUMBER, .number = out->number};
    }
    return reply;
}

/* What out-parameters hold before a call, so that it shows whether they were set. */
static const sample_out garbage = {
    .number = 77, .value = {GIBSON_KIND_NUMBER, {"x", 1}, 77}, .items = {(const uint8_t *)"x", 77}};

/* Checks that the out-parameters which the command has are set to nothing. */
static void check_nothing(gibson_opcode opcode, const sample_out *out)
{
    const gibson_command *command = gibson_command_by_opcode(opcode);
    if (opcode == GIBSON_OP_GET) {
        ck_assert_int_eq(out->value.kind, GIBSON_KIND_NONE);
        ck_assert_uint_eq(out->value.bytes.size, 0);
        ck_assert_int_eq(out->value.number, 0);
    } else if (command->yield == GIBSON_YIELD_NUMBER) {
        ck_assert_int_eq(out->number, 0);
    } else if (gibson_yields_items(command->yield)) {
        ck_assert_uint_eq(gibson_items_count(&out->items), 0);
    }
}

/* Runs the function of a command, which must fail. */
static void check_fails(gibson_client *client, gibson_opcode opcode, gibson_status expected)
{
    sample_out out = garbage;
    ck_assert_status(sample_call(client, opcode, &out), expected);
    check_nothing(opcode, &out);
    if (client) {
        ck_assert_status(gibson_client_error(client)->status, expected);
        ck_assert_uint_gt(strlen(gibson_client_error(client)->message), 0);
    }
}

START_TEST(command_function_sends_its_frame_and_gives_the_reply)
{
    peer *server = peer_start(PEER_UNIX, serve_exact_frames, NULL);
    gibson_client *client = sample_client(server, NULL);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        gibson_opcode opcode = samples[i].request.opcode;
        sample_out out = {0};
        ck_assert_status(sample_call(client, opcode, &out), GIBSON_OK);
        gibson_reply reply = reply_of(opcode, &out);
        ck_assert(opcode == GIBSON_OP_SET || sample_reply_matches(&reply));
        ck_assert_status(gibson_client_error(client)->status, GIBSON_OK);
        ck_assert_str_eq(gibson_client_error(client)->message, "success");
    }
    ck_assert(!gibson_client_connected(client)); /* END was the last */
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

START_TEST(call_gives_the_reply_of_each_command)
{
    peer *server = peer_start(PEER_UNIX, serve_exact_frames, NULL);
    gibson_client *client = sample_client(server, NULL);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        gibson_reply reply;
        ck_assert_status(gibson_client_call(client, &samples[i].request, &reply), GIBSON_OK);
        ck_assert_uint_eq(reply.opcode, samples[i].request.opcode);
        ck_assert(sample_reply_matches(&reply));
    }
    ck_assert_status(gibson_client_ping(client), GIBSON_CLOSED);
    ck_assert_message_has(gibson_client_error(client), "END");
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* Answers with the error codes in turn, for each command the five of them. */
static void serve_errors(peer_link *link)
{
    peer_frame frame;
    sample_warm_up(link);
    for (unsigned int n = 0; peer_read_frame(link, &frame); n++) {
        if (sample_is_probe(frame.opcode, frame.payload, frame.size)) {
            sample_answer(link, &frame);
            n--;
            continue;
        }
        gib_buffer reply = bytes_new();
        reply_add_short(&reply, (gib_code)(n % 5));
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

/* The message names the command and what the server said of it: a miss of one key does not speak of
   a prefix. */
static void check_answer_is_described(gibson_client *client, const sample *each,
                                      gibson_status expected)
{
    const gibson_command *command = gibson_command_by_opcode(each->request.opcode);
    const char *message = gibson_client_error(client)->message;
    const size_t size = strlen(command->name);
    ck_assert(!strncmp(message, command->name, size) && !strncmp(message + size, ": ", 2));
    const char *text = gibson_status_text(expected);
    if (expected == GIBSON_NOT_FOUND) {
        text = !gibson_takes(command->arguments, GIBSON_ARGUMENT_PREFIX) ? "no such key"
               : command->effect == GIBSON_EFFECT_READ                   ? "no key has the prefix"
                                                       : "no item under the prefix was changed";
    }
    ck_assert_str_eq(message + size + 2, text);
}

START_TEST(command_function_answered_by_an_error_keeps_the_connection)
{
    static const gibson_status expected[] = {GIBSON_SERVER_ERROR, GIBSON_NOT_FOUND, GIBSON_NAN,
                                             GIBSON_SERVER_MEMORY, GIBSON_LOCKED};
    peer *server = peer_start(PEER_UNIX, serve_errors, NULL);
    gibson_client *client = sample_client(server, NULL);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        for (size_t j = 0; j < COUNT_OF(expected); j++) {
            if (samples[i].request.opcode != GIBSON_OP_END) { /* which always closes */
                check_fails(client, samples[i].request.opcode, expected[j]);
                check_answer_is_described(client, &samples[i], expected[j]);
            }
        }
    }
    ck_assert_uint_eq(peer_connections(server), 1);
    check_fails(client, GIBSON_OP_END, GIBSON_SERVER_ERROR);
    ck_assert(!gibson_client_connected(client));
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

static void be_silent(peer_link *link)
{
    sample_warm_up(link);
    peer_read_to_end(link);
}

static void close_on_request(peer_link *link)
{
    peer_frame frame;
    sample_warm_up(link);
    peer_read_frame(link, &frame);
}

/* Silence, a cut and garbage are never taken for an answer: libmemcached 67, pylibmc 302 and
   pymemcache 353, where an error looked like a miss. */
static void send_garbage(peer_link *link)
{
    peer_frame frame;
    sample_warm_up(link);
    peer_read_frame(link, &frame);
    peer_send(link, "GARBAGE!", 8);
    peer_read_to_end(link);
}

START_TEST(command_function_that_fails_sets_nothing_and_closes)
{
    static const struct {
        peer_script *script;
        gibson_status expected;
    } rows[] = {{be_silent, GIBSON_TIMEOUT},
                {close_on_request, GIBSON_CLOSED},
                {send_garbage, GIBSON_PROTOCOL}};
    gibson_options options;
    gibson_options_init(&options);
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        options.timeout_ms = rows[row].expected == GIBSON_TIMEOUT ? 10 : 5000;
        peer *server = peer_start(PEER_UNIX, rows[row].script, NULL);
        gibson_client *client = sample_client(server, &options);
        for (size_t i = 0; i < SAMPLE_COUNT; i++) {
            gibson_opcode opcode = samples[i].request.opcode;
            check_fails(client, opcode, rows[row].expected);
            ck_assert_int_eq(gibson_client_descriptor(client), -1);
            if (opcode != GIBSON_OP_END) { /* quitting without a connection has nothing to do */
                check_fails(client, opcode, GIBSON_CLOSED);
            }
            sample_connect(client);
        }
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

START_TEST(command_function_on_no_connection_is_closed)
{
    gibson_client *client;
    ck_assert_status(gibson_client_new(&client, NULL, NULL), GIBSON_OK);
    ck_assert_str_eq(gibson_client_peer(client), "127.0.0.1:10128");
    for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) {
        check_fails(client, samples[i].request.opcode, GIBSON_CLOSED);
        ck_assert_str_eq(gibson_client_error(client)->message, "not connected");
    }
    ck_assert_status(gibson_client_quit(client), GIBSON_OK);
    gibson_client_free(client);
}
END_TEST

START_TEST(command_function_without_a_client_is_usage)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        check_fails(NULL, samples[i].request.opcode, GIBSON_USAGE);
    }
    gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    gibson_reply reply = {.status = GIBSON_OK};
    ck_assert_status(gibson_client_call(NULL, &ping, &reply), GIBSON_USAGE);
    ck_assert_status(reply.status, GIBSON_USAGE);
    ck_assert_status(gibson_client_connect(NULL), GIBSON_USAGE);
    ck_assert_status(gibson_client_queue(NULL, &ping), GIBSON_USAGE);
    ck_assert_status(gibson_client_flush(NULL), GIBSON_USAGE);
    ck_assert_status(gibson_client_next(NULL, &reply), GIBSON_USAGE);
    ck_assert_status(reply.status, GIBSON_USAGE);
    gibson_owned_reply *owned = (gibson_owned_reply *)&owned;
    ck_assert_status(gibson_client_take_reply(NULL, &owned), GIBSON_USAGE);
    ck_assert_ptr_null(owned);
    ck_assert_status(gibson_client_error(NULL)->status, GIBSON_USAGE);
    ck_assert_str_eq(gibson_client_peer(NULL), "");
    ck_assert_int_eq(gibson_client_descriptor(NULL), -1);
    ck_assert(!gibson_client_connected(NULL));
    ck_assert_uint_eq(gibson_client_outstanding(NULL), 0);
    gibson_client_close(NULL);
    gibson_client_free(NULL);
}
END_TEST

/* Reads that nobody wants the result of are mistakes; counts of changed items may be ignored. */
START_TEST(command_function_without_out_parameter)
{
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    gibson_client *client = sample_client(server, NULL);
    ck_assert_status(gibson_client_get(client, gibson_str("k"), NULL), GIBSON_USAGE);
    ck_assert_message_has(gibson_client_error(client), "NULL");
    ck_assert_status(gibson_client_mget(client, gibson_str("k"), 0, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_client_keys(client, gibson_str("k"), NULL), GIBSON_USAGE);
    ck_assert_status(gibson_client_stats(client, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_client_count(client, gibson_str("k"), NULL), GIBSON_USAGE);
    ck_assert_status(gibson_client_meta(client, gibson_str("k"), GIBSON_META_TTL, NULL),
                     GIBSON_USAGE);
    ck_assert_status(gibson_client_get(NULL, gibson_str("k"), NULL), GIBSON_USAGE);
    gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    gibson_reply reply;
    ck_assert_status(gibson_client_call(client, &ping, NULL), GIBSON_USAGE);
    ck_assert_status(gibson_client_call(client, NULL, &reply), GIBSON_USAGE);
    ck_assert_status(reply.status, GIBSON_USAGE);
    ck_assert_status(gibson_client_take_reply(client, NULL), GIBSON_USAGE);

    ck_assert_status(gibson_client_inc(client, gibson_str("k"), NULL), GIBSON_OK);
    ck_assert_status(gibson_client_dec(client, gibson_str("k"), NULL), GIBSON_OK);
    ck_assert_status(gibson_client_mset(client, gibson_str("k"), gibson_str("v"), NULL), GIBSON_OK);
    ck_assert_status(gibson_client_mdel(client, gibson_str("k"), NULL), GIBSON_OK);
    ck_assert_status(gibson_client_mttl(client, gibson_str("k"), 1, NULL), GIBSON_OK);
    ck_assert_status(gibson_client_minc(client, gibson_str("k"), NULL), GIBSON_OK);
    ck_assert_status(gibson_client_mdec(client, gibson_str("k"), NULL), GIBSON_OK);
    ck_assert_status(gibson_client_mlock(client, gibson_str("k"), 1, NULL), GIBSON_OK);
    ck_assert_status(gibson_client_munlock(client, gibson_str("k"), NULL), GIBSON_OK);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* What cannot be sent leaves the connection as it was: nothing reaches the peer. */
START_TEST(command_function_with_a_bad_argument_sends_nothing)
{
    peer *server = peer_start(PEER_UNIX, serve_exact_frames, NULL);
    gibson_client *client = sample_client(server, NULL);
    gibson_value value;
    int64_t number = 7;
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_str(""), 0),
                     GIBSON_INVALID);
    ck_assert_message_has(gibson_client_error(client), "set: the value is empty");
    ck_assert_status(gibson_client_get(client, gibson_str("a b"), &value), GIBSON_INVALID);
    ck_assert_int_eq(value.kind, GIBSON_KIND_NONE);
    ck_assert_status(gibson_client_get(client, gibson_str(NULL), &value), GIBSON_INVALID);
    ck_assert_message_has(gibson_client_error(client), "get: the key is empty");
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_str(NULL), 0),
                     GIBSON_INVALID);
    ck_assert_message_has(gibson_client_error(client), "set: the value is empty");
    ck_assert_status(gibson_client_ttl(client, gibson_str("key"), -1), GIBSON_INVALID);
    ck_assert_status(gibson_client_mlock(client, gibson_str("p"), 40000, &number), GIBSON_INVALID);
    ck_assert_int_eq(number, 0);
    ck_assert_status(gibson_client_meta(client, gibson_str("key"), (gibson_meta_field)9, &number),
                     GIBSON_INVALID);
    gibson_request unknown = gibson_request_bare((gibson_opcode)99);
    gibson_reply reply;
    ck_assert_status(gibson_client_call(client, &unknown, &reply), GIBSON_INVALID);
    ck_assert_status(reply.status, GIBSON_INVALID);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

static const char *echo_instead;

static void serve_other_echo(peer_link *link)
{
    peer_frame frame;
    sample_warm_up(link);
    while (peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        reply_add_bytes(&reply, echo_instead, strlen(echo_instead));
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

START_TEST(set_that_was_stored_cut_is_truncated)
{
    echo_instead = "val";
    peer *server = peer_start(PEER_UNIX, serve_other_echo, NULL);
    gibson_client *client = sample_client(server, NULL);
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_str("value"), 0),
                     GIBSON_TRUNCATED);
    ck_assert_status(gibson_client_error(client)->status, GIBSON_TRUNCATED);
    ck_assert_message_has(gibson_client_error(client), "the server stored 3");
    static char large[100000]; /* which is sent from where it is */
    ck_assert_status(
        gibson_client_set(client, gibson_str("key"), gibson_bytes_of(large, sizeof large), 0),
        GIBSON_TRUNCATED);
    ck_assert_message_has(gibson_client_error(client), "100000 bytes that were sent");
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_str("val"), 0), GIBSON_OK);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

START_TEST(large_values_go_both_ways_whole)
{
    enum { SIZE = 3 << 20 };
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    gibson_client *client = sample_client(server, NULL);
    char *value = malloc(SIZE);
    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < SIZE; i++) {
        value[i] = (char)suite_random();
    }
    static const size_t sizes[] = {1, 4095, 4096, 4097, 16383, 16384, 65536, SIZE};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        /* The echo is compared with what was sent, byte by byte. */
        ck_assert_status(
            gibson_client_set(client, gibson_str("key"), gibson_bytes_of(value, sizes[i]), 0),
            GIBSON_OK);
    }
    free(value);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

START_TEST(taken_reply_outlives_the_client)
{
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    gibson_client *client = sample_client(server, NULL);
    gibson_value value;
    gibson_owned_reply *owned;
    gibson_owned_reply *again;
    ck_assert_status(gibson_client_take_reply(client, &owned),
                     suite_mode == SAMPLE_WARM ? GIBSON_OK : GIBSON_USAGE);
    gibson_owned_reply_free(owned);
    ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
    ck_assert_status(gibson_client_take_reply(client, &owned), GIBSON_OK);
    ck_assert_status(gibson_client_take_reply(client, &again), GIBSON_USAGE);
    ck_assert_ptr_null(again);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    gibson_client_free(client);
    ck_assert_mem_eq(value.bytes.data, "value", 5);
    gibson_owned_reply_free(owned);
    peer_stop(server);
}
END_TEST

START_TEST(closed_client_can_connect_again)
{
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    gibson_client *client = sample_client(server, NULL);
    for (int i = 0; i < 3; i++) {
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
        gibson_client_close(client);
        gibson_client_close(client);
        ck_assert_status(gibson_client_ping(client), GIBSON_CLOSED);
        ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    }
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

SUITE_IN_MODES("client_commands", SAMPLE_MODES,
               command_function_sends_its_frame_and_gives_the_reply,
               call_gives_the_reply_of_each_command,
               command_function_answered_by_an_error_keeps_the_connection,
               command_function_that_fails_sets_nothing_and_closes,
               command_function_on_no_connection_is_closed,
               command_function_without_a_client_is_usage, command_function_without_out_parameter,
               command_function_with_a_bad_argument_sends_nothing,
               set_that_was_stored_cut_is_truncated, large_values_go_both_ways_whole,
               taken_reply_outlives_the_client, closed_client_can_connect_again)
