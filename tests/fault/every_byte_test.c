/* The exchange of each command, cut after each of its bytes and with each of them changed, in both
   directions. What a client cannot notice is told by `expect_corrupt_reply` and below it. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"
#include "proxy/proxy.h"
#include "support/samples.h"
#include "support/suite.h"
#include "test_server.h"
#include "wire/frame.h"

enum {
    PATIENT_MS = 20000,
    SHORT_MS = 15,    /* where waiting for more bytes is one of the right outcomes */
    PING_REQUEST = 6, /* bytes */
    PING_REPLY = 8,
};

static const uint8_t masks[] = {0x01, 0x02, 0x40, 0xff};

/* The first request on a connection goes another way through the client than those after it. */
typedef enum temperature { COLD, WARM } temperature;

static struct {
    test_server server;
    gibp_proxy *proxy;
    gibson_client *direct; /* to the server */
    gibson_client *client; /* through the proxy */
    exchange exchange;
    gibp_fault fault;
    temperature temperature;
    unsigned cases;
} test;

static gibson_client *make_client(const char *unix_socket)
{
    gibson_options options;
    gibson_error error;
    gibson_client *client;
    gibson_options_init(&options);
    options.unix_socket = unix_socket;
    options.timeout_ms = PATIENT_MS;
    options.connect_timeout_ms = PATIENT_MS;
    ck_assert_msg(gibson_client_new(&client, &options, &error) == GIBSON_OK, "%s", error.message);
    return client;
}

static void set_up(void)
{
    char listen[GIBP_PROXY_ADDRESS_SIZE];
    char connect[GIBP_PROXY_ADDRESS_SIZE];
    char error[GIBP_PROXY_ERROR_SIZE];
    test_server_start(&test.server, TEST_UNIX, NULL);
    snprintf(connect, sizeof connect, "unix:%s", test.server.unix_socket);
    snprintf(listen, sizeof listen, "unix:%s/proxy", test.server.directory);
    const gibp_proxy_options options = {.listen = listen, .connect = connect};
    ck_assert_msg(gibp_proxy_start(&test.proxy, &options, error), "%s", error);
    test.direct = make_client(test.server.unix_socket);
    ck_assert_int_eq(gibson_client_connect(test.direct), GIBSON_OK);
    ck_assert_int_eq(
        gibson_client_set(test.direct, gibson_str("probe"), gibson_str("the probe"), 0), GIBSON_OK);
    test.client = make_client(listen + strlen("unix:"));
}

static void tear_down(void)
{
    gibson_client_free(test.client);
    gibson_client_free(test.direct);
    gibp_proxy_stop(test.proxy);
    test_server_stop(&test.server);
}

/* Says which case a failure is about. */
static const char *this_case(gibson_status status)
{
    static char text[300];
    char fault[80];
    gibp_fault_format(&test.fault, fault, sizeof fault);
    snprintf(text, sizeof text, "%s, %s, %s: %s (%s)",
             gibson_command_by_opcode((uint32_t)test.exchange.request.opcode)->name,
             test.temperature == WARM ? "warm" : "cold", fault, gibson_status_name(status),
             gibson_client_error(test.client)->message);
    return text;
}

#define assert_case(condition, status) ck_assert_msg(condition, "%s", this_case(status))

static void expect_probe(gibson_status status)
{
    gibson_value value;
    assert_case(gibson_client_get(test.client, gibson_str("probe"), &value) == GIBSON_OK, status);
    assert_case(value.bytes.size == 9 && memcmp(value.bytes.data, "the probe", 9) == 0, status);
}

/* GET has a way of its own on a warm connection. */
static gibson_status call(gibson_reply *reply)
{
    const gibson_request *request = &test.exchange.request;
    if (request->opcode != GIBSON_OP_GET || test.temperature == COLD) {
        return gibson_client_call(test.client, request, reply);
    }
    *reply = (gibson_reply){.opcode = request->opcode};
    reply->status = gibson_client_get(test.client, request->key, &reply->value);
    return reply->status;
}

