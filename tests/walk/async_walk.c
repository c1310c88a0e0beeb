/* The loop of the walk, and what its peer does. */
#include "async_walk.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "async/async.h"

/* ---- What the peer is told ---- */

/* The request that a frame is: by its key, or the oldest END. */
static async_request *request_of(async_walk *self, const gib_request_frame *frame)
{
    if (frame->opcode == GIBSON_OP_END) {
        for (size_t i = self->requests.first_open; i < self->requests.count; i++) {
            async_request *each = self->requests.all[i];
            const bool is_due = async_request_is_open(each) ||
                                (each->begun && each->connection == self->peer->connection);
            if (each->opcode == GIBSON_OP_END && is_due && !each->whole) {
                return each;
            }
        }
        return NULL;
    }
    static const gib_limits limits = {.max_reply_size = 1 << 20,
                                      .max_request_size = 1 << 20,
                                      .max_key_size = 1023,
                                      .max_value_size = 1 << 20,
                                      .max_seconds = 1 << 20};
    gibson_request request;
    const gibson_command *command = gibson_command_by_opcode(frame->opcode);
    return command && gib_request_decode(command, frame->payload, &limits, GIB_EXCESS_REFUSED,
                                         &request) == GIB_CODE_OK
               ? async_request_find(&self->requests, request.key)
               : NULL;
}

/* Requests are sent once, in their order, and only those that were accepted. */
static void sent(void *context, const gib_request_frame *frame, bool whole)
{
    async_walk *self = context;
    async_peer *peer = self->peer;
    async_request *request = request_of(self, frame);
    if (!request) {
        async_walk_fail(self, "something is sent that was never submitted");
        return;
    }
    const bool again =
        request->begun && (request->whole || request->connection != peer->connection);
    if (!request->accepted || again ||
        (!request->begun && (request->cancelled || request->called))) {
        async_walk_fail(self, "request %u is sent%s, though it was %s", request->number,
                        again ? " again" : "",
                        !request->accepted   ? "refused"
                        : request->cancelled ? "cancelled"
                        : request->called    ? "called back"
                                             : "sent before");
    }
    if (!request->begun && request->id <= self->last_sent) {
        async_walk_fail(self, "request %u is sent behind one that was accepted later",
                        request->number);
    }
    self->last_sent = request->id;
    request->begun = true;
    request->whole = whole;
    request->connection = peer->connection;
    if (whole && !peer->silent) {
        const size_t before = gib_buffer_size(&peer->owed);
        async_request_answer(request, &peer->owed);
        request->reply_end = peer->owed_end + gib_buffer_size(&peer->owed) - before;
    }
}

static void closes(void *context, int descriptor)
{
    async_walk *self = context;
    if (self->attached && descriptor == self->watched.descriptor) {
        async_walk_fail(self, "descriptor %d is closed while the loop watches it", descriptor);
    }
}

/* ---- What the peer does ---- */

static bool owes(const async_peer *peer)
{
    return gib_buffer_size(&peer->owed) > 0;
}

/* Nothing is under way, so that what comes is known to answer nothing, after a pause. While
   something is, no client could tell. */
static void send_stray(async_walk *self)
{
    static const char reply[] = "\6\0\0\5\0\0\0stray";
    async_peer *peer = self->peer;
    if (owes(peer) || gib_session_is_in_flight(&self->async->connection.session)) {
        return;
    }
    async_walk_note(self, "peer: stray");
    async_peer_garbage(peer, reply, sizeof reply - 1);
    async_peer_now_ns += 2000000;
}

static void leave_out(async_peer *peer)
{
    const size_t size = gib_buffer_size(&peer->owed);
    if (size && peer->delivered == peer->owed_end - size) {
        const uint8_t *header = peer->owed.data + peer->owed.begin;
        const size_t frame = 7 + (size_t)(header[3] | header[4] << 8 | header[5] << 16);
        if (frame < size) { /* else it would be silence */
            peer->owed.begin += frame;
            peer->lies = true;
        }
    }
}

static void deliver(async_walk *self)
{
    async_peer *peer = self->peer;
    const size_t all = gib_buffer_size(&peer->owed);
    const size_t size = walk_percent(&self->choices, 60)
                            ? all
                            : walk_below(&self->choices, all < 60000 ? (unsigned)all + 1 : 60000);
    if (size && !peer->silent) {
        async_walk_note(self, "peer: %zu of %zu bytes", size, all);
        async_peer_deliver(peer, size);
    }
}

