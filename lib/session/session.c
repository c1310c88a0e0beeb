#include "session/session.h"

#include <string.h>

#include "base/error.h"
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
    if (buffer->capacity > KEEP_SIZE) {
        gib_buffer_clear(buffer);
    }
    buffer->begin = buffer->end = 0;
}

void gib_session_break(gib_session *session)
{
    drop_bytes(&session->out);
    if (session->decoded) {
        session->in.end = session->in.begin + session->decoded;
    } else {
        drop_bytes(&session->in);
    }
    session->unsent = 0;
    session->sent_frames = 0;
    session->sent_of_frame = 0;
    session->frame_size = GIB_REPLY_HEADER;
}

void gib_session_reset(gib_session *session)
{
    session->decoded = 0;
    gib_session_break(session);
    session->first = 0;
    session->count = 0;
}

const gibson_command *gib_session_abandon(gib_session *session)
{
    if (!session->count) {
        return NULL;
    }
    const gibson_command *command = gib_session_pending(session, 0)->command;
    session->first++;
    session->count--;
    return command;
}

void gib_session_release_reply(gib_session *session)
{
    if (session->decoded) {
        gib_buffer_consume(&session->in, session->decoded);
        session->decoded = 0;
        if (!session->in.end && session->in.capacity > KEEP_SIZE) {
            gib_buffer_clear(&session->in);
        }
    }
}

gibson_status gib_session_take_reply(gib_session *session, gibson_owned_reply **owned)
{
    *owned = NULL;
    if (!session->decoded) {
        return GIBSON_USAGE;
    }
    /* The views stay where they are, so it is the bytes behind the reply that move. */
    gib_buffer *in = &session->in;
    gib_buffer rest;
    gib_buffer_init(&rest, session->allocator);
    size_t rest_size = gib_buffer_size(in) - session->decoded;
    if (rest_size && !gib_buffer_make_room(&rest, rest_size, true)) {
        return GIBSON_NOMEM;
    }
    *owned = gib_owned_reply_new(session->allocator, in->data);
    if (!*owned) {
        gib_buffer_clear(&rest);
        return GIBSON_NOMEM;
    }
    if (rest_size) {
        memcpy(rest.data, in->data + in->begin + session->decoded, rest_size);
        rest.end = rest_size;
    }
    *in = rest;
    session->decoded = 0;
    return GIBSON_OK;
}

/* Makes room for one more pending request. */
static bool reserve_pending(gib_session *session)
{
    if (session->count < session->capacity) {
        return true;
    }
    size_t capacity = session->capacity ? session->capacity * 2 : FIRST_PENDING;
    if (capacity > SIZE_MAX / sizeof *session->pending) {
        return false;
    }
    gib_pending *pending = gib_allocate(session->allocator, capacity * sizeof *pending);
    if (!pending) {
        return false;
    }
    for (size_t i = 0; i < session->count; i++) {
        pending[i] = *gib_session_pending(session, i);
    }
    gib_release(session->allocator, session->pending);
    session->pending = pending;
    session->capacity = capacity;
    session->first = 0;
    return true;
}

gibson_status gib_session_push(gib_session *session, const gibson_request *request,
                               gib_value_place place, gibson_error *error)
{
    if (!reserve_pending(session)) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for the request");
    }
    gib_encoded encoded;
    gibson_status status =
        gib_request_encode(request, &session->limits, place, &session->out, &encoded, error);
    if (status != GIBSON_OK) {
        return status;
    }
    gib_pending *pending = gib_session_pending(session, session->count++);
    pending->command = encoded.command;
    pending->frame_size = encoded.frame_size;
    pending->value_size = encoded.value_size;
    pending->borrowed = place == GIB_VALUE_BORROWED ? request->value.data : NULL;
    return GIBSON_OK;
}

/* Bytes of a frame that are in the output buffer. */
static size_t buffered_size(const gib_pending *pending)
{
    return pending->frame_size - (pending->borrowed ? pending->value_size : 0);
}

/* The output of a frame that is the only one, and whose value is borrowed. */
static size_t output_borrowed(const gib_session *session, gibson_bytes parts[2])
{
    const gib_pending *pending = gib_session_pending(session, 0);
    size_t head = buffered_size(pending);
    size_t sent = session->sent_of_frame;
    size_t head_sent = sent < head ? sent : head;
    parts[0] =
        gibson_bytes_of(session->out.data + session->out.begin + head_sent, head - head_sent);
    parts[1] = gibson_bytes_of(pending->borrowed + (sent - head_sent),
                               pending->value_size - (sent - head_sent));
    return pending->frame_size - sent;
}

