/* Fuzzes the session: a program of pushes, partial sends and reads. Each instruction is a byte that
   chooses what to do, and one or two that say how much. What comes out is compared with a model:
   the list of commands pushed, and the bytes that should be sent. */
#include "session/queue.h"
#include "session/single.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/check.h"
#include "fuzz/fuzz.h"
#include "support/failing_allocator.h"
#include "support/samples.h"

enum { MOST_PENDING = 256, MOST_QUEUED = 16 };

typedef struct program {
    const uint8_t *data;
    size_t size;
} program;

typedef struct model {
    gibson_opcode pending[MOST_PENDING]; /* a ring */
    size_t first;
    size_t count;
    gib_buffer unsent; /* the bytes that are still to come out */
} model;

static failing_allocator counts;

static uint8_t take_byte(program *from)
{
    if (!from->size) {
        return 0;
    }
    from->size--;
    return *from->data++;
}

static gibson_opcode pop(model *at)
{
    FUZZ_CHECK(at->count > 0);
    at->count--;
    return at->pending[at->first++ % MOST_PENDING];
}

/* The two ways to append a request: that of a pipeline has a short one for some. */
static gibson_status append(gib_session *session, const gibson_request *request,
                            gib_value_place place, bool queue, gibson_error *error)
{
    if (!queue) {
        return gib_session_push(session, request, place, error);
    }
    return gib_session_queue_key(session, request) ? GIBSON_OK
                                                   : gib_session_queue(session, request, error);
}

static void note_pending(gib_session *session, model *at, const sample *each)
{
    gib_encoded encoded;
    gibson_error error;
    FUZZ_CHECK(gib_request_encode(&each->request, &session->limits, GIB_VALUE_COPIED, &at->unsent,
                                  &encoded, &error) == GIBSON_OK);
    at->pending[(at->first + at->count++) % MOST_PENDING] = each->request.opcode;
}

static void push(gib_session *session, model *at, uint8_t choice, bool queue)
{
    if (at->count == MOST_PENDING || (at->count && session->borrowed)) {
        return; /* the session forbids requests behind a borrowed value */
    }
    const sample *each = &samples[choice % SAMPLE_COUNT];
    gibson_error error = {.status = GIBSON_OK};
    gib_value_place place = !at->count && choice & 0x80 ? GIB_VALUE_BORROWED : GIB_VALUE_COPIED;
    gibson_status status = append(session, &each->request, place, queue, &error);
    if (status == GIBSON_OK) {
        note_pending(session, at, each);
    } else if (status == GIBSON_WOULD_BLOCK) {
        FUZZ_CHECK(queue && at->count);
    } else {
        FUZZ_CHECK(status == GIBSON_NOMEM && counts.fail_at);
    }
}

/* A request that no session takes. It must leave nothing behind. */
static void push_refused(gib_session *session, bool queue)
{
    gibson_error error;
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str("a b"));
    gibson_status status = append(session, &request, GIB_VALUE_COPIED, queue, &error);
    FUZZ_CHECK(status == GIBSON_INVALID || (status == GIBSON_NOMEM && counts.fail_at) ||
               (status == GIBSON_WOULD_BLOCK && queue));
}

static void send_some(gib_session *session, model *at, size_t segment, size_t most)
{
    gibson_bytes parts[2];
    size_t size = gib_session_output(session, segment, parts);
    FUZZ_CHECK(size == parts[0].size + parts[1].size);
    FUZZ_CHECK((size == 0) == (gib_buffer_size(&at->unsent) == 0));
    FUZZ_CHECK(size <= gib_buffer_size(&at->unsent));
    const uint8_t *expected = bytes_of(&at->unsent);
    for (size_t i = 0; i < 2; i++) {
        if (parts[i].size) {
            FUZZ_CHECK(!memcmp(parts[i].data, expected, parts[i].size));
            expected += parts[i].size;
        }
    }
    size = size < most ? size : most;
    gib_session_sent(session, size);
    gib_buffer_consume(&at->unsent, size);
}

static void feed(gib_session *session, program *from, size_t size)
{
    uint8_t *room;
    size_t room_size;
    if (!gib_session_count(session)) {
        return; /* nobody reads where nothing is to come */
    }
    if (!gib_session_input(session, &room, &room_size)) {
        FUZZ_CHECK(counts.fail_at);
        return;
    }
    FUZZ_CHECK(room_size > 0);
    size = size < from->size ? size : from->size;
    size = size < room_size ? size : room_size;
    if (size) {
        memcpy(room, from->data, size);
        from->data += size;
        from->size -= size;
    }
    gib_session_received(session, size);
}

static void break_off(gib_session *session, model *at)
{
    gib_session_break(session);
    const gibson_command *command;
    while ((command = gib_session_abandon(session))) {
        FUZZ_CHECK(command->opcode == pop(at));
    }
    FUZZ_CHECK(at->count == 0);
    FUZZ_CHECK(!gib_session_check(session));
    gib_session_renew(session);
    gib_buffer_consume(&at->unsent, gib_buffer_size(&at->unsent));
}

