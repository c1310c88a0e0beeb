#include "link.h"

#include <string.h>
#include <sys/stat.h>

#include "note.h"
#include "support/replies.h"

ino_t walk_link_socket(const walk *self)
{
    struct stat state;
    const int descriptor = gibson_client_fd(self->client);
    return descriptor >= 0 && fstat(descriptor, &state) == 0 ? state.st_ino : 0;
}

void walk_link_begin(walk *self)
{
    self->world->connections++;
    self->connected = true;
    self->dead = self->ending = false;
    self->socket = walk_link_socket(self);
    self->pushed = self->certain = self->compared = self->answered = 0;
    self->unsent = 0;
    gib_buffer_empty(&self->expected);
}

/* The offset of the first byte that differs, or the smaller size. */
static size_t common_size(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    const size_t size = a_size < b_size ? a_size : b_size;
    size_t same = 0;
    while (same < size && a[same] == b[same]) {
        same++;
    }
    return same;
}

/* Takes what has arrived, and returns how many requests have been carried out. */
static size_t take(walk *self)
{
    gib_buffer got = bytes_new();
    size_t requests;
    recorder_take(self->world->recorder, self->connection, &got, &requests);
    const size_t size = gib_buffer_size(&got);
    const size_t same = common_size(bytes_of(&got), size, bytes_of(&self->expected),
                                    gib_buffer_size(&self->expected));
    if (same < size) {
        const bool beyond = same == gib_buffer_size(&self->expected);
        const uint8_t *wrong = bytes_of(&got) + same;
        walk_violate(self,
                     "%zu bytes have arrived that were not to be sent, after %zu right ones: %s "
                     "(opcode %u there, if a frame begins)",
                     size - same, self->compared + same,
                     beyond ? "nothing was due" : "others were due",
                     size - same > 5 ? wrong[4] : 0U);
    } else {
        gib_buffer_consume(&self->expected, size);
        self->compared += size;
    }
    gib_buffer_clear(&got);
    return requests;
}

void walk_link_compare(walk *self)
{
    if (!self->world->recorder || !self->connected || self->dead) {
        return;
    }
    if (self->certain > self->compared &&
        !recorder_await_bytes(self->world->recorder, self->connection, self->certain)) {
        walk_violate(self, "bytes that must have been sent have not arrived");
    }
    take(self);
    if (self->certain > self->compared) {
        walk_violate(self, "%zu bytes have arrived, and %zu must have been sent", self->compared,
                     self->certain);
    }
}

static walk_pending *pending(walk *self, size_t index)
{
    return &self->pending[(self->first + index) % WALK_MOST_PENDING];
}

/* The connection has ended for both: only now it is sure what was carried out. */
static void finish(walk *self)
{
    size_t done = 0;
    if (self->world->recorder) {
        if (!recorder_await_end(self->world->recorder, self->connection)) {
            walk_violate(self, "the connection has not ended");
        }
        const size_t requests = take(self);
        if (self->certain > self->compared) {
            walk_violate(self, "%zu bytes have arrived, and %zu must have been sent",
                         self->compared, self->certain);
        }
        self->connection++;
        done = requests - self->answered;
        if (!self->failed && (requests < self->answered || done > self->count)) {
            walk_violate(self, "%zu requests were carried out, %zu answered, %zu are pending",
                         requests, self->answered, self->count);
        }
        done = self->failed ? 0 : done;
    } else if (self->count) {
        /* Nobody knows what a server has done before it saw the end. */
        if (!walk_world_reset(self->world, gibson_client_connected(self->client))) {
            walk_violate(self, "the server has not seen the end of the connection");
        }
        memset(self->settled, 0, sizeof self->settled);
    }
    memcpy(self->items, done ? pending(self, done - 1)->after : self->settled, sizeof self->items);
    for (size_t i = done; i < self->count; i++) {
        pending(self, i)->lost = true;
    }
}

void walk_link_end(walk *self)
{
    if (!self->connected) {
        return;
    }
    self->connected = false;
    if (!self->dead) {
        finish(self);
    }
    self->dead = self->ending = false;
    self->socket = 0;
    for (size_t i = 0; i < self->count; i++) {
        pending(self, i)->lost = true;
    }
    memcpy(self->settled, self->items, sizeof self->settled);
}

void walk_link_cut(walk *self)
{
    if (!recorder_await_answers(self->world->recorder, self->connection, self->certain) ||
        !recorder_cut(self->world->recorder, self->connection)) {
        walk_violate(self, "the peer cannot end the connection");
    }
    finish(self);
    self->dead = true;
}

void walk_link_stray(walk *self)
{
    static const uint8_t ok[] = {5, 0, 0, 1, 0, 0, 0, 0};
    const size_t size = 1 + walk_below(&self->choices, sizeof ok);
    if (!recorder_stray(self->world->recorder, self->connection, ok, size)) {
        walk_violate(self, "the peer cannot send");
    }
}

void walk_link_push(walk *self, const gibson_request *request)
{
    if (self->dead) {
        return;
    }
    const size_t before = gib_buffer_size(&self->expected);
    walk_request_frame(request, &self->expected);
    self->pushed += gib_buffer_size(&self->expected) - before;
}

void walk_link_sent(walk *self)
{
    self->unsent = 0;
    self->certain = self->pushed;
    for (size_t i = 0; i < self->count; i++) {
        if (pending(self, i)->request.opcode == GIBSON_OP_END) {
            self->certain = pending(self, i)->end;
            return;
        }
    }
}
