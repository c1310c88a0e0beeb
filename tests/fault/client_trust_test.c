/* Each reply is the right one for its request, or an error. Regression tests of what broke that
   promise: a request that was refused, bytes that nobody had asked for, servers that restart, and
   deadlines that did not hold over all of an operation. */
#include <gibson/pipeline.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/idle.h"
#include "support/peer.h"
#include "support/samples.h"
#include "support/suite.h"

static gibson_options options;

static void use_defaults(void)
{
    gibson_options_init(&options);
    options.timeout_ms = 5000;
}

static gibson_status get(gibson_client *client, const char *key, gibson_value *value)
{
    return gibson_client_get(client, gibson_str(key), value);
}

static void check_is(const gibson_value *value, const char *text)
{
    ck_assert_int_eq(value->kind, GIBSON_KIND_BYTES);
    ck_assert_uint_eq(value->bytes.size, strlen(text));
    ck_assert_mem_eq(value->bytes.data, text, strlen(text));
}

/* ---- A request that was refused ---- */

static atomic_size_t frames_seen;

/* Answers GET with the key it asked for. */
static bool answer_with_key(peer_link *link, const peer_frame *frame)
{
    gib_buffer reply = bytes_new();
    if (frame->opcode == GIBSON_OP_GET) {
        reply_add_bytes(&reply, frame->payload, frame->size);
    } else {
        sample_reply(&reply, frame->opcode, frame->payload, frame->size);
    }
    bool fine = peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
    gib_buffer_clear(&reply);
    return fine;
}

static void serve_keys(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        const bool probe = sample_is_probe(frame.opcode, frame.payload, frame.size);
        atomic_fetch_add(&frames_seen, probe ? 0 : 1);
        if (!answer_with_key(link, &frame)) {
            return;
        }
    }
}

START_TEST(refused_request_leaves_nothing_to_be_sent_with_the_next_batch)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_keys, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_request bad = gibson_request_key(GIBSON_OP_GET, gibson_str("a b"));
    gibson_request good = gibson_request_key(GIBSON_OP_GET, gibson_str("batch"));
    gibson_value value;
    gibson_reply reply;
    ck_assert_status(get(client, "warm", &value), GIBSON_OK);
    for (int i = 0; i < 20; i++) {
        atomic_store(&frames_seen, 0);
        ck_assert_status(gibson_client_queue(client, &bad), GIBSON_INVALID);
        ck_assert_status(get(client, "first", &value), GIBSON_OK);
        ck_assert_status(get(client, "second", &value), GIBSON_OK);
        check_is(&value, "second");
        ck_assert_status(gibson_client_queue(client, &good), GIBSON_OK);
        ck_assert_uint_eq(gibson_client_outstanding(client), 1);
        ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
        check_is(&reply.value, "batch");
        ck_assert_status(gibson_client_next(client, &reply), GIBSON_END);
        ck_assert_uint_eq(atomic_load(&frames_seen), 3);
    }
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* ---- Bytes that nobody asked for ---- */

/* Serves, and whenever it is told to, sends a stray value. */
static void serve_with_strays(peer_link *link)
{
    if (link->index) {
        serve_keys(link);
        return;
    }
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (!answer_with_key(link, &frame)) {
            return;
        }
        if (frame.opcode == GIBSON_OP_GET && frame.size == 4 && !memcmp(frame.payload, "last", 4)) {
            if (!peer_await(link)) {
                return;
            }
            peer_send(link, "\6\0\0\5\0\0\0STRAY", 12);
            peer_report(link);
        }
    }
}

/* A client on whose connection a stray value has arrived. */
static gibson_client *client_with_stray(peer **server, peer_kind kind)
{
    *server = peer_start(kind, serve_with_strays, NULL);
    gibson_client *client = sample_client(*server, &options);
    gibson_value value;
    ck_assert_status(get(client, "last", &value), GIBSON_OK);
    peer_tell(*server);
    peer_hear(*server);
    struct pollfd arrived = {.fd = gibson_client_descriptor(client), .events = POLLIN};
    ck_assert_int_eq(poll(&arrived, 1, 5000), 1);
    return client;
}

