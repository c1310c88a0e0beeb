/* A connection of the server, without its loop: what it holds, and when it stops. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/connection.h"
#include "raw_client.h"
#include "support/suite.h"

enum { VALUE_SIZE = 1000, MOST_OUTPUT = 10000, REPLY_SIZE = 7 + VALUE_SIZE };

static gibs_exchange shared;
static gibs_service service;
static gibs_connection *connection;
static int peer; /* the client's end */

static void set_up(void)
{
    static char value[VALUE_SIZE];
    gibs_store_settings settings = {.max_memory = 1 << 20, .compression = SIZE_MAX};
    service = (gibs_service){.store = gibs_store_new(&settings)};
    service.settings.limits = (gib_limits){.max_reply_size = 1 << 20,
                                           .max_request_size = 1 << 20,
                                           .max_key_size = 100,
                                           .max_value_size = 2000,
                                           .max_seconds = 100};
    shared = (gibs_exchange){.max_output_size = MOST_OUTPUT, .slice_ns = INT64_C(1000000000000)};
    gibs_exchange_open(&shared, &service, NULL);
    gibs_store_set(service.store, gibson_str("k"), (gibson_bytes){value, sizeof value}, 0);
    int ends[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
    peer = ends[0];
    connection = gibs_connection_new(ends[1], &shared, 0);
}

static void tear_down(void)
{
    gibs_connection_free(connection, &shared);
    gibs_exchange_close(&shared);
    gibs_store_free(service.store);
    close(peer);
}

/* At one go: many small pieces would fill the socket sooner. */
static void send_requests(int count, uint16_t opcode)
{
    static uint8_t requests[8192];
    size_t size = 0;
    while (count--) {
        size += raw_request(requests + size, opcode, "k", 1);
    }
    ck_assert(raw_send(peer, requests, size));
}

/* Takes what has come; returns how many bytes that were. */
static size_t take_all(void)
{
    static uint8_t bytes[1 << 16];
    size_t total = 0;
    ssize_t got;
    while ((got = recv(peer, bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
        total += (size_t)got;
    }
    return total;
}

/* Makes the socket hold little, so that the connection has to hold the rest. */
static void narrow_socket(void)
{
    int size = 1;
    setsockopt(connection->descriptor, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

START_TEST(connection_holds_no_more_output_than_it_may_and_goes_on_later)
{
    enum { REQUESTS = 500 };
    narrow_socket();
    send_requests(REQUESTS, GIBSON_OP_GET);
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    size_t total = 0;
    int rounds = 0;
    while (total < (size_t)REQUESTS * REPLY_SIZE) {
        ck_assert_uint_lt(gib_buffer_size(&connection->out), MOST_OUTPUT + REPLY_SIZE);
        bool full = gib_buffer_size(&connection->out) >= MOST_OUTPUT;
        unsigned interest = gibs_connection_interest(connection, &shared);
        ck_assert_int_eq((interest & GIBS_READABLE) != 0, !full && !connection->backlog);
        total += take_all();
        ck_assert_int_eq(gibs_connection_write(connection, &shared, 0), GIBS_OUTCOME_OPEN);
        ck_assert_int_lt(++rounds, 10000);
    }
    ck_assert_uint_eq(total, (size_t)REQUESTS * REPLY_SIZE);
    ck_assert_int_gt(rounds, 10);
    ck_assert(!connection->backlog);
}
END_TEST

/* Whoever takes a little now and then would hold a connection's memory for ever. */
START_TEST(connection_has_moved_only_when_a_part_of_what_waits_was_taken)
{
    enum { REQUESTS = 1000 };
    shared.max_output_size = (size_t)REQUESTS * REPLY_SIZE;
    narrow_socket();
    for (int i = 0; i < 2; i++) {
        send_requests(REQUESTS / 2, GIBSON_OP_GET);
        ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    }
    size_t left = gib_buffer_size(&connection->out);
    size_t taken = 0;
    ck_assert_uint_gt(left, ((size_t)REQUESTS - 100) * REPLY_SIZE);
    ck_assert_uint_eq(service.counters.client_bytes, connection->out.capacity);
    for (int64_t now_ms = 1000; connection->moved_ms == 0; now_ms += 1000) {
        take_all();
        ck_assert_int_eq(gibs_connection_write(connection, &shared, now_ms), GIBS_OUTCOME_OPEN);
        taken = left - gib_buffer_size(&connection->out);
        ck_assert_uint_lt(taken, left / 4);
    }
    ck_assert_uint_gt(taken, 60000); /* an eighth of what waited when it began */
}
END_TEST

START_TEST(connection_holds_a_large_request_in_no_more_than_its_size)
{
    enum { VALUE = 900000, SIZE = 6 + VALUE };
    static uint8_t request[SIZE + 6];
    static char payload[SIZE];
    memset(payload, 'x', sizeof payload);
    size_t size = raw_request(request, GIBSON_OP_SET, payload, sizeof payload);
    for (size_t sent = 0; sent + 8192 < size; sent += 8192) {
        ck_assert(raw_send(peer, request + sent, 8192));
        ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
        size_t have = sent + 8192;
        size_t most = have < 65536 ? (size_t)2 * 65536 : 2 * have + 8192;
        ck_assert_uint_le(connection->in.capacity, most < size ? most : size);
        ck_assert_uint_eq(service.counters.client_bytes, connection->in.capacity);
    }
}
END_TEST

START_TEST(connection_with_nothing_to_do_holds_no_memory)
{
    ck_assert(raw_send(peer, "\x03", 1)); /* a part of a size field */
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    ck_assert_uint_gt(connection->in.capacity, 0);
    ck_assert_uint_lt(connection->in.capacity, 64);
    ck_assert(raw_send(peer, "\0\0\0\x03\0k", 6));
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    ck_assert_uint_eq(take_all(), REPLY_SIZE);
    ck_assert_uint_eq(connection->in.capacity, 0);
    ck_assert_uint_eq(connection->out.capacity, 0);
    ck_assert(gibs_connection_is_idle(connection));
}
END_TEST

START_TEST(connection_ends_its_turn_after_a_long_command)
{
    shared.slice_ns = 0;
    send_requests(3, GIBSON_OP_COUNT);
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    ck_assert(connection->backlog);
    ck_assert(!gibs_connection_is_idle(connection));
    ck_assert_uint_eq(take_all(), 15);
    ck_assert_int_eq(gibs_connection_go_on(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    ck_assert_int_eq(gibs_connection_go_on(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    ck_assert(!connection->backlog);
    ck_assert_uint_eq(take_all(), 30);
}
END_TEST

/* A reload in the middle of a command: by the new rules its key would be too long, or cut, its
   value too large, and all of it no request. */
START_TEST(connection_ends_a_long_command_by_the_rules_it_was_begun_with)
{
    enum { ITEMS = 3000, MOST_TURNS = 100 };
    char text[64];
    for (int i = 0; i < ITEMS; i++) {
        gibson_bytes key = {text, (size_t)snprintf(text, sizeof text, "key:%d", i)};
        ck_assert_int_eq(gibs_store_set(service.store, key, gibson_str("v"), 0), GIB_CODE_VAL);
    }
    shared.slice_ns = 0;
    ck_assert(raw_send_request(peer, GIBSON_OP_MSET, "key: other", 10));
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    ck_assert_ptr_nonnull(connection->job);
    gibs_service_settings before = service.settings;
    service.settings.limits = (gib_limits){
        .max_request_size = 4, .max_key_size = 2, .max_value_size = 2, .max_seconds = 1};
    service.settings.excess = _i ? GIB_EXCESS_CUT : GIB_EXCESS_REFUSED;
    for (int turns = 0; connection->job; turns++) {
        ck_assert_int_lt(turns, MOST_TURNS);
        ck_assert_int_eq(gibs_connection_go_on(connection, &shared, 0), GIBS_OUTCOME_OPEN);
        ck_assert_uint_eq(service.settings.limits.max_key_size, 2);
    }
    raw_reply reply = raw_read_reply(peer);
    ck_assert_int_eq(reply.code, GIB_CODE_VAL);
    raw_reply_free(&reply);
    service.settings = before;
    ck_assert_uint_eq(service.counters.replies[GIBSON_OP_MSET][GIB_CODE_VAL], 1);
    gibs_item *last = gibs_store_get(service.store, gibson_str("key:2999"));
    ck_assert_ptr_nonnull(last);
    ck_assert_uint_eq(gibs_item_plain_size(last), 5);
}
END_TEST

/* Over several turns, as those before were in its way. */
START_TEST(connection_times_requests_from_the_turn_in_which_they_came)
{
    const gibs_latency *latency = &service.counters.latency;
    shared.slice_ns = 0;
    shared.turn_ns = 1000;
    send_requests(2, GIBSON_OP_COUNT);
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    ck_assert_uint_eq(gibs_latency_count(latency), 0); /* not known yet */
    gibs_exchange_note_time(&shared, 6000);
    gibs_exchange_note_time(&shared, 7000);
    ck_assert_uint_eq(latency->below[1], 1);
    ck_assert_uint_eq(latency->sum_ns, 5000);
    shared.turn_ns = 8000;
    ck_assert_int_eq(gibs_connection_go_on(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    gibs_exchange_note_time(&shared, 1001000);
    ck_assert_uint_eq(gibs_latency_count(latency), 2);
    ck_assert_uint_eq(latency->sum_ns, 1005000);
    ck_assert_uint_eq(connection->requests, 2);
    ck_assert_uint_eq(connection->bytes_in, UINT64_C(2) * 7);
    ck_assert_uint_eq(connection->bytes_out, take_all());
}
END_TEST

static int64_t clock_ms;
static int64_t work_ms; /* how long the work after the next look at the clock takes */

static int64_t read_clock(void *context, int64_t real_ns)
{
    (void)context;
    (void)real_ns;
    int64_t now_ms = clock_ms;
    clock_ms += work_ms;
    work_ms = 0;
    return now_ms;
}

static void ask(uint16_t opcode, const char *payload)
{
    uint8_t request[64];
    ck_assert(raw_send(peer, request, raw_request(request, opcode, payload, strlen(payload))));
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
}

START_TEST(ttl_begins_when_it_is_set_and_not_when_the_turn_began)
{
    service.time.elapsed_ms = read_clock;
    clock_ms = 0;
    work_ms = 5000;
    ask(GIBSON_OP_SET, "1 t value");
    take_all();
    clock_ms = 5000 + 1000;
    ask(GIBSON_OP_GET, "t");
    ck_assert_uint_eq(take_all(), 7 + strlen("value"));
    clock_ms += INT64_C(2) * GIBS_TICK_MS;
    ask(GIBSON_OP_GET, "t");
    ck_assert_uint_eq(take_all(), 7 + 1); /* NOT_FOUND */
    ck_assert_uint_eq(service.store->items, 1);
}
END_TEST

START_TEST(connection_ends_when_the_client_is_gone)
{
    close(peer);
    peer = -1;
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_CLOSED);
}
END_TEST

START_TEST(connection_sends_what_waits_before_it_ends)
{
    narrow_socket();
    send_requests(8, GIBSON_OP_GET);
    send_requests(1, GIBSON_OP_END);
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    ck_assert(connection->closing);
    size_t total = 0;
    while (!connection->lingering) {
        ck_assert_uint_eq(gibs_connection_interest(connection, &shared), GIBS_WRITABLE);
        total += take_all();
        ck_assert_int_eq(gibs_connection_write(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    }
    total += take_all();
    ck_assert_uint_eq(total, 8 * REPLY_SIZE + 8);
    ck_assert_int_eq(recv(peer, &total, sizeof total, 0), 0); /* and no more */
    ck_assert_uint_eq(gibs_connection_interest(connection, &shared), GIBS_READABLE);
    send_requests(1, GIBSON_OP_GET);
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_OPEN);
    ck_assert_int_lt(recv(peer, &total, sizeof total, 0), 1);
    close(peer);
    peer = -1;
    ck_assert_int_eq(gibs_connection_read(connection, &shared, 0), GIBS_OUTCOME_CLOSED);
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         TESTS(connection_holds_no_more_output_than_it_may_and_goes_on_later,
               connection_has_moved_only_when_a_part_of_what_waits_was_taken,
               connection_holds_a_large_request_in_no_more_than_its_size,
               connection_with_nothing_to_do_holds_no_memory,
               connection_ends_its_turn_after_a_long_command,
               connection_times_requests_from_the_turn_in_which_they_came,
               ttl_begins_when_it_is_set_and_not_when_the_turn_began,
               connection_ends_when_the_client_is_gone,
               connection_sends_what_waits_before_it_ends)},
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = 2,
         TESTS(connection_ends_a_long_command_by_the_rules_it_was_begun_with)},
    };
    return suite_run("server_connection", 1, parts, COUNT_OF(parts));
}
