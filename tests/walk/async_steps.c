/* What the walk does to the handle, from outside and from within its callbacks. */
#include <stdlib.h>
#include <string.h>

#include "async/async.h"
#include "async_walk.h"

/* ---- Hooks ---- */

static void changed(gibson_async *async, void *context)
{
    async_walk *self = context;
    self->watched = gibson_async_wants(async);
    (void)gibson_async_timeout_ms(async);
}

static void detached(gibson_async *async, void *context)
{
    async_walk *self = context;
    (void)async;
    if (!self->attached) {
        async_walk_fail(self, "the handle is detached twice");
    }
    self->attached = false;
    self->watched = (gibson_async_waits){.descriptor = -1, .wake_ns = GIBSON_ASYNC_NEVER};
}

static void connection(gibson_async *async, gibson_status status, void *context)
{
    async_walk *self = context;
    async_walk_note(self, "connection: %s", gibson_status_name(status));
    if (gibson_async_error(async)->status != status) {
        async_walk_fail(self, "the error of the connection is not its status");
    }
    self->connecting = false;
    self->connected = status == GIBSON_OK;
    if (status == GIBSON_END) {
        if (!self->draining || self->outstanding) {
            async_walk_fail(self, "drained, and there are %zu requests", self->outstanding);
        }
        self->draining = false;
        self->drained = true;
        self->closed = true;
    } else if (status != GIBSON_OK) {
        self->loss = status;
    }
    if (self->connected != gibson_async_connected(async)) {
        async_walk_fail(self, "connected or not: the hook and the handle do not agree");
    }
    while (!walk_choices_end(&self->choices) && walk_percent(&self->choices, 20)) {
        async_walk_act(self);
    }
    self->drained = false;
}

static void room(gibson_async *async, void *context)
{
    async_walk *self = context;
    (void)async;
    async_walk_note(self, "room");
    if (!self->room_owed) {
        async_walk_fail(self, "room is offered, and nobody has asked");
    }
    self->room_owed = false;
    while (!walk_choices_end(&self->choices) && walk_percent(&self->choices, 40)) {
        async_walk_act(self);
    }
}

/* ---- Making and freeing ---- */

static void choose_options(async_walk *self)
{
    static const uint32_t windows[] = {1, 2, 5, 64, 1024};
    static const size_t bytes[] = {1, 100, 3000, 1 << 20};
    static const uint8_t fills[] = {0, 1, 255};
    static const int64_t timeouts_ms[] = {3, 20, 100, 1000, GIBSON_NO_DEADLINE};
    walk_choices *choices = &self->choices;
    gibson_options_init(&self->options);
    async_peer_point(self->peer, &self->options);
    self->memory.fill = WALK_ONE_OF(choices, fills);
    self->options.allocator = failing_allocator_functions(&self->memory);
    self->options.reconnect = walk_percent(choices, 60);
    self->options.reconnect_delay_ms = 1 + walk_below(choices, 20);
    self->options.reconnect_max_delay_ms = 50;
    self->options.pipeline_window = WALK_ONE_OF(choices, windows);
    self->options.pipeline_bytes = WALK_ONE_OF(choices, bytes);
    self->options.timeout_ms = WALK_ONE_OF(choices, timeouts_ms);
    self->options.connect_timeout_ms = 30;
    self->options.max_value_size = ASYNC_MOST_VALUE;
    self->options.max_seconds = walk_percent(choices, 30) ? 100000 : 0;
    self->options.retry_repeatable = walk_percent(choices, 50); /* of no use */
    self->peer->tells_limit = walk_percent(choices, 70);
}

void async_walk_make(async_walk *self)
{
    gibson_async_hooks hooks;
    gibson_async_hooks_init(&hooks);
    hooks.context = self;
    hooks.connection = connection;
    hooks.room = room;
    choose_options(self);
    self->outstanding = 0;
    self->last_sent = 0;
    self->first_of_handle = self->requests.count;
    self->connected = self->connecting = self->draining = self->dying = self->room_owed = false;
    self->held = false;
    if (gibson_async_new(&self->async, &self->options, &hooks, NULL) != GIBSON_OK ||
        gibson_async_attach(self->async, changed, detached, self) != GIBSON_OK) {
        abort();
    }
    self->attached = true;
    self->async->connection.backoff.random =
        1 + walk_below(&self->choices, 1000); /* not the clock */
    async_walk_note(self, "new: reconnect %d, window %u, bytes %zu, timeout %d ms",
                    self->options.reconnect, self->options.pipeline_window,
                    self->options.pipeline_bytes, (int)self->options.timeout_ms);
}

void async_walk_free(async_walk *self)
{
    async_walk_note(self, "free");
    async_walk_begin(self);
    self->closed = true;
    self->dying = true;
    gibson_async_free(self->async);
    async_walk_end(self);
}

/* ---- Functions of the handle ---- */

