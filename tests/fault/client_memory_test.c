/* Memory: allocation N fails, for every N; claimed sizes; what is kept and given back. */
#include <gibson/pipeline.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/failing_allocator.h"
#include "support/peer.h"
#include "support/process.h"
#include "support/samples.h"
#include "support/suite.h"

/* Bytes that a client or a session may keep: nothing a large request or reply has left. */
static const size_t small_size = 65536;

static failing_allocator counts;
static gibson_options options;
static peer *server;

static void begin(peer_script *script)
{
    counts = (failing_allocator){0};
    gibson_options_init(&options);
    options.allocator = failing_allocator_functions(&counts);
    options.timeout_ms = 5000;
    server = peer_start(PEER_UNIX, script, NULL);
    peer_point(server, &options);
}

static void end(void)
{
    peer_stop(server);
    ck_assert_uint_eq(counts.live, 0);
    ck_assert_uint_eq(counts.live_bytes, 0);
}

/* A use of a client from its beginning to its end. Returns the first status that is not OK. */
typedef gibson_status client_use(gibson_client *client, const sample *with);

static gibson_status use_call(gibson_client *client, const sample *with)
{
    gibson_reply reply;
    gibson_status status = gibson_client_call(client, &with->request, &reply);
    ck_assert_status(reply.status, status);
    ck_assert(status != GIBSON_OK || sample_reply_matches(&reply));
    return status;
}

static gibson_status use_function(gibson_client *client, const sample *with)
{
    sample_out out;
    return sample_call(client, with->request.opcode, &out);
}

static gibson_status use_take(gibson_client *client, const sample *with)
{
    gibson_reply reply;
    gibson_owned_reply *owned;
    gibson_status status = gibson_client_call(client, &with->request, &reply);
    if (status != GIBSON_OK) {
        return status;
    }
    status = gibson_client_take_reply(client, &owned);
    ck_assert(sample_reply_matches(&reply)); /* taken or still borrowed, the views are good */
    ck_assert(status == GIBSON_OK || !owned);
    gibson_owned_reply_free(owned);
    return status;
}

/* Queues enough for the list of requests to grow, reads and takes. */
static gibson_status use_pipeline(gibson_client *client, const sample *with)
{
    enum { MANY = 40 };
    gibson_status first = GIBSON_OK;
    size_t queued = 0;
    size_t answered = 0;
    for (int i = 0; i < MANY; i++) {
        gibson_status status = gibson_client_queue(client, &with->request);
        queued += status == GIBSON_OK;
        first = first ? first : status;
    }
    gibson_reply reply;
    gibson_status status;
    while ((status = gibson_client_next(client, &reply)) != GIBSON_END) {
        gibson_owned_reply *owned = NULL;
        if (status == GIBSON_OK) {
            status = gibson_client_take_reply(client, &owned);
        }
        gibson_owned_reply_free(owned);
        first = first ? first : status;
        answered++;
    }
    ck_assert_uint_eq(answered, queued); /* what was queued gets a reply, and nothing else does */
    return first;
}

static size_t refused; /* uses that ended with NOMEM */

/* Makes a client and uses it, with allocation N failing. Returns whether that was reached. */
static bool use_with_failure(client_use *use, const sample *with, bool warm, size_t n)
{
    failing_allocator_arm(&counts, n);
    gibson_error error;
    gibson_client *client;
    gibson_status status = gibson_client_new(&client, &options, &error);
    bool reached = true;
    if (status == GIBSON_OK) {
        ck_assert_status(gibson_client_connect(client), GIBSON_OK);
        status = warm ? gibson_client_ping(client) : GIBSON_OK;
        status = status ? status : use(client, with);
        counts.fail_at = 0;
        reached = counts.calls >= n;
        /* A client may do without the memory, but not without telling if it could not. */
        ck_assert_msg(
            status == GIBSON_OK || (status == GIBSON_NOMEM && reached), "%s, allocation %zu: %s",
            gibson_command_by_opcode(with->request.opcode)->name, n, gibson_status_name(status));
        refused += status == GIBSON_NOMEM;
        /* The client is usable after that, on this connection or a new one. */
        if (!gibson_client_connected(client)) {
            ck_assert_status(gibson_client_connect(client), GIBSON_OK);
        }
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
        gibson_client_free(client);
    } else {
        ck_assert_status(status, GIBSON_NOMEM);
        ck_assert_status(error.status, GIBSON_NOMEM);
        ck_assert_ptr_null(client);
    }
    ck_assert_uint_eq(counts.live, 0);
    return reached;
}

