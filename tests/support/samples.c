#include "support/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/inside.h"
#include "support/suite.h"

#define BYTES(text)                                                                                \
    {                                                                                              \
        .data = (text), .size = sizeof(text) - 1                                                   \
    }

const sample samples[SAMPLE_COUNT] = {
    {{GIBSON_OP_SET, BYTES("key"), BYTES("a value"), 60}, "60 key a value"},
    {{GIBSON_OP_TTL, BYTES("key"), BYTES(""), 61}, "key 61"},
    {{GIBSON_OP_GET, BYTES("key"), BYTES(""), 0}, "key"},
    {{GIBSON_OP_DEL, BYTES("key"), BYTES(""), 0}, "key"},
    {{GIBSON_OP_INC, BYTES("n"), BYTES(""), 0}, "n"},
    {{GIBSON_OP_DEC, BYTES("n"), BYTES(""), 0}, "n"},
    {{GIBSON_OP_LOCK, BYTES("key"), BYTES(""), -1}, "key -1"},
    {{GIBSON_OP_UNLOCK, BYTES("key"), BYTES(""), 0}, "key"},
    {{GIBSON_OP_MSET, BYTES("pre"), BYTES("a value"), 0}, "pre a value"},
    {{GIBSON_OP_MTTL, BYTES("pre"), BYTES(""), 0}, "pre 0"},
    {{GIBSON_OP_MGET, BYTES("pre"), BYTES(""), 10}, "pre 10"},
    {{GIBSON_OP_MDEL, BYTES("pre"), BYTES(""), 0}, "pre"},
    {{GIBSON_OP_MINC, BYTES("pre"), BYTES(""), 0}, "pre"},
    {{GIBSON_OP_MDEC, BYTES("pre"), BYTES(""), 0}, "pre"},
    {{GIBSON_OP_MLOCK, BYTES("pre"), BYTES(""), 32767}, "pre 32767"},
    {{GIBSON_OP_MUNLOCK, BYTES("pre"), BYTES(""), 0}, "pre"},
    {{GIBSON_OP_COUNT, BYTES("pre"), BYTES(""), 0}, "pre"},
    {{GIBSON_OP_STATS, BYTES(""), BYTES(""), 0}, ""},
    {{GIBSON_OP_PING, BYTES(""), BYTES(""), 0}, ""},
    {{GIBSON_OP_META, BYTES("key"), BYTES(""), GIBSON_META_LEFT}, "key left"},
    {{GIBSON_OP_KEYS, BYTES("pre"), BYTES(""), 0}, "pre"},
    {{GIBSON_OP_END, BYTES(""), BYTES(""), 0}, ""},
};

const sample *sample_of(gibson_opcode opcode)
{
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        if (samples[i].request.opcode == opcode) {
            return &samples[i];
        }
    }
    abort();
}

/* The value of the payload of SET, behind ttl and key. */
static void echo(gib_buffer *to, const char *payload, size_t size)
{
    const char *end = payload + size;
    const char *key = memchr(payload, ' ', size);
    const char *value = key ? memchr(key + 1, ' ', (size_t)(end - key - 1)) : NULL;
    if (!value) {
        abort();
    }
    reply_add_bytes(to, value + 1, (size_t)(end - value - 1));
}

bool sample_is_probe(unsigned int opcode, const void *payload, size_t payload_size)
{
    static const char prefix[] = "\1gibson-probe-";
    return (opcode == GIBSON_OP_COUNT || opcode == GIBSON_OP_META) &&
           payload_size > sizeof prefix - 1 && !memcmp(payload, prefix, sizeof prefix - 1);
}

void sample_reply(gib_buffer *to, unsigned int opcode, const void *payload, size_t payload_size)
{
    const gibson_command *command = gibson_command_by_opcode(opcode);
    if (!command) {
        abort();
    }
    const bool probe = sample_is_probe(opcode, payload, payload_size);
    if (probe && opcode == GIBSON_OP_META) {
        reply_add_short(to, GIB_CODE_NOT_FOUND);
        return;
    }
    size_t frame;
    switch (command->yield) {
    case GIBSON_YIELD_NONE:
        reply_add_short(to, GIB_CODE_OK);
        break;
    case GIBSON_YIELD_VALUE:
        reply_add_bytes(to, "value", 5);
        break;
    case GIBSON_YIELD_ECHO:
        echo(to, payload, payload_size);
        break;
    case GIBSON_YIELD_NUMBER:
        reply_add_number(to, probe ? 0 : 42);
        break;
    case GIBSON_YIELD_ITEMS:
    case GIBSON_YIELD_KEYS:
    case GIBSON_YIELD_FACTS:
        frame = reply_begin_items(to, 2);
        reply_add_item(to, "0", GIB_ENCODING_PLAIN, "first", 5);
        reply_add_item(to, "1", GIB_ENCODING_PLAIN, "", 0);
        reply_end_items(to, frame);
        break;
    }
}

static bool bytes_equal(gibson_bytes bytes, const char *text)
{
    return bytes.size == strlen(text) && !memcmp(bytes.data, text, bytes.size);
}

static bool items_match(gibson_items items)
{
    gibson_bytes key;
    gibson_value value;
    return gibson_items_count(&items) == 2 && gibson_items_next(&items, &key, &value) &&
           bytes_equal(key, "0") && bytes_equal(value.bytes, "first") &&
           gibson_items_next(&items, &key, &value) && bytes_equal(key, "1") &&
           bytes_equal(value.bytes, "") && !gibson_items_next(&items, NULL, NULL);
}