/* Runs the exchange with the fault. The bytes of the fault count from the exchange on. */
static gibson_status run(gibson_reply *reply, int64_t timeout_ms)
{
    char error[GIBP_PROXY_ERROR_SIZE];
    gibp_fault fault = test.fault;
    if (test.temperature == WARM) {
        fault.at += fault.direction == GIBP_REQUESTS ? PING_REQUEST : PING_REPLY;
    }
    exchange_prepare(test.direct);
    ck_assert(gibp_proxy_add(test.proxy, &fault, error));
    ck_assert_int_eq(gibson_client_set_timeout(test.client, PATIENT_MS), GIBSON_OK);
    ck_assert_int_eq(gibson_client_connect(test.client), GIBSON_OK);
    if (test.temperature == WARM) {
        ck_assert_int_eq(gibson_client_ping(test.client), GIBSON_OK);
    }
    ck_assert_int_eq(gibson_client_set_timeout(test.client, timeout_ms), GIBSON_OK);
    const int64_t begin_ms = suite_now_ms();
    gibson_status status = call(reply);
    assert_case(suite_now_ms() - begin_ms < timeout_ms + SUITE_SLACK_MS, status);
    ck_assert_int_eq(gibson_client_set_timeout(test.client, PATIENT_MS), GIBSON_OK);
    test.cases++;
    return status;
}

/* The connection must be what the status says, and a new one must work. */
static void check_connection(gibson_status status)
{
    const bool ended = test.exchange.request.opcode == GIBSON_OP_END && status == GIBSON_OK;
    const bool works = status <= GIBSON_TRUNCATED && !ended;
    assert_case(gibson_client_connected(test.client) == works, status);
    if (!works) {
        assert_case(gibson_client_ping(test.client) == GIBSON_CLOSED, status);
    }
    gibp_proxy_heal(test.proxy);
    ck_assert_int_eq(gibson_client_connect(test.client), GIBSON_OK);
    expect_probe(status);
}

/* What the server holds once it has done all that reached it. */
static void check_state(const char *expected, gibson_status status)
{
    char state[EXCHANGE_STATE_SIZE];
    gibson_client_close(test.client);
    assert_case(gibp_proxy_drop(test.proxy, PATIENT_MS), status);
    exchange_state(test.direct, state);
    ck_assert_msg(strcmp(state, expected) == 0, "%s\n%s instead of\n%s", this_case(status), state,
                  expected);
}

static void record(int index, temperature warmth)
{
    int raw = test_server_connect(&test.server);
    exchange_record(&test.exchange, (size_t)index, raw, test.direct);
    close(raw);
    test.temperature = warmth;
}

static bool is_stats(void)
{
    return test.exchange.request.opcode == GIBSON_OP_STATS;
}

/* Bytes of a reply that are there in every run: the texts of STATS change in length. */
static size_t steady_size(void)
{
    return test.exchange.reply_size - (is_stats() ? 16 : 0);
}

static void check_cut_reply(size_t at)
{
    gibson_reply reply;
    test.fault = (gibp_fault){.direction = GIBP_REPLIES, .kind = GIBP_FAULT_CUT, .at = at};
    gibson_status status = run(&reply, PATIENT_MS);
    assert_case(status == (at < test.exchange.reply_size ? GIBSON_CLOSED : GIBSON_OK), status);
    assert_case(reply.value.kind == GIBSON_KIND_NONE || status == GIBSON_OK, status);
    if (status != GIBSON_OK) {
        check_connection(status);
    }
    gibp_proxy_heal(test.proxy);
    /* A cut at 0 strikes before there is a request. */
    check_state(at ? test.exchange.after : test.exchange.before, status);
}

static void check_cut_request(size_t at)
{
    gibson_reply reply;
    test.fault = (gibp_fault){.direction = GIBP_REQUESTS, .kind = GIBP_FAULT_CUT, .at = at};
    gibson_status status = run(&reply, PATIENT_MS);
    assert_case(status == GIBSON_CLOSED, status);
    check_connection(status);
    const bool arrived = at == test.exchange.request_size;
    check_state(arrived ? test.exchange.after : test.exchange.before, status);
}

