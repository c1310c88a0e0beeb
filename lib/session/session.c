#include "session/session.h"

#include <string.h>

#include "base/error.h"
#include "session/owned_reply.h"
#include "session/question.h"
#include "wire/command.h"
#include "wire/frame.h"

enum {
    FIRST_PENDING = 16,    /* requests; a power of two */
    KEEP_SIZE = 64 * 1024, /* a buffer above that is given back once it is empty */
};

void gib_session_init(gib_session *session, const gib_limits *limits, gib_window window,
                      const gibson_allocator *allocator)
{
    *session = (gib_session){.limits = *limits, .window = window, .allocator = allocator};
    gib_buffer_init(&session->out, allocator);
    gib_buffer_init(&session->in, allocator);
    session->frame_size = GIB_REPLY_HEADER;
    session->ask_at = GIB_QUESTION_EVERY;
    gib_session_make_question(session, 0);
}

void gib_session_clear(gib_session *session)
{
    gib_buffer_clear(&session->out);
    gib_buffer_clear(&session->in);
    gib_release(session->allocator, session->pending);
    gib_session_init(session, &session->limits, session->window, session->allocator);
}

void gib_session_drop_bytes(gib_buffer *buffer)
{
    gib_buffer_empty(buffer);
    if (buffer->capacity > KEEP_SIZE) {
        gib_buffer_clear(buffer);
    }
}

bool gib_session_keeps(const gib_buffer *buffer)
{
    return buffer->capacity && buffer->capacity <= KEEP_SIZE;
}

void gib_session_unsettle_if_large(gib_session *session)
{
    session->settled = session->settled && gib_session_keeps(&session->out);
}

void gib_session_trim(gib_session *session)
{
    if (!gib_session_count(session)) {
        gib_session_drop_bytes(&session->out);
        session->unsent = 0;
    }
    if (session->in.begin == session->in.end) {
        gib_session_drop_bytes(&session->in);
        session->next = 0;
    }
}

static void forget_borrowed(gib_session *session)
{
    session->borrowed = NULL;
    session->borrowed_size = session->borrowed_sent = 0;
}

void gib_session_break(gib_session *session)
{
    gib_session_drop_bytes(&session->out);
    if (session->next == session->in.begin) {
        gib_session_drop_bytes(&session->in);
        session->next = 0;
    } else {
        session->in.end = session->next; /* the last reply is still borrowed from */
    }
    session->unsent = 0;
    session->sent_of_frame = 0;
    forget_borrowed(session);
    session->sent = session->answered;
    session->frame_size = GIB_REPLY_HEADER;
    session->queue_until = 0;
    session->settled = false;
    session->broken = true;
}

/* Begins to count anew, as for a new connection. */
static void forget_requests(gib_session *session)
{
    session->pushed = session->sent = session->answered = 0;
    session->long_time = 0;
    session->questions = 0;
    session->ask_at = GIB_QUESTION_EVERY;
}

void gib_session_reset(gib_session *session)
{
    forget_requests(session);
    gib_session_release_reply(session);
    gib_session_break(session);
    session->broken = false;
}

void gib_session_renew(gib_session *session)
{
    if (session->broken) {
        forget_requests(session);
        session->broken = false;
    }
    session->in.end = session->next; /* the last reply is still borrowed from */
    session->frame_size = GIB_REPLY_HEADER;
}

void gib_session_put_aside(gib_session *session, gib_kept *kept)
{
    *kept = (gib_kept){.in = session->in, .next = session->next};
    if (session->next > session->in.begin) {
        gib_buffer_init(&session->in, session->allocator);
        session->next = 0;
        session->settled = false;
    } else {
        kept->in.data = NULL;
    }
}

void gib_session_put_back(gib_session *session, gib_kept *kept)
{
    if (kept->in.data) {
        gib_buffer_clear(&session->in);
        session->in = kept->in;
        session->next = kept->next;
        session->settled = false;
    } else {
        gib_session_release_reply(session);
    }
}

