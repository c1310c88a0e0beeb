/* Making, connecting and closing clients, and what else is no request. */
#include <inttypes.h>
#include <string.h>

#include <gibson/pipeline.h>

#include "judge.h"
#include "link.h"
#include "note.h"
#include "steps.h"
#include "typed.h"

static walk_kept *choose_owned(walk *self)
{
    return &self->owned[walk_below(&self->choices, WALK_OWNED)];
}

void walk_step_take(walk *self)
{
    gibson_owned_reply *owned = (gibson_owned_reply *)self;
    walk_kept *to = choose_owned(self);
    walk_note(self, "gibson_client_take_reply");
    const gibson_status got = gibson_client_take_reply(self->client, &owned);
    const bool sure =
        self->left == WALK_LEFT_REPLY || (self->left == WALK_LEFT_MAYBE && got == GIBSON_OK);
    walk_expect(self, got, sure ? GIBSON_OK : GIBSON_USAGE);
    if ((owned != NULL) != (got == GIBSON_OK)) {
        walk_violate(self, "owned is %s", owned ? "set" : "NULL");
    }
    if (got == GIBSON_OK) {
        walk_kept_clear(to);
        *to = self->last;
        to->owned = owned;
        walk_kept_init(&self->last);
    } else {
        walk_kept_clear(&self->last);
    }
    self->left = WALK_LEFT_NONE;
}

void walk_step_release(walk *self)
{
    walk_note(self, "gibson_owned_reply_free");
    walk_kept_clear(choose_owned(self));
}

/* A pointer is missing. */
void walk_step_null(walk *self)
{
    const gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    const unsigned which = walk_below(&self->choices, WALK_TYPED_NULLS + 6);
    gibson_reply reply = {.status = GIBSON_OK};
    gibson_status status;
    walk_note(self, "NULL as an argument, case %u", which);
    switch (which) {
    case WALK_TYPED_NULLS:
        status = gibson_client_call(self->client, NULL, &reply);
        break;
    case WALK_TYPED_NULLS + 1:
        status = gibson_client_call(self->client, &ping, NULL);
        break;
    case WALK_TYPED_NULLS + 2:
        status = gibson_client_queue(self->client, NULL);
        break;
    case WALK_TYPED_NULLS + 3:
        status = gibson_client_next(self->client, NULL);
        break;
    case WALK_TYPED_NULLS + 4:
        status = gibson_client_take_reply(self->client, NULL);
        break;
    case WALK_TYPED_NULLS + 5:
        gibson_owned_reply_free(NULL);
        status = gibson_client_call(self->client, NULL, NULL);
        break;
    default:
        status = walk_typed_null(self->client, which);
        break;
    }
    walk_release_last(self, WALK_LEFT_MAYBE);
    walk_expect(self, status, GIBSON_USAGE);
    walk_judge_nothing(self, &reply);
}

static bool is_usage(gibson_status status)
{
    return status == GIBSON_USAGE;
}

/* There is no client: nothing happens, to no client. */
void walk_step_no_client(walk *self)
{
    const gibson_request ping = gibson_request_bare(GIBSON_OP_PING);
    gibson_reply reply;
    gibson_owned_reply *owned = (gibson_owned_reply *)self;
    int told;
    walk_note(self, "each function without a client");
    bool fine = true;
    for (size_t i = 0; i < gibson_command_count(); i++) {
        const gibson_request request =
            gibson_request_value(gibson_command_at(i)->opcode, gibson_str("k"), gibson_str("v"), 0);
        fine &= !walk_typed(NULL, &request, true, &reply, &told) || is_usage(reply.status);
    }
    for (unsigned i = 0; i < WALK_TYPED_NULLS; i++) {
        fine &= is_usage(walk_typed_null(NULL, i));
    }
    gibson_client_close(NULL);
    gibson_client_free(NULL);
    fine &= is_usage(gibson_client_connect(NULL)) && is_usage(gibson_client_quit(NULL)) &&
            is_usage(gibson_client_call(NULL, &ping, &reply)) &&
            is_usage(gibson_client_queue(NULL, &ping)) && is_usage(gibson_client_flush(NULL)) &&
            is_usage(gibson_client_next(NULL, &reply)) &&
            is_usage(gibson_client_take_reply(NULL, &owned)) &&
            is_usage(gibson_client_set_timeout(NULL, 1)) &&
            is_usage(gibson_client_error(NULL)->status) &&
            !owned & !gibson_client_connected(NULL) && !gibson_client_outstanding(NULL) &&
            (gibson_client_descriptor(NULL) == -1) && !gibson_client_peer(NULL)[0];
    if (!fine) {
        walk_violate(self, "a function does not return what it must without a client");
    }
}

void walk_step_connect(walk *self)
{
    walk_note(self, "gibson_client_connect");
    walk_release_last(self, WALK_LEFT_NONE);
    const gibson_status status = gibson_client_connect(self->client);
    walk_link_end(self);
    walk_drop_pending(self);
    walk_expect(self, status, GIBSON_OK);
    walk_link_begin(self);
}

void walk_step_close(walk *self)
{
    walk_note(self, "gibson_client_close");
    walk_release_last(self, WALK_LEFT_NONE);
    gibson_client_close(self->client);
    walk_link_end(self);
    walk_drop_pending(self);
    self->error = GIBSON_OK;
}

