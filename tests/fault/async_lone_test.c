/* A caller who has one get under way and submits the next from its callback takes a short way
   through each turn (lib/async/lone.c). What leaves that way must be as if there were none. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "async/async.h"
#include "support/async_fixture.h"
#include "support/suite.h"

enum { WARM = 20, ROUNDS = 700 }; /* over some checks of the connection: one in 127, one in 509 */

/* ---- What the library calls ---- */

static size_t sends;
static size_t sends_left; /* before one is cut */
static ssize_t most_sent; /* of that one: bytes, or -1 */
static int send_fails;    /* with that errno, then */

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names that ld dictates */

ssize_t __real_send(int descriptor, const void *data, size_t size, int flags);
ssize_t __wrap_send(int descriptor, const void *data, size_t size, int flags);
ssize_t __wrap_send(int descriptor, const void *data, size_t size, int flags)
{
    if (!async || descriptor != async->connection.transport.descriptor) {
        return __real_send(descriptor, data, size, flags);
    }
    sends++;
    if (sends_left && --sends_left == 0) {
        errno = send_fails;
        return most_sent < 0 ? -1 : __real_send(descriptor, data, (size_t)most_sent, flags);
    }
    return __real_send(descriptor, data, size, flags);
}

/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* ---- A server whose values are the keys ---- */

typedef enum oddity {
    NONE,
    NOT_FOUND,
    IN_PIECES,
    LARGE,
    A_NUMBER,
    ONE_TOO_MANY, /* another reply behind it */
    NONSENSE,
    TOO_LARGE,
    GONE, /* the connection is closed instead */
    ODDITIES,
} oddity;

enum { LARGE_SIZE = 100000, MOST_REPLY = 200000 };

/* What is answered to a key that begins with '!'. */
static oddity odd;

static bool answer_oddly(peer_link *link)
{
    static const uint8_t large[LARGE_SIZE];
    gib_buffer reply = bytes_new();
    switch (odd) {
    case NOT_FOUND:
        reply_add_short(&reply, GIB_CODE_NOT_FOUND);
        break;
    case LARGE:
        reply_add_bytes(&reply, large, sizeof large);
        break;
    case A_NUMBER:
        reply_add_number(&reply, 42);
        break;
    case ONE_TOO_MANY:
        reply_add_bytes(&reply, "!", 1);
        reply_add_bytes(&reply, "another", 7);
        break;
    case NONSENSE:
        reply_add_header(&reply, 77, 99, 1);
        bytes_add(&reply, "", 1);
        break;
    case TOO_LARGE:
        reply_add_header(&reply, GIB_CODE_VAL, GIB_ENCODING_PLAIN, MOST_REPLY + 1);
        break;
    case IN_PIECES:
        reply_add_bytes(&reply, "!", 1);
        break;
    default:
        break;
    }
    const size_t step = odd == IN_PIECES ? 1 : gib_buffer_size(&reply);
    const bool sent =
        odd != GONE && peer_send_steps(link, bytes_of(&reply), gib_buffer_size(&reply),
                                       step ? step : 1, odd == IN_PIECES ? 1 : 0);
    gib_buffer_clear(&reply);
    return sent;
}

static bool answer(peer_link *link, const peer_frame *frame)
{
    if (frame->opcode != GIBSON_OP_GET ||
        sample_is_probe(frame->opcode, frame->payload, frame->size)) {
        return sample_answer(link, frame);
    }
    if (frame->payload[0] == '!') {
        return answer_oddly(link);
    }
    gib_buffer reply = bytes_new();
    reply_add_bytes(&reply, frame->payload, frame->size);
    const bool sent = peer_send(link, bytes_of(&reply), gib_buffer_size(&reply));
    gib_buffer_clear(&reply);
    return sent;
}

static void serve_keys(peer_link *link)
{
    peer_frame frame;
    while (peer_read_frame(link, &frame) && answer(link, &frame)) {
    }
}

/* ---- A chain of gets ---- */

