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
    self->first = self->count = self->unsent = self->sure_unsent = 0;
    gib_buffer_empty(&self->frames);
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

/* What the request will do; nothing where no connection can carry it. Its frame is added to those
   of what is pending. */
static void append(walk *self, const walk_request *request)
{
    walk_pending *to = &self->pending[(self->first + self->count) % WALK_MOST_PENDING];
    const size_t before = gib_buffer_size(&self->frames);
    *to = (walk_pending){.request = request->means,
                         .lost = self->stale || self->ending || self->doomed};
    walk_request_frame(&request->call, &self->frames);
    to->frame_size = gib_buffer_size(&self->frames) - before;
    memcpy(to->after, self->items, sizeof to->after);
    if (!to->lost) {
        walk_request_apply(&to->request, to->after, &to->expected);
        to->reply_size = walk_request_reply_size(&to->request, to->after, &to->expected);
        memcpy(self->items, to->after, sizeof self->items);
    }
    if (!self->stale) {
        walk_link_push(self, bytes_of(&self->frames) + before, to->frame_size);
        self->ending |= request->call.opcode == GIBSON_OP_END;
    }
    to->end = self->stale ? SIZE_MAX : self->pushed;
    self->count++;
    self->unsent++;
    self->sure_unsent++;
}

/* Where requests are under way the connection is not looked at. */
static gibson_status expect_queue_more(const walk *self, walk_verdict verdict)
{
    if (!self->connected) {
        return GIBSON_CLOSED;
    }
    if (self->count >= self->limits.window ||
        pending_bytes(self, false) >= self->limits.pipeline_bytes || verdict == WALK_ASK) {
        return GIBSON_WOULD_BLOCK;
    }
    return verdict == WALK_VALID ? GIBSON_OK : GIBSON_INVALID;
}

/* Asking reads a reply. */
static void note_asking(walk *self, walk_verdict verdict)
{
    if (verdict == WALK_ASK && self->rules.asking_ends_views) {
        walk_release_last(self, WALK_LEFT_MAYBE);
    }
}

/* The first request: the connection may be found to be lost, and be replaced. */
static gibson_status expect_queue_first(walk *self, const gibson_request *request)
{
    const walk_stale stale = self->stale;
    const bool same = walk_link_socket(self) == self->socket;
    const walk_verdict verdict = walk_link_verdict(self, request);
    note_asking(self, verdict);
    if (self->connected && stale == WALK_CUT && same) {
        return verdict == WALK_VALID ? GIBSON_OK : GIBSON_INVALID;
    }
    if (!self->connected || stale) {
        walk_link_end(self);
        if (!self->options.reconnect || request->opcode == GIBSON_OP_END) {
            return stale == WALK_STRAY ? GIBSON_PROTOCOL : GIBSON_CLOSED;
        }
        walk_link_begin(self);
    }
    if (walk_link_verdict(self, request) == WALK_ASK) {
        note_asking(self, WALK_ASK);
        if (self->doomed) {
            const gibson_request stats = gibson_request_bare(GIBSON_OP_STATS);
            walk_link_lose(self, &stats);
            if (!self->options.reconnect) {
                return GIBSON_CLOSED;
            }
            walk_link_begin(self);
        }
        walk_link_ask(self);
    }
    return walk_link_verdict(self, request) == WALK_VALID ? GIBSON_OK : GIBSON_INVALID;
}

static void queue(walk *self, const walk_request *request)
{
    walk_note(self, "gibson_client_queue ");
    walk_note_request(self, request);
    const gibson_status got = gibson_client_queue(self->client, &request->call);
    walk_expect(self, got,
                self->count ? expect_queue_more(self, walk_link_verdict(self, &request->call))
                            : expect_queue_first(self, &request->call));
    if (got == GIBSON_OK && !self->failed) {
        append(self, request);
    }
}

/* Whether a request, and the reply to it, have room in the buffers of the sockets. */
static bool has_room(const walk *self, const walk_request *request)
{
    if (walk_link_verdict(self, &request->call) == WALK_INVALID) {
        return true;
    }
    space_item after[SPACE_KEYS];
    space_answer expected;
    memcpy(after, self->items, sizeof after);
    walk_request_apply(&request->means, after, &expected);
    return self->count < WALK_MOST_PENDING &&
           pending_bytes(self, true) + request->value_size +
                   walk_request_reply_size(&request->means, after, &expected) <=
               WALK_MOST_PENDING_BYTES;
}

void walk_step_queue(walk *self)
{
    walk_request request;
    walk_request_choose(&self->choices, &self->limits, &self->writes, &request);
    if (has_room(self, &request)) {
        queue(self, &request);
    } else {
        walk_single(self, &request);
    }
    walk_request_clear(&request);
}

/* Whether nothing of what is queued was sent on a connection that is lost. */
static bool was_lost_unused(const walk *self)
{
    if (!self->connected || !self->count || walk_link_has_long_time(self) ||
        self->unsent < self->count || pending_at(self, 0)->request.opcode == GIBSON_OP_END) {
        return false; /* nobody connects to say END, nor with what the old server was asked for */
    }
    return self->stale == WALK_STRAY || (self->stale == WALK_CUT && pending_at(self, 0)->lost);
}

/* Looks whether the client has found that, and has made another connection. */
static void note_replacement(walk *self, gibson_status got)
{
    const ino_t socket = walk_link_socket(self);
    if (self->options.reconnect && was_lost_unused(self) &&
        (self->stale == WALK_STRAY || got != GIBSON_CLOSED || (socket && socket != self->socket))) {
        walk_link_replace(self);
    }
}

static void pop(walk *self)
{
    gib_buffer_consume(&self->frames, head_of(self)->frame_size);
    self->first = (self->first + 1) % WALK_MOST_PENDING;
    self->count--;
    self->unsent = self->unsent < self->count ? self->unsent : self->count;
}

/* Whether to send may fail, as the peer has ended the connection or may do so. */
static bool sending_may_fail(const walk *self)
{
    return (self->stale || self->ending || self->doomed) && self->unsent;
}

static bool is_too_large(const walk *self, const walk_pending *one)
{
    return !one->lost && one->reply_size > self->limits.max_reply_size;
}

static gibson_status expect_next(walk *self, gibson_status got)
{
    const walk_pending *head = head_of(self);
    if (self->connected && self->stale == WALK_STRAY) {
        return GIBSON_PROTOCOL;
    }
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
    if (!self->stale && head.end > self->certain) {
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
    note_replacement(self, got);
    const gibson_status expected = self->count ? expect_next(self, got) : GIBSON_END;
    self->sure_unsent = 0;
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
        lost |= self->stale && pending_at(self, i)->end > self->compared; /* it is not sent */
    }
    if (!self->count) {
        return GIBSON_OK;
    }
    if (self->connected && (self->stale == WALK_STRAY || (got == GIBSON_PROTOCOL && too_large))) {
        return GIBSON_PROTOCOL;
    }
    return lost || (got == GIBSON_CLOSED && sending_may_fail(self)) ? GIBSON_CLOSED : GIBSON_OK;
}

void walk_step_flush(walk *self)
{
    walk_release_last(self, WALK_LEFT_MAYBE);
    walk_note(self, "gibson_client_flush");
    const gibson_status got = gibson_client_flush(self->client);
    note_replacement(self, got);
    const gibson_status expected = expect_flush(self, got);
    walk_expect(self, got, expected);
    if (expected != GIBSON_OK) {
        walk_link_end(self);
    } else if (self->count && !self->stale) {
        walk_link_sent(self);
    } else {
        self->unsent = self->sure_unsent = 0;
    }
}
