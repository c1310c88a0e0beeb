#include "async_peer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "support/replies.h"
#include "support/samples.h"
#include "wire/frame.h"

enum { MOST_FRAME = 1 << 20 };

int64_t async_peer_now_ns = INT64_C(1000000000000);
static async_peer *current;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): names that ld dictates */
ssize_t __real_send(int descriptor, const void *data, size_t size, int flags);
int __real_close(int descriptor);
int __real_clock_gettime(clockid_t clock, struct timespec *time);
ssize_t __wrap_send(int descriptor, const void *data, size_t size, int flags);
int __wrap_close(int descriptor);
int __wrap_clock_gettime(clockid_t clock, struct timespec *time);

/* ---- What the library sends ---- */

static void forget_connection(async_peer *self)
{
    self->client = -1;
    gib_buffer_empty(&self->begun);
    self->begun_sent = 0;
    gib_buffer_empty(&self->owed);
    self->owed_end = self->delivered = 0;
    self->silent = self->lies = false;
}

/* What the library asks on its own account; the rest is the walk's. */
static bool is_own(const gib_request_frame *frame)
{
    return frame->opcode == GIBSON_OP_STATS ||
           sample_is_probe(frame->opcode, frame->payload.data, frame->payload.size);
}

static void answer_own(async_peer *self, const gib_request_frame *frame)
{
    static const uint8_t month[8] = {0x00, 0x8d, 0x27};
    if (frame->opcode != GIBSON_OP_STATS) {
        sample_reply(&self->owed, frame->opcode, frame->payload.data, frame->payload.size);
        return;
    }
    const size_t at = reply_begin_items(&self->owed, 1);
    reply_add_item(&self->owed, self->tells_limit ? "max_item_ttl" : "total_items",
                   GIB_ENCODING_NUMBER, month, sizeof month);
    reply_end_items(&self->owed, at);
}

static void tell_sent(async_peer *self, const gib_request_frame *frame, bool whole)
{
    const size_t before = gib_buffer_size(&self->owed);
    if (!is_own(frame)) {
        self->sent(self->context, frame, whole);
    } else if (whole && !self->silent) {
        answer_own(self, frame);
    }
    self->owed_end += gib_buffer_size(&self->owed) - before;
}

/* Of those bytes, which begin with a frame, so many were sent. Returns how many of those were of
   whole frames. */
static size_t take_frames(async_peer *self, const uint8_t *bytes, size_t size, size_t sent)
{
    size_t at = 0;
    while (at < sent) {
        gib_request_frame frame;
        if (gib_request_find(bytes + at, size - at, MOST_FRAME, &frame) != GIB_FRAME_WHOLE) {
            fprintf(stderr, "the library sends something that is no frame\n");
            abort();
        }
        const bool whole = at + frame.frame_size <= sent;
        tell_sent(self, &frame, whole);
        if (!whole) {
            bytes_add(&self->begun, bytes + at, frame.frame_size);
            self->begun_sent = sent - at;
            return at;
        }
        at += frame.frame_size;
    }
    return at;
}

/* Goes on with the frame that was begun, whose rest must come now. Returns how many bytes that
   took. */
static size_t take_rest(async_peer *self, const uint8_t *bytes, size_t size, size_t sent)
{
    const size_t frame_size = gib_buffer_size(&self->begun);
    const size_t rest = frame_size - self->begun_sent;
    if (size < rest || memcmp(bytes_of(&self->begun) + self->begun_sent, bytes, rest) != 0) {
        fprintf(stderr, "the library does not go on where the socket stopped\n");
        abort();
    }
    if (sent < rest) {
        self->begun_sent += sent;
        return sent;
    }
    gib_request_frame frame;
    gib_request_find(bytes_of(&self->begun), frame_size, MOST_FRAME, &frame);
    tell_sent(self, &frame, true);
    gib_buffer_empty(&self->begun);
    return rest;
}

static void take_sent(async_peer *self, const uint8_t *bytes, size_t size, size_t sent)
{
    size_t at = 0;
    if (gib_buffer_size(&self->begun) && sent) {
        at = take_rest(self, bytes, size, sent);
    }
    (void)take_frames(self, bytes + at, size - at, sent - at);
}

