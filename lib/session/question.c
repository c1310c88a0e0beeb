#include "session/question.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "session/single.h"
#include "wire/frame.h"
#include "wire/reply_decode.h"

#define FIELD " size" /* of META */

enum {
    PARTS = 4, /* a COUNT, and META */
    KEY_SIZE = GIB_QUESTION_KEY_SIZE,
    COUNT_SIZE = GIB_REQUEST_HEADER + KEY_SIZE,
    META_SIZE = COUNT_SIZE + sizeof FIELD - 1,
};

_Static_assert(COUNT_SIZE + (PARTS - 1) * META_SIZE == GIB_QUESTION_SIZE, "the frames fill it");

/* What most servers answer. */
static const uint8_t usual_answers[] = {
    GIB_CODE_VAL,
    0,
    GIB_ENCODING_NUMBER,
    8,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0, /* 0 */
    GIB_CODE_NOT_FOUND,
    0,
    GIB_ENCODING_PLAIN,
    1,
    0,
    0,
    0,
    0,
    GIB_CODE_NOT_FOUND,
    0,
    GIB_ENCODING_PLAIN,
    1,
    0,
    0,
    0,
    0,
    GIB_CODE_NOT_FOUND,
    0,
    GIB_ENCODING_PLAIN,
    1,
    0,
    0,
    0,
    0,
};

static uint8_t *write_part(uint8_t *to, gibson_opcode opcode, const char *key, size_t size)
{
    gib_store_u32(to, (uint32_t)(GIB_OPCODE_FIELD + size));
    gib_store_u16(to + GIB_SIZE_FIELD, (uint16_t)opcode);
    memcpy(to + GIB_REQUEST_HEADER, key, size);
    return to + GIB_REQUEST_HEADER + size;
}

void gib_session_make_question(gib_session *session, uint64_t random)
{
    char key[KEY_SIZE + sizeof FIELD];
    snprintf(key, sizeof key, "\1gibson-probe-%016" PRIx64 FIELD, random);
    uint8_t *to = write_part(session->question, GIBSON_OP_COUNT, key, KEY_SIZE);
    for (int i = 1; i < PARTS; i++) {
        to = write_part(to, GIBSON_OP_META, key, sizeof key - 1);
    }
}

/* Makes the pending requests from that number on those of a question. */
static void note_parts(gib_session *session, size_t number)
{
    for (size_t i = 0; i < PARTS; i++) {
        *gib_session_pending(session, number + i) =
            (gib_pending){.frame_size = i ? META_SIZE : COUNT_SIZE,
                          .opcode = i ? GIBSON_OP_META : GIBSON_OP_COUNT,
                          .is_question = true};
    }
}

static void note_question(gib_session *session)
{
    note_parts(session, session->pushed);
    session->pushed += PARTS;
    session->questions += PARTS;
    session->ask_at = session->pushed + GIB_QUESTION_EVERY;
    session->settled = false;
}

size_t gib_session_question_bytes(const gib_session *session)
{
    return session->questions / PARTS * GIB_QUESTION_SIZE + session->questions % PARTS * META_SIZE;
}

/* Makes room for a question. */
static gibson_status make_room(gib_session *session, gibson_error *error)
{
    const size_t sent = session->unsent - session->out.begin;
    const bool fits =
        gib_session_reserve(session, PARTS) && gib_buffer_reserve(&session->out, GIB_QUESTION_SIZE);
    session->unsent = session->out.begin + sent; /* the bytes may have moved */
    return fits ? GIBSON_OK : gib_error_set(error, GIBSON_NOMEM, "no memory for the request");
}

gibson_status gib_session_push_question(gib_session *session, gibson_error *error)
{
    if (make_room(session, error) != GIBSON_OK) {
        return GIBSON_NOMEM;
    }
    memcpy(session->out.data + session->out.end, session->question, GIB_QUESTION_SIZE);
    session->out.end += GIB_QUESTION_SIZE;
    note_question(session);
    return GIBSON_OK;
}

