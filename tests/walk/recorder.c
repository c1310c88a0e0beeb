#include "recorder.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "service/service.h"
#include "support/peer.h"
#include "support/replies.h"
#include "support/samples.h"

enum { RECORDS = 8, PATIENCE_S = 20, LARGEST_REQUEST = 8 << 20 };

/* What came on a connection; those that have ended stay for a while. */
typedef struct record {
    gib_buffer bytes; /* not yet taken */
    gib_buffer part;  /* of a request: not known to be the caller's */
    size_t received;  /* bytes in all */
    size_t answered;  /* of those */
    size_t requests;  /* carried out */
    int descriptor;   /* while it is served, else -1 */
    bool doomed;      /* nothing more is carried out */
} record;

struct recorder {
    peer *listener;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    gibs_service service;
    size_t turn; /* the connection that is served, or that will be */
    record records[RECORDS];
};

static record *record_of(recorder *self, size_t connection)
{
    return &self->records[connection % RECORDS];
}

static void make_store(recorder *self)
{
    const gibs_store_settings settings = {.max_memory = (size_t)1 << 30,
                                          .compression = 1 << 20,
                                          .gc_ratio = 900,
                                          .unix_time = time(NULL)};
    gibs_store_free(self->service.store);
    self->service.store = gibs_store_new(&settings);
    if (!self->service.store) {
        abort();
    }
}

static gibs_answer answer_one(recorder *self, const gib_request_frame *frame, gib_buffer *out)
{
    gibs_job job = {0};
    gibs_answer result;
    do {
        result = gibs_service_answer(&self->service, frame, SIZE_MAX, &job, out);
    } while (result == GIBS_ANSWER_MORE);
    gibs_job_clear(&job, self->service.store);
    return result;
}

/* Answers the whole requests in `in`, and counts them. False if the connection is to end. */
static bool answer(recorder *self, gib_buffer *in, gib_buffer *out, size_t *requests)
{
    gib_request_frame frame;
    *requests = 0;
    gibs_answer last = GIBS_ANSWER_NEXT;
    while (last == GIBS_ANSWER_NEXT &&
           gib_request_find(in->data + in->begin, gib_buffer_size(in), LARGEST_REQUEST, &frame) ==
               GIB_FRAME_WHOLE) {
        last = answer_one(self, &frame, out);
        gib_buffer_consume(in, frame.frame_size);
        *requests += !sample_is_probe(frame.opcode, frame.payload.data, frame.payload.size);
    }
    return last == GIBS_ANSWER_NEXT;
}

