#include "connection/question.h"

#include "base/error.h"
#include "connection/single.h"
#include "session/question.h"

static const char limit_row[] = "max_item_ttl"; /* of STATS: seconds */

/* Makes room for an answer. */
static void prepare(gib_question *question, gib_connection *connection, gib_question_kind kind)
{
    question->kind = kind;
    gib_session_put_aside(&connection->session, &question->kept);
    /* The caller's limits are for what the caller asks. */
    question->max_reply_size = gib_session_set_max_reply(&connection->session, GIB_SAFE_REPLY_SIZE);
}

void gib_question_take_seconds(gib_connection *connection, const gibson_items *stats)
{
    gibson_value value;
    if (gibson_items_find(stats, gibson_str(limit_row), &value) &&
        value.kind == GIBSON_KIND_NUMBER && value.number > 0) {
        gib_session_set_seconds(&connection->session, value.number, GIB_SECONDS_TOLD);
    } else {
        gib_session_set_seconds(&connection->session, GIB_SAFE_SECONDS, GIB_SECONDS_NOT_TOLD);
    }
}

gibson_status gib_question_ask(gib_question *question, gib_connection *connection,
                               gib_question_kind kind)
{
    gib_session *session = &connection->session;
    const gibson_request stats = gibson_request_bare(GIBSON_OP_STATS);
    prepare(question, connection, kind);
    return kind == GIB_QUESTION_PROBE
               ? gib_session_push_question(session, &connection->error)
               : gib_session_push(session, &stats, GIB_VALUE_COPIED, &connection->error);
}

/* Goes on with what is uncommon. */
static gibson_status hand_over(gib_question *question, gib_connection *connection,
                               gib_exchanged done, const uint8_t *bytes)
{
    gib_session *session = &connection->session;
    prepare(question, connection, GIB_QUESTION_PROBE);
    gibson_status status = gib_single_hand_over_question(session, &connection->error);
    if (status == GIBSON_OK && done.received > 0 &&
        !gib_session_copy_input(session, bytes, (size_t)done.received)) {
        status = gib_connection_fail(connection, GIBSON_NOMEM, "no memory for the reply");
    }
    if (status == GIBSON_OK) {
        status = gib_connection_note(connection, done);
    }
    return status == GIBSON_OK || status == GIBSON_WOULD_BLOCK
               ? GIBSON_WOULD_BLOCK
               : gib_question_end(question, connection, status);
}

gibson_status gib_question_ask_single(gib_question *question, gib_connection *connection, int flags)
{
    gib_session *session = &connection->session;
    size_t size;
    if (!gib_single_write_question(session, &size)) {
        prepare(question, connection, GIB_QUESTION_PROBE);
        const gibson_status status = gib_session_push_question(session, &connection->error);
        return status == GIBSON_OK ? GIBSON_WOULD_BLOCK
                                   : gib_question_end(question, connection, status);
    }
    uint8_t bytes[64];
    gib_exchanged done = gib_connection_send_single(connection, size);
    if (gib_exchanged_is_sent(done)) {
        done.received = recv(connection->transport.descriptor, bytes, sizeof bytes, flags);
    }
    return GIB_LIKELY(gib_single_is_answer(bytes, done.received))
               ? GIBSON_OK
               : hand_over(question, connection, done, bytes);
}

gibson_status gib_question_end(gib_question *question, gib_connection *connection,
                               gibson_status status)
{
    gib_session *session = &connection->session;
    const bool probes = question->kind == GIB_QUESTION_PROBE;
    if (status == GIBSON_OK && !probes) {
        gib_question_take_seconds(connection, &question->reply.items);
    }
    gib_session_set_max_reply(session, question->max_reply_size);
    gib_session_put_back(session, &question->kept);
    if (status != GIBSON_OK && (probes || gib_session_count(session))) {
        gib_connection_break(connection);
        gib_session_abandon_all(session);
    } else if (probes) {
        gib_connection_settle(connection);
    }
    return status;
}