typedef enum action {
    ONE_GET,
    NOTHING, /* the test submits the next, outside of the callback */
    TWO_GETS,
    ANOTHER_COMMAND,
    OWN_TIME,
    LATER_CANCELLED,
    REFUSED,
    OTHER_TIMEOUT,
    TAKE_REPLY,
    ACTIONS,
} action;

typedef struct chain {
    action what;
    int to_submit;
    int under_way; /* gets */
    int answered;
    int others;
    char key[32]; /* of the last that was submitted */
    gibson_status status;
    size_t size; /* of the last value */
    gibson_value value;
} chain;

static chain all;

static void submit_one(int64_t timeout_ms);

static void other(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)handle;
    (void)context;
    ck_assert(sample_reply_matches(reply));
    all.others++;
}

static void not_to_be_called(gibson_async *handle, const gibson_reply *reply, void *context)
{
    (void)handle;
    (void)reply;
    (void)context;
    ck_abort_msg("a request that was cancelled was called back");
}

static void act(void)
{
    uint64_t id;
    gibson_owned_reply *owned;
    switch (all.what) {
    case NOTHING:
        return;
    case TWO_GETS:
        if (all.under_way) {
            return;
        }
        submit_one(0);
        break;
    case ANOTHER_COMMAND:
        ck_assert_status(
            gibson_async_submit(async, &sample_of(GIBSON_OP_DEL)->request, 0, other, NULL, NULL),
            GIBSON_OK);
        break;
    case OWN_TIME:
        submit_one(4000);
        return;
    case LATER_CANCELLED:
        ck_assert_status(gibson_async_submit(async, get(), 0, not_to_be_called, NULL, &id),
                         GIBSON_OK);
        ck_assert(gibson_async_cancel(async, id));
        break;
    case REFUSED: {
        const gibson_request bad = gibson_request_key(GIBSON_OP_GET, gibson_str("not a key"));
        ck_assert_status(gibson_async_submit(async, &bad, 0, other, NULL, NULL), GIBSON_INVALID);
        break;
    }
    case OTHER_TIMEOUT:
        ck_assert_status(gibson_async_set_timeout(async, 3000 + all.answered), GIBSON_OK);
        break;
    case TAKE_REPLY:
        ck_assert_status(gibson_async_take_reply(async, &owned), GIBSON_OK);
        submit_one(0);
        ck_assert_mem_eq(all.value.bytes.data, "key:", 4);
        gibson_owned_reply_free(owned);
        return;
    default:
        break;
    }
    submit_one(0);
}

static void answered(gibson_async *handle, const gibson_reply *reply, void *context)
{
    char *key = context;
    ck_assert_ptr_eq(handle, async);
    ck_assert_status(gibson_async_error(async)->status, reply->status);
    all.answered++;
    all.under_way--;
    all.status = reply->status;
    all.value = reply->value;
    all.size = reply->value.bytes.size;
    if (reply->status == GIBSON_OK && key[0] != '!') {
        ck_assert_int_eq(reply->value.kind, GIBSON_KIND_BYTES);
        ck_assert_uint_eq(reply->value.bytes.size, strlen(key));
        ck_assert_mem_eq(reply->value.bytes.data, key, strlen(key));
    }
    if (all.to_submit) {
        act();
    }
}

/* Keys that may be under way at once. */
static char keys[4][32];

static void submit_key(const char *text, int64_t timeout_ms)
{
    static size_t next;
    char *key = keys[next++ % COUNT_OF(keys)];
    snprintf(key, sizeof keys[0], "%s", text);
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str(key));
    ck_assert_status(gibson_async_submit(async, &request, timeout_ms, answered, key, NULL),
                     GIBSON_OK);
    all.under_way++;
}

static void submit_one(int64_t timeout_ms)
{
    if (!all.to_submit) {
        return;
    }
    char text[32];
    snprintf(text, sizeof text, "key:%d", all.to_submit--);
    submit_key(text, timeout_ms);
}

