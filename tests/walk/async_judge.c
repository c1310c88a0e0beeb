/* What must become of each request, and of the handle. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "async_walk.h"

enum {
    LOOK_EVERY_NS = 1000000, /* so late may a deadline be noticed */
    MOST_ASKED = 3,
};

void async_walk_note(async_walk *self, const char *format, ...)
{
    char *to = self->history[self->notes++ % ASYNC_WALK_HISTORY];
    const int at = snprintf(to, ASYNC_WALK_NOTE_SIZE, "%" PRIu64 " %*s%.3f ms: ", self->steps,
                            (int)self->depth * 2, "",
                            (double)(async_peer_now_ns % INT64_C(10000000000)) / 1e6);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(to + at, (size_t)(ASYNC_WALK_NOTE_SIZE - at), format, arguments);
    va_end(arguments);
}

void async_walk_fail(async_walk *self, const char *format, ...)
{
    if (self->failed) {
        return;
    }
    self->failed = true;
    const uint64_t from = self->notes > ASYNC_WALK_HISTORY ? self->notes - ASYNC_WALK_HISTORY : 0;
    for (uint64_t i = from; i < self->notes; i++) {
        fprintf(stderr, "  %s\n", self->history[i % ASYNC_WALK_HISTORY]);
    }
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "VIOLATION: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}

/* ---- Replies ---- */

static bool is_answer(gibson_status status)
{
    return status <= GIBSON_TRUNCATED;
}

/* An answer is the one to this request, which the server has sent. */
static bool is_right_answer(const async_walk *self, const async_request *request,
                            const gibson_reply *reply)
{
    const async_peer *peer = self->peer;
    if (!request->whole || request->connection != peer->connection || peer->client < 0) {
        return false;
    }
    return peer->lies || (request->reply_end && request->reply_end <= peer->delivered &&
                          async_request_matches(request, reply));
}

/* Tells whether a request may end so. */
static bool may_end(const async_walk *self, const async_request *request, const gibson_reply *reply)
{
    if (is_answer(reply->status)) {
        return is_right_answer(self, request, reply);
    }
    if (self->loss != GIBSON_OK && reply->status == self->loss) {
        return true;
    }
    switch (reply->status) {
    case GIBSON_TIMEOUT:
        return async_peer_now_ns >= request->deadline_ns || (self->held && !request->begun);
    case GIBSON_CLOSED:
        return self->closed;
    case GIBSON_INVALID:
        return request->is_long && !request->begun;
    default:
        return false;
    }
}

static void take_over(async_walk *self, const async_request *request, const gibson_reply *reply)
{
    async_walk_owned *place = &self->owned[walk_below(&self->choices, ASYNC_WALK_OWNED)];
    gibson_owned_reply *owned;
    const gibson_status status = gibson_async_take_reply(self->async, &owned);
    if (status != (is_answer(reply->status) ? GIBSON_OK : GIBSON_USAGE)) {
        async_walk_fail(self, "take_reply of request %u, which is %s, returned %s", request->number,
                        gibson_status_name(reply->status), gibson_status_name(status));
    }
    if (status == GIBSON_OK) {
        gibson_owned_reply_free(place->owned);
        /* A lie stays one, but which is not known later. */
        *place = (async_walk_owned){owned, *reply,
                                    async_request_matches(request, reply) ? request : NULL};
    }
}

void async_walk_give_back(async_walk *self)
{
    for (size_t i = 0; i < ASYNC_WALK_OWNED; i++) {
        async_walk_owned *each = &self->owned[i];
        if (each->owned && each->request && !async_request_matches(each->request, &each->reply)) {
            async_walk_fail(self, "the reply of request %u, which was taken over, has changed",
                            each->request->number);
        }
        gibson_owned_reply_free(each->owned);
        *each = (async_walk_owned){0};
    }
}

static void accept(async_walk *self, async_request *request)
{
    request->accepted = true;
    self->outstanding++;
    self->held |= request->is_long;
    self->connecting |= !self->connected;
}

void async_walk_called(gibson_async *async, const gibson_reply *reply, void *context)
{
    async_request *request = context;
    async_walk *self = request->walk;
    async_walk_note(self, "called back: %u, %s", request->number,
                    gibson_status_name(reply->status));
    if (request->submitting && !request->accepted) {
        accept(self, request);
    }
    if (async != self->async || !async_request_is_open(request)) {
        async_walk_fail(self, "request %u is called back, though it %s", request->number,
                        request->called      ? "was already"
                        : request->cancelled ? "was cancelled"
                                             : "was refused");
        return;
    }
    request->called = true;
    self->outstanding--;
    self->by_status[reply->status]++;
    if (request->opcode == GIBSON_OP_END && reply->status == GIBSON_OK) {
        self->closed = true;
    }
    if (!may_end(self, request, reply)) {
        async_walk_fail(self, "request %u ends with %s", request->number,
                        gibson_status_name(reply->status));
    }
    if (gibson_async_error(async)->status != reply->status) {
        async_walk_fail(self, "the error of request %u is not its status", request->number);
    }
    if (walk_percent(&self->choices, 10)) {
        take_over(self, request, reply);
    }
    while (!walk_choices_end(&self->choices) && walk_percent(&self->choices, 25)) {
        async_walk_act(self);
    }
}

/* ---- Calls ---- */

/* Tells whether the window may be full. Replies of requests that were given up count until they
   have come; of those that were never sent, as many as the window may be kept behind others. */
static bool may_be_full(const async_walk *self)
{
    /* It may have asked for the limit of times, which counts, too, and again after a timeout. */
    size_t count = (self->held ? MOST_ASKED : 0) + self->submitting;
    size_t size = count * 64;
    size_t over = 0;
    for (size_t i = self->first_of_handle; i < self->requests.first_open; i++) {
        over += self->requests.all[i]->accepted && !self->requests.all[i]->begun;
    }
    for (size_t i = self->requests.first_open; i < self->requests.count; i++) {
        const async_request *each = self->requests.all[i];
        const bool is_due = each->accepted && each->begun && self->peer->client >= 0 &&
                            each->connection == self->peer->connection;
        if (async_request_is_open(each) || is_due) {
            count++;
            size += each->most_size;
        } else {
            over++;
        }
    }
    return count >= self->options.pipeline_window || over >= self->options.pipeline_window ||
           size >= self->options.pipeline_bytes;
}

static bool may_be_refused(const async_walk *self, const async_request *request,
                           gibson_status status)
{
    switch (status) {
    case GIBSON_INVALID:
        return !request->is_valid || request->is_long;
    case GIBSON_WOULD_BLOCK:
        return may_be_full(self);
    case GIBSON_CLOSED:
        return self->draining || self->dying || self->loss != GIBSON_OK ||
               (request->was_apart &&
                (!self->options.reconnect || request->opcode == GIBSON_OP_END));
    case GIBSON_UNREACHABLE:
        return self->options.reconnect && !self->connected;
    case GIBSON_USAGE:
        return !request->is_valid;
    default:
        return status == self->loss;
    }
}

void async_walk_submitted(async_walk *self, async_request *request, gibson_status status)
{
    if (status == GIBSON_OK) {
        if (!request->is_valid) {
            async_walk_fail(self, "request %u was accepted", request->number);
        }
        if (!request->accepted) {
            accept(self, request);
        }
        return;
    }
    self->room_owed |= status == GIBSON_WOULD_BLOCK;
    if (!may_be_refused(self, request, status)) {
        async_walk_fail(self, "request %u was refused with %s", request->number,
                        gibson_status_name(status));
    }
}

void async_walk_cancelled(async_walk *self, const async_request *request, bool expected, bool done)
{
    if (done != expected) {
        async_walk_fail(self, "cancelling request %u has returned %d", request->number, done);
    }
}

void async_walk_begin(async_walk *self)
{
    if (!self->depth++) {
        self->loss = GIBSON_OK;
        self->closed = false;
    }
}

/* A request that was under way on a connection which is gone was called back. */
static void check_lost(async_walk *self)
{
    async_requests *all = &self->requests;
    const async_peer *peer = self->peer;
    for (size_t i = all->first_open; i < all->count; i++) {
        const async_request *each = all->all[i];
        if (async_request_is_open(each) && each->begun &&
            (each->connection != peer->connection || peer->client < 0)) {
            async_walk_fail(self, "request %u was lost and not called back", each->number);
        }
        if (async_request_is_open(each) && self->dying) {
            async_walk_fail(self, "request %u outlives the handle", each->number);
        }
    }
    while (all->first_open < all->count && !async_request_is_open(all->all[all->first_open]) &&
           (!all->all[all->first_open]->begun ||
            all->all[all->first_open]->connection != peer->connection || peer->client < 0)) {
        all->first_open++;
    }
}

void async_walk_end(async_walk *self)
{
    if (!self->dying && !self->submitting &&
        gibson_async_outstanding(self->async) != self->outstanding) {
        async_walk_fail(self, "%zu requests are outstanding, and should be %zu",
                        gibson_async_outstanding(self->async), self->outstanding);
    }
    if (--self->depth) {
        return;
    }
    check_lost(self);
    if (self->dying) {
        if (self->attached) {
            async_walk_fail(self, "the loop was not told that the handle is freed");
        }
        return;
    }
    const gibson_async_waits waits = gibson_async_wants(self->async);
    if (waits.descriptor != self->watched.descriptor || waits.events != self->watched.events ||
        waits.wake_ns != self->watched.wake_ns) {
        async_walk_fail(self, "the loop was not told what the handle waits for");
    }
    if (self->outstanding > self->options.pipeline_window) {
        async_walk_fail(self, "the window has more requests than it may");
    }
    if (self->draining && !self->outstanding) {
        async_walk_fail(self, "the handle is still draining");
    }
}

void async_walk_check_times(async_walk *self)
{
    for (size_t i = self->requests.first_open; i < self->requests.count && !self->dying; i++) {
        const async_request *each = self->requests.all[i];
        if (async_request_is_open(each) && each->deadline_ns < INT64_MAX &&
            each->deadline_ns + LOOK_EVERY_NS <= async_peer_now_ns) {
            async_walk_fail(self, "request %u is overdue by %.3f ms", each->number,
                            (double)(async_peer_now_ns - each->deadline_ns) / 1e6);
        }
    }
}