static void peer_acts(async_walk *self)
{
    async_peer *peer = self->peer;
    const unsigned what = walk_below(&self->choices, 1000);
    if (what < 880) {
        deliver(self);
    } else if (what < 905) {
        async_walk_note(self, "peer: cut");
        async_peer_cut(peer);
    } else if (what < 915) {
        async_walk_note(self, "peer: silence, and %zu bytes are kept",
                        gib_buffer_size(&peer->owed));
        peer->silent = true;
    } else if (what < 925 && !owes(peer)) {
        async_walk_note(self, "peer: garbage");
        async_peer_garbage(peer, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
        async_peer_now_ns += 2000000;
    } else if (what < 935) {
        send_stray(self);
    } else if (what < 940) {
        async_walk_note(self, "peer: leaves a reply out");
        leave_out(peer);
    } else if (what < 950) {
        async_walk_note(self, "peer: down");
        async_peer_go_down(peer);
        if (walk_percent(&self->choices, 50)) {
            async_peer_cut(peer);
        }
    } else if (what < 980) {
        async_peer_come_up(peer);
    } else {
        peer->short_of = walk_below(&self->choices, 60);
    }
}

/* ---- The loop ---- */

static void run(async_walk *self, unsigned events)
{
    async_walk_begin(self);
    async_walk_note(self, "run %u", events);
    if (gibson_async_run(self->async, events) != GIBSON_OK) {
        async_walk_fail(self, "run failed");
    }
    if (!self->dying) {
        async_walk_check_times(self);
    }
    async_walk_end(self);
}

/* Runs the handle if what it waits for has come. False if not. */
static bool turn(async_walk *self)
{
    struct pollfd wait = {.fd = self->watched.descriptor};
    wait.events = (short)((self->watched.events & GIBSON_ASYNC_READ ? POLLIN : 0) |
                          (self->watched.events & GIBSON_ASYNC_WRITE ? POLLOUT : 0));
    (void)poll(&wait, 1, 0);
    const unsigned events = (wait.revents & ~POLLOUT ? GIBSON_ASYNC_READ : 0) |
                            (wait.revents & POLLOUT ? GIBSON_ASYNC_WRITE : 0);
    if (!events && self->watched.wake_ns > async_peer_now_ns) {
        return false;
    }
    run(self, events);
    return true;
}

/* Lets time pass up to what the handle waits for, or a little. */
static void pass_time(async_walk *self)
{
    const int64_t left_ns = self->watched.wake_ns - async_peer_now_ns;
    if (left_ns > 0 && left_ns < INT64_C(2000000000) && walk_percent(&self->choices, 50)) {
        async_peer_now_ns += left_ns;
    } else {
        async_peer_now_ns += 1000 * (int64_t)walk_below(&self->choices, 5000);
    }
    (void)turn(self); /* nobody keeps the loop from it */
}

static void step(async_walk *self)
{
    const unsigned what = walk_below(&self->choices, 100);
    self->steps++;
    async_peer_accept(self->peer);
    if (what < 40) {
        async_walk_act(self);
    } else if (what < 70) {
        (void)turn(self);
    } else if (what < 90) {
        peer_acts(self);
    } else if (what < 98) {
        pass_time(self);
    } else {
        run(self, walk_below(&self->choices, 4)); /* at any time */
    }
    if (self->dying && !self->failed) {
        async_walk_make(self);
    }
}

/* ---- The end ---- */

static bool is_waiting(const async_walk *self)
{
    return (self->outstanding || self->room_owed) && !self->dying && !self->failed;
}

/* With a peer that behaves, every request comes to its end, and room is offered to those who asked.
 */
static void settle(async_walk *self)
{
    async_peer *peer = self->peer;
    async_peer_come_up(peer);
    if (peer->silent || peer->lies) {
        async_peer_cut(peer);
    }
    peer->short_of = 0;
    for (int turns = 0; is_waiting(self); turns++) {
        if (turns == 20000) {
            async_walk_fail(self, "%zu requests never end, or there is never room",
                            self->outstanding);
        }
        async_peer_deliver(peer, SIZE_MAX);
        if (!turn(self)) {
            if (self->watched.wake_ns == GIBSON_ASYNC_NEVER) {
                async_walk_fail(self, "%zu requests, or room, wait for nothing", self->outstanding);
            }
            async_peer_now_ns = self->watched.wake_ns;
        }
        if (peer->silent || peer->lies) { /* by what a callback has done, no: by a new connection */
            async_peer_cut(peer);
        }
    }
}

void async_walk_run(async_walk *self, uint64_t steps)
{
    async_peer peer;
    async_peer_start(&peer);
    self->peer = &peer;
    peer.choices = &self->choices;
    peer.context = self;
    peer.sent = sent;
    peer.closes = closes;
    async_walk_make(self);
    while (!self->failed && self->steps < steps && !walk_choices_end(&self->choices)) {
        step(self);
    }
    if (!self->failed) {
        settle(self);
    }
    if (!self->failed && !self->dying) {
        async_walk_free(self);
    }
    async_walk_give_back(self);
    async_requests_clear(&self->requests);
    async_peer_stop(&peer);
}