gibson_status gib_session_put_question_first(gib_session *session, gibson_error *error)
{
    if (make_room(session, error) != GIBSON_OK) {
        return GIBSON_NOMEM;
    }
    uint8_t *first = session->out.data + session->out.begin;
    memmove(first + GIB_QUESTION_SIZE, first, gib_buffer_size(&session->out));
    memcpy(first, session->question, GIB_QUESTION_SIZE);
    session->out.end += GIB_QUESTION_SIZE;
    for (size_t i = session->pushed; i-- != session->answered;) {
        *gib_session_pending(session, i + PARTS) = *gib_session_pending(session, i);
    }
    note_parts(session, session->answered);
    session->long_time += session->long_time ? PARTS : 0;
    session->pushed += PARTS;
    session->questions += PARTS;
    session->queue_until = 0;
    return GIBSON_OK;
}

void gib_session_unpush_question(gib_session *session)
{
    session->out.end -= GIB_QUESTION_SIZE;
    session->pushed -= PARTS;
    session->questions -= PARTS;
    session->ask_at = session->pushed;
}

void gib_session_take_back(gib_session *session)
{
    gib_session_retract(session);
    if (session->questions && gib_session_pending(session, session->pushed - 1)->is_question) {
        gib_session_unpush_question(session);
    }
}

bool gib_session_question_is_cut(const gib_session *session)
{
    return session->questions % PARTS &&
           gib_session_pending(session, session->answered)->is_question;
}

static GIB_COLD gibson_status shifted(gib_session *session, gibson_error *error)
{
    session->has_surplus = true;
    return gib_error_set(error, GIBSON_PROTOCOL,
                         "the server has sent a reply that answers nothing, and later ones may "
                         "have gone to the wrong requests: to what the client asked as a test "
                         "came another answer");
}

/* Judges the reply to the next part of a question. A server refuses all of META or none, and all if
   it refuses COUNT. */
static bool is_answer(gib_session *session, const gibson_reply *reply)
{
    const bool refused = reply->status == GIBSON_SERVER_ERROR;
    const size_t left = session->questions-- % PARTS;
    if (!left) { /* COUNT */
        session->question_is_refused = refused;
        return refused || (reply->status == GIBSON_OK && !reply->value.number);
    }
    if (left == PARTS - 1) { /* the first META */
        const bool was_taken = !session->question_is_refused;
        session->question_is_refused = refused;
        return refused || (was_taken && reply->status == GIBSON_NOT_FOUND);
    }
    return refused == session->question_is_refused &&
           (refused || reply->status == GIBSON_NOT_FOUND);
}

/* Takes a whole question's answers at once, if they are the usual ones. */
static bool take_usual_answers(gib_session *session)
{
    const size_t held = session->in.end - session->next;
    const bool last = session->answered + PARTS == session->pushed; /* nothing may follow */
    if (session->questions % PARTS || session->sent - session->answered < PARTS ||
        (last ? held != sizeof usual_answers : held < sizeof usual_answers) ||
        memcmp(session->in.data + session->next, usual_answers, sizeof usual_answers) != 0) {
        return false;
    }
    session->next += sizeof usual_answers;
    session->frame_size = GIB_REPLY_HEADER;
    session->out.begin += GIB_QUESTION_SIZE;
    session->answered += PARTS;
    session->questions -= PARTS;
    gib_session_release_reply(session);
    return true;
}

gibson_status gib_session_take_answers(gib_session *session, gibson_error *error)
{
    while (session->answered != session->pushed &&
           gib_session_pending(session, session->answered)->is_question) {
        if (take_usual_answers(session)) {
            continue;
        }
        gibson_reply reply;
        const gibson_status status = gib_session_take(session, GIB_SAFE_REPLY_SIZE, &reply, error);
        if (status != GIBSON_OK) {
            return status == GIBSON_WOULD_BLOCK ? status : shifted(session, error);
        }
        if (!is_answer(session, &reply)) {
            return shifted(session, error);
        }
    }
    return GIBSON_OK;
}

bool gib_single_write_question(gib_session *session, size_t *size)
{
    if (session->out.capacity < GIB_QUESTION_SIZE) {
        return false;
    }
    memcpy(session->out.data, session->question, GIB_QUESTION_SIZE);
    *size = GIB_QUESTION_SIZE;
    return true;
}

bool gib_single_is_answer(const uint8_t *bytes, ssize_t received)
{
    return received == sizeof usual_answers &&
           memcmp(bytes, usual_answers, sizeof usual_answers) == 0;
}

gibson_status gib_single_hand_over_question(gib_session *session, gibson_error *error)
{
    gib_single_end(session, 0);
    session->settled = false;
    return gib_session_push_question(session, error);
}
