/* connection/operation: the rules of a connection, over a transport that is a script and a clock
   that is a number. Nothing waits, and no descriptor is involved. */
#include "connection/operation.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "connection/settings.h"
#include "net/fork.h"
#include "support/replies.h"
#include "support/samples.h"
#include "support/suite.h"

enum { DESCRIPTOR = 1000000 }; /* nobody's: it must not be used */

static const int64_t ms = 1000000;

/* ---- The peer ---- */

static struct {
    gib_buffer sent;    /* what was sent and not looked at */
    gib_buffer to_come; /* what there is to receive */
    size_t takes;       /* bytes that can be sent now */
    size_t gives;       /* bytes of one receive at most */
    bool ended;         /* there is nothing to come after that */
    int closed;
} peer_end;

static ssize_t peer_end_send(void *state, const gibson_bytes parts[2])
{
    (void)state;
    size_t sent = 0;
    for (int i = 0; i < 2; i++) {
        const size_t size = parts[i].size < peer_end.takes ? parts[i].size : peer_end.takes;
        bytes_add(&peer_end.sent, parts[i].data, size);
        peer_end.takes -= size;
        sent += size;
    }
    errno = EAGAIN;
    return sent ? (ssize_t)sent : -1;
}

static ssize_t peer_end_receive(void *state, void *room, size_t size, int flags)
{
    (void)state;
    const size_t held = gib_buffer_size(&peer_end.to_come);
    const size_t most = size < peer_end.gives ? size : peer_end.gives;
    const size_t got = held < most ? held : most;
    if (!got) {
        errno = EAGAIN;
        return peer_end.ended ? 0 : -1;
    }
    memcpy(room, bytes_of(&peer_end.to_come), got);
    if (!(flags & MSG_PEEK)) {
        gib_buffer_consume(&peer_end.to_come, got);
    }
    return (ssize_t)got;
}

static size_t peer_end_segment_size(void *state)
{
    (void)state;
    return 1000;
}

static void peer_end_close(void *state)
{
    (void)state;
    peer_end.closed++;
}

static const gib_transport_ops peer_end_ops = {peer_end_send, peer_end_receive,
                                               peer_end_segment_size, peer_end_close};

/* ---- The connection ---- */

static gib_connection connection;
static gib_operation operation;
static gibson_reply reply;

static void adopt(void)
{
    const gib_transport transport = {.descriptor = DESCRIPTOR, .ops = &peer_end_ops};
    gib_connection_adopt(&connection, transport);
}

static void begin(bool reconnect)
{
    gibson_options options;
    gibson_options settings;
    gibson_error error;
    gibson_options_init(&options);
    options.timeout_ms = 100;
    options.reconnect = reconnect;
    options.unix_socket = "/nowhere/at/all";
    ck_assert_status(gib_settings_make(&settings, &options, &error), GIBSON_OK);
    gib_fork_watch();
    gib_connection_init(&connection, &settings, "the peer", 1);
    gib_operation_init(&operation, &connection);
    memset(&peer_end, 0, sizeof peer_end);
    peer_end.sent = bytes_new();
    peer_end.to_come = bytes_new();
    peer_end.takes = peer_end.gives = SIZE_MAX;
    adopt();
}

static void end(void)
{
    gib_connection_clear(&connection);
    ck_assert_int_eq(peer_end.closed, 1); /* once, whatever has happened */
    gib_buffer_clear(&peer_end.sent);
    gib_buffer_clear(&peer_end.to_come);
}

static void check_sent(const char *payload, uint16_t opcode)
{
    const size_t size = GIB_REQUEST_HEADER + strlen(payload);
    ck_assert_uint_ge(gib_buffer_size(&peer_end.sent), size);
    ck_assert_uint_eq(gib_load_u32(bytes_of(&peer_end.sent)), size - GIB_SIZE_FIELD);
    ck_assert_uint_eq(gib_load_u16(bytes_of(&peer_end.sent) + GIB_SIZE_FIELD), opcode);
    ck_assert_mem_eq(bytes_of(&peer_end.sent) + GIB_REQUEST_HEADER, payload, strlen(payload));
    gib_buffer_consume(&peer_end.sent, size);
}

static const gibson_request *get_key(void)
{
    static gibson_request request;
    request = gibson_request_key(GIBSON_OP_GET, gibson_str("key"));
    return &request;
}

static gibson_status begin_call(int64_t now_ns)
{
    gib_operation_begin(&operation, GIB_OPERATION_CALL, get_key(), &reply, now_ns);
    return gib_operation_step(&operation, now_ns);
}

/* Something has come: goes on with it. */
static gibson_status go_on(int64_t now_ns)
{
    const gib_waits waits = gib_operation_waits(&operation);
    ck_assert_uint_eq(waits.count, 1);
    waits.fds[0].revents = waits.fds[0].events;
    return gib_operation_step(&operation, now_ns);
}