bool sample_reply_matches(const gibson_reply *reply)
{
    const gibson_command *command = gibson_command_by_opcode(reply->opcode);
    if (!command || reply->status != GIBSON_OK) {
        return false;
    }
    switch (command->yield) {
    case GIBSON_YIELD_VALUE:
        return reply->value.kind == GIBSON_KIND_BYTES && bytes_equal(reply->value.bytes, "value");
    case GIBSON_YIELD_ECHO:
        return reply->value.kind == GIBSON_KIND_BYTES && bytes_equal(reply->value.bytes, "a value");
    case GIBSON_YIELD_NUMBER:
        return reply->value.kind == GIBSON_KIND_NUMBER && reply->value.number == 42;
    case GIBSON_YIELD_NONE:
        return reply->value.kind == GIBSON_KIND_NONE && !reply->items.left;
    default:
        return items_match(reply->items);
    }
}

gibson_status sample_run(gibson_client *client, const gibson_request *with, int64_t *number,
                         gibson_value *value, gibson_items *items)
{
    const gibson_bytes key = with->key;
    switch (with->opcode) {
    case GIBSON_OP_SET:
        return gibson_client_set(client, key, with->value, with->number);
    case GIBSON_OP_TTL:
        return gibson_client_ttl(client, key, with->number);
    case GIBSON_OP_GET:
        return gibson_client_get(client, key, value);
    case GIBSON_OP_DEL:
        return gibson_client_del(client, key);
    case GIBSON_OP_INC:
        return gibson_client_inc(client, key, number);
    case GIBSON_OP_DEC:
        return gibson_client_dec(client, key, number);
    case GIBSON_OP_LOCK:
        return gibson_client_lock(client, key, with->number);
    case GIBSON_OP_UNLOCK:
        return gibson_client_unlock(client, key);
    case GIBSON_OP_MSET:
        return gibson_client_mset(client, key, with->value, number);
    case GIBSON_OP_MTTL:
        return gibson_client_mttl(client, key, with->number, number);
    case GIBSON_OP_MGET:
        return gibson_client_mget(client, key, with->number, items);
    case GIBSON_OP_MDEL:
        return gibson_client_mdel(client, key, number);
    case GIBSON_OP_MINC:
        return gibson_client_minc(client, key, number);
    case GIBSON_OP_MDEC:
        return gibson_client_mdec(client, key, number);
    case GIBSON_OP_MLOCK:
        return gibson_client_mlock(client, key, with->number, number);
    case GIBSON_OP_MUNLOCK:
        return gibson_client_munlock(client, key, number);
    case GIBSON_OP_COUNT:
        return gibson_client_count(client, key, number);
    case GIBSON_OP_STATS:
        return gibson_client_stats(client, items);
    case GIBSON_OP_PING:
        return gibson_client_ping(client);
    case GIBSON_OP_META:
        return gibson_client_meta(client, key, (gibson_meta_field)with->number, number);
    case GIBSON_OP_KEYS:
        return gibson_client_keys(client, key, items);
    case GIBSON_OP_END:
        return gibson_client_quit(client);
    }
    abort();
}

gibson_status sample_call(gibson_client *client, gibson_opcode opcode, sample_out *out)
{
    return sample_run(client, &sample_of(opcode)->request, &out->number, &out->value, &out->items);
}

bool sample_answer(peer_link *link, const peer_frame *frame)
{
    enum { MORE_PARTS = 3 };
    gib_buffer reply = bytes_new();
    sample_reply(&reply, frame->opcode, frame->payload, frame->size);
    if (frame->opcode == GIBSON_OP_COUNT &&
        sample_is_probe(frame->opcode, frame->payload, frame->size)) {
        /* The parts of a question come together, and so do the answers of a real server. */
        peer_frame part;
        for (int i = 0; i < MORE_PARTS && peer_read_frame(link, &part); i++) {
            sample_reply(&reply, part.opcode, part.payload, part.size);
        }
    }
    bool sent = peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
    gib_buffer_clear(&reply);
    return sent;
}

void sample_serve(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame) && sample_answer(link, &frame)) {
    }
}

void sample_serve_first_late(peer_link *link)
{
    peer_frame frame;
    if (peer_read_frame(link, &frame) && peer_await(link)) {
        peer_send(link, "\6\0\0\4\0\0\0late", 11);
        sample_serve(link);
    }
}

bool sample_warm_up(peer_link *link)
{
    peer_frame frame;
    return suite_mode != SAMPLE_WARM ||
           (peer_read_frame(link, &frame) && sample_answer(link, &frame));
}

void sample_connect(gibson_client *client)
{
    int64_t timeout_ms = inside(client)->settings.timeout_ms;
    gibson_client_set_timeout(client, 20000); /* the test's own may be too short for this */
    if (gibson_client_connect(client) ||
        (suite_mode == SAMPLE_WARM && gibson_client_ping(client))) {
        fprintf(stderr, "cannot connect: %s\n", gibson_client_error(client)->message);
        abort();
    }
    gibson_client_set_timeout(client, timeout_ms);
}

gibson_client *sample_client(const peer *owner, const gibson_options *options)
{
    gibson_options with;
    if (options) {
        with = *options;
    } else {
        gibson_options_init(&with);
    }
    if (!with.timeout_ms) {
        with.timeout_ms = 5000;
    }
    peer_point(owner, &with);
    gibson_client *client;
    gibson_error error;
    if (gibson_client_new(&client, &with, &error)) {
        fprintf(stderr, "cannot make a client: %s\n", error.message);
        abort();
    }
    sample_connect(client);
    return client;
}
