/* Malformed replies through a socket: each vector, whole and split at every byte, ends the
   connection with an error that names the field. */
#include <gibson/client.h>

#include <stdio.h>
#include <string.h>

#include "support/inside.h"
#include "support/peer.h"
#include "support/samples.h"
#include "support/suite.h"
#include "support/vectors.h"

/* What the peer sends next: its script reads them from when it is told to, until it reports. With
   `closes` it then closes, and a client that expects more is not kept waiting. */
static gib_buffer bytes;
static size_t split;
static bool closes;

static void send_split(peer_link *link)
{
    peer_frame frame;
    if (sample_warm_up(link) && peer_read_frame(link, &frame) && peer_await(link)) {
        const uint8_t *from = bytes_of(&bytes);
        peer_send(link, from, split);
        peer_wait_until_read(link);
        peer_send(link, from + split, gib_buffer_size(&bytes) - split);
        bool more = !closes;
        peer_report(link);
        if (more) {
            peer_read_to_end(link);
        }
    }
}

/* Runs a request on a new connection; its reply is `bytes`, in two pieces. */
static gibson_status call_split(peer *server, gibson_client *client, const gibson_request *request,
                                gibson_reply *reply)
{
    inside(client)->suspect = false; /* the script answers no question */
    sample_connect(client);
    peer_tell(server);
    gibson_status status = gibson_client_call(client, request, reply);
    peer_hear(server);
    return status;
}

/* A good reply with something behind it passes where the rest comes later: the rest is for the next
   call to refuse, before it has sent anything that could be answered wrongly. */
static bool is_good_so_far(const vector *each)
{
    return strstr(each->field, "after the reply") != NULL;
}

START_TEST(malformed_reply_wherever_it_is_split_ends_the_connection)
{
    gibson_options options;
    gibson_options_init(&options);
    options.max_reply_size = VECTOR_MAX_REPLY;
    bytes = bytes_new();
    peer *server = peer_start(PEER_UNIX, send_split, NULL);
    gibson_client *client = sample_client(server, &options);
    for (size_t i = 0; i < vector_count; i++) {
        const vector *each = &vectors[i];
        gib_buffer_consume(&bytes, gib_buffer_size(&bytes));
        each->build(&bytes);
        for (split = 0; split < gib_buffer_size(&bytes); split++) {
            gibson_reply reply;
            gibson_status status =
                call_split(server, client, &sample_of(each->opcode)->request, &reply);
            if (status == GIBSON_OK && split && is_good_so_far(each)) {
                continue;
            }
            ck_assert_msg(status == GIBSON_PROTOCOL, "vector %s, split at %zu: %s", each->name,
                          split, gibson_status_name(status));
            ck_assert_status(reply.status, GIBSON_PROTOCOL);
            ck_assert_int_eq(reply.value.kind, GIBSON_KIND_NONE);
            ck_assert_uint_eq(gibson_items_count(&reply.items), 0);
            ck_assert_message_has(gibson_client_error(client), each->field);
            ck_assert_int_eq(gibson_client_descriptor(client), -1);
            ck_assert_status(gibson_client_ping(client), GIBSON_CLOSED);
            ck_assert_message_has(gibson_client_error(client), each->field);
        }
    }
    gibson_client_free(client);
    peer_stop(server);
    gib_buffer_clear(&bytes);
}
END_TEST

/* The same for a good reply: however it comes, it is read. */
START_TEST(good_reply_wherever_it_is_split_is_read)
{
    bytes = bytes_new();
    peer *server = peer_start(PEER_UNIX, send_split, NULL);
    gibson_client *client = sample_client(server, NULL);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        gib_buffer_consume(&bytes, gib_buffer_size(&bytes));
        sample_reply(&bytes, samples[i].request.opcode, samples[i].payload,
                     strlen(samples[i].payload));
        for (split = 0; split < gib_buffer_size(&bytes); split++) {
            gibson_reply reply;
            ck_assert_status(call_split(server, client, &samples[i].request, &reply), GIBSON_OK);
            ck_assert(sample_reply_matches(&reply));
        }
    }
    gibson_client_free(client);
    peer_stop(server);
    gib_buffer_clear(&bytes);
}
END_TEST

/* Any byte of a reply corrupted: there is an answer or an error, at once, and where it was a byte
   of the header, or of an echo or a reply without data, never success. */
START_TEST(corrupt_reply_at_every_byte_is_not_taken_for_success)
{
    static const uint8_t flips[] = {0x01, 0x02, 0x80, 0xff};
    bytes = bytes_new();
    split = 0;
    closes = true;
    peer *server = peer_start(PEER_UNIX, send_split, NULL);
    gibson_client *client = sample_client(server, NULL);
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        const gibson_request *request = &samples[i].request;
        gib_buffer_consume(&bytes, gib_buffer_size(&bytes));
        sample_reply(&bytes, request->opcode, samples[i].payload, strlen(samples[i].payload));
        const gibson_yield yield = gibson_command_at(i)->yield;
        bool all_count = yield == GIBSON_YIELD_ECHO || yield == GIBSON_YIELD_NONE;
        for (size_t at = 0; at < gib_buffer_size(&bytes); at++) {
            for (size_t n = 0; n < COUNT_OF(flips); n++) {
                bytes.data[bytes.begin + at] ^= flips[n];
                gibson_reply reply;
                gibson_status status = call_split(server, client, request, &reply);
                ck_assert_status(reply.status, status);
                ck_assert_msg(status != GIBSON_OK || (at >= GIB_REPLY_HEADER && !all_count),
                              "%s, byte %zu flipped by %02x", gibson_command_at(i)->name, at,
                              flips[n]);
                ck_assert_msg(status == GIBSON_OK || status == GIBSON_PROTOCOL ||
                                  status == GIBSON_CLOSED || status == GIBSON_TRUNCATED ||
                                  (at == 0 && status <= GIBSON_SERVER_ERROR),
                              "%s, byte %zu flipped by %02x: %s", gibson_command_at(i)->name, at,
                              flips[n], gibson_status_name(status));
                bytes.data[bytes.begin + at] ^= flips[n];
            }
        }
    }
    closes = false;
    gibson_client_free(client);
    peer_stop(server);
    gib_buffer_clear(&bytes);
}
END_TEST

SUITE_IN_MODES("client_malformed", SAMPLE_MODES,
               malformed_reply_wherever_it_is_split_ends_the_connection,
               good_reply_wherever_it_is_split_is_read,
               corrupt_reply_at_every_byte_is_not_taken_for_success)