START_TEST(stray_reply_before_a_call_is_an_error_and_not_its_answer)
{
    for (peer_kind kind = PEER_UNIX; kind <= PEER_TCP4; kind++) {
        use_defaults();
        peer *server;
        gibson_client *client = client_with_stray(&server, kind);
        gibson_value value;
        pretend_idle(client);
        ck_assert_status(get(client, "b", &value), GIBSON_PROTOCOL);
        ck_assert_int_eq(value.kind, GIBSON_KIND_NONE);
        ck_assert_message_has(gibson_client_error(client), "12 bytes arrived before");
        ck_assert(!gibson_client_connected(client));
        ck_assert_status(get(client, "c", &value), GIBSON_CLOSED);
        ck_assert_message_has(gibson_client_error(client), "12 bytes arrived before");
        ck_assert_status(gibson_client_connect(client), GIBSON_OK);
        ck_assert_status(get(client, "c", &value), GIBSON_OK);
        check_is(&value, "c");
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

START_TEST(stray_reply_before_a_call_is_passed_over_with_reconnect)
{
    use_defaults();
    options.reconnect = true;
    peer *server;
    gibson_client *client = client_with_stray(&server, PEER_UNIX);
    gibson_value value;
    pretend_idle(client);
    ck_assert_status(get(client, "b", &value), GIBSON_OK);
    check_is(&value, "b");
    ck_assert_status(get(client, "c", &value), GIBSON_OK);
    check_is(&value, "c");
    ck_assert_uint_eq(peer_connections(server), 2);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* A new connection is of no use to END. */
START_TEST(queued_end_makes_no_connection)
{
    use_defaults();
    options.reconnect = true;
    peer *server = peer_start(PEER_UNIX, serve_with_strays, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_value value;
    ck_assert_status(get(client, "last", &value), GIBSON_OK);
    gibson_request end = gibson_request_bare(GIBSON_OP_END);
    ck_assert_status(gibson_client_queue(client, &end), GIBSON_OK);
    peer_tell(server);
    peer_hear(server);
    pretend_idle(client);
    gibson_reply reply;
    ck_assert_status(gibson_client_next(client, &reply), GIBSON_PROTOCOL);
    ck_assert_uint_eq(peer_connections(server), 1);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* What quit has found on the old connection says nothing of the next one. */
START_TEST(stray_reply_before_quit_is_forgotten_with_the_connection)
{
    use_defaults();
    options.reconnect = true;
    peer *server;
    gibson_client *client = client_with_stray(&server, PEER_UNIX);
    gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str("d"));
    gibson_value value;
    gibson_reply reply;
    ck_assert_status(gibson_client_quit(client), GIBSON_OK);
    ck_assert_status(get(client, "c", &value), GIBSON_OK);
    ck_assert_status(gibson_client_queue(client, &request), GIBSON_OK);
    ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
    check_is(&reply.value, "d");
    ck_assert_uint_eq(peer_connections(server), 2);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* Without a pause the stray may be taken for an answer, but only so often. Here each reply but the
   first is on its way until the next request has come, so that there is never anything to see. */
static void serve_one_behind(peer_link *link)
{
    if (!sample_warm_up(link)) {
        return;
    }
    peer_frame frame;
    gib_buffer held = bytes_new();
    reply_add_bytes(&held, "STRAY", 5);
    while (peer_read_frame(link, &frame)) {
        peer_send(link, bytes_of(&held), gib_buffer_size(&held));
        gib_buffer_consume(&held, gib_buffer_size(&held));
        reply_add_bytes(&held, frame.payload, frame.size);
    }
    gib_buffer_clear(&held);
}

START_TEST(stray_reply_in_a_loop_without_pauses_is_noticed_within_127_calls)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_one_behind, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_value value;
    gibson_status status = GIBSON_OK;
    int calls = 0;
    while (status == GIBSON_OK && calls < 200) {
        inside(client)->idle.since_ns = gib_now_ns() + INT64_C(3600000000000); /* no pause */
        status = get(client, "b", &value);
        calls++;
    }
    ck_assert_status(status, GIBSON_PROTOCOL);
    ck_assert_message_has(gibson_client_error(client), "a reply that answers nothing");
    ck_assert_int_le(calls, GIB_IDLE_USES);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* Serves one behind, beginning with a stray reply that reads like the answer to COUNT of nothing.
 */
static void serve_counts_one_behind(peer_link *link)
{
    if (!sample_warm_up(link)) {
        return;
    }
    peer_frame frame;
    gib_buffer held = bytes_new();
    reply_add_number(&held, 0);
    while (peer_read_frame(link, &frame)) {
        peer_send(link, bytes_of(&held), gib_buffer_size(&held));
        gib_buffer_consume(&held, gib_buffer_size(&held));
        if (frame.opcode == GIBSON_OP_META) {
            reply_add_short(&held, GIB_CODE_NOT_FOUND);
        } else {
            reply_add_number(&held, 0);
        }
    }
    gib_buffer_clear(&held);
}

/* Once, the only question was COUNT of nothing, and each answer to such a COUNT was a right one. */
START_TEST(stray_reply_among_counts_of_nothing_is_noticed_within_127_calls)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_counts_one_behind, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_status status = GIBSON_OK;
    int64_t count;
    int calls = 0;
    while (status == GIBSON_OK && calls < 400) {
        inside(client)->idle.since_ns = gib_now_ns() + INT64_C(3600000000000); /* no pause */
        status = gibson_client_count(client, gibson_str("queue"), &count);
        calls++;
    }
    ck_assert_status(status, GIBSON_PROTOCOL);
    ck_assert_message_has(gibson_client_error(client), "a reply that answers nothing");
    ck_assert_int_le(calls, GIB_IDLE_USES);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* Once, questions were asked only while nothing was under way. */
START_TEST(stray_reply_in_a_pipeline_that_never_runs_empty_is_noticed)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_one_behind, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str("b"));
    gibson_reply reply;
    gibson_status status = GIBSON_OK;
    int calls = 0;
    ck_assert_status(gibson_client_queue(client, &request), GIBSON_OK);
    while (status == GIBSON_OK && calls < 1000) {
        inside(client)->idle.since_ns = gib_now_ns() + INT64_C(3600000000000); /* no pause */
        ck_assert_status(gibson_client_queue(client, &request), GIBSON_OK);
        ck_assert_uint_eq(gibson_client_outstanding(client), 2);
        status = gibson_client_next(client, &reply);
        calls++;
    }
    ck_assert_status(status, GIBSON_PROTOCOL);
    ck_assert_message_has(gibson_client_error(client), "a reply that answers nothing");
    ck_assert(calls <= 2 * GIB_QUESTION_EVERY);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* A server that takes no keys of that length answers each part of the question with ERR. */
static void serve_short_keys(peer_link *link)
{
    const gibson_opcode *refused = link->context; /* or both */
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (sample_is_probe(frame.opcode, frame.payload, frame.size) &&
            (!refused || *refused == frame.opcode)) {
            gib_buffer reply = bytes_new();
            reply_add_short(&reply, GIB_CODE_ERR);
            peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
            gib_buffer_clear(&reply);
        } else {
            sample_answer(link, &frame);
        }
    }
}

static void check_not_called_a_liar(const gibson_opcode *refused)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_short_keys, (void *)(uintptr_t)refused);
    gibson_client *client = sample_client(server, &options);
    gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str("b"));
    gibson_reply reply;
    gibson_value value;
    for (int i = 0; i < 2 * GIB_IDLE_USES; i++) {
        pretend_busy(client);
        inside(client)->idle.uses_left = i % GIB_IDLE_USES;
        ck_assert_status(get(client, "key", &value), GIBSON_OK);
    }
    for (int i = 0; i < 2 * GIB_QUESTION_EVERY; i++) {
        ck_assert_status(gibson_client_queue(client, &request), GIBSON_OK);
    }
    for (int i = 0; i < 2 * GIB_QUESTION_EVERY; i++) {
        ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
    }
    ck_assert_status(gibson_client_next(client, &reply), GIBSON_END);
    gibson_client_free(client);
    peer_stop(server);
}