static void note_answered(recorder *self, record *to, size_t size, size_t requests)
{
    pthread_mutex_lock(&self->lock);
    to->answered += size;
    to->requests += requests;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

static void keep(record *to, size_t size)
{
    bytes_add(&to->bytes, bytes_of(&to->part), size);
    gib_buffer_consume(&to->part, size);
    to->received += size;
}

/* Records what came, but for the questions that a client asks now and then on its own account, to
   know that it gets the right answers: they are answered and not recorded. Returns the bytes that
   were. */
static size_t record_bytes(record *to, const uint8_t *bytes, size_t size)
{
    const size_t before = to->received;
    gib_request_frame frame;
    bytes_add(&to->part, bytes, size);
    while (gib_request_find(bytes_of(&to->part), gib_buffer_size(&to->part), LARGEST_REQUEST,
                            &frame) == GIB_FRAME_WHOLE) {
        if (sample_is_probe(frame.opcode, frame.payload.data, frame.payload.size)) {
            gib_buffer_consume(&to->part, frame.frame_size);
        } else {
            keep(to, frame.frame_size);
        }
    }
    return to->received - before;
}

/* Waits for bytes, and takes and keeps them in one go: whoever has the lock sees each byte either
   in the socket or in the record. Returns what recv did. */
static ssize_t receive(recorder *self, record *to, int descriptor, uint8_t *bytes, size_t room,
                       size_t *recorded, bool *doomed)
{
    struct pollfd readable = {.fd = descriptor, .events = POLLIN};
    while (poll(&readable, 1, -1) < 0) {
    }
    pthread_mutex_lock(&self->lock);
    const ssize_t got = recv(descriptor, bytes, room, MSG_DONTWAIT);
    *recorded = got > 0 ? record_bytes(to, bytes, (size_t)got) : 0;
    if (*recorded) {
        pthread_cond_broadcast(&self->changed);
    }
    *doomed = to->doomed;
    pthread_mutex_unlock(&self->lock);
    return got;
}

/* Without poll: to that, a socket is full when it is to a quarter. */
static void send_all(int descriptor, const uint8_t *bytes, size_t size)
{
    ssize_t sent = 0;
    while (size && sent >= 0) {
        sent = send(descriptor, bytes, size, MSG_NOSIGNAL);
        bytes += sent > 0 ? sent : 0;
        size -= sent > 0 ? (size_t)sent : 0;
    }
}

/* Receives until the connection ends. What comes after END is kept and not answered. */
static void serve(recorder *self, record *to, peer_link *link)
{
    static const size_t room = (size_t)64 * 1024;
    uint8_t *bytes = malloc(room);
    gib_buffer in = bytes_new();
    gib_buffer out = bytes_new();
    bool answering = true;
    bool doomed;
    ssize_t got;
    if (!bytes) {
        abort();
    }
    size_t recorded;
    while ((got = receive(self, to, link->descriptor, bytes, room, &recorded, &doomed)) > 0) {
        size_t requests = 0;
        if (answering) {
            bytes_add(&in, bytes, (size_t)got);
            answering = (!recorded || !doomed) && answer(self, &in, &out, &requests);
            send_all(link->descriptor, bytes_of(&out), gib_buffer_size(&out));
            gib_buffer_consume(&out, gib_buffer_size(&out));
            if (!answering) {
                shutdown(link->descriptor, SHUT_RDWR);
            }
        }
        if (recorded) {
            note_answered(self, to, recorded, requests);
        }
    }
    gib_buffer_clear(&in);
    gib_buffer_clear(&out);
    free(bytes);
}

static void script(peer_link *link)
{
    recorder *self = link->context;
    record *mine = record_of(self, link->index);
    pthread_mutex_lock(&self->lock);
    while (self->turn != link->index) {
        pthread_cond_wait(&self->changed, &self->lock);
    }
    gib_buffer_clear(&mine->bytes);
    gib_buffer_clear(&mine->part);
    *mine = (record){.bytes = bytes_new(), .part = bytes_new(), .descriptor = link->descriptor};
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
    serve(self, mine, link);
    pthread_mutex_lock(&self->lock);
    mine->descriptor = -1;
    keep(mine, gib_buffer_size(&mine->part));
    peer_close(link);
    self->turn++;
    pthread_cond_broadcast(&self->changed);
    pthread_mutex_unlock(&self->lock);
}

recorder *recorder_start(void)
{
    recorder *self = calloc(1, sizeof *self);
    if (!self) {
        abort();
    }
    pthread_mutex_init(&self->lock, NULL);
    pthread_cond_init(&self->changed, NULL);
    for (size_t i = 0; i < RECORDS; i++) {
        self->records[i] = (record){.bytes = bytes_new(), .part = bytes_new(), .descriptor = -1};
    }
    self->service.settings.limits = (gib_limits){.max_reply_size = 40000000,
                                                 .max_request_size = LARGEST_REQUEST,
                                                 .max_key_size = 1024,
                                                 .max_value_size = 2 << 20,
                                                 .max_seconds = 2592000};
    make_store(self);
    self->listener = peer_start(PEER_ABSTRACT, script, self);
    return self;
}

void recorder_stop(recorder *self)
{
    if (!self) {
        return;
    }
    peer_stop(self->listener);
    for (size_t i = 0; i < RECORDS; i++) {
        gib_buffer_clear(&self->records[i].bytes);
        gib_buffer_clear(&self->records[i].part);
    }
    gibs_store_free(self->service.store);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->lock);
    free(self);
}