/* Runs so many gets, each from the callback of the one before. */
static void run_chain(action what, int count)
{
    const int until = all.answered + count;
    all.what = what;
    all.to_submit = count;
    while (all.answered != until) {
        if (!all.under_way) {
            submit_one(0);
        }
        async_turn(async, 1000);
    }
    ck_assert_int_eq(all.under_way, 0);
}

static void start(void)
{
    begin(PEER_UNIX, serve_keys, NULL);
    all = (chain){0};
    sends = sends_left = 0;
    options.reconnect = true;
    options.reconnect_delay_ms = 1;
    options.max_reply_size = MOST_REPLY;
    async = async_new(server, &options, &told);
    async_connect(async, &told);
    run_chain(ONE_GET, WARM);
}

/* Turns until the short way is open, with one get under way. */
static void open_short_way(void)
{
    all.what = ONE_GET;
    all.to_submit = ROUNDS;
    submit_one(0);
    async_until(async, async->lone && all.under_way == 1);
    all.to_submit = 0;
}

static void stop(void)
{
    end();
    async = NULL;
}

START_TEST(lone_chain_takes_the_short_way)
{
    start();
    all.what = ONE_GET;
    all.to_submit = ROUNDS;
    submit_one(0);
    int lone = 0;
    while (all.to_submit) {
        async_turn(async, 1000);
        lone += async->lone;
    }
    async_until(async, !all.under_way);
    ck_assert_int_ge(lone, ROUNDS * 9 / 10);
    ck_assert_uint_le(sends, (WARM + ROUNDS) * 102 / 100 + 2);
    stop();
}
END_TEST

START_TEST(lone_callback_does_anything)
{
    start();
    for (int round = 0; round < 3; round++) {
        run_chain((action)_i, ROUNDS);
        run_chain(ONE_GET, WARM);
    }
    ck_assert_int_eq(all.answered, 3 * ROUNDS + 4 * WARM);
    async_until(async, !gibson_async_outstanding(async));
    ck_assert_int_eq(all.others != 0, _i == ANOTHER_COMMAND);
    ck_assert_int_eq(told.lost, 0);
    stop();
}
END_TEST

/* What the callback of the last does: it ends something. */
static void end_something(gibson_async *handle, const gibson_reply *reply, void *context)
{
    ck_assert_status(reply->status, GIBSON_OK);
    all.under_way--;
    all.answered++;
    switch (*(int *)context) {
    case 0:
        gibson_async_close(handle);
        break;
    case 1:
        gibson_async_drain(handle);
        break;
    case 2:
        gibson_async_free(handle);
        async = NULL;
        break;
    case 3: /* with one behind it */
        submit_key("next", 0);
        gibson_async_close(handle);
        break;
    case 4:
        submit_key("next", 0);
        gibson_async_free(handle);
        async = NULL;
        break;
    default:
        submit_key("next", 0);
        gibson_async_drain(handle);
        break;
    }
}

START_TEST(lone_callback_ends_the_connection_or_the_handle)
{
    start();
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str("last"));
    open_short_way();
    async_until(async, !all.under_way);
    ck_assert_status(gibson_async_submit(async, &request, 0, end_something, &_i, NULL), GIBSON_OK);
    all.under_way++;
    const int before = all.answered;
    const bool behind = _i >= 3;
    for (int turn = 0; async && all.answered != before + 1 + behind; turn++) {
        ck_assert_int_lt(turn, 100);
        async_turn(async, 1000);
    }
    if (behind) {
        ck_assert_status(all.status, _i == 5 ? GIBSON_OK : GIBSON_CLOSED);
    }
    if (async) {
        run_chain(ONE_GET, WARM);
    }
    stop();
}
END_TEST

