#include "judge.h"

#include <inttypes.h>
#include <string.h>

#include <gibson/pipeline.h>

#include "link.h"
#include "note.h"

void walk_judge_nothing(walk *self, const gibson_reply *reply)
{
    if (reply->value.kind != GIBSON_KIND_NONE || reply->value.bytes.size || reply->value.number ||
        gibson_items_count(&reply->items)) {
        walk_violate(self, "a reply is filled in though the call failed");
    }
}

/* The parts that a typed function does not tell are what they must be. */
static bool matches(const space_request *request, const space_answer *expected,
                    const space_item items[SPACE_KEYS], const gibson_reply *reply, int told)
{
    const gibson_yield yield = gibson_command_by_opcode((uint32_t)request->opcode)->yield;
    const bool has_items = gibson_yields_items(yield);
    const int needed = has_items                    ? WALK_TOLD_ITEMS
                       : yield == GIBSON_YIELD_NONE ? 0
                                                    : WALK_TOLD_VALUE;
    if ((told & needed) != needed) {
        return true; /* its status was all there is */
    }
    return space_matches(WALK_SPACE, items, request, expected, reply);
}

void walk_judge_answer(walk *self, const space_request *request, const space_answer *expected,
                       const space_item items[SPACE_KEYS], const gibson_reply *reply, int told)
{
    if (reply->status != GIBSON_OK) {
        walk_judge_nothing(self, reply);
    }
    if (!matches(request, expected, items, reply, told)) {
        walk_violate(self,
                     "the reply is wrong: kind %d, %zu bytes, number %" PRId64
                     ", %zu items; number %" PRId64 " was expected",
                     (int)reply->value.kind, reply->value.bytes.size, reply->value.number,
                     gibson_items_count(&reply->items), expected->number);
    }
}

static void check_error(walk *self)
{
    const gibson_error *error = gibson_client_error(self->client);
    if (error->status != self->error) {
        walk_violate(self, "the error says %s instead of %s: %s", gibson_status_name(error->status),
                     gibson_status_name(self->error), error->message);
    }
    if (!error->message[0] || !memchr(error->message, 0, sizeof error->message)) {
        walk_violate(self, "the error has no message");
    }
}

static void check_kept(walk *self)
{
    if (!walk_kept_is_intact(&self->last)) {
        walk_violate(self, "the views of the last reply have changed");
    }
    for (unsigned i = 0; i < WALK_OWNED; i++) {
        if (self->owned[i].owned && !walk_kept_is_intact(&self->owned[i])) {
            walk_violate(self, "the views of a reply that was taken have changed");
        }
    }
}

void walk_judge_client(walk *self)
{
    const gibson_client *client = self->client;
    if (self->failed) {
        return;
    }
    if (gibson_client_connected(client) != self->connected ||
        (gibson_client_descriptor(client) >= 0) != self->connected) {
        walk_violate(self, "connected is %d, and must be %d", gibson_client_connected(client),
                     self->connected);
    }
    if (gibson_client_outstanding(client) != self->count) {
        walk_violate(self, "%zu replies are outstanding instead of %zu",
                     gibson_client_outstanding(client), self->count);
    }
    if (walk_link_socket(self) != self->socket) {
        walk_violate(self, "the client has made another connection");
    }
    if (strncmp(gibson_client_peer(client), "unix:", 5) != 0) {
        walk_violate(self, "the peer is %s", gibson_client_peer(client));
    }
    check_error(self);
    check_kept(self);
    walk_link_compare(self);
}