static void check_waits(short events, int64_t until_ns)
{
    const gib_waits waits = gib_operation_waits(&operation);
    ck_assert_uint_eq(waits.count, 1);
    ck_assert_int_eq(waits.fds[0].fd, DESCRIPTOR);
    ck_assert_int_eq(waits.fds[0].events, events);
    ck_assert_int_eq(waits.until, until_ns);
}

/* ---- The tests ---- */

START_TEST(operation_call_waits_for_its_reply_until_its_deadline)
{
    begin(false);
    ck_assert_status(begin_call(7 * ms), GIBSON_WOULD_BLOCK);
    check_sent("key", GIBSON_OP_GET);
    check_waits(POLLIN, 107 * ms);
    ck_assert(gib_operation_may_receive(&operation));
    ck_assert_status(gib_operation_step(&operation, 50 * ms), GIBSON_WOULD_BLOCK);
    ck_assert(!gib_operation_may_receive(&operation)); /* some of its time has passed */
    reply_add_bytes(&peer_end.to_come, "value", 5);
    ck_assert_status(go_on(106 * ms), GIBSON_OK);
    ck_assert_status(reply.status, GIBSON_OK);
    ck_assert_mem_eq(reply.value.bytes.data, "value", 5);
    end();
}
END_TEST

/* As part of something that has a deadline of its own. */
START_TEST(operation_ends_at_the_deadline_that_its_driver_has_set)
{
    begin(false);
    operation.latest = 30 * ms;
    ck_assert_status(begin_call(7 * ms), GIBSON_WOULD_BLOCK);
    check_waits(POLLIN, 30 * ms);
    ck_assert_status(gib_operation_step(&operation, 29 * ms), GIBSON_WOULD_BLOCK);
    ck_assert_status(gib_operation_step(&operation, 30 * ms), GIBSON_TIMEOUT);
    end();
}
END_TEST

START_TEST(operation_peer_that_dribbles_does_not_stretch_the_deadline)
{
    begin(false);
    peer_end.gives = 1;
    ck_assert_status(begin_call(0), GIBSON_WOULD_BLOCK);
    reply_add_bytes(&peer_end.to_come, "a value of some length that takes a while, byte for byte",
                    57);
    int64_t now_ms = 0;
    gibson_status status = GIBSON_WOULD_BLOCK;
    while (status == GIBSON_WOULD_BLOCK) {
        status = go_on(now_ms += 10);
        ck_assert_int_le(now_ms, 10 + 64);
        now_ms -= 9;
    }
    ck_assert_status(status, GIBSON_OK);
    ck_assert_status(begin_call(0), GIBSON_WOULD_BLOCK);
    reply_add_bytes(&peer_end.to_come, "late", 4);
    ck_assert_status(go_on(99 * ms), GIBSON_WOULD_BLOCK);
    ck_assert_status(go_on(100 * ms), GIBSON_TIMEOUT);
    ck_assert_message_has(&connection.error,
                          "timeout of 100 ms passed while waiting for the reply");
    ck_assert_message_has(&connection.error, "get from the peer");
    ck_assert(!gib_connection_is_open(&connection));
    ck_assert_status(begin_call(101 * ms), GIBSON_CLOSED);
    end();
}
END_TEST

START_TEST(operation_request_is_sent_as_the_socket_takes_it)
{
    begin(false);
    peer_end.takes = 3;
    ck_assert_status(begin_call(0), GIBSON_WOULD_BLOCK);
    while (gib_buffer_size(&peer_end.sent) < GIB_REQUEST_HEADER + 3) {
        check_waits(POLLIN | POLLOUT, 100 * ms);
        ck_assert(!gib_operation_may_receive(&operation));
        peer_end.takes = 1;
        gib_operation_waits(&operation).fds[0].revents = POLLOUT;
        ck_assert_status(gib_operation_step(&operation, ms), GIBSON_WOULD_BLOCK);
    }
    check_sent("key", GIBSON_OP_GET);
    check_waits(POLLIN, 100 * ms);
    reply_add_short(&peer_end.to_come, GIB_CODE_NOT_FOUND);
    ck_assert_status(go_on(2 * ms), GIBSON_OK);
    ck_assert_status(reply.status, GIBSON_NOT_FOUND);
    end();
}
END_TEST

START_TEST(operation_ends_by_what_its_driver_says)
{
    begin(false);
    ck_assert_status(begin_call(0), GIBSON_WOULD_BLOCK);
    gib_error_set(&connection.error, GIBSON_INTERRUPTED, "by the test");
    gib_operation_fail(&operation, GIBSON_INTERRUPTED);
    ck_assert_status(gib_operation_step(&operation, ms), GIBSON_INTERRUPTED);
    ck_assert_str_eq(connection.error.message, "by the test");
    ck_assert_int_eq(peer_end.closed, 1);
    end();
}
END_TEST