START_TEST(allocation_n_failing_gives_nomem_and_leaks_nothing)
{
    static client_use *const uses[] = {use_call, use_function, use_take, use_pipeline};
    begin(sample_serve);
    size_t descriptors = process_open_descriptors();
    for (size_t use = 0; use < COUNT_OF(uses); use++) {
        for (size_t i = 0; i + 1 < SAMPLE_COUNT; i++) { /* all but END */
            for (int warm = 0; warm < 2; warm++) {
                refused = 0;
                for (size_t n = 1; use_with_failure(uses[use], &samples[i], warm, n); n++) {
                }
                ck_assert_uint_ge(refused, 3); /* the list of requests, the request, the reply */
            }
        }
    }
    ck_assert(process_await_descriptors(descriptors));
    end();
}
END_TEST

/* A failure before anything was sent leaves the connection; one after that closes it. */
START_TEST(nomem_before_sending_keeps_the_connection)
{
    begin(sample_serve);
    gibson_client *client = sample_client(server, &options);
    failing_allocator_arm(&counts, 1);
    ck_assert_status(gibson_client_ping(client), GIBSON_NOMEM);
    ck_assert(gibson_client_connected(client));
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    ck_assert_uint_eq(peer_connections(server), 1);
    gibson_client_free(client);
    end();
}
END_TEST

START_TEST(nomem_for_the_reply_closes_the_connection)
{
    begin(sample_serve);
    gibson_client *client = sample_client(server, &options);
    failing_allocator_arm(&counts, 3); /* the list of requests, the request, then the reply */
    ck_assert_status(gibson_client_ping(client), GIBSON_NOMEM);
    ck_assert_int_eq(gibson_client_descriptor(client), -1);
    ck_assert_status(gibson_client_ping(client), GIBSON_CLOSED);
    gibson_client_free(client);
    end();
}
END_TEST

static void claim_much(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        reply_add_header(&reply, frame.opcode == GIBSON_OP_GET ? GIB_CODE_VAL : GIB_CODE_KVAL,
                         GIB_ENCODING_PLAIN, (64u << 20) + 1);
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

/* CVE-2021-32765, hiredis 1357 (a calloc of 68 GB): a reply larger than the limit is refused by its
   header, and nothing is allocated for it. */
START_TEST(reply_larger_than_the_limit_allocates_nothing)
{
    begin(claim_much);
    gibson_client *client = sample_client(server, &options);
    gibson_value value;
    gibson_items items;
    ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_PROTOCOL);
    ck_assert_message_has(gibson_client_error(client), "over max_reply_size (67108864)");
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    ck_assert_status(gibson_client_mget(client, gibson_str("p"), 0, &items), GIBSON_PROTOCOL);
    ck_assert_uint_le(counts.largest, small_size);
    gibson_client_free(client);
    end();
}
END_TEST

/* Reads one request, and sends replies to it for ever. */
static void reply_without_end(peer_link *link)
{
    peer_frame frame;
    gib_buffer replies = bytes_new();
    for (int i = 0; i < 4096; i++) {
        reply_add_short(&replies, GIB_CODE_OK);
    }
    if (peer_read_frame(link, &frame)) {
        while (peer_send(link, bytes_of(&replies), gib_buffer_size(&replies))) {
        }
    }
    gib_buffer_clear(&replies);
}

/* Reads one request, and claims a reply that is too large. */
static void reply_too_large(peer_link *link)
{
    peer_frame frame;
    static const uint8_t head[] = {GIB_CODE_VAL, 0, 0, 1, 0, 0, 4}; /* 64 MiB and a byte */
    if (peer_read_frame(link, &frame) && peer_send(link, head, sizeof head)) {
        static const uint8_t data[4096];
        while (peer_send(link, data, sizeof data)) {
        }
    }
}

/* A flush takes in replies while the peer does not read, and must not take in what nobody asked
   for: a peer could fill the memory within the deadline, or without one for as long as it likes. */
START_TEST(flush_takes_in_no_more_than_was_asked_for)
{
    static const struct {
        peer_script *script;
        const char *word;
    } rows[] = {{reply_without_end, "answer no request"}, {reply_too_large, "max_reply_size"}};
    enum { SIZE = 4 << 20 };
    char *value = calloc(1, SIZE);
    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        begin(rows[i].script);
        options.timeout_ms = 20000;
        options.max_request_size = SIZE + 100;
        gibson_client *client = sample_client(server, &options);
        gibson_request set =
            gibson_request_value(GIBSON_OP_SET, gibson_str("k"), gibson_bytes_of(value, SIZE), 0);
        gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
        ck_assert_status(gibson_client_queue(client, &ping), GIBSON_OK);
        ck_assert_status(gibson_client_queue(client, &set), GIBSON_OK);
        size_t before = counts.live_bytes;
        failing_allocator_arm(&counts, 0);
        ck_assert_status(gibson_client_flush(client), GIBSON_PROTOCOL);
        ck_assert_message_has(gibson_client_error(client), rows[i].word);
        ck_assert_uint_le(counts.peak_bytes, before + small_size);
        ck_assert_int_eq(gibson_client_descriptor(client), -1);
        gibson_client_free(client);
        end();
    }
    free(value);
}
END_TEST