/* Reads every byte that the last reply shows, and takes its memory if asked to. */
static void use_reply(gib_session *session, gibson_reply *reply, bool take)
{
    const uint8_t *held = session->in.data;
    size_t held_size = session->in.end;
    gibson_owned_reply *owned = NULL;
    if (take && gib_session_take_reply(session, &owned) != GIBSON_OK) {
        FUZZ_CHECK(counts.fail_at);
    }
    fuzz_read(reply->value.bytes, held, held_size);
    gibson_bytes key;
    gibson_value value;
    while (gibson_items_next(&reply->items, &key, &value)) {
        fuzz_read(key, held, held_size);
        fuzz_read(value.bytes, held, held_size);
    }
    gibson_owned_reply_free(owned);
}

static void next(gib_session *session, model *at, uint8_t how)
{
    if (!gib_session_count(session)) {
        return;
    }
    gibson_reply reply;
    gibson_error error;
    gibson_status status = GIBSON_OK;
    if (!(how & 1) ||
        !gib_session_take_value(session, (gib_place)(how >> 1) % (GIB_LAST + 1), &reply)) {
        status = gib_session_next(session, &reply, &error);
    }
    if (status == GIBSON_PROTOCOL) {
        break_off(session, at);
    } else if (status == GIBSON_OK) {
        FUZZ_CHECK(reply.opcode == pop(at));
        use_reply(session, &reply, how & 4);
    } else {
        FUZZ_CHECK(status == GIBSON_WOULD_BLOCK);
    }
}

/* A single request by the short way, with `how` to say how far that gets. */
static void single(gib_session *session, model *at, program *code, uint8_t how)
{
    gibson_reply reply;
    gibson_error error;
    const sample *each = &samples[how % SAMPLE_COUNT];
    gib_session_settle(session);
    if (!gib_session_is_settled(session)) {
        return;
    }
    size_t frame_size;
    if (gib_single_push(session, &each->request, &frame_size, &error) != GIBSON_OK) {
        FUZZ_CHECK(counts.fail_at);
        return;
    }
    size_t size;
    uint8_t *room = gib_single_input(session, &size);
    size_t received = how & 0x80 ? take_byte(code) : 0;
    received = received < size ? received : size;
    received = received < code->size ? received : code->size;
    if (received) {
        memcpy(room, code->data, received);
        code->data += received;
        code->size -= received;
    }
    if (received &&
        gib_single_take(session, &each->request, frame_size, received, &reply, &error)) {
        FUZZ_CHECK(reply.opcode == each->request.opcode);
        use_reply(session, &reply, how & 0x40);
        return;
    }
    gib_single_hand_over(session, &each->request, frame_size);
    note_pending(session, at, each);
    FUZZ_CHECK(gib_buffer_size(&at->unsent) == frame_size);
    const size_t sent = received ? frame_size : take_byte(code) % (frame_size + 1);
    gib_session_sent(session, sent);
    gib_buffer_consume(&at->unsent, sent);
    if (received) {
        gib_session_received(session, received);
    }
}

static void run(gib_session *session, model *at, program *code)
{
    while (code->size) {
        uint8_t instruction = take_byte(code);
        uint8_t amount = take_byte(code);
        switch (instruction % 10) {
        case 0:
        case 1:
            push(session, at, amount, instruction & 1);
            break;
        case 2:
            send_some(session, at, (size_t)amount * 8, SIZE_MAX);
            break;
        case 3:
            send_some(session, at, (size_t)take_byte(code) * 8, amount);
            break;
        case 4:
            feed(session, code, amount);
            break;
        case 5:
        case 6:
            next(session, at, amount);
            break;
        case 7:
            single(session, at, code, amount);
            break;
        case 8:
            push_refused(session, amount & 1);
            break;
        default:
            if (amount < 16) {
                failing_allocator_arm(&counts, amount);
            } else if (amount < 24) {
                break_off(session, at);
            } else {
                gib_session_trim(session);
            }
            break;
        }
        FUZZ_CHECK(gib_session_count(session) == at->count);
        FUZZ_CHECK(!gib_session_check(session));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const gib_limits limits = {.max_reply_size = 1 << 16,
                               .max_request_size = 1 << 16,
                               .max_key_size = 1023,
                               .max_value_size = 1 << 16,
                               .max_seconds = 32767};
    counts = (failing_allocator){0};
    gibson_allocator allocator = failing_allocator_functions(&counts);
    gib_session session;
    gib_session_init(&session, &limits, (gib_window){MOST_QUEUED, 1 << 12}, &allocator);
    model at = {.unsent = bytes_new()};
    program code = {data, size};
    run(&session, &at, &code);
    gib_session_clear(&session);
    gib_buffer_clear(&at.unsent);
    FUZZ_CHECK(counts.live == 0);
    return 0;
}
