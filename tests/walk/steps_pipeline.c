/* Many requests at once. */
#include <string.h>

#include <gibson/pipeline.h>

#include "judge.h"
#include "link.h"
#include "note.h"
#include "steps.h"
#include "support/replies.h"

static walk_pending *head_of(walk *self)
{
    return &self->pending[self->first];
}

static const walk_pending *pending_at(const walk *self, size_t index)
{
    return &self->pending[(self->first + index) % WALK_MOST_PENDING];
}

void walk_drop_pending(walk *self)
{
    self->first = self->count = self->unsent = 0;
}

/* Sums of what is pending. */
static size_t pending_bytes(const walk *self, bool replies)
{
    size_t sum = 0;
    for (size_t i = 0; i < self->count; i++) {
        sum += pending_at(self, i)->frame_size + (replies ? pending_at(self, i)->reply_size : 0);
    }
    return sum;
}

static gibson_status expect_queue(const walk *self, bool valid)
{
    if (self->count) {
        if (!self->connected) {
            return GIBSON_CLOSED;
        }
        if (self->count >= self->limits.window ||
            pending_bytes(self, false) >= self->limits.pipeline_bytes) {
            return GIBSON_WOULD_BLOCK;
        }
    } else if (!self->connected && !self->options.reconnect) {
        return GIBSON_CLOSED;
    }
    return valid ? GIBSON_OK : GIBSON_INVALID;
}

/* What the request will do; nothing where no connection can carry it. */
static void foresee(walk *self, const walk_request *request, walk_pending *to)
{
    *to = (walk_pending){.request = request->means, .lost = self->dead || self->ending};
    memcpy(to->after, self->items, sizeof to->after);
    if (!to->lost) {
        walk_request_apply(&to->request, to->after, &to->expected);
        to->reply_size = walk_request_reply_size(&to->request, to->after, &to->expected);
    }
    gib_buffer frame = bytes_new();
    walk_request_frame(&request->call, &frame);
    to->frame_size = gib_buffer_size(&frame);
    gib_buffer_clear(&frame);
}

static void append(walk *self, const walk_request *request, const walk_pending *foreseen)
{
    walk_pending *to = &self->pending[(self->first + self->count) % WALK_MOST_PENDING];
    *to = *foreseen;
    walk_link_push(self, &request->call);
    to->end = self->dead ? SIZE_MAX : self->pushed;
    self->count++;
    self->unsent++;
    if (!to->lost) {
        memcpy(self->items, to->after, sizeof self->items);
        self->ending = request->call.opcode == GIBSON_OP_END;
    }
}

static void queue(walk *self, const walk_request *request, walk_pending *foreseen, bool valid)
{
    walk_note(self, "gibson_client_queue ");
    walk_note_request(self, request);
    const gibson_status expected = expect_queue(self, valid);
    const gibson_status status = gibson_client_queue(self->client, &request->call);
    if (!self->count && !self->connected && self->options.reconnect) {
        walk_link_begin(self);
    } else {
        walk_adopt_connection(self);
    }
    walk_expect(self, status, expected);
    if (status == GIBSON_OK && !self->failed) {
        foreseen->lost = self->dead || self->ending;
        append(self, request, foreseen);
    }
}

void walk_step_queue(walk *self)
{
    walk_request request;
    walk_pending foreseen = {0};
    walk_request_choose(&self->choices, &self->limits, &self->writes, &request);
    const bool valid = walk_request_is_valid(&request.call, &self->limits);
    if (valid) {
        foresee(self, &request, &foreseen);
    }
    const size_t bytes = pending_bytes(self, true) + foreseen.frame_size + foreseen.reply_size;
    if (self->count == WALK_MOST_PENDING || bytes > WALK_MOST_PENDING_BYTES) {
        walk_single(self, &request);
    } else {
        queue(self, &request, &foreseen, valid);
    }
    walk_request_clear(&request);
}

static void pop(walk *self)
{
    self->first = (self->first + 1) % WALK_MOST_PENDING;
    self->count--;
    self->unsent = self->unsent < self->count ? self->unsent : self->count;
}

/* Whether to send may fail, as the peer has ended the connection or may do so. */
static bool sending_may_fail(const walk *self)
{
    return (self->dead || self->ending) && self->unsent;
}

static bool is_too_large(const walk *self, const walk_pending *one)
{
    return !one->lost && one->reply_size > self->limits.max_reply_size;
}

static gibson_status expect_next(walk *self, gibson_status got)
{
    const walk_pending *head = head_of(self);
    if (!self->connected || head->lost || (got == GIBSON_CLOSED && sending_may_fail(self))) {
        return GIBSON_CLOSED;
    }
    return is_too_large(self, head) ? GIBSON_PROTOCOL : head->expected.status;
}

/* The reply to the first that is pending was read. */
static void answer(walk *self, const gibson_reply *reply)
{
    const walk_pending head = *head_of(self);
    walk_judge_answer(self, &head.request, &head.expected, head.after, reply, WALK_TOLD_ALL);
    if (!self->dead && head.end > self->certain) {
        self->certain = head.end;
    }
    pop(self);
    self->answered++;
    memcpy(self->settled, head.after, sizeof self->settled);
    self->left = WALK_LEFT_REPLY;
    walk_kept_set(&self->last, reply);
    if (head.request.opcode == GIBSON_OP_END) {
        walk_link_end(self);
    }
}

void walk_step_next(walk *self)
{
    gibson_reply reply;
    memset(&reply, 0x5a, sizeof reply);
    walk_release_last(self, WALK_LEFT_NONE);
    walk_note(self, "gibson_client_next");
    const gibson_status got = gibson_client_next(self->client, &reply);
    const gibson_status expected = self->count ? expect_next(self, got) : GIBSON_END;
    walk_expect(self, got, expected);
    if (reply.status != got || (self->count && reply.opcode != head_of(self)->request.opcode)) {
        walk_violate(self, "the reply says %s, opcode %u", gibson_status_name(reply.status),
                     (unsigned)reply.opcode);
    }
    if (self->failed) {
        return;
    }
    if (expected <= GIBSON_SERVER_ERROR) {
        answer(self, &reply);
        return;
    }
    walk_judge_nothing(self, &reply);
    if (expected != GIBSON_END) {
        walk_link_end(self);
        pop(self);
    }
}

/* What is sent may have to be refused, or may be more than there is a connection for. */
static gibson_status expect_flush(const walk *self, gibson_status got)
{
    bool too_large = false;
    bool lost = !self->connected;
    for (size_t i = 0; i < self->count; i++) {
        too_large |= is_too_large(self, pending_at(self, i));
        lost |= self->dead && pending_at(self, i)->lost;
    }
    if (!self->count) {
        return GIBSON_OK;
    }
    if (got == GIBSON_PROTOCOL && too_large && self->connected) {
        return GIBSON_PROTOCOL;
    }
    return lost || (got == GIBSON_CLOSED && sending_may_fail(self)) ? GIBSON_CLOSED : GIBSON_OK;
}

void walk_step_flush(walk *self)
{
    walk_release_last(self, WALK_LEFT_MAYBE);
    walk_note(self, "gibson_client_flush");
    const gibson_status got = gibson_client_flush(self->client);
    const gibson_status expected = expect_flush(self, got);
    walk_expect(self, got, expected);
    if (expected == GIBSON_OK && self->connected && !self->dead) {
        walk_link_sent(self);
    } else if (expected != GIBSON_OK) {
        walk_link_end(self);
    } else {
        self->unsent = 0;
    }
}