START_TEST(server_that_refuses_the_question_is_not_called_a_liar)
{
    static const gibson_opcode meta = GIBSON_OP_META; /* of a key that was cut */
    check_not_called_a_liar(NULL);
    check_not_called_a_liar(&meta);
}
END_TEST

/* The limits are for what the caller asks. */
START_TEST(question_is_asked_whatever_the_limits)
{
    use_defaults();
    options.max_key_size = 1;
    options.max_value_size = 1;
    options.max_request_size = 12;
    options.max_reply_size = 5;
    options.pipeline_bytes = 1;
    peer *server = peer_start(PEER_UNIX, serve_one_behind, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_value value;
    gibson_status status = GIBSON_OK;
    int calls = 0;
    while (status == GIBSON_OK && calls < 400) {
        inside(client)->idle.since_ns = gib_now_ns() + INT64_C(3600000000000); /* no pause */
        status = get(client, "b", &value);
        calls++;
    }
    ck_assert_status(status, GIBSON_PROTOCOL);
    ck_assert_message_has(gibson_client_error(client), "a reply that answers nothing");
    ck_assert_int_le(calls, GIB_IDLE_USES);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* The key of a question ends in a number that nobody else knows, and differs from client to client,
   so that no key which a user stores makes the answers wrong. */
static char asked[2][64];

static void serve_and_note_the_question(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (sample_is_probe(frame.opcode, frame.payload, frame.size) &&
            frame.opcode == GIBSON_OP_COUNT) {
            snprintf(asked[link->index], sizeof asked[0], "%.*s", (int)frame.size,
                     (const char *)frame.payload);
        }
        if (!sample_answer(link, &frame)) {
            return;
        }
    }
}

START_TEST(questions_of_two_clients_differ)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_and_note_the_question, NULL);
    for (int i = 0; i < 2; i++) {
        gibson_client *client = sample_client(server, &options);
        gibson_value value;
        pretend_busy(client);
        inside(client)->idle.uses_left = 0;
        ck_assert_status(get(client, "key", &value), GIBSON_OK);
        gibson_client_free(client);
    }
    peer_stop(server);
    ck_assert_uint_eq(strlen(asked[0]), GIB_QUESTION_KEY_SIZE);
    ck_assert_uint_eq(strlen(asked[1]), GIB_QUESTION_KEY_SIZE);
    ck_assert_str_ne(asked[0], asked[1]);
}
END_TEST

