#include "link.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "note.h"
#include "support/replies.h"

ino_t walk_link_socket(const walk *self)
{
    struct stat state;
    const int descriptor = gibson_client_descriptor(self->client);
    return descriptor >= 0 && fstat(descriptor, &state) == 0 ? state.st_ino : 0;
}

void walk_link_begin(walk *self)
{
    self->world->connections++;
    self->connected = true;
    self->stale = WALK_FRESH;
    self->asked = self->ending = self->doomed = self->finished = false;
    self->limits = walk_limits_of(&self->options);
    self->socket = walk_link_socket(self);
    self->pushed = self->certain = self->compared = self->answered = 0;
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
    if (!self->world->recorder || !self->connected || self->finished) {
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
    self->finished = true;
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
    if (!self->finished) {
        finish(self);
    }
    self->stale = WALK_FRESH;
    self->ending = self->doomed = false;
    self->socket = 0;
    for (size_t i = 0; i < self->count; i++) {
        pending(self, i)->lost = true;
    }
    memcpy(self->settled, self->items, sizeof self->settled);
}

/* A client looks at its connection after a pause of a millisecond. */
static void pause_for_a_look(void)
{
    const struct timespec pause = {.tv_nsec = 1500000};
    nanosleep(&pause, NULL);
}

void walk_link_cut(walk *self)
{
    if (!recorder_await_answers(self->world->recorder, self->connection, self->certain) ||
        !recorder_cut(self->world->recorder, self->connection)) {
        walk_violate(self, "the peer cannot end the connection");
    }
    finish(self);
    self->stale = WALK_CUT;
    if (walk_percent(&self->choices, 50)) {
        pause_for_a_look();
    }
}

void walk_link_stray(walk *self)
{
    static const uint8_t ok[] = {5, 0, 0, 1, 0, 0, 0, 0};
    const size_t size = 1 + walk_below(&self->choices, sizeof ok);
    if (!recorder_stray(self->world->recorder, self->connection, ok, size)) {
        walk_violate(self, "the peer cannot send");
    }
    self->stale = WALK_STRAY;
    pause_for_a_look();
}

void walk_link_doom(walk *self)
{
    if (!recorder_await_answers(self->world->recorder, self->connection, self->certain) ||
        !recorder_doom(self->world->recorder, self->connection)) {
        walk_violate(self, "the peer cannot be told to end the connection");
    }
    self->doomed = true;
}

void walk_link_push(walk *self, const void *frame, size_t size)
{
    bytes_add(&self->expected, frame, size);
    self->pushed += size;
}

static void push_request(walk *self, const gibson_request *request)
{
    gib_buffer frame = bytes_new();
    walk_request_frame(request, &frame);
    walk_link_push(self, bytes_of(&frame), gib_buffer_size(&frame));
    gib_buffer_clear(&frame);
    self->certain = self->pushed;
}

void walk_link_single(walk *self, const gibson_request *request)
{
    push_request(self, request);
    self->answered++;
}

void walk_link_lose(walk *self, const gibson_request *request)
{
    push_request(self, request);
    walk_link_end(self);
}

void walk_link_replace(walk *self)
{
    walk_link_end(self);
    walk_link_begin(self);
    const uint8_t *frame = bytes_of(&self->frames);
    for (size_t i = 0; i < self->count; i++) {
        walk_pending *one = pending(self, i);
        walk_link_push(self, frame, one->frame_size);
        frame += one->frame_size;
        one->end = self->pushed;
        one->lost = self->ending || self->doomed;
        memcpy(one->after, self->items, sizeof one->after);
        if (!one->lost) {
            walk_request_apply(&one->request, one->after, &one->expected);
            one->reply_size = walk_request_reply_size(&one->request, one->after, &one->expected);
            memcpy(self->items, one->after, sizeof self->items);
        }
        self->ending |= one->request.opcode == GIBSON_OP_END;
    }
}

walk_verdict walk_link_verdict(const walk *self, const gibson_request *request)
{
    walk_limits limits = self->limits;
    if (walk_request_is_valid(request, &limits)) {
        return WALK_VALID;
    }
    gibson_request shorter = *request;
    if (self->rules.asks_before_size && request->number > limits.max_seconds) {
        shorter.number = 0;
    }
    limits.max_seconds = INT64_MAX;
    return !self->options.max_seconds && !self->asked &&
                   (walk_request_is_valid(request, &limits) ||
                    (walk_request_takes_time(request->opcode) &&
                     walk_request_is_valid(&shorter, &limits)))
               ? WALK_ASK
               : WALK_INVALID;
}

bool walk_link_has_long_time(const walk *self)
{
    for (size_t i = 0; i < self->count; i++) {
        const space_request *request =
            &self->pending[(self->first + i) % WALK_MOST_PENDING].request;
        if (!self->options.max_seconds && walk_request_takes_time(request->opcode) &&
            request->number > GIBSON_DEFAULT_MAX_SECONDS) {
            return true;
        }
    }
    return false;
}

void walk_link_ask(walk *self)
{
    const gibson_request stats = gibson_request_bare(GIBSON_OP_STATS);
    walk_link_single(self, &stats);
    self->asked = true;
    if (self->world->max_seconds > self->limits.max_seconds) {
        self->limits.max_seconds = self->world->max_seconds;
    }
}

void walk_link_sent(walk *self)
{
    self->unsent = self->sure_unsent = 0;
    self->certain = self->pushed;
    for (size_t i = 0; i < self->count; i++) {
        if (pending(self, i)->request.opcode == GIBSON_OP_END) {
            self->certain = pending(self, i)->end;
            return;
        }
    }
}
