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

void walk_adopt_connection(walk *self)
{
    const ino_t socket = walk_link_socket(self);
    if (self->dead && self->options.reconnect && socket && socket != self->socket) {
        walk_link_end(self);
        walk_link_begin(self);
    }
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
    walk_link_push(self, &request->call);
    self->certain = self->pushed;
    self->answered++;
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

/* The connection was lost before the call. */
static bool replace_connection(walk *self, const gibson_reply *reply)
{
    walk_link_end(self);
    if (!self->options.reconnect) {
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
    if (!self->connected) {
        if (!self->options.reconnect) {
            fail(self, reply, GIBSON_CLOSED);
            return;
        }
        walk_link_begin(self);
    }
    if (!walk_request_is_valid(&request->call, &self->limits)) {
        walk_adopt_connection(self);
        fail(self, reply, GIBSON_INVALID);
        return;
    }
    if (!self->dead || replace_connection(self, reply)) {
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