void gib_session_set_seconds(gib_session *session, int64_t max_seconds, gib_seconds_source source)
{
    session->limits.max_seconds = max_seconds;
    session->limits.seconds_source = source;
}

bool gib_session_has_long_time(const gib_session *session)
{
    return session->limits.seconds_source == GIB_SECONDS_TOLD &&
           session->long_time > session->answered;
}

size_t gib_session_set_max_reply(gib_session *session, size_t max_reply_size)
{
    const size_t before = session->limits.max_reply_size;
    session->limits.max_reply_size = max_reply_size;
    return before;
}

void gib_session_forget_kept(gib_session *session, gib_kept *kept)
{
    if (kept->in.data) {
        gib_buffer_clear(&kept->in);
        session->settled = false;
    }
}

gibson_status gib_session_take_reply(gib_session *session, gibson_owned_reply **owned)
{
    *owned = NULL;
    gib_buffer *in = &session->in;
    if (session->next == in->begin) {
        return GIBSON_USAGE;
    }
    /* The views stay where they are, so it is the bytes behind the reply that move. */
    gib_buffer rest;
    gib_buffer_init(&rest, session->allocator);
    size_t rest_size = in->end - session->next;
    if (rest_size && !gib_buffer_make_room(&rest, rest_size, true)) {
        return GIBSON_NOMEM;
    }
    *owned = gib_owned_reply_new(session->allocator, in->data);
    if (!*owned) {
        gib_buffer_clear(&rest);
        return GIBSON_NOMEM;
    }
    if (rest_size) {
        memcpy(rest.data, in->data + session->next, rest_size);
        rest.end = rest_size;
    }
    *in = rest;
    session->next = 0;
    session->settled = false;
    return GIBSON_OK;
}

size_t gib_session_reserve(gib_session *session, size_t more)
{
    size_t capacity = session->pending ? session->mask + 1 : 0;
    if (gib_session_count(session) + more <= capacity) {
        return session->answered + capacity;
    }
    capacity = capacity ? capacity * 2 : FIRST_PENDING; /* enough: more is less than that */
    if (capacity > SIZE_MAX / sizeof *session->pending) {
        return 0;
    }
    gib_pending *pending = gib_allocate(session->allocator, capacity * sizeof *pending);
    if (!pending) {
        return 0;
    }
    for (size_t i = session->answered; i != session->pushed; i++) {
        pending[i & (capacity - 1)] = *gib_session_pending(session, i);
    }
    gib_release(session->allocator, session->pending);
    session->pending = pending;
    session->mask = capacity - 1;
    return session->answered + capacity;
}

gibson_status gib_session_push(gib_session *session, const gibson_request *request,
                               gib_value_place place, gibson_error *error)
{
    if (!gib_session_reserve(session, 1)) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the request");
    }
    gib_encoded encoded;
    size_t sent = session->unsent - session->out.begin;
    gibson_status status =
        gib_request_encode(request, &session->limits, place, &session->out, &encoded, error);
    session->unsent = session->out.begin + sent; /* the bytes may have moved */
    if (status != GIBSON_OK) {
        gib_session_unsettle_if_large(session);
        return status;
    }
    bool borrows = place == GIB_VALUE_BORROWED && encoded.value_size;
    session->borrowed = borrows ? request->value.data : NULL;
    session->borrowed_size = borrows ? encoded.value_size : 0;
    session->borrowed_sent = 0;
    session->settled = false;
    *gib_session_pending(session, session->pushed++) = (gib_pending){
        .frame_size = (uint32_t)(encoded.frame_size - session->borrowed_size),
        .value_size = encoded.value_size,
        .opcode = (uint16_t)request->opcode,
    };
    if (gibson_takes_time(gib_arguments_of(request->opcode)) &&
        request->number > GIB_SAFE_SECONDS) {
        session->long_time = session->pushed;
    }
    return GIBSON_OK;
}