static size_t value_size;

static void serve_sized_values(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        uint8_t *value = calloc(1, value_size);
        reply_add_bytes(&reply, value, value_size);
        free(value);
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

/* hiredis 656: one large reply must not pin its memory for good. */
START_TEST(memory_of_a_large_reply_is_given_back)
{
    begin(serve_sized_values);
    gibson_client *client = sample_client(server, &options);
    gibson_value value;
    value_size = 10 << 20;
    ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
    ck_assert_uint_eq(value.bytes.size, value_size);
    ck_assert_uint_ge(counts.live_bytes, value_size);
    value_size = 1;
    ck_assert_status(gibson_client_get(client, gibson_str("key"), &value), GIBSON_OK);
    ck_assert_uint_le(counts.live_bytes, 2 * small_size);
    gibson_client_free(client);
    end();
}
END_TEST

static uint32_t item_count;

static void serve_many_items(peer_link *link)
{
    char value[100];
    memset(value, 'v', sizeof value);
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        size_t at = reply_begin_items(&reply, item_count);
        for (uint32_t i = 0; i < item_count; i++) {
            char key[16];
            snprintf(key, sizeof key, "key-%u", (unsigned)i);
            reply_add_item(&reply, key, GIB_ENCODING_PLAIN, value, sizeof value);
        }
        reply_end_items(&reply, at);
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

/* The memory of the client stays below twice the reply, and no item has an allocation. */
START_TEST(mget_of_100000_items_takes_less_than_twice_its_bytes)
{
    begin(serve_many_items);
    item_count = 100000;
    options.timeout_ms = 20000;
    gibson_client *client = sample_client(server, &options);
    failing_allocator_arm(&counts, 0);
    gibson_items items;
    gibson_bytes key;
    gibson_value value;
    size_t bytes = 0;
    uint32_t index = 0;
    ck_assert_status(gibson_client_mget(client, gibson_str("key"), 0, &items), GIBSON_OK);
    ck_assert_uint_eq(gibson_items_count(&items), item_count);
    while (gibson_items_next(&items, &key, &value)) {
        char expected[16];
        int size = snprintf(expected, sizeof expected, "key-%u", (unsigned)index++);
        ck_assert_uint_eq(key.size, (size_t)size);
        ck_assert_mem_eq(key.data, expected, key.size);
        ck_assert_uint_eq(value.bytes.size, 100);
        bytes += key.size + value.bytes.size;
    }
    ck_assert_uint_eq(index, item_count);
    ck_assert_uint_lt(counts.peak_bytes, 2 * bytes);
    ck_assert_uint_lt(counts.calls, 10);
    gibson_client_free(client);
    end();
}
END_TEST

/* 10,000 connections, and not a descriptor or a byte lost. */
START_TEST(reconnecting_10000_times_loses_nothing)
{
    begin(sample_serve);
    gibson_client *client = sample_client(server, &options);
    ck_assert_status(gibson_client_ping(client), GIBSON_OK);
    size_t live = counts.live;
    size_t live_bytes = counts.live_bytes;
    int highest = gibson_client_descriptor(client);
    for (int i = 0; i < 10000; i++) {
        ck_assert_status(gibson_client_connect(client), GIBSON_OK);
        if (i % 10 == 0) {
            ck_assert_status(gibson_client_ping(client), GIBSON_OK);
        }
        highest =
            gibson_client_descriptor(client) > highest ? gibson_client_descriptor(client) : highest;
    }
    ck_assert_uint_eq(counts.live, live);
    ck_assert_uint_eq(counts.live_bytes, live_bytes);
    ck_assert_int_lt(highest, 400); /* as many as the backlog, and some that the peer is closing */
    gibson_client_free(client);
    end();
}
END_TEST

SUITE("client_memory", allocation_n_failing_gives_nomem_and_leaks_nothing,
      nomem_before_sending_keeps_the_connection, nomem_for_the_reply_closes_the_connection,
      reply_larger_than_the_limit_allocates_nothing, flush_takes_in_no_more_than_was_asked_for,
      memory_of_a_large_reply_is_given_back, mget_of_100000_items_takes_less_than_twice_its_bytes,
      reconnecting_10000_times_loses_nothing)