static bool says_no_more_than_its_code(unsigned code)
{
    return code < GIB_CODE_VAL;
}

/* A code that became another one of those that carry nothing else cannot be told from it. */
static void expect_corrupt_code(size_t at, uint8_t mask, gibson_status status)
{
    const unsigned old = gib_load_u16(test.exchange.reply);
    const unsigned code = old ^ (unsigned)mask << 8 * at;
    if (says_no_more_than_its_code(old) && says_no_more_than_its_code(code)) {
        assert_case(status <= GIBSON_SERVER_ERROR, status);
    } else {
        assert_case(status == GIBSON_PROTOCOL, status);
    }
}

/* Bytes that are the value, and nothing else, can be any. The value must be the one that came, with
   one byte changed. */
static void expect_changed_content(const gibson_reply *reply, gibson_status status)
{
    uint8_t clean[EXCHANGE_REPLY_SIZE];
    uint8_t got[EXCHANGE_REPLY_SIZE];
    gibson_reply original;
    assert_case(status == GIBSON_OK, status);
    size_t size = exchange_content(reply, got);
    if (is_stats()) {
        return; /* it is another one each time */
    }
    exchange_prepare(test.direct);
    ck_assert_int_eq(gibson_client_call(test.direct, &test.exchange.request, &original), GIBSON_OK);
    assert_case(exchange_content(&original, clean) == size, status);
    size_t changed = 0;
    for (size_t i = 0; i < size; i++) {
        changed += clean[i] != got[i];
    }
    assert_case(changed == 1, status);
}

static void expect_corrupt_reply(size_t at, uint8_t mask, const gibson_reply *reply,
                                 gibson_status status)
{
    switch ((exchange_field)test.exchange.fields[at]) {
    case EXCHANGE_CODE:
        expect_corrupt_code(at, mask, status);
        break;
    case EXCHANGE_SIZE: /* more bytes may be waited for */
        assert_case(status == GIBSON_PROTOCOL || status == GIBSON_TIMEOUT, status);
        break;
    case EXCHANGE_ENCODING:
    case EXCHANGE_ZERO:
    case EXCHANGE_COUNT:
    case EXCHANGE_ITEM_SIZE:
        assert_case(status == GIBSON_PROTOCOL, status);
        break;
    case EXCHANGE_ITEM_ENCODING: /* a number can be taken for bytes */
        if (test.exchange.reply[at] != GIB_ENCODING_NUMBER || mask != GIB_ENCODING_NUMBER) {
            assert_case(status == GIBSON_PROTOCOL, status);
        }
        break;
    case EXCHANGE_VALUE:
        if (test.exchange.request.opcode == GIBSON_OP_SET) { /* the echo is compared */
            assert_case(status == GIBSON_TRUNCATED, status);
            break;
        }
        expect_changed_content(reply, status);
        break;
    case EXCHANGE_KEY:
    case EXCHANGE_NUMBER:
        expect_changed_content(reply, status);
        break;
    }
}

static void check_corrupt_reply(size_t at, uint8_t mask)
{
    gibson_reply reply;
    test.fault =
        (gibp_fault){.direction = GIBP_REPLIES, .kind = GIBP_FAULT_CORRUPT, .at = at, .mask = mask};
    const exchange_field field = (exchange_field)test.exchange.fields[at];
    gibson_status status = run(&reply, field == EXCHANGE_SIZE ? SHORT_MS : PATIENT_MS);
    if (!is_stats() || at < GIB_REPLY_HEADER + 4) {
        expect_corrupt_reply(at, mask, &reply, status);
    } else {
        assert_case(status == GIBSON_OK || status == GIBSON_PROTOCOL, status);
    }
    if (status <= GIBSON_TRUNCATED && test.exchange.request.opcode != GIBSON_OP_END) {
        expect_probe(status); /* on the same connection */
    }
    check_connection(status);
}

/* A client cannot know what a server has read. It must take what the server says as that, or get an
   error; and nothing of it may reach the next connection. */
