/* Fuzzes the session: a program of pushes, partial sends and reads. Each instruction is a byte that
   chooses what to do, and one or two that say how much. What comes out is compared with a model:
   the list of commands pushed, and the bytes that should be sent. */
#include "session/session.h"

#include <stdlib.h>
#include <string.h>

#include "fuzz/check.h"
#include "fuzz/fuzz.h"
#include "support/failing_allocator.h"
#include "support/samples.h"

enum { MOST_PENDING = 256 };

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

/* The two ways to append a request: the short one may have to leave it to the other. */
static bool append(gib_session *session, const gibson_request *request, gib_value_place place,
                   bool hot, gibson_error *error)
{
    return (hot && gib_session_reserve(session) && gib_session_push_key(session, request)) ||
           gib_session_push(session, request, place, error) == GIBSON_OK;
}

static void push(gib_session *session, model *at, uint8_t choice, bool hot)
{
    if (at->count == MOST_PENDING || (at->count && session->borrowed)) {
        return; /* the session forbids requests behind a borrowed value */
    }
    const sample *each = &samples[choice % SAMPLE_COUNT];
    gibson_error error = {.status = GIBSON_OK};
    gib_encoded encoded;
    gib_value_place place = !at->count && choice & 0x80 ? GIB_VALUE_BORROWED : GIB_VALUE_COPIED;
    if (!append(session, &each->request, place, hot, &error)) {
        FUZZ_CHECK(error.status == GIBSON_NOMEM && counts.fail_at);
        return;
    }
    FUZZ_CHECK(gib_request_encode(&each->request, &session->limits, GIB_VALUE_COPIED, &at->unsent,
                                  &encoded, &error) == GIBSON_OK);
    at->pending[(at->first + at->count++) % MOST_PENDING] = each->request.opcode;
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
    if (!(how & 1) || !gib_session_take_value(session, how & 2, &reply)) {
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

static void run(gib_session *session, model *at, program *code)
{
    while (code->size) {
        uint8_t instruction = take_byte(code);
        uint8_t amount = take_byte(code);
        switch (instruction % 8) {
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
    gib_session_init(&session, &limits, &allocator);
    model at = {.unsent = bytes_new()};
    program code = {data, size};
    run(&session, &at, &code);
    gib_session_clear(&session);
    gib_buffer_clear(&at.unsent);
    FUZZ_CHECK(counts.live == 0);
    return 0;
}
