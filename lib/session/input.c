/* What a session has read, and the replies in it. */
#include "base/error.h"
#include "base/likely.h"
#include "session/echo.h"
#include "session/question.h"
#include "session/session.h"
#include "wire/frame.h"
#include "wire/reply_decode.h"
#include "wire/request_write.h"

enum { READ_SIZE = 16 * 1024 }; /* bytes of an input buffer that no reply has made larger */

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

bool gib_session_copy_input(gib_session *session, const uint8_t *bytes, size_t size)
{
    uint8_t *room;
    size_t room_size;
    if (!gib_session_input(session, &room, &room_size) || room_size < size) {
        return false;
    }
    memcpy(room, bytes, size);
    return true;
}

void gib_session_received(gib_session *session, size_t size)
{
    session->in.end += size;
}

/* Bytes of data that the reply to a pending request may have: what the client asks for on its own
   account is not bounded by the caller. */
static size_t most_data(const gib_session *session, size_t number)
{
    return gib_session_pending(session, number)->is_question ? GIB_SAFE_REPLY_SIZE
                                                             : session->limits.max_reply_size;
}

gibson_status gib_session_scan_input(gib_session *session, gib_session_scan *scan,
                                     gibson_error *error)
{
    size_t left = session->in.end - session->next - scan->size;
    while (left) {
        if (scan->count == session->sent - session->answered) {
            session->has_surplus = true;
            return gib_error_set(error, GIBSON_PROTOCOL, "%zu bytes that answer no request", left);
        }
        if (left < GIB_REPLY_HEADER) {
            break;
        }
        const uint8_t *frame = session->in.data + session->next + scan->size;
        size_t size = gib_load_u32(frame + 3);
        if (size > most_data(session, session->answered + scan->count)) {
            scan->over = true;
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
static gibson_bytes sent_value(const gib_session *session, const gib_pending *pending)
{
    const uint8_t *end = session->out.data + session->out.begin + pending->frame_size;
    return gibson_bytes_of(session->borrowed ? session->borrowed : end - pending->value_size,
                           pending->value_size);
}

gibson_status gib_session_take(gib_session *session, size_t max_reply_size, gibson_reply *reply,
                               gibson_error *error)
{
    gib_session_release_reply(session);
    const gib_pending *pending = gib_session_pending(session, session->answered);
    size_t size = gib_buffer_size(&session->in);
    if (size && session->answered == session->sent) {
        session->has_surplus = true;
        return gib_error_set(error, GIBSON_PROTOCOL, "%zu bytes that answer no request", size);
    }
    if (size < session->frame_size) {
        return GIBSON_WOULD_BLOCK;
    }
    const gibson_command *command = &gib_commands[pending->opcode];
    gibson_status status = gib_reply_decode(session->in.data + session->in.begin, size, command,
                                            max_reply_size, reply, &session->frame_size, error);
    if (status != GIBSON_OK) {
        return status;
    }
    if (session->answered + 1 == session->pushed && size > session->frame_size) {
        session->has_surplus = true;
        return gib_error_set(error, GIBSON_PROTOCOL, "%zu bytes after the reply to %s",
                             size - session->frame_size, command->name);
    }
    if (command->yield == GIBSON_YIELD_ECHO && reply->status == GIBSON_OK) {
        const gibson_bytes sent = sent_value(session, pending);
        gib_echo_check(&sent, reply, error);
    }
    session->next += session->frame_size;
    session->frame_size = GIB_REPLY_HEADER;
    session->out.begin += pending->frame_size;
    session->borrowed = NULL;
    session->borrowed_size = session->borrowed_sent = 0;
    session->answered++;
    if (!gib_session_count(session)) {
        session->queue_until = 0; /* the next request begins a new pipeline */
    }
    return GIBSON_OK;
}

gibson_status gib_session_next(gib_session *session, gibson_reply *reply, gibson_error *error)
{
    const gibson_status status =
        session->questions ? gib_session_take_answers(session, error) : GIBSON_OK;
    return status == GIBSON_OK
               ? gib_session_take(session, session->limits.max_reply_size, reply, error)
               : status;
}

gibson_opcode gib_session_due(const gib_session *session)
{
    return gib_session_pending(session, session->answered)->opcode;
}

const char *gib_session_due_name(const gib_session *session)
{
    const gib_pending *pending = gib_session_pending(session, session->answered);
    return pending->is_question ? "what the client asked as a test"
                                : gib_commands[pending->opcode].name;
}