/* The requests wait in the client while the stray comes: nothing of them was sent. */
START_TEST(stray_reply_before_a_batch_is_sent_is_not_its_answer)
{
    for (int reconnect = 0; reconnect < 2; reconnect++) {
        use_defaults();
        options.reconnect = reconnect;
        peer *server = peer_start(PEER_UNIX, serve_with_strays, NULL);
        gibson_client *client = sample_client(server, &options);
        gibson_value value;
        ck_assert_status(get(client, "last", &value), GIBSON_OK);
        gibson_request requests[] = {gibson_request_key(GIBSON_OP_GET, gibson_str("x")),
                                     gibson_request_key(GIBSON_OP_GET, gibson_str("y"))};
        for (size_t i = 0; i < COUNT_OF(requests); i++) {
            ck_assert_status(gibson_client_queue(client, &requests[i]), GIBSON_OK);
        }
        peer_tell(server);
        peer_hear(server);
        pretend_idle(client);
        gibson_reply reply;
        gibson_status expected = reconnect ? GIBSON_OK : GIBSON_PROTOCOL;
        ck_assert_status(gibson_client_next(client, &reply), expected);
        if (reconnect) {
            check_is(&reply.value, "x");
        }
        ck_assert_status(gibson_client_next(client, &reply), reconnect ? GIBSON_OK : GIBSON_CLOSED);
        if (reconnect) {
            check_is(&reply.value, "y");
        }
        ck_assert_status(gibson_client_next(client, &reply), GIBSON_END);
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

/* Replies wait unread, and behind them one too many, when the next request is queued. */
static void serve_two_and_a_stray(peer_link *link)
{
    peer_frame frame;
    if (!sample_warm_up(link)) {
        return;
    }
    for (int i = 0; i < 2 && peer_read_frame(link, &frame); i++) {
        answer_with_key(link, &frame);
    }
    peer_send(link, "\6\0\0\5\0\0\0STRAY", 12);
    peer_report(link);
    serve_keys(link);
}

START_TEST(stray_reply_behind_unread_ones_does_not_answer_what_is_queued_later)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_two_and_a_stray, NULL);
    gibson_client *client = sample_client(server, &options);
    gibson_request requests[] = {gibson_request_key(GIBSON_OP_GET, gibson_str("x")),
                                 gibson_request_key(GIBSON_OP_GET, gibson_str("y")),
                                 gibson_request_key(GIBSON_OP_GET, gibson_str("z"))};
    ck_assert_status(gibson_client_queue(client, &requests[0]), GIBSON_OK);
    ck_assert_status(gibson_client_queue(client, &requests[1]), GIBSON_OK);
    ck_assert_status(gibson_client_flush(client), GIBSON_OK);
    peer_hear(server);
    gibson_reply reply;
    ck_assert_status(gibson_client_queue(client, &requests[2]), GIBSON_OK);
    pretend_idle(client);
    ck_assert_status(gibson_client_flush(client), GIBSON_PROTOCOL);
    ck_assert_message_has(gibson_client_error(client), "answer no request");
    for (int i = 0; i < 3; i++) {
        ck_assert_status(gibson_client_next(client, &reply), GIBSON_CLOSED);
        const char *message = gibson_client_error(client)->message;
        ck_assert_ptr_null(strstr(message + 1, "the connection is broken"));
        ck_assert_ptr_nonnull(strstr(message, "answer no request"));
    }
    ck_assert_status(gibson_client_next(client, &reply), GIBSON_END);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* A refused call takes no time: what came before it is still a pause. */
START_TEST(refused_call_does_not_hide_a_pause)
{
    use_defaults();
    peer *server;
    gibson_client *client = client_with_stray(&server, PEER_UNIX);
    gibson_request bad = gibson_request_key(GIBSON_OP_GET, gibson_str("a b"));
    gibson_value value;
    pretend_busy(client);
    ck_assert_status(get(client, "a b", &value), GIBSON_INVALID);
    ck_assert_status(get(client, "c", &value), GIBSON_PROTOCOL);
    gibson_client_free(client);
    peer_stop(server);
    client = client_with_stray(&server, PEER_UNIX);
    pretend_busy(client);
    ck_assert_status(gibson_client_queue(client, &bad), GIBSON_INVALID);
    ck_assert_status(get(client, "c", &value), GIBSON_PROTOCOL);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* ---- Servers that restart ---- */

START_TEST(restart_of_the_server_is_not_seen_by_any_command)
{
    static const peer_kind kinds[] = {PEER_UNIX, PEER_TCP4};
    for (size_t i = 0; i < COUNT_OF(kinds) * SAMPLE_COUNT; i++) {
        const sample *each = &samples[i % SAMPLE_COUNT];
        use_defaults();
        options.reconnect = true;
        peer *server = peer_start(kinds[i / SAMPLE_COUNT], sample_serve, NULL);
        gibson_client *client = sample_client(server, &options);
        ck_assert_status(gibson_client_ping(client), GIBSON_OK);
        peer_go_down(server);
        peer_come_up(server);
        struct pollfd ended = {.fd = gibson_client_descriptor(client), .events = POLLIN};
        ck_assert_int_eq(poll(&ended, 1, 5000), 1);
        pretend_idle(client);
        gibson_reply reply;
        const bool is_end = each->request.opcode == GIBSON_OP_END;
        ck_assert_status(gibson_client_call(client, &each->request, &reply),
                         is_end ? GIBSON_CLOSED : GIBSON_OK);
        ck_assert(is_end || sample_reply_matches(&reply));
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

START_TEST(quit_makes_no_connection_to_say_so)
{
    use_defaults();
    options.reconnect = true;
    peer *server = peer_start(PEER_UNIX, sample_serve, NULL);
    gibson_client *client = sample_client(server, &options);
    peer_go_down(server);
    peer_come_up(server);
    size_t before = peer_connections(server);
    ck_assert_status(gibson_client_quit(client),
                     GIBSON_OK); /* the end was seen before it was said */
    ck_assert_status(gibson_client_quit(client), GIBSON_OK); /* there is no connection */
    ck_assert_uint_eq(peer_connections(server), before);
    ck_assert(!gibson_client_connected(client));
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* ---- One deadline for all of an operation ---- */

/* Connecting hangs while the backlog of a listener that accepts nothing is full. */
static void fill_backlog(const gibson_options *of, int *descriptors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        gibson_client *filler;
        gibson_options fill = *of;
        fill.connect_timeout_ms = 20;
        ck_assert_status(gibson_client_new(&filler, &fill, NULL), GIBSON_OK);
        descriptors[i] =
            gibson_client_connect(filler) == GIBSON_OK ? dup(gibson_client_descriptor(filler)) : -1;
        gibson_client_free(filler);
    }
}

START_TEST(connecting_within_an_operation_ends_at_the_deadline_of_the_operation)
{
    enum { FILLERS = 6 };
    int descriptors[FILLERS];
    use_defaults();
    peer *server = peer_start(PEER_UNIX, NULL, NULL);
    peer_point(server, &options);
    fill_backlog(&options, descriptors, FILLERS);
    options.reconnect = true;
    options.timeout_ms = 100;
    options.connect_timeout_ms = 60000;
    gibson_client *client;
    ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_OK);
    int64_t began = suite_now_ms();
    ck_assert_status(gibson_client_ping(client), GIBSON_TIMEOUT);
    int64_t took = suite_now_ms() - began;
    ck_assert_int_ge(took, 99);
    ck_assert_int_le(took, 100 + SUITE_SLACK_MS);
    ck_assert_message_has(gibson_client_error(client), "timeout of 100 ms passed while connecting");
    gibson_client_free(client);
    for (size_t i = 0; i < FILLERS; i++) {
        if (descriptors[i] >= 0) {
            close(descriptors[i]);
        }
    }
    peer_stop(server);
}
END_TEST

/* The first connection is cut half-way through the deadline, the second one never answers. */
static void cut_then_be_silent(peer_link *link)
{
    peer_frame frame;
    if (link->index == 0) {
        sample_warm_up(link);
        peer_read_frame(link, &frame);
        peer_await(link);
        peer_close(link);
    } else {
        peer_read_to_end(link);
    }
}

/* An interrupt callback, called every 50 ms: lets the peer cut the connection at that time. */
static int64_t cut_at_ms;

static int cut_in_time(void *server)
{
    if (suite_now_ms() >= cut_at_ms) {
        peer_tell(server);
        cut_at_ms = INT64_MAX;
    }
    return 0;
}

START_TEST(repeated_request_keeps_the_deadline_of_the_first)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, cut_then_be_silent, NULL);
    options.reconnect = true;
    options.retry_repeatable = true;
    options.timeout_ms = 2000;
    options.interrupt = cut_in_time;
    options.interrupt_context = server;
    cut_at_ms = INT64_MAX;
    gibson_client *client = sample_client(server, &options);
    ck_assert_status(gibson_client_set_timeout(client, 2000), GIBSON_OK);
    gibson_value value;
    int64_t began = suite_now_ms();
    cut_at_ms = began + 1000;
    ck_assert_status(get(client, "key", &value), GIBSON_TIMEOUT);
    int64_t took = suite_now_ms() - began;
    ck_assert_message_has(gibson_client_error(client),
                          "timeout of 2000 ms passed while waiting for the reply to get");
    ck_assert_uint_eq(peer_connections(server), 2);
    ck_assert_int_ge(took, 1999);
    ck_assert_int_lt(took, 2950); /* it was 3000: 1000 until the cut, and 2000 more */
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* ---- How long a time may be ---- */

/* Answers STATS with a max_item_ttl of 2592000, or without, and all else as usual. */
static void serve_times(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame)) {
        if (frame.opcode != GIBSON_OP_STATS) {
            if (!sample_answer(link, &frame)) {
                return;
            }
            continue;
        }
        atomic_fetch_add(&frames_seen, 1);
        const uint8_t month[8] = {0x00, 0x8d, 0x27};
        gib_buffer reply = bytes_new();
        size_t at = reply_begin_items(&reply, 1);
        reply_add_item(&reply, link->context ? "max_item_ttl" : "total_items", GIB_ENCODING_NUMBER,
                       month, sizeof month);
        reply_end_items(&reply, at);
        peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
        gib_buffer_clear(&reply);
    }
}