ssize_t __wrap_send(int descriptor, const void *data, size_t size, int flags)
{
    async_peer *self = current;
    if (!self) {
        return __real_send(descriptor, data, size, flags);
    }
    async_peer_accept(self);
    if (self->client != descriptor) {
        forget_connection(self);
        self->client = descriptor;
        self->connection++;
    }
    size_t most = size;
    if (walk_percent(self->choices, self->short_of)) {
        most = walk_below(self->choices, size < 60000 ? (unsigned)size : 60000);
    }
    if (!most) {
        errno = EAGAIN;
        return -1;
    }
    const ssize_t sent = __real_send(descriptor, data, most, flags);
    if (sent > 0) {
        take_sent(self, data, size, (size_t)sent);
        uint8_t drop[65536]; /* its own end need not be looked at any more */
        while (self->descriptor >= 0 &&
               recv(self->descriptor, drop, sizeof drop, MSG_DONTWAIT) > 0) {
        }
    }
    return sent;
}

int __wrap_close(int descriptor)
{
    if (current) {
        current->closes(current->context, descriptor);
        if (descriptor == current->client) {
            forget_connection(current);
        }
    }
    return __real_close(descriptor);
}

int __wrap_clock_gettime(clockid_t clock, struct timespec *time)
{
    if (!current || clock != CLOCK_MONOTONIC) {
        return __real_clock_gettime(clock, time);
    }
    time->tv_sec = (time_t)(async_peer_now_ns / 1000000000);
    time->tv_nsec = (long)(async_peer_now_ns % 1000000000);
    return 0;
}

/* ---- The peer ---- */

static void must(bool fine)
{
    if (!fine) {
        perror("the peer of the walk");
        abort();
    }
}

void async_peer_start(async_peer *self)
{
    *self = (async_peer){.listener = -1, .descriptor = -1, .client = -1};
    const char *top = getenv("TMPDIR");
    snprintf(self->directory, sizeof self->directory, "%.40s/walk.XXXXXX", top ? top : "/tmp");
    must(mkdtemp(self->directory));
    snprintf(self->path, sizeof self->path, "%s/socket", self->directory);
    self->begun = bytes_new();
    self->owed = bytes_new();
    current = self;
    async_peer_now_ns = INT64_C(1000000000000);
    async_peer_come_up(self);
}

void async_peer_stop(async_peer *self)
{
    async_peer_go_down(self);
    async_peer_cut(self);
    current = NULL;
    rmdir(self->directory);
    gib_buffer_clear(&self->begun);
    gib_buffer_clear(&self->owed);
}

void async_peer_point(const async_peer *self, gibson_options *options)
{
    options->unix_socket = self->path;
}

void async_peer_come_up(async_peer *self)
{
    if (self->listener >= 0) {
        return;
    }
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", self->path);
    self->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    must(self->listener >= 0);
    must(!bind(self->listener, (const struct sockaddr *)&address, sizeof address));
    must(!listen(self->listener, 8));
}

void async_peer_go_down(async_peer *self)
{
    if (self->listener >= 0) {
        async_peer_accept(self);
        __real_close(self->listener);
        unlink(self->path);
        self->listener = -1;
    }
}

void async_peer_accept(async_peer *self)
{
    int made;
    while (self->listener >= 0 &&
           (made = accept4(self->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        if (self->descriptor >= 0) {
            __real_close(self->descriptor);
        }
        self->descriptor = made;
    }
}

void async_peer_deliver(async_peer *self, size_t size)
{
    const size_t all = gib_buffer_size(&self->owed);
    size = size < all ? size : all;
    if (self->descriptor < 0 || !size) {
        return;
    }
    const ssize_t sent = __real_send(self->descriptor, bytes_of(&self->owed), size, MSG_NOSIGNAL);
    if (sent > 0) {
        self->owed.begin += (size_t)sent;
        self->delivered += (size_t)sent;
    }
}

void async_peer_garbage(async_peer *self, const void *bytes, size_t size)
{
    async_peer_accept(self);
    if (self->descriptor >= 0) {
        (void)!__real_send(self->descriptor, bytes, size, MSG_NOSIGNAL);
    }
}

void async_peer_cut(async_peer *self)
{
    async_peer_accept(self);
    if (self->descriptor >= 0) {
        __real_close(self->descriptor);
        self->descriptor = -1;
    }
}

/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
