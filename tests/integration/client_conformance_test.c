/* Replays what was recorded from the reference server through libgibson, against gibson-server:
   each request that the library can express goes through it, and its typed reply must be the
   recorded one. The others (such as an empty value) go over a connection of their own, and the
   library must refuse them. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <gibson/gibson.h>

#include "base/alloc.h"
#include "raw_client.h"
#include "support/suite.h"
#include "test_server.h"
#include "transcript.h"
#include "wire/command.h"
#include "wire/reply_encode.h"
#include "wire/request_decode.h"
#include "wire/request_encode.h"

static const gib_limits limits = {
    .max_reply_size = 1 << 30,
    .max_request_size = 1 << 30,
    .max_key_size = 1023,
    .max_value_size = 1 << 29,
    .max_seconds = 32767,
};

typedef struct replayer {
    test_server server;
    gibson_client *client;
    int raw; /* a connection for what the library cannot express */
    size_t expressed;
} replayer;

static gibson_client *connect_client(const test_server *server)
{
    gibson_options options;
    gibson_options_init(&options);
    options.timeout_ms = 20000;
    options.port = server->port;
    options.unix_socket = server->unix_socket[0] ? server->unix_socket : NULL;
    gibson_client *client;
    gibson_error error;
    ck_assert_msg(gibson_client_new(&client, &options, &error) == GIBSON_OK, "%s", error.message);
    ck_assert_msg(gibson_client_connect(client) == GIBSON_OK, "%s",
                  gibson_client_error(client)->message);
    return client;
}

/* Tells whether the library can send exactly these bytes, and as which request. */
static bool express(const transcript_step *step, gibson_request *request)
{
    const gibson_command *command = gib_command(step->opcode);
    gibson_bytes payload = {step->payload, step->payload_size};
    gib_buffer out;
    gib_encoded encoded;
    gib_buffer_init(&out, &gib_default_allocator);
    bool same =
        command &&
        gib_request_decode(command, payload, &limits, GIB_EXCESS_REFUSED, request) == GIB_CODE_OK &&
        gib_request_encode(request, &limits, GIB_VALUE_COPIED, &out, &encoded, NULL) == GIBSON_OK &&
        encoded.frame_size == step->payload_size + GIB_REQUEST_HEADER &&
        !memcmp(out.data + GIB_REQUEST_HEADER, step->payload, step->payload_size);
    gib_buffer_clear(&out);
    return same;
}

/* The frame that a server must have sent for a typed reply. */
static void encode_reply(const gibson_reply *reply, gib_buffer *out)
{
    static const gib_code codes[] = {
        [GIBSON_NOT_FOUND] = GIB_CODE_NOT_FOUND, [GIBSON_NAN] = GIB_CODE_NAN,
        [GIBSON_SERVER_MEMORY] = GIB_CODE_MEM,   [GIBSON_LOCKED] = GIB_CODE_LOCKED,
        [GIBSON_SERVER_ERROR] = GIB_CODE_ERR,
    };
    const gibson_yield yield = gib_command((uint32_t)reply->opcode)->yield;
    uint8_t *room;
    if (reply->status != GIBSON_OK) {
        ck_assert_uint_le(reply->status, GIBSON_SERVER_ERROR);
        ck_assert(gib_reply_encode_code(out, codes[reply->status]));
    } else if (yield == GIBSON_YIELD_NONE) {
        ck_assert(gib_reply_encode_code(out, GIB_CODE_OK));
    } else if (reply->value.kind == GIBSON_KIND_NUMBER) {
        ck_assert(gib_reply_encode_number(out, reply->value.number));
    } else if (reply->value.kind == GIBSON_KIND_BYTES) {
        ck_assert(gib_reply_encode_value(out, reply->value.bytes.size, &room));
        memcpy(room, reply->value.bytes.data, reply->value.bytes.size);
    } else {
        gib_items_encoder encoder;
        gibson_items items = reply->items;
        gibson_bytes key;
        gibson_value value;
        ck_assert(gib_items_encode_begin(&encoder, out));
        while (gibson_items_next(&items, &key, &value)) {
            if (value.kind == GIBSON_KIND_NUMBER) {
                ck_assert(gib_items_encode_number(&encoder, key, value.number));
                continue;
            }
            ck_assert(
                gib_items_encode_add(&encoder, key, GIB_ENCODING_PLAIN, value.bytes.size, &room));
            memcpy(room, value.bytes.data, value.bytes.size);
        }
        gib_items_encode_end(&encoder);
    }
}