START_TEST(operation_looks_after_a_pause_and_asks_in_a_loop)
{
    begin(false);
    int asked = 0;
    for (int i = 0; i < GIB_IDLE_USES; i++) {
        gibson_status status = begin_call(1000 * ms); /* always the same time: no pause */
        ck_assert_status(status, GIBSON_WOULD_BLOCK);
        const uint8_t *frame = bytes_of(&peer_end.sent);
        if (gib_load_u16(frame + GIB_SIZE_FIELD) == GIBSON_OP_COUNT) {
            asked++;
            ck_assert_uint_eq(gib_buffer_size(&peer_end.sent), GIB_QUESTION_SIZE);
            gib_buffer_consume(&peer_end.sent, GIB_QUESTION_SIZE);
            reply_add_number(&peer_end.to_come, 0);
            for (int j = 0; j < 3; j++) {
                reply_add_short(&peer_end.to_come, GIB_CODE_NOT_FOUND);
            }
            ck_assert_status(go_on(1000 * ms), GIBSON_WOULD_BLOCK);
        }
        check_sent("key", GIBSON_OP_GET);
        reply_add_bytes(&peer_end.to_come, "value", 5);
        ck_assert_status(go_on(1000 * ms), GIBSON_OK);
    }
    ck_assert_int_eq(asked, 1);
    reply_add_bytes(&peer_end.to_come, "stray", 5);
    ck_assert_status(begin_call(1001 * ms), GIBSON_PROTOCOL); /* after a pause */
    ck_assert_uint_eq(gib_buffer_size(&peer_end.sent), 0);
    end();
}
END_TEST

START_TEST(operation_lost_connection_is_replaced_not_before_its_time)
{
    begin(true);
    peer_end.ended = true;
    ck_assert_status(begin_call(ms), GIBSON_UNREACHABLE); /* the end is seen before it is sent */
    ck_assert_uint_eq(gib_buffer_size(&peer_end.sent), 0);
    ck_assert_message_has(&connection.error, "cannot connect to /nowhere/at/all");
    const int64_t again_ns = connection.backoff.not_before_ns;
    ck_assert_int_gt(again_ns, 0);
    ck_assert_status(begin_call(again_ns - 1), GIBSON_UNREACHABLE);
    ck_assert_message_has(&connection.error, "no attempt to connect for another 1 ms");
    ck_assert_int_eq(connection.backoff.not_before_ns, again_ns);
    ck_assert_status(begin_call(again_ns), GIBSON_UNREACHABLE); /* it was tried */
    ck_assert_int_gt(connection.backoff.not_before_ns, again_ns);
    adopt();
    peer_end.ended = false;
    peer_end.closed--;
    reply_add_bytes(&peer_end.to_come, "value", 5);
    ck_assert_status(begin_call(again_ns + ms), GIBSON_UNREACHABLE); /* what is there before a call
                                                                        is not its answer */
    ck_assert_uint_eq(gib_buffer_size(&peer_end.sent), 0);
    end();
}
END_TEST

START_TEST(operation_pipeline_is_queued_flushed_and_read_in_steps)
{
    begin(false);
    gib_operation_begin(&operation, GIB_OPERATION_QUEUE, get_key(), NULL, 0);
    ck_assert_status(gib_operation_step(&operation, 0), GIBSON_OK);
    ck_assert_uint_eq(gib_buffer_size(&peer_end.sent), 0);
    ck_assert_uint_eq(gib_session_outstanding(&connection.session), 1);
    peer_end.takes = 4;
    gib_operation_begin(&operation, GIB_OPERATION_FLUSH, NULL, NULL, 0);
    ck_assert_status(gib_operation_step(&operation, 0), GIBSON_WOULD_BLOCK);
    check_waits(POLLIN | POLLOUT, 100 * ms);
    peer_end.takes = SIZE_MAX;
    gib_operation_waits(&operation).fds[0].revents = POLLOUT;
    ck_assert_status(gib_operation_step(&operation, ms), GIBSON_OK);
    check_sent("key", GIBSON_OP_GET);
    gib_operation_begin(&operation, GIB_OPERATION_NEXT, NULL, &reply, 2 * ms);
    ck_assert_status(gib_operation_step(&operation, 2 * ms), GIBSON_WOULD_BLOCK);
    reply_add_bytes(&peer_end.to_come, "value", 5);
    ck_assert_status(go_on(101 * ms), GIBSON_OK); /* its time runs from its own beginning */
    ck_assert_uint_eq(gib_session_outstanding(&connection.session), 0);
    end();
}
END_TEST

SUITE("operation", operation_call_waits_for_its_reply_until_its_deadline,
      operation_ends_at_the_deadline_that_its_driver_has_set,
      operation_peer_that_dribbles_does_not_stretch_the_deadline,
      operation_request_is_sent_as_the_socket_takes_it, operation_ends_by_what_its_driver_says,
      operation_looks_after_a_pause_and_asks_in_a_loop,
      operation_lost_connection_is_replaced_not_before_its_time,
      operation_pipeline_is_queued_flushed_and_read_in_steps)
