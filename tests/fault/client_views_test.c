/* Requests that are made of the last reply: its views live until the call that takes them returns,
   whatever the client asks, reads or repeats meanwhile. */
#include <gibson/pipeline.h>

#include <stdatomic.h>
#include <string.h>

#include "support/peer.h"
#include "support/samples.h"
#include "support/suite.h"

enum { LARGEST = 100000, ROUNDS = 300 }; /* more than 2 * 127 calls */

static gibson_options options;
static uint8_t pattern[LARGEST];
static atomic_size_t value_size; /* of what GET yields: the pattern */
static atomic_size_t stored;     /* SETs of just that */

static void use_defaults(void)
{
    gibson_options_init(&options);
    options.timeout_ms = 10000;
    for (size_t i = 0; i < LARGEST; i++) {
        pattern[i] = (uint8_t)(i * 7 + i / 251);
    }
    atomic_store(&stored, 0);
}

/* Tells that it keeps long times, in a reply that needs a larger buffer than the one before. */
static void add_stats(gib_buffer *reply)
{
    static uint8_t filler[30000];
    static const int64_t seconds = 1000000;
    const size_t frame = reply_begin_items(reply, 2);
    reply_add_item(reply, "filler", GIB_ENCODING_PLAIN, filler, sizeof filler);
    reply_add_item(reply, "max_item_ttl", GIB_ENCODING_NUMBER, &seconds, sizeof seconds);
    reply_end_items(reply, frame);
}

static bool is_copy(const peer_frame *frame)
{
    const size_t size = atomic_load(&value_size);
    return frame->size >= size && !memcmp(frame->payload + frame->size - size, pattern, size);
}

static bool answer(peer_link *link, const peer_frame *frame)
{
    gib_buffer reply = bytes_new();
    if (frame->opcode == GIBSON_OP_GET) {
        reply_add_bytes(&reply, pattern, atomic_load(&value_size));
    } else if (frame->opcode == GIBSON_OP_STATS) {
        add_stats(&reply);
    } else {
        atomic_fetch_add(&stored, frame->opcode == GIBSON_OP_SET && is_copy(frame));
        sample_reply(&reply, frame->opcode, frame->payload, frame->size);
    }
    const bool fine = peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
    gib_buffer_clear(&reply);
    return fine;
}

static void serve_copies(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame) && answer(link, &frame)) {
    }
}

static const size_t sizes[] = {1, 60, 1000, 4096, 4097, 20000, LARGEST};

/* Copies an item, as programs do. */
static gibson_status copy(gibson_client *client, int64_t ttl)
{
    gibson_value value;
    ck_assert_status(gibson_client_get(client, gibson_str("from"), &value), GIBSON_OK);
    return gibson_client_set(client, gibson_str("to"), value.bytes, ttl);
}

START_TEST(value_of_the_last_reply_can_be_stored_whatever_is_asked_first)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_copies, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        atomic_store(&value_size, sizes[i]);
        atomic_store(&stored, 0);
        gibson_client *client = sample_client(server, &options);
        for (int j = 0; j < ROUNDS; j++) {
            ck_assert_status(copy(client, 0), GIBSON_OK);
        }
        ck_assert_uint_eq(atomic_load(&stored), ROUNDS);
        gibson_client_free(client);
    }
    peer_stop(server);
}
END_TEST

START_TEST(value_of_the_last_reply_can_be_stored_for_a_time_that_is_asked_for_first)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_copies, NULL);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        atomic_store(&value_size, sizes[i]);
        atomic_store(&stored, 0);
        gibson_client *client = sample_client(server, &options);
        ck_assert_status(copy(client, 86400), GIBSON_OK);
        ck_assert_uint_eq(atomic_load(&stored), 1);
        gibson_client_free(client);
    }
    peer_stop(server);
}
END_TEST