size_t gib_session_output(const gib_session *session, size_t segment, gibson_bytes parts[2])
{
    parts[0] = parts[1] = gibson_bytes_of(NULL, 0);
    if (session->sent_frames == session->count) {
        return 0;
    }
    const gib_pending *pending = gib_session_pending(session, session->sent_frames);
    if (pending->borrowed) {
        return output_borrowed(session, parts);
    }
    size_t size = gib_buffer_size(&session->out) - session->unsent;
    if (size > segment) {
        size = pending->frame_size - session->sent_of_frame;
        for (size_t i = session->sent_frames + 1; i < session->count; i++) {
            size_t frame_size = gib_session_pending(session, i)->frame_size;
            if (size + frame_size > segment) {
                break;
            }
            size += frame_size;
        }
    }
    parts[0] = gibson_bytes_of(session->out.data + session->out.begin + session->unsent, size);
    return size;
}

void gib_session_sent(gib_session *session, size_t size)
{
    session->unsent += size;
    size += session->sent_of_frame;
    while (session->sent_frames < session->count) {
        size_t frame_size = gib_session_pending(session, session->sent_frames)->frame_size;
        if (size < frame_size) {
            break;
        }
        size -= frame_size;
        session->sent_frames++;
    }
    session->sent_of_frame = size;
}

bool gib_session_input(gib_session *session, uint8_t **room, size_t *size)
{
    gib_session_release_reply(session);
    gib_buffer *in = &session->in;
    size_t held = gib_buffer_size(in);
    bool whole = held >= session->frame_size; /* replies wait unread: others may queue up behind */
    size_t needed = whole ? 1 : session->frame_size - held;
    if (gib_buffer_room(in) < needed) {
        /* The buffer grows to the exact size of a large reply, so that memory is not twice that. */
        if (whole || session->frame_size <= READ_SIZE) {
            needed = whole ? READ_SIZE : READ_SIZE - held;
        }
        if (!gib_buffer_make_room(in, needed, whole)) {
            return false;
        }
    }
    *room = in->data + in->end;
    *size = gib_buffer_room(in);
    return true;
}

void gib_session_received(gib_session *session, size_t size)
{
    session->in.end += size;
}

/* What SET stored must be what was sent: the server cuts what is over its limits. */
static void check_echo(const gib_session *session, const gib_pending *pending, gibson_reply *reply,
                       gibson_error *error)
{
    const uint8_t *sent = pending->borrowed;
    if (!sent) {
        sent = session->out.data + session->out.begin + pending->frame_size - pending->value_size;
    }
    const gibson_value *stored = &reply->value;
    if (stored->kind == GIBSON_KIND_BYTES && stored->bytes.size == pending->value_size &&
        !memcmp(stored->bytes.data, sent, pending->value_size)) {
        return;
    }
    reply->status = gib_error_set(
        error, GIBSON_TRUNCATED,
        "set: the server stored %zu bytes that differ from the %zu bytes sent (%s)",
        stored->bytes.size, pending->value_size,
        stored->kind != GIBSON_KIND_BYTES          ? "it stored a number"
        : stored->bytes.size < pending->value_size ? "the value is over its max_value_size"
        : stored->bytes.size > pending->value_size ? "the key is over its max_key_size"
                                                   : "the contents differ");
    reply->value = (gibson_value){.kind = GIBSON_KIND_NONE};
}

/* Takes an answered request off the list, and its frame off the output. */
static void pop(gib_session *session, const gib_pending *pending)
{
    size_t buffered = buffered_size(pending);
    session->unsent -= pending->frame_size;
    session->sent_frames--;
    session->first++;
    session->count--;
    gib_buffer_consume(&session->out, buffered);
    if (!session->out.end && session->out.capacity > KEEP_SIZE) {
        gib_buffer_clear(&session->out);
    }
}

gibson_status gib_session_next(gib_session *session, gibson_reply *reply, gibson_error *error)
{
    gib_session_release_reply(session);
    const gib_pending *pending = gib_session_pending(session, 0);
    size_t size = gib_buffer_size(&session->in);
    if (size && !session->sent_frames) {
        *reply = (gibson_reply){.status = GIBSON_PROTOCOL, .opcode = pending->command->opcode};
        return gib_error_set(error, GIBSON_PROTOCOL, "%zu bytes that answer no request", size);
    }
    if (size < session->frame_size) {
        return GIBSON_WOULD_BLOCK;
    }
    const uint8_t *data = session->in.data + session->in.begin;
    gibson_status status =
        gib_reply_decode(data, size, pending->command, session->limits.max_reply_size, reply,
                         &session->frame_size, error);
    if (status != GIBSON_OK) {
        return status;
    }
    size_t frame_size = session->frame_size;
    session->frame_size = GIB_REPLY_HEADER;
    if (session->count == 1 && size > frame_size) {
        return gib_error_set(error, GIBSON_PROTOCOL, "%zu bytes after the reply to %s",
                             size - frame_size, pending->command->name);
    }
    session->decoded = frame_size;
    if (pending->command->opcode == GIBSON_OP_SET && reply->status == GIBSON_OK) {
        check_echo(session, pending, reply, error);
    }
    pop(session, pending);
    return GIBSON_OK;
}