static void check_corrupt_request(size_t at, uint8_t mask)
{
    gibson_reply reply;
    test.fault = (gibp_fault){
        .direction = GIBP_REQUESTS, .kind = GIBP_FAULT_CORRUPT, .at = at, .mask = mask};
    /* The command may have become another, whose reply does not fit; or the frame be larger, and
       be waited for. */
    gibson_status status = run(&reply, at < 3 ? SHORT_MS : PATIENT_MS);
    switch (status) {
    case GIBSON_OK:
    case GIBSON_NOT_FOUND:
    case GIBSON_NAN:
    case GIBSON_LOCKED:
    case GIBSON_SERVER_ERROR:
    case GIBSON_TRUNCATED:
    case GIBSON_CLOSED:
    case GIBSON_PROTOCOL:
        break;
    default:
        assert_case(status == GIBSON_TIMEOUT && at < 3, status);
    }
    if (at == 3 || at == 5) { /* a size of 16 MiB and more, or no opcode: the server hangs up */
        assert_case(status == GIBSON_CLOSED, status);
    }
    if (test.exchange.request.opcode == GIBSON_OP_SET && at > 3) {
        assert_case(status != GIBSON_OK || at < test.exchange.request_size - 11, status);
    }
    if (gibson_client_connected(test.client)) {
        gibson_client_close(test.client);
    }
    gibp_proxy_heal(test.proxy);
    gibp_proxy_drop(test.proxy, PATIENT_MS);
    ck_assert_int_eq(gibson_client_connect(test.client), GIBSON_OK);
    expect_probe(status);
}

static void tell(const char *what)
{
    printf("%s, %s: %u cases\n",
           gibson_command_by_opcode((uint32_t)test.exchange.request.opcode)->name, what,
           test.cases);
    fflush(stdout);
    test.cases = 0;
}

START_TEST(every_byte_of_a_reply_cut_is_closed)
{
    for (int warm = COLD; warm <= WARM; warm++) {
        record(_i, (temperature)warm);
        for (size_t at = 0; at < steady_size(); at++) {
            check_cut_reply(at);
        }
        if (!is_stats()) {
            check_cut_reply(test.exchange.reply_size);
        }
    }
    tell("reply cut");
}
END_TEST

START_TEST(every_byte_of_a_request_cut_is_closed_and_does_nothing)
{
    for (int warm = COLD; warm <= WARM; warm++) {
        record(_i, (temperature)warm);
        /* A cut at 0 of a warm connection would take the reply that warms it. */
        for (size_t at = warm == WARM; at <= test.exchange.request_size; at++) {
            check_cut_request(at);
        }
    }
    tell("request cut");
}
END_TEST

START_TEST(every_byte_of_a_reply_corrupted_is_an_error_or_the_value)
{
    for (int warm = COLD; warm <= WARM; warm++) {
        record(_i, (temperature)warm);
        for (size_t at = 0; at < steady_size(); at++) {
            for (size_t i = 0; i < sizeof masks; i++) {
                check_corrupt_reply(at, masks[i]);
            }
        }
    }
    tell("reply corrupted");
}
END_TEST

START_TEST(every_byte_of_a_request_corrupted_is_survived)
{
    for (int warm = COLD; warm <= WARM; warm++) {
        record(_i, (temperature)warm);
        for (size_t at = 0; at < test.exchange.request_size; at++) {
            for (size_t i = 0; i < sizeof masks; i++) {
                check_corrupt_request(at, masks[i]);
            }
        }
    }
    tell("request corrupted");
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {.set_up = set_up,
         .tear_down = tear_down,
         .runs = SAMPLE_COUNT,
         TESTS(every_byte_of_a_reply_cut_is_closed,
               every_byte_of_a_reply_corrupted_is_an_error_or_the_value,
               every_byte_of_a_request_cut_is_closed_and_does_nothing,
               every_byte_of_a_request_corrupted_is_survived)},
    };
    return suite_run("every_byte", 1, parts, COUNT_OF(parts));
}
