#include "session/session.h"

#include <string.h>

#include "base/error.h"
#include "base/likely.h"
#include "session/echo.h"
#include "session/owned_reply.h"
#include "wire/frame.h"
#include "wire/reply_decode.h"

enum {
    FIRST_PENDING = 16,    /* requests; a power of two */
    READ_SIZE = 16 * 1024, /* bytes of an input buffer that no single reply has made larger */
    KEEP_SIZE = 64 * 1024, /* a buffer above that is given back once it is empty */
};

void gib_session_init(gib_session *session, const gib_limits *limits,
                      const gibson_allocator *allocator)
{
    *session = (gib_session){.limits = *limits, .allocator = allocator};
    gib_buffer_init(&session->out, allocator);
    gib_buffer_init(&session->in, allocator);
    session->frame_size = GIB_REPLY_HEADER;
}

void gib_session_clear(gib_session *session)
{
    gib_buffer_clear(&session->out);
    gib_buffer_clear(&session->in);
    gib_release(session->allocator, session->pending);
    gib_session_init(session, &session->limits, session->allocator);
}

static void drop_bytes(gib_buffer *buffer)
{
    gib_buffer_empty(buffer);
    if (buffer->capacity > KEEP_SIZE) {
        gib_buffer_clear(buffer);
    }
}

void gib_session_trim(gib_session *session)
{
    if (session->pushed == session->answered) {
        drop_bytes(&session->out);
        session->unsent = 0;
    }
    if (session->in.begin == session->in.end) {
        drop_bytes(&session->in);
        session->next = 0;
    }
}

bool gib_session_is_settled(const gib_session *session)
{
    return session->pushed == session->answered && session->pending && session->in.capacity &&
           session->out.capacity && session->in.capacity <= KEEP_SIZE &&
           session->out.capacity <= KEEP_SIZE;
}

void gib_session_break(gib_session *session)
{
    drop_bytes(&session->out);
    if (session->next == session->in.begin) {
        drop_bytes(&session->in);
        session->next = 0;
    } else {
        session->in.end = session->next; /* the last reply is still borrowed from */
    }
    session->unsent = 0;
    session->sent_of_frame = 0;
    session->borrowed = NULL;
    session->sent = session->answered;
    session->frame_size = GIB_REPLY_HEADER;
}

void gib_session_reset(gib_session *session)
{
    session->pushed = session->answered = 0;
    gib_session_release_reply(session);
    gib_session_break(session);
}

const gibson_command *gib_session_abandon(gib_session *session)
{
    if (session->answered == session->pushed) {
        return NULL;
    }
    session->sent = session->answered + 1;
    return gib_command((uint32_t)gib_session_pending(session, session->answered++)->opcode);
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
    return GIBSON_OK;
}

size_t gib_session_reserve(gib_session *session)
{
    size_t capacity = session->pending ? session->mask + 1 : 0;
    if (gib_session_count(session) < capacity) {
        return session->answered + capacity;
    }
    capacity = capacity ? capacity * 2 : FIRST_PENDING;
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
    if (!gib_session_reserve(session)) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the request");
    }
    gib_encoded encoded;
    size_t sent = session->unsent - session->out.begin;
    gibson_status status =
        gib_request_encode(request, &session->limits, place, &session->out, &encoded, error);
    session->unsent = session->out.begin + sent; /* the bytes may have moved */
    if (status != GIBSON_OK) {
        return status;
    }
    bool borrows = place == GIB_VALUE_BORROWED && encoded.value_size;
    session->borrowed = borrows ? request->value.data : NULL;
    session->borrowed_size = borrows ? encoded.value_size : 0;
    session->borrowed_sent = 0;
    *gib_session_pending(session, session->pushed++) = (gib_pending){
        .frame_size = (uint32_t)(encoded.frame_size - session->borrowed_size),
        .value_size = encoded.value_size,
        .opcode = request->opcode,
    };
    return GIBSON_OK;
}

/* Whole frames that fit a segment, or one that does not, or the rest of one, from `unsent` on. */
static size_t output_segment(const gib_session *session, size_t segment)
{
    size_t size = 0;
    size_t sent = session->sent_of_frame;
    for (size_t i = session->sent; i != session->pushed; i++) {
        size_t frame_size = gib_session_pending(session, i)->frame_size - sent;
        if (size && size + frame_size > segment) {
            break;
        }
        size += frame_size;
        sent = 0;
    }
    return size;
}

size_t gib_session_output(const gib_session *session, size_t segment, gibson_bytes parts[2])
{
    if (session->sent == session->pushed) {
        parts[0] = parts[1] = gibson_bytes_of(NULL, 0);
        return 0;
    }
    size_t size = session->out.end - session->unsent;
    if (size > segment && session->pushed - session->sent > 1) {
        size = output_segment(session, segment);
    }
    parts[0] = gibson_bytes_of(session->out.data + session->unsent, size);
    parts[1].size = 0;
    if (session->borrowed) {
        parts[1] = gibson_bytes_of(session->borrowed + session->borrowed_sent,
                                   session->borrowed_size - session->borrowed_sent);
    }
    return size + parts[1].size;
}