static void check_reply(const transcript_step *step, const gibson_reply *reply, const char *where,
                        size_t index)
{
    gib_buffer out;
    gib_buffer_init(&out, &gib_default_allocator);
    encode_reply(reply, &out);
    ck_assert_msg(transcript_reply_matches(step, gib_load_u16(out.data), out.data[2],
                                           out.data + GIB_REPLY_HEADER, gib_load_u32(out.data + 3)),
                  "%s, step %zu: %s, kind %d", where, index, gibson_status_name(reply->status),
                  (int)reply->value.kind);
    gib_buffer_clear(&out);
}

static void replay_expressed(replayer *run, const transcript_step *step,
                             const gibson_request *request, const char *where, size_t index)
{
    gibson_reply reply;
    gibson_status status = gibson_client_call(run->client, request, &reply);
    run->expressed++;
    if (step->closed) {
        ck_assert_msg(status == GIBSON_CLOSED, "%s, step %zu: %s", where, index,
                      gibson_status_name(status));
    } else if (gib_command((uint32_t)request->opcode)->yield == GIBSON_YIELD_ECHO &&
               step->reply_size < request->value.size && step->code == GIB_CODE_VAL) {
        /* The server stored less than was sent: nobody must take that for success. */
        ck_assert_msg(status == GIBSON_TRUNCATED, "%s, step %zu: %s", where, index,
                      gibson_status_name(status));
    } else {
        check_reply(step, &reply, where, index);
    }
}

static void replay_raw(replayer *run, const transcript_step *step, const char *where, size_t index)
{
    bool sent = raw_send_request(run->raw, step->opcode, step->payload, step->payload_size);
    raw_reply reply = sent ? raw_read_reply(run->raw) : (raw_reply){.closed = true};
    ck_assert_msg(reply.closed == step->closed, "%s, step %zu", where, index);
    if (!reply.closed) {
        ck_assert_msg(
            transcript_reply_matches(step, reply.code, reply.encoding, reply.data, reply.size),
            "%s, step %zu: code %u", where, index, (unsigned)reply.code);
    }
    raw_reply_free(&reply);
}

static size_t replay(const transcript *scenario, test_transport transport)
{
    const char *directives[32] = {"compat", "1"};
    for (size_t i = 0; transcript_directives[i]; i++) {
        directives[2 + i] = transcript_directives[i];
    }
    replayer run = {0};
    test_server_start(&run.server, transport, directives);
    run.client = connect_client(&run.server);
    run.raw = test_server_connect(&run.server);
    for (size_t i = 0; i < scenario->count; i++) {
        const transcript_step *step = &scenario->steps[i];
        gibson_request request;
        if (step->sleep_ms) {
            test_server_pass_time(&run.server, step->sleep_ms);
        } else if (express(step, &request)) {
            replay_expressed(&run, step, &request, scenario->scenario, i);
        } else {
            replay_raw(&run, step, scenario->scenario, i);
        }
    }
    close(run.raw);
    gibson_client_free(run.client);
    test_server_stop(&run.server);
    return run.expressed;
}

/* Of the 160 or so recorded steps, most are such that the library can send them. */
static void replay_all(test_transport transport)
{
    transcripts recorded;
    transcripts_load(&recorded, TRANSCRIPTS);
    size_t steps = 0;
    size_t expressed = 0;
    for (size_t i = 0; i < recorded.count; i++) {
        expressed += replay(&recorded.all[i], transport);
        steps += recorded.all[i].count;
    }
    ck_assert_msg(expressed * 10 > steps * 8, "only %zu of %zu steps are expressed", expressed,
                  steps);
    transcripts_free(&recorded);
}

START_TEST(client_transcripts_over_unix_match)
{
    replay_all(TEST_UNIX);
}
END_TEST

START_TEST(client_transcripts_over_tcp_match)
{
    replay_all(TEST_TCP);
}
END_TEST

SUITE("client_conformance", client_transcripts_over_unix_match, client_transcripts_over_tcp_match)