START_TEST(long_time_is_sent_to_a_server_that_keeps_it)
{
    use_defaults();
    atomic_store(&frames_seen, 0);
    peer *server = peer_start(PEER_UNIX, serve_times, "month");
    gibson_client *client = sample_client(server, &options);
    ck_assert_status(gibson_client_ttl(client, gibson_str("key"), 32767), GIBSON_OK);
    ck_assert_uint_eq(atomic_load(&frames_seen), 0); /* nothing to ask */
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_str("value"), 86400),
                     GIBSON_OK);
    ck_assert_status(gibson_client_lock(client, gibson_str("key"), 2592000), GIBSON_OK);
    ck_assert_status(gibson_client_ttl(client, gibson_str("key"), 2592001), GIBSON_INVALID);
    ck_assert_message_has(gibson_client_error(client), "max_item_ttl of the server (2592000)");
    ck_assert_status(gibson_client_ttl(client, gibson_str("a b"), 86400), GIBSON_INVALID);
    ck_assert_uint_eq(atomic_load(&frames_seen), 1); /* asked once */
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    ck_assert_status(gibson_client_ttl(client, gibson_str("a b"), 86400), GIBSON_INVALID);
    ck_assert_uint_eq(atomic_load(&frames_seen), 1); /* a bad key is bad whatever the server says */
    ck_assert_status(gibson_client_ttl(client, gibson_str("key"), 86400), GIBSON_OK);
    ck_assert_uint_eq(atomic_load(&frames_seen), 2); /* once a connection */
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* What the client asks for itself is not held to the limit of the caller's replies. */
START_TEST(long_time_is_learned_whatever_the_limit_of_replies)
{
    use_defaults();
    options.max_reply_size = 20;
    peer *server = peer_start(PEER_UNIX, serve_times, "month");
    gibson_client *client = sample_client(server, &options);
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_str("value"), 86400),
                     GIBSON_OK);
    gibson_items items;
    ck_assert_status(gibson_client_stats(client, &items), GIBSON_PROTOCOL);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

