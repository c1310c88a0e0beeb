/* Whether the state of a session is sound. What can be told from the bytes is told from them. */
#include "session/session.h"
#include "wire/frame.h"

static const char *check_buffer(const gib_buffer *buffer)
{
    if (!buffer->data != !buffer->capacity) {
        return "a buffer has memory or a capacity, and not both";
    }
    return buffer->begin <= buffer->end && buffer->end <= buffer->capacity
               ? NULL
               : "the offsets of a buffer are out of order";
}

static const char *check_counts(const gib_session *session)
{
    const size_t count = gib_session_count(session);
    const size_t capacity = session->pending ? session->mask + 1 : 0;
    const bool is_open = session->queue_until > session->pushed; /* the short way */
    if (session->sent - session->answered > count || count > capacity) {
        return "the numbers of requests pushed, sent and answered are out of order";
    }
    if (capacity & (capacity - 1)) {
        return "the capacity of the ring is no power of two";
    }
    if (session->questions > count ||
        (session->questions && session->questions == count && is_open)) {
        return "a question has nothing behind it";
    }
    if (is_open &&
        (!count || session->broken || session->queue_until - session->answered > capacity ||
         session->queue_until - session->answered >
             session->questions + session->window.requests)) {
        return "requests can be queued where there is no pipeline or no room";
    }
    return NULL;
}

/* The frame of a pending request, at its offset in the output buffer. */
static const char *check_frame(const gib_session *session, const gib_pending *pending,
                               size_t offset)
{
    if (pending->frame_size < GIB_REQUEST_HEADER ||
        pending->frame_size > session->out.end - offset) {
        return "a pending request has no frame in the output buffer";
    }
    const uint8_t *frame = session->out.data + offset;
    const size_t frame_size = pending->frame_size + session->borrowed_size;
    if (gib_load_u32(frame) != frame_size - GIB_SIZE_FIELD ||
        gib_load_u16(frame + GIB_SIZE_FIELD) != pending->opcode ||
        pending->value_size > frame_size - GIB_REQUEST_HEADER) {
        return "a frame in the output buffer is not that of its request";
    }
    return NULL;
}

/* The output buffer holds the frames of what is pending and nothing else, and what counts as sent
   is where it should be. */
static const char *check_output(const gib_session *session)
{
    size_t offset = session->out.begin;
    size_t unsent = offset;
    for (size_t i = session->answered; i != session->pushed; i++) {
        const gib_pending *pending = gib_session_pending(session, i);
        const char *fault = check_frame(session, pending, offset);
        if (fault) {
            return fault;
        }
        offset += pending->frame_size;
        if (i - session->answered < session->sent - session->answered) {
            unsent = offset;
        } else if (i == session->sent && session->sent_of_frame > pending->frame_size) {
            return "more of a frame is sent than there is";
        }
    }
    if (offset != session->out.end) {
        return "the output buffer holds bytes of no request";
    }
    if (gib_session_count(session) && unsent + session->sent_of_frame != session->unsent) {
        return "the bytes to send do not begin where the last sent request ends";
    }
    if (session->sent == session->pushed && session->sent_of_frame) {
        return "part of a frame is sent, and there is no such frame";
    }
    return NULL;
}

static const char *check_borrowed(const gib_session *session)
{
    if (!session->borrowed) {
        return session->borrowed_size || session->borrowed_sent ? "a value is gone, its size is not"
                                                                : NULL;
    }
    return gib_session_count(session) == 1 && session->borrowed_sent <= session->borrowed_size
               ? NULL
               : "a borrowed value belongs to no single request";
}

static const char *check_input(const gib_session *session)
{
    if (session->in.begin > session->next || session->next > session->in.end) {
        return "the next reply is outside of the input";
    }
    if (!gib_session_count(session) && session->next != session->in.end) {
        return "bytes are held that answer no request";
    }
    return session->frame_size >= GIB_REPLY_HEADER ? NULL : "a reply is smaller than its header";
}

static const char *check_settled(const gib_session *session)
{
    const bool sound = !gib_session_count(session) && session->pending && !session->out.end &&
                       !session->unsent && !session->in.begin && gib_session_keeps(&session->in) &&
                       gib_session_keeps(&session->out) && !session->broken;
    return sound || !session->settled ? NULL : "the short way is open, and nothing is ready for it";
}

const char *gib_session_check(const gib_session *session)
{
    const char *fault = check_buffer(&session->out);
    fault = fault ? fault : check_buffer(&session->in);
    fault = fault ? fault : check_counts(session);
    fault = fault ? fault : check_borrowed(session);
    if (!fault && session->broken) {
        fault = session->out.end || session->unsent || session->sent_of_frame
                    ? "a broken connection has something to send"
                    : NULL;
    } else if (!fault) {
        fault = check_output(session);
    }
    fault = fault ? fault : check_input(session);
    return fault ? fault : check_settled(session);
}
