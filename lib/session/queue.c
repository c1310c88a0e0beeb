#include "session/queue.h"

#include "base/error.h"
#include "session/question.h"

size_t gib_session_outstanding_bytes(const gib_session *session)
{
    return gib_buffer_size(&session->out) - gib_session_question_bytes(session);
}

static bool is_full(const gib_session *session)
{
    const size_t requests = gib_session_outstanding(session);
    return requests >= session->window.requests ||
           (requests && gib_session_outstanding_bytes(session) >= session->window.bytes);
}

/* How far gib_session_queue_key may go. It does not look at the bytes of the window, so the output
   buffer must not be able to hold more. */
static size_t queue_until(gib_session *session)
{
    if (session->out.capacity > session->window.bytes) {
        return 0;
    }
    const size_t fits = gib_session_reserve(session, 1);
    const size_t window = session->answered + session->questions + session->window.requests;
    const size_t until = fits < window ? fits : window;
    return until < session->ask_at ? until : session->ask_at;
}

static gibson_status append(gib_session *session, const gibson_request *request,
                            gibson_error *error)
{
    session->queue_until = queue_until(session);
    if (gib_session_queue_key(session, request)) {
        session->settled = false;
        return GIBSON_OK;
    }
    session->queue_until = 0;
    const gibson_status status = gib_session_push(session, request, GIB_VALUE_COPIED, error);
    if (status == GIBSON_OK) {
        session->queue_until = queue_until(session);
    }
    return status;
}

gibson_status gib_session_queue(gib_session *session, const gibson_request *request,
                                gibson_error *error)
{
    session->queue_until = 0;
    if (is_full(session)) {
        return gib_error_set(error, GIBSON_WOULD_BLOCK, "the pipeline is full: read a reply first");
    }
    const bool asks = session->pushed >= session->ask_at;
    gibson_status status = asks ? gib_session_push_question(session, error) : GIBSON_OK;
    if (status != GIBSON_OK) {
        return status;
    }
    status = append(session, request, error);
    if (status != GIBSON_OK && asks) {
        gib_session_unpush_question(session);
    }
    return status;
}