void recorder_reset(recorder *self)
{
    pthread_mutex_lock(&self->lock);
    make_store(self);
    pthread_mutex_unlock(&self->lock);
}

void recorder_point(const recorder *self, gibson_options *options)
{
    peer_point(self->listener, options);
}

size_t recorder_next_connection(recorder *self)
{
    pthread_mutex_lock(&self->lock);
    const size_t turn = self->turn;
    pthread_mutex_unlock(&self->lock);
    return turn;
}

typedef bool condition(recorder *self, size_t connection, size_t size);

static bool has_begun(recorder *self, size_t connection, size_t size)
{
    (void)size;
    return self->turn > connection ||
           (self->turn == connection && record_of(self, connection)->descriptor >= 0);
}

static bool has_ended(recorder *self, size_t connection, size_t size)
{
    (void)size;
    return self->turn > connection;
}

static bool has_bytes(recorder *self, size_t connection, size_t size)
{
    return has_ended(self, connection, 0) ||
           (has_begun(self, connection, 0) && record_of(self, connection)->received >= size);
}

/* Of what was sent: also what nobody had to know of. */
static bool has_answered(recorder *self, size_t connection, size_t size)
{
    const record *one = record_of(self, connection);
    int waiting = 0;
    return has_ended(self, connection, 0) ||
           (has_begun(self, connection, 0) && one->answered >= size &&
            one->answered == one->received && ioctl(one->descriptor, FIONREAD, &waiting) == 0 &&
            !waiting);
}

/* Waits with the lock held. */
static bool await(recorder *self, condition *holds, size_t connection, size_t size)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += PATIENCE_S;
    bool in_time = true;
    while (in_time && !holds(self, connection, size)) {
        in_time = pthread_cond_timedwait(&self->changed, &self->lock, &until) == 0;
    }
    return holds(self, connection, size);
}

static bool lock_and_await(recorder *self, condition *holds, size_t connection, size_t size)
{
    pthread_mutex_lock(&self->lock);
    const bool held = await(self, holds, connection, size);
    pthread_mutex_unlock(&self->lock);
    return held;
}

bool recorder_await_bytes(recorder *self, size_t connection, size_t size)
{
    return lock_and_await(self, has_bytes, connection, size);
}

bool recorder_await_answers(recorder *self, size_t connection, size_t size)
{
    return lock_and_await(self, has_answered, connection, size);
}

bool recorder_await_end(recorder *self, size_t connection)
{
    return lock_and_await(self, has_ended, connection, 0);
}

void recorder_take(recorder *self, size_t connection, gib_buffer *bytes, size_t *requests)
{
    pthread_mutex_lock(&self->lock);
    record *from = record_of(self, connection);
    *requests = 0;
    if (has_begun(self, connection, 0)) {
        bytes_add(bytes, bytes_of(&from->bytes), gib_buffer_size(&from->bytes));
        gib_buffer_consume(&from->bytes, gib_buffer_size(&from->bytes));
        *requests = from->requests;
    }
    pthread_mutex_unlock(&self->lock);
}

bool recorder_cut(recorder *self, size_t connection)
{
    pthread_mutex_lock(&self->lock);
    const bool begun = await(self, has_begun, connection, 0);
    const int descriptor = record_of(self, connection)->descriptor;
    if (begun && descriptor >= 0) {
        shutdown(descriptor, SHUT_RDWR);
    }
    pthread_mutex_unlock(&self->lock);
    return begun;
}

bool recorder_doom(recorder *self, size_t connection)
{
    pthread_mutex_lock(&self->lock);
    const bool begun = await(self, has_begun, connection, 0);
    record_of(self, connection)->doomed = true;
    pthread_mutex_unlock(&self->lock);
    return begun;
}

bool recorder_stray(recorder *self, size_t connection, const void *bytes, size_t size)
{
    pthread_mutex_lock(&self->lock);
    const bool begun = await(self, has_begun, connection, 0);
    const int descriptor = record_of(self, connection)->descriptor;
    const bool sent =
        begun && descriptor >= 0 && send(descriptor, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
    pthread_mutex_unlock(&self->lock);
    return sent;
}