/* Answers GET with the key it asked for. */
static void serve_keys(peer_link *link)
{
    peer_frame frame;
    bool fine = true;
    while (fine && peer_read_frame(link, &frame)) {
        gib_buffer reply = bytes_new();
        if (frame.opcode == GIBSON_OP_GET) {
            reply_add_bytes(&reply, frame.payload, frame.size);
        } else {
            sample_reply(&reply, frame.opcode, frame.payload, frame.size);
        }
        fine = peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

START_TEST(key_of_the_last_reply_can_be_asked_for)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_keys, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_value value;
    ck_assert_status(gibson_client_get(client, gibson_str("key:1"), &value), GIBSON_OK);
    for (int i = 0; i < ROUNDS; i++) {
        ck_assert_status(gibson_client_get(client, value.bytes, &value), GIBSON_OK);
        ck_assert_uint_eq(value.bytes.size, 5);
        ck_assert_mem_eq(value.bytes.data, "key:1", 5);
    }
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* Stores something else than was sent. */
static void serve_changed(peer_link *link)
{
    static uint8_t changed[LARGEST];
    peer_frame frame;
    bool fine = true;
    while (fine && peer_read_frame(link, &frame)) {
        if (frame.opcode == GIBSON_OP_SET) {
            gib_buffer reply = bytes_new();
            reply_add_bytes(&reply, changed, atomic_load(&value_size));
            fine = peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
            gib_buffer_clear(&reply);
        } else {
            fine = answer(link, &frame);
        }
    }
}

START_TEST(value_of_the_last_reply_is_compared_with_what_is_stored)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_changed, NULL);
    gibson_client *client = sample_client(server, &options);
    for (size_t i = 1; i < sizeof sizes / sizeof *sizes; i++) {
        atomic_store(&value_size, sizes[i]);
        ck_assert_status(copy(client, 0), GIBSON_TRUNCATED);
        ck_assert_status(copy(client, 0), GIBSON_TRUNCATED);
    }
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* Breaks off in the middle of a reply that is longer than the key: on every connection, the second
   time that it is asked for the key. */
static void serve_half(peer_link *link)
{
    static const char half[] = "\6\0\0\200\0\0\0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (frame.opcode == GIBSON_OP_GET && frame.size == 5 &&
            !memcmp(frame.payload, "key:1", 5)) {
            peer_send(link, half, sizeof half - 1);
            return;
        }
        gib_buffer reply = bytes_new();
        if (frame.opcode == GIBSON_OP_GET) {
            reply_add_bytes(&reply, "key:1", 5);
        } else {
            sample_reply(&reply, frame.opcode, frame.payload, frame.size);
        }
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

START_TEST(request_made_of_a_reply_is_not_repeated_as_another_one)
{
    use_defaults();
    options.reconnect = true;
    options.retry_repeatable = true;
    peer *server = peer_start(PEER_UNIX, serve_half, NULL);
    gibson_client *client = sample_client(server, &options);
    for (int i = 0; i < 3; i++) {
        gibson_value value;
        ck_assert_status(gibson_client_get(client, gibson_str("which"), &value), GIBSON_OK);
        ck_assert_status(gibson_client_get(client, value.bytes, &value), GIBSON_CLOSED);
    }
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* Answers with a value of the size that is set; the second GET of the first connection with no more
   than the beginning of a large one. */
static void serve_beginning(peer_link *link)
{
    static const char beginning[] = "\6\0\0\0\0\2\0xxxxxxxxxxxx"; /* of 128 KiB */
    peer_frame frame;
    int gets = 0;
    while (peer_read_frame(link, &frame)) {
        gets += frame.opcode == GIBSON_OP_GET;
        if (link->index && frame.opcode == GIBSON_OP_GET) { /* repeated: the same, that is 200 k */
            atomic_fetch_add(&stored, frame.size == 200 && !memcmp(frame.payload, pattern, 200));
        }
        if (gets == 2 && link->index == 0) {
            peer_send(link, beginning, link->context ? sizeof beginning - 1 : 0);
            return;
        }
        if (!answer(link, &frame)) {
            return;
        }
    }
}

/* The buffer that the request is made of moves to make room for the reply. */
START_TEST(request_made_of_a_reply_is_not_repeated_when_that_has_moved)
{
    static const size_t before[] = {5000, LARGEST};
    for (size_t i = 0; i < COUNT_OF(before); i++) {
        for (int part = 0; part < 2; part++) {
            use_defaults();
            memset(pattern, 'k', sizeof pattern);
            options.reconnect = true;
            options.retry_repeatable = true;
            atomic_store(&value_size, before[i]);
            peer *server = peer_start(PEER_UNIX, serve_beginning, part ? &stored : NULL);
            gibson_client *client = sample_client(server, &options);
            gibson_value value;
            ck_assert_status(gibson_client_get(client, gibson_str("which"), &value), GIBSON_OK);
            const bool moves = before[i] == 5000 && part; /* large ones are put aside */
            ck_assert_status(
                gibson_client_get(client, gibson_bytes_of(value.bytes.data, 200), &value),
                moves ? GIBSON_CLOSED : GIBSON_OK);
            ck_assert_uint_eq(atomic_load(&stored), moves ? 0 : 1);
            gibson_client_free(client);
            peer_stop(server);
        }
    }
}
END_TEST

/* Ends the first connection without an answer to the second request. */
static void serve_and_leave(peer_link *link)
{
    peer_frame frame;
    int requests = 0;
    while (peer_read_frame(link, &frame)) {
        requests += frame.opcode == GIBSON_OP_GET;
        if (requests == 2 && link->index == 0) {
            return;
        }
        gib_buffer reply = bytes_new();
        if (frame.opcode == GIBSON_OP_GET) {
            reply_add_bytes(&reply, "key:1", 5);
            atomic_fetch_add(&stored, frame.size != 5 || memcmp(frame.payload, "key:1", 5) != 0);
        } else {
            sample_reply(&reply, frame.opcode, frame.payload, frame.size);
        }
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

START_TEST(request_made_of_a_reply_is_repeated_while_nothing_came)
{
    use_defaults();
    options.reconnect = true;
    options.retry_repeatable = true;
    peer *server = peer_start(PEER_UNIX, serve_and_leave, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_value value;
    ck_assert_status(gibson_client_get(client, gibson_str("which"), &value), GIBSON_OK);
    ck_assert_uint_eq(atomic_load(&stored), 1);
    ck_assert_status(gibson_client_get(client, value.bytes, &value), GIBSON_OK);
    ck_assert_uint_eq(atomic_load(&stored), 1); /* it was the same key */
    ck_assert_uint_eq(peer_connections(server), 2);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

SUITE_IN_MODES("client_views", SAMPLE_MODES,
               value_of_the_last_reply_can_be_stored_whatever_is_asked_first,
               value_of_the_last_reply_can_be_stored_for_a_time_that_is_asked_for_first,
               key_of_the_last_reply_can_be_asked_for,
               value_of_the_last_reply_is_compared_with_what_is_stored,
               request_made_of_a_reply_is_not_repeated_as_another_one,
               request_made_of_a_reply_is_not_repeated_when_that_has_moved,
               request_made_of_a_reply_is_repeated_while_nothing_came)