START_TEST(lone_reply_of_any_kind_is_taken_as_it_is)
{
    static const struct {
        gibson_status status;
        size_t size;
    } expected[ODDITIES] = {
        [NOT_FOUND] = {GIBSON_NOT_FOUND, 0},   [IN_PIECES] = {GIBSON_OK, 1},
        [LARGE] = {GIBSON_OK, LARGE_SIZE},     [A_NUMBER] = {GIBSON_OK, 0},
        [ONE_TOO_MANY] = {GIBSON_PROTOCOL, 0}, [NONSENSE] = {GIBSON_PROTOCOL, 0},
        [TOO_LARGE] = {GIBSON_PROTOCOL, 0},    [GONE] = {GIBSON_CLOSED, 0},
    };
    odd = (oddity)(_i + 1);
    start();
    for (int round = 0; round < 3; round++) {
        open_short_way();
        const int before = all.answered;
        all.what = NOTHING;
        all.to_submit = 1; /* calls act, which does nothing */
        async_until(async, all.answered == before + 1);
        submit_key("!", 0);
        async_turn(async, 0); /* it is sent, and is alone */
        async_until(async, all.answered == before + 2);
        ck_assert_status(all.status, expected[odd].status);
        ck_assert_uint_eq(all.size, expected[odd].size);
        if (odd == A_NUMBER) {
            ck_assert_int_eq(all.value.number, 42);
        }
        run_chain(ONE_GET, WARM);
    }
    stop();
}
END_TEST

START_TEST(lone_request_that_is_sent_in_part_or_not_is_sent_later_or_lost)
{
    static const struct {
        ssize_t sent;
        int error;
    } cuts[] = {{0, 0}, {1, 0}, {5, 0}, {9, 0}, {-1, EAGAIN}, {-1, EINTR}};
    start();
    most_sent = cuts[_i].sent;
    send_fails = cuts[_i].error;
    for (int round = 0; round < 20; round++) {
        open_short_way();
        all.to_submit = WARM;
        sends_left = 1 + (size_t)round % 5;
        async_until(async, !all.under_way && !all.to_submit);
        ck_assert_uint_eq(sends_left, 0);
        ck_assert_status(all.status, GIBSON_OK);
    }
    ck_assert_int_eq(told.lost, 0);
    stop();
}
END_TEST

START_TEST(lone_request_is_timed_out)
{
    options.timeout_ms = 0;
    start();
    odd = NONE; /* no answer */
    ck_assert_status(gibson_async_set_timeout(async, 50), GIBSON_OK);
    open_short_way();
    async_until(async, !all.under_way);
    const int64_t begin_ms = suite_now_ms();
    submit_key("!", 0);
    async_until(async, !all.under_way);
    ck_assert_status(all.status, GIBSON_TIMEOUT);
    ck_assert_int_ge(suite_now_ms() - begin_ms, 50);
    ck_assert_int_lt(suite_now_ms() - begin_ms, 50 + SUITE_SLACK_MS);
    stop();
}
END_TEST

START_TEST(lone_request_of_the_parent_is_lost_to_a_child)
{
    start();
    open_short_way();
    const pid_t child = fork();
    if (!child) {
        async_until(async, !all.under_way);
        const bool right = all.status == GIBSON_CLOSED;
        gibson_async_free(async);
        _exit(right ? 0 : 1);
    }
    int how;
    ck_assert_int_eq(waitpid(child, &how, 0), child);
    ck_assert(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    all.to_submit = WARM;
    async_until(async, !all.under_way);
    ck_assert_status(all.status, GIBSON_OK);
    stop();
}
END_TEST

int main(void)
{
    const suite_part parts[] = {
        {TESTS(lone_chain_takes_the_short_way, lone_request_is_timed_out,
               lone_request_of_the_parent_is_lost_to_a_child)},
        {.runs = ACTIONS, TESTS(lone_callback_does_anything)},
        {.runs = 6, TESTS(lone_callback_ends_the_connection_or_the_handle)},
        {.runs = ODDITIES - 1, TESTS(lone_reply_of_any_kind_is_taken_as_it_is)},
        {.runs = 6, TESTS(lone_request_that_is_sent_in_part_or_not_is_sent_later_or_lost)},
    };
    return suite_run("async_lone", 1, parts, COUNT_OF(parts));
}