START_TEST(long_time_is_refused_for_a_server_that_does_not_say_that_it_keeps_it)
{
    use_defaults();
    peer *server = peer_start(PEER_UNIX, serve_times, NULL);
    gibson_client *client = sample_client(server, &options);
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_str("value"), 86400),
                     GIBSON_INVALID);
    ck_assert_message_has(gibson_client_error(client), "no max_item_ttl in STATS (32767)");
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_str("value"), 32767),
                     GIBSON_OK);
    gibson_client_free(client);
    options.max_seconds = 100000; /* the caller knows better */
    client = sample_client(server, &options);
    ck_assert_status(gibson_client_set(client, gibson_str("key"), gibson_str("value"), 86400),
                     GIBSON_OK);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

START_TEST(long_time_in_a_pipeline_waits_until_the_server_can_be_asked)
{
    use_defaults();
    atomic_store(&frames_seen, 0);
    peer *server = peer_start(PEER_UNIX, serve_times, "month");
    gibson_client *client = sample_client(server, &options);
    gibson_request get_key = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    gibson_request day = gibson_request_key_number(GIBSON_OP_TTL, gibson_str("key"), 86400);
    gibson_reply reply;
    ck_assert_status(gibson_client_queue(client, &get_key), GIBSON_OK);
    ck_assert_status(gibson_client_queue(client, &day), GIBSON_WOULD_BLOCK);
    ck_assert_uint_eq(gibson_client_outstanding(client), 1);
    ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
    ck_assert_status(gibson_client_queue(client, &day), GIBSON_OK); /* it asks first */
    ck_assert_uint_eq(atomic_load(&frames_seen), 1);
    ck_assert_status(gibson_client_queue(client, &day), GIBSON_OK);
    ck_assert_uint_eq(gibson_client_outstanding(client), 2);
    for (int i = 0; i < 2; i++) {
        ck_assert_status(gibson_client_next(client, &reply), GIBSON_OK);
        ck_assert_uint_eq(reply.opcode, GIBSON_OP_TTL);
    }
    ck_assert_status(gibson_client_next(client, &reply), GIBSON_END);
    ck_assert_uint_eq(atomic_load(&frames_seen), 1);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* What was learned of the server concerns the times that need it, and no other requests. */
START_TEST(batch_without_a_long_time_is_replaced_though_the_server_was_asked)
{
    use_defaults();
    options.reconnect = true;
    peer *server = peer_start(PEER_UNIX, serve_times, "month");
    gibson_client *client = sample_client(server, &options);
    const gibson_request day = gibson_request_key_number(GIBSON_OP_TTL, gibson_str("key"), 86400);
    const gibson_request minute = gibson_request_key_number(GIBSON_OP_TTL, gibson_str("key"), 60);
    for (int with_long = 0; with_long < 2; with_long++) {
        gibson_reply reply;
        ck_assert_status(gibson_client_call(client, &day, &reply), GIBSON_OK);
        ck_assert_status(gibson_client_queue(client, &minute), GIBSON_OK);
        ck_assert_status(gibson_client_queue(client, with_long ? &day : &minute), GIBSON_OK);
        peer_go_down(server);
        peer_come_up(server);
        pretend_idle(client);
        for (int i = 0; i < 2; i++) {
            ck_assert_status(gibson_client_next(client, &reply),
                             with_long ? GIBSON_CLOSED : GIBSON_OK);
        }
    }
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

/* Sends a reply that nobody asked for on every connection before anything else. */
static void serve_with_greeting(peer_link *link)
{
    peer_send(link, "\6\0\0\5\0\0\0stray", 12);
    serve_keys(link);
}

/* A client that is connected to such a server, whose reply has arrived. */
static gibson_client *client_that_was_greeted(const peer *server)
{
    peer_point(server, &options);
    gibson_client *client;
    ck_assert_status(gibson_client_new(&client, &options, NULL), GIBSON_OK);
    ck_assert_status(gibson_client_connect(client), GIBSON_OK);
    struct pollfd arrived = {.fd = gibson_client_descriptor(client), .events = POLLIN};
    ck_assert_int_eq(poll(&arrived, 1, 5000), 1);
    return client;
}

static bool is(const gibson_value *value, const char *text)
{
    return value->bytes.size == strlen(text) && !memcmp(value->bytes.data, text, strlen(text));
}

/* Such a server is never trusted again, however often there is a new connection to it. */
START_TEST(stray_reply_on_every_connection_is_not_taken_twice)
{
    for (int reconnect = 0; reconnect < 2; reconnect++) {
        use_defaults();
        options.reconnect = reconnect;
        peer *server = peer_start(PEER_UNIX, serve_with_greeting, NULL);
        gibson_client *client = client_that_was_greeted(server);
        int wrong = 0;
        for (int i = 0; i < 300; i++) {
            gibson_value value;
            if (i % 3) {
                pretend_idle(client);
            }
            if (!reconnect && !gibson_client_connected(client)) {
                ck_assert_status(gibson_client_connect(client), GIBSON_OK);
            }
            const gibson_status status = get(client, "key", &value);
            wrong += status == GIBSON_OK && !is(&value, "key");
            ck_assert(status == GIBSON_OK || status == GIBSON_PROTOCOL);
        }
        ck_assert_int_le(wrong, 1);
        gibson_client_free(client);
        peer_stop(server);
    }
}
END_TEST

START_TEST(stray_reply_on_every_connection_is_not_taken_by_a_batch_that_is_replaced)
{
    use_defaults();
    options.reconnect = true;
    peer *server = peer_start(PEER_UNIX, serve_with_greeting, NULL);
    gibson_client *client = client_that_was_greeted(server);
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    int wrong = 0;
    for (int i = 0; i < 20; i++) {
        gibson_reply reply;
        for (int j = 0; j < 3 && gibson_client_queue(client, &request) == GIBSON_OK; j++) {
        }
        pretend_idle(client);
        while (gibson_client_next(client, &reply) != GIBSON_END) {
            wrong += reply.status == GIBSON_OK && !is(&reply.value, "key");
        }
    }
    ck_assert_int_eq(wrong, 0);
    gibson_client_free(client);
    peer_stop(server);
}
END_TEST

SUITE_IN_MODES(
    "client_trust", SAMPLE_MODES, refused_request_leaves_nothing_to_be_sent_with_the_next_batch,
    stray_reply_before_a_call_is_an_error_and_not_its_answer,
    stray_reply_before_a_call_is_passed_over_with_reconnect, queued_end_makes_no_connection,
    stray_reply_before_quit_is_forgotten_with_the_connection,
    stray_reply_in_a_loop_without_pauses_is_noticed_within_127_calls,
    stray_reply_among_counts_of_nothing_is_noticed_within_127_calls,
    stray_reply_in_a_pipeline_that_never_runs_empty_is_noticed,
    server_that_refuses_the_question_is_not_called_a_liar, question_is_asked_whatever_the_limits,
    questions_of_two_clients_differ, stray_reply_before_a_batch_is_sent_is_not_its_answer,
    stray_reply_behind_unread_ones_does_not_answer_what_is_queued_later,
    refused_call_does_not_hide_a_pause, restart_of_the_server_is_not_seen_by_any_command,
    quit_makes_no_connection_to_say_so,
    connecting_within_an_operation_ends_at_the_deadline_of_the_operation,
    repeated_request_keeps_the_deadline_of_the_first, long_time_is_sent_to_a_server_that_keeps_it,
    long_time_is_learned_whatever_the_limit_of_replies,
    long_time_is_refused_for_a_server_that_does_not_say_that_it_keeps_it,
    long_time_in_a_pipeline_waits_until_the_server_can_be_asked,
    batch_without_a_long_time_is_replaced_though_the_server_was_asked,
    stray_reply_on_every_connection_is_not_taken_twice,
    stray_reply_on_every_connection_is_not_taken_by_a_batch_that_is_replaced)
