/* Single calls. */
#include <string.h>

#include "judge.h"
#include "link.h"
#include "note.h"
#include "steps.h"
#include "typed.h"

void walk_release_last(walk *self, walk_left left)
{
    walk_kept_clear(&self->last);
    self->left = self->left < left ? self->left : left;
}

/* Runs the request. Returns which parts of the reply are told. */
static int call(walk *self, walk_request *request, gibson_reply *reply)
{
    const bool typed = walk_percent(&self->choices, 60);
    const bool out = walk_percent(&self->choices, 80);
    int told = WALK_TOLD_ALL;
    if (typed && request->call.opcode == GIBSON_OP_META) { /* its function takes no other numbers */
        request->call.number = request->means.number =
            (int64_t)(gibson_meta_field)request->call.number;
    }
    walk_note(self, "%s%s ", typed ? "typed function of" : "gibson_client_call",
              typed && !out ? " (without out)" : "");
    walk_note_request(self, request);
    if (!typed || !walk_typed(self->client, &request->call, out, reply, &told)) {
        memset(reply, 0x5a, sizeof *reply);
        const gibson_status status = gibson_client_call(self->client, &request->call, reply);
        if (status != reply->status) {
            walk_violate(self, "the call returned %s, its reply says %s",
                         gibson_status_name(status), gibson_status_name(reply->status));
        }
    }
    return told;
}

static void fail(walk *self, const gibson_reply *reply, gibson_status expected)
{
    walk_expect(self, reply->status, expected);
    walk_judge_nothing(self, reply);
}

/* The request was sent: its reply must be right. */
static void answer(walk *self, const walk_request *request, const gibson_reply *reply, int told)
{
    space_answer expected;
    walk_link_single(self, &request->call);
    walk_request_apply(&request->means, self->items, &expected);
    memcpy(self->settled, self->items, sizeof self->settled);
    if (walk_request_reply_size(&request->means, self->items, &expected) >
        self->limits.max_reply_size) {
        fail(self, reply, GIBSON_PROTOCOL);
        walk_link_end(self);
        return;
    }
    walk_expect(self, reply->status, expected.status);
    walk_judge_answer(self, &request->means, &expected, self->items, reply, told);
    self->left = WALK_LEFT_REPLY;
    walk_kept_set(&self->last, reply);
    if (request->call.opcode == GIBSON_OP_END) {
        walk_link_end(self);
    }
}

/* The connection was lost before the call, unless there was none. Returns whether there is another
   one now to go on with. */
static bool replace_connection(walk *self, const walk_request *request, const gibson_reply *reply)
{
    const walk_stale stale = self->stale;
    const bool replaced = self->options.reconnect && request->call.opcode != GIBSON_OP_END;
    /* What is refused anyway may be so before anybody looks at the connection. */
    if (self->connected && stale == WALK_CUT && walk_link_socket(self) == self->socket &&
        walk_link_verdict(self, &request->call) == WALK_INVALID) {
        fail(self, reply, GIBSON_INVALID);
        return false;
    }
    walk_link_end(self);
    if (!replaced) {
        fail(self, reply, stale == WALK_STRAY ? GIBSON_PROTOCOL : GIBSON_CLOSED);
        return false;
    }
    walk_link_begin(self);
    return true;
}

/* The connection ends in place of an answer. Returns whether the request is sent once more. */
static bool repeat(walk *self, const walk_request *request, const gibson_reply *reply)
{
    const gibson_request stats = gibson_request_bare(GIBSON_OP_STATS);
    const gibson_command *command = gibson_command_by_opcode((uint32_t)request->call.opcode);
    /* What is lost may have been no more than the question before it. */
    const bool asking = walk_link_verdict(self, &request->call) == WALK_ASK;
    walk_link_lose(self, asking ? &stats : &request->call);
    if (!self->options.reconnect || !(asking || (self->options.retry_repeatable &&
                                                 command->effect <= GIBSON_EFFECT_REPEATABLE))) {
        fail(self, reply, GIBSON_CLOSED);
        return false;
    }
    walk_link_begin(self);
    return true;
}

static void judge(walk *self, const walk_request *request, const gibson_reply *reply, int told)
{
    if (reply->opcode != request->call.opcode) {
        walk_violate(self, "the reply is to opcode %u", (unsigned)reply->opcode);
    }
    if (self->count) {
        fail(self, reply, GIBSON_USAGE);
        return;
    }
    if ((!self->connected || self->stale) && !replace_connection(self, request, reply)) {
        return;
    }
    if (self->doomed && walk_link_verdict(self, &request->call) != WALK_INVALID &&
        !repeat(self, request, reply)) {
        return;
    }
    if (walk_link_verdict(self, &request->call) == WALK_ASK) {
        walk_link_ask(self);
    }
    if (walk_link_verdict(self, &request->call) != WALK_VALID) {
        fail(self, reply, GIBSON_INVALID);
    } else {
        answer(self, request, reply, told);
    }
}

void walk_single(walk *self, walk_request *request)
{
    gibson_reply reply;
    walk_release_last(self, WALK_LEFT_NONE);
    const int told = call(self, request, &reply);
    judge(self, request, &reply, told);
}

void walk_step_single(walk *self)
{
    walk_request request;
    walk_request_choose(&self->choices, &self->limits, &self->writes, &request);
    walk_single(self, &request);
    walk_request_clear(&request);
}