static int64_t choose_timeout(walk_choices *choices)
{
    static const int64_t timeouts_ms[] = {1, 5, 30, 300, GIBSON_NO_DEADLINE};
    return walk_percent(choices, 70) ? 0 : WALK_ONE_OF(choices, timeouts_ms);
}

static void submit(async_walk *self)
{
    gibson_request with;
    async_request *request = async_request_make(&self->requests, &self->choices, &with);
    request->walk = self;
    int64_t timeout_ms = choose_timeout(&self->choices);
    const int64_t length_ms = timeout_ms ? timeout_ms : self->options.timeout_ms;
    request->deadline_ns =
        length_ms == GIBSON_NO_DEADLINE ? INT64_MAX : async_peer_now_ns + length_ms * 1000000;
    if (walk_percent(&self->choices, 15)) {
        async_request_spoil(request, &self->choices, &with);
    } else if (walk_percent(&self->choices, 2)) {
        request->is_valid = false;
        timeout_ms = -7;
    }
    async_walk_begin(self);
    const bool closed = self->dying || self->draining;
    request->was_apart = !self->connected && !self->connecting;
    request->submitting = true;
    self->submitting++;
    const gibson_status status = gibson_async_submit(self->async, &with, timeout_ms,
                                                     async_walk_called, request, &request->id);
    async_walk_note(self, "submit %u (%d%s%s), %d ms: %s", request->number, request->opcode,
                    request->is_valid ? "" : ", spoilt", request->is_long ? ", long" : "",
                    (int)timeout_ms, gibson_status_name(status));
    if ((status == GIBSON_OK) != (request->id != 0)) {
        async_walk_fail(self, "the number of request %u is wrong", request->number);
    }
    request->submitting = false;
    self->submitting--;
    async_walk_submitted(self, request, status);
    if (closed && status == GIBSON_OK) {
        async_walk_fail(self, "request %u was accepted by a handle that is closing",
                        request->number);
    }
    async_walk_end(self);
}

static void cancel(async_walk *self)
{
    const size_t count = self->requests.count - self->first_of_handle;
    if (!count) {
        return;
    }
    const size_t back = walk_below(&self->choices, count < 12 ? (unsigned)count : 12);
    async_request *request = self->requests.all[self->requests.count - 1 - back];
    if (!request->id || request->submitting) { /* in the hook `room` of its own submission */
        return;
    }
    async_walk_begin(self);
    async_walk_note(self, "cancel %u", request->number);
    const bool expected = async_request_is_open(request);
    if (expected) { /* hooks are called before it returns */
        request->cancelled = true;
        self->outstanding--;
    }
    async_walk_cancelled(self, request, expected, gibson_async_cancel(self->async, request->id));
    async_walk_end(self);
}

static void close_it(async_walk *self)
{
    async_walk_begin(self);
    async_walk_note(self, "close");
    self->closed = true;
    self->connected = self->connecting = false;
    gibson_async_close(self->async);
    async_walk_end(self);
}

static void drain(async_walk *self)
{
    async_walk_begin(self);
    async_walk_note(self, "drain");
    self->draining |= !self->dying && !self->drained;
    gibson_async_drain(self->async);
    async_walk_end(self);
}

static void connect_it(async_walk *self)
{
    async_walk_begin(self);
    const gibson_status expected = self->dying || self->draining ? GIBSON_CLOSED : GIBSON_OK;
    const gibson_status status = gibson_async_connect(self->async);
    async_walk_note(self, "connect: %s", gibson_status_name(status));
    if (status != expected) {
        async_walk_fail(self, "connect returned %s", gibson_status_name(status));
    }
    self->connecting |= status == GIBSON_OK && !self->connected && !self->dying;
    async_walk_end(self);
}

static void run_again(async_walk *self)
{
    if (self->depth && gibson_async_run(self->async, GIBSON_ASYNC_READ) != GIBSON_USAGE) {
        async_walk_fail(self, "the handle was run from within a callback");
    }
}

/* Many, of which some are cancelled, before anything is sent. */
static void submit_many(async_walk *self)
{
    enum { MOST = 60 };
    for (unsigned left = 1 + walk_below(&self->choices, MOST);
         left && !self->failed && !self->dying; left--) {
        if (walk_percent(&self->choices, 70)) {
            submit(self);
        } else {
            cancel(self);
        }
    }
}

void async_walk_act(async_walk *self)
{
    const unsigned what = walk_below(&self->choices, 1000);
    if (self->failed) {
        return;
    }
    if (what < 740) {
        submit(self);
    } else if (what < 760 && !self->depth) {
        submit_many(self);
    } else if (what < 900) {
        cancel(self);
    } else if (what < 915) {
        close_it(self);
    } else if (what < 925) {
        drain(self);
    } else if (what < 980) {
        connect_it(self);
    } else if (what < 995) {
        run_again(self);
    } else if (!self->dying) {
        async_walk_free(self);
    }
}