/* It looks whether somebody is there to be told. */
void walk_step_quit(walk *self)
{
    const gibson_request end = gibson_request_bare(GIBSON_OP_END);
    walk_note(self, "gibson_client_quit");
    walk_release_last(self, WALK_LEFT_NONE);
    const gibson_status status = gibson_client_quit(self->client);
    gibson_status expected = GIBSON_OK;
    if (self->connected && !self->stale && !self->count) {
        if (self->doomed) {
            walk_link_lose(self, &end);
            expected = GIBSON_CLOSED;
        } else {
            walk_link_single(self, &end);
        }
    }
    walk_link_end(self);
    walk_drop_pending(self);
    walk_expect(self, status, expected);
}

void walk_step_timeout(walk *self)
{
    static const int64_t timeouts_ms[] = {20000, GIBSON_NO_DEADLINE, INT64_C(1) << 40, INT64_MAX, 0,
                                          -2,    INT64_MIN};
    const int64_t timeout_ms = WALK_ONE_OF(&self->choices, timeouts_ms);
    const bool valid = timeout_ms >= GIBSON_NO_DEADLINE;
    walk_note(self, "gibson_client_set_timeout(client, %" PRId64 ")", timeout_ms);
    walk_release_last(self, WALK_LEFT_MAYBE);
    walk_expect(self, gibson_client_set_timeout(self->client, timeout_ms),
                valid ? GIBSON_OK : GIBSON_INVALID);
    if (timeout_ms == 0) { /* the default is too short for a busy machine */
        gibson_client_set_timeout(self->client, timeouts_ms[0]);
    }
}

/* Something that the peer does between two calls. */
void walk_step_peer(walk *self)
{
    if (!self->world->recorder || !self->connected || self->stale) {
        return;
    }
    if (!self->count && !self->doomed && walk_percent(&self->choices, 40)) {
        walk_note(self, "the peer ends the connection when it gets the next request");
        walk_link_doom(self);
        return;
    }
    if (self->rules.strays && self->sure_unsent == self->count &&
        walk_percent(&self->choices, 40)) {
        walk_note(self, "the peer sends bytes that nobody has asked for");
        walk_link_stray(self);
    } else {
        walk_note(self, "the peer ends the connection");
        walk_link_cut(self);
    }
}

static int never(void *context)
{
    (void)context;
    return 0;
}

void walk_step_client(walk *self)
{
    gibson_error error;
    walk_release_last(self, WALK_LEFT_NONE);
    gibson_client_free(self->client);
    self->client = NULL;
    walk_link_end(self);
    walk_drop_pending(self);
    gibson_options_init(&self->options);
    walk_limits_choose(&self->choices, &self->options);
    self->options.interrupt = walk_percent(&self->choices, 50) ? never : NULL;
    walk_world_point(self->world, &self->options);
    self->limits = walk_limits_of(&self->options);
    const gibson_options *o = &self->options;
    walk_note(self,
              "gibson_client_new with max_reply_size %zu, max_request_size %zu, max_key_size %zu, "
              "max_value_size %zu, max_seconds %" PRId64 ", pipeline_window %u, pipeline_bytes "
              "%zu, reconnect %d, retry_repeatable %d",
              o->max_reply_size, o->max_request_size, o->max_key_size, o->max_value_size,
              o->max_seconds, (unsigned)o->pipeline_window, o->pipeline_bytes, o->reconnect,
              o->retry_repeatable);
    walk_expect(self, gibson_client_new(&self->client, o, &error), GIBSON_OK);
}

static void release(void *memory, void *context)
{
    (void)memory;
    (void)context;
}

static void spoil_options(unsigned which, gibson_options *options)
{
    static char long_path[200];
    memset(long_path, 'p', sizeof long_path - 1);
    switch (which) {
    case 0:
        options->timeout_ms = -2;
        break;
    case 1:
        options->connect_timeout_ms = INT64_MIN;
        break;
    case 2:
        options->reconnect_delay_ms = -1;
        break;
    case 3:
        options->max_request_size = 2;
        break;
    case 4:
        options->unix_socket = long_path;
        break;
    case 5:
        options->struct_size = 1;
        break;
    case 6:
        options->max_seconds = -1;
        break;
    default:
        options->allocator.release = release; /* and nothing else */
        break;
    }
}

/* A client that cannot be made, beside the one that there is. */
void walk_step_wrong_options(walk *self)
{
    gibson_options options;
    gibson_error error;
    gibson_client *none = self->client;
    const unsigned which = walk_below(&self->choices, 8);
    walk_note(self, "gibson_client_new with wrong options, case %u", which);
    gibson_options_init(&options);
    spoil_options(which, &options);
    if (gibson_client_new(&none, &options, &error) != GIBSON_INVALID || none ||
        error.status != GIBSON_INVALID || gibson_client_new(NULL, NULL, &error) != GIBSON_USAGE ||
        error.status != GIBSON_USAGE ||
        gibson_client_new(&none, &options, NULL) != GIBSON_INVALID || none) {
        walk_violate(self, "gibson_client_new does not refuse");
        gibson_client_free(none);
    }
}
