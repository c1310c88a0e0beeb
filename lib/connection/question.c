#include "connection/question.h"

#include "base/error.h"
#include "connection/single.h"

static const char no_key[] = "\1gibson-probe\1";
static const char limit_row[] = "max_item_ttl"; /* of STATS: seconds */

static gibson_request request_of(gib_question_kind kind)
{
    return kind == GIB_QUESTION_PROBE
               ? gibson_request_key(GIBSON_OP_COUNT, no_key, sizeof no_key - 1)
               : gibson_request_bare(GIBSON_OP_STATS);
}

/* Makes room for an answer. */
static void prepare(gib_question *question, gib_connection *connection, gib_question_kind kind)
{
    question->kind = kind;
    gib_session_put_aside(&connection->session, &question->kept);
    /* The caller's limits are for what the caller asks. */
    question->max_reply_size =
        gib_session_set_max_reply(&connection->session, GIB_SAFE_REPLY_SIZE);
}

static gibson_status judge_probe(gib_connection *connection, const gibson_reply *reply)
{
    if (reply->status == GIBSON_OK && reply->value.kind == GIBSON_KIND_NUMBER &&
        reply->value.number == 0) {
        return GIBSON_OK;
    }
    return gib_error_set(
        &connection->error, GIBSON_PROTOCOL,
        "the server has sent a reply that answers nothing, and later ones may have gone to the "
        "wrong requests: count of no key was not answered by 0");
}

/* A server that refuses STATS has not told either. */
static gibson_status take_seconds(gib_connection *connection, const gibson_items *stats)
{
    gibson_value value;
    if (gibson_items_find(stats, limit_row, sizeof limit_row - 1, &value) &&
        value.kind == GIBSON_KIND_NUMBER && value.number > 0) {
        gib_session_set_seconds(&connection->session, value.number, GIB_SECONDS_TOLD);
    } else {
        gib_session_set_seconds(&connection->session, GIB_SAFE_SECONDS, GIB_SECONDS_NOT_TOLD);
    }
    return GIBSON_OK;
}

static gibson_status judge(gib_connection *connection, const gib_question *question)
{
    return question->kind == GIB_QUESTION_PROBE ? judge_probe(connection, &question->reply)
                                                : take_seconds(connection, &question->reply.items);
}

gibson_status gib_question_ask(gib_question *question, gib_connection *connection,
                               gib_question_kind kind)
{
    const gibson_request request = request_of(kind);
    prepare(question, connection, kind);
    return gib_session_push(&connection->session, &request, GIB_VALUE_COPIED, &connection->error);
}

gibson_status gib_question_ask_single(gib_question *question, gib_connection *connection, int flags)
{
    gib_session *session = &connection->session;
    const gibson_request request = request_of(GIB_QUESTION_PROBE);
    prepare(question, connection, GIB_QUESTION_PROBE);
    size_t size;
    if (!gib_single_write(session, GIBSON_OP_COUNT, &request, &size)) {
        return gib_question_end(question, connection, GIBSON_INVALID);
    }
    const gib_exchanged done = gib_connection_exchange_single(connection, size, flags);
    if (gib_single_take_common(session, GIBSON_OP_COUNT, &request, done.received,
                               &question->reply)) {
        return gib_question_end(question, connection, GIBSON_OK);
    }
    const gibson_status status = gib_connection_hand_over(connection, &request, done);
    return status == GIBSON_OK || status == GIBSON_WOULD_BLOCK
               ? GIBSON_WOULD_BLOCK
               : gib_question_end(question, connection, status);
}

gibson_status gib_question_end(gib_question *question, gib_connection *connection,
                               gibson_status status)
{
    gib_session *session = &connection->session;
    if (status == GIBSON_OK) {
        status = judge(connection, question);
    } else if (status == GIBSON_INVALID && question->kind == GIB_QUESTION_PROBE) {
        status = GIBSON_OK; /* limits that forbid the question leave the connection as it is */
    }
    gib_session_set_max_reply(session, question->max_reply_size);
    gib_session_put_back(session, &question->kept);
    const bool asked = question->kind == GIB_QUESTION_PROBE || gib_session_count(session);
    if (status != GIBSON_OK && asked) {
        gib_connection_break(connection);
        gib_session_abandon_all(session);
    } else if (question->kind == GIB_QUESTION_PROBE) {
        gib_connection_settle(connection);
    }
    return status;
}