/* Counts the frames that are sent as a whole. */
static void count_sent(gib_session *session, size_t size)
{
    size += session->sent_of_frame;
    while (session->sent != session->pushed) {
        size_t frame_size = gib_session_pending(session, session->sent)->frame_size;
        bool value_left = session->borrowed && session->borrowed_sent < session->borrowed_size;
        if (size < frame_size || value_left) {
            break;
        }
        size -= frame_size;
        session->sent++;
    }
    session->sent_of_frame = size;
}

void gib_session_sent(gib_session *session, size_t size)
{
    size_t buffered = session->out.end - session->unsent;
    if (size < buffered) {
        session->unsent += size;
        count_sent(session, size);
        return;
    }
    if (session->borrowed) {
        session->unsent = session->out.end;
        session->borrowed_sent += size - buffered;
        count_sent(session, buffered);
        return;
    }
    gib_session_sent_all(session);
}

bool gib_session_input(gib_session *session, uint8_t **room, size_t *size)
{
    gib_session_release_reply(session);
    gib_buffer *in = &session->in;
    size_t held = gib_buffer_size(in);
    bool whole = held >= session->frame_size; /* replies wait unread: others may queue up behind */
    size_t needed = whole ? 1 : session->frame_size - held;
    if (GIB_UNLIKELY(gib_buffer_room(in) < needed)) {
        /* The buffer grows to the exact size of a large reply, so that memory is not twice that. */
        if (whole || session->frame_size <= READ_SIZE) {
            needed = whole ? READ_SIZE : READ_SIZE - held;
        }
        if (!gib_buffer_make_room(in, needed, whole)) {
            return false;
        }
        session->next = in->begin;
    }
    *room = in->data + in->end;
    *size = gib_buffer_room(in);
    return true;
}

void gib_session_received(gib_session *session, size_t size)
{
    session->in.end += size;
}

gibson_status gib_session_scan_input(const gib_session *session, gib_session_scan *scan,
                                     gibson_error *error)
{
    size_t left = session->in.end - session->next - scan->size;
    while (left) {
        if (scan->count == session->sent - session->answered) {
            return gib_error_set(error, GIBSON_PROTOCOL, "%zu bytes that answer no request", left);
        }
        if (left < GIB_REPLY_HEADER) {
            break;
        }
        const uint8_t *frame = session->in.data + session->next + scan->size;
        size_t size = gib_load_u32(frame + 3);
        if (size > session->limits.max_reply_size) {
            return gib_error_set(error, GIBSON_PROTOCOL,
                                 "a reply: size %zu is over max_reply_size (%zu)", size,
                                 session->limits.max_reply_size);
        }
        if (left < GIB_REPLY_HEADER + size) {
            break;
        }
        scan->size += GIB_REPLY_HEADER + size;
        scan->count++;
        left -= GIB_REPLY_HEADER + size;
    }
    return GIBSON_OK;
}

/* The value that was sent with a pending request. */
static const uint8_t *sent_value(const gib_session *session, const gib_pending *pending)
{
    if (session->borrowed) {
        return session->borrowed;
    }
    return session->out.data + session->out.begin + pending->frame_size - pending->value_size;
}

gibson_status gib_session_next(gib_session *session, gibson_reply *reply, gibson_error *error)
{
    gib_session_release_reply(session);
    const gib_pending *pending = gib_session_pending(session, session->answered);
    size_t size = gib_buffer_size(&session->in);
    if (size && session->answered == session->sent) {
        return gib_error_set(error, GIBSON_PROTOCOL, "%zu bytes that answer no request", size);
    }
    if (size < session->frame_size) {
        return GIBSON_WOULD_BLOCK;
    }
    const gibson_command *command = &gib_commands[pending->opcode];
    gibson_status status =
        gib_reply_decode(session->in.data + session->in.begin, size, command,
                         session->limits.max_reply_size, reply, &session->frame_size, error);
    if (status != GIBSON_OK) {
        return status;
    }
    if (session->answered + 1 == session->pushed && size > session->frame_size) {
        return gib_error_set(error, GIBSON_PROTOCOL, "%zu bytes after the reply to %s",
                             size - session->frame_size, command->name);
    }
    if (pending->opcode == GIBSON_OP_SET && reply->status == GIBSON_OK) {
        gib_echo_check(sent_value(session, pending), pending->value_size, reply, error);
    }
    session->next += session->frame_size;
    session->frame_size = GIB_REPLY_HEADER;
    session->out.begin += pending->frame_size;
    session->borrowed = NULL;
    session->answered++;
    return GIBSON_OK;
}
