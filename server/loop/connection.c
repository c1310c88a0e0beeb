#include "loop/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#if defined(__linux__)
#include <linux/sockios.h>
#endif
#include <unistd.h>

#include "base/clock.h"
#include "base/likely.h"
#include "loop/slow_log.h"
#include "wire/command.h"
#include "wire/frame.h"

enum {
    READ_SIZE = 64 * 1024,        /* bytes read at once */
    KEPT_OUTPUT = 1024 * 1024,    /* capacity of the shared output that is kept */
    PART_DUE = 8,                 /* of what waits, in the time of a stall */
    SMALLEST_DUE = 64 * 1024,     /* bytes: about 2 KB/s */
    WORK_AT_ONCE = 64,            /* items, or KB, between two looks at the clock */
    DATA_BETWEEN_CLOCKS = 1024,   /* bytes of requests and replies, where they are no quick ones */
    MOST_MOVED = 256 * 1024,      /* bytes that are read or sent in a turn */
    FEW_REQUESTS = 16,            /* so many of them, */
    SHORT_NS = 30 * 1000,         /* and so long, are not much to ask for, */
    FEW_BYTES = 32 * 1024,        /* nor are so many, both ways together */
    HEAVY_TIMES = 8,              /* so many times those wait who have asked for more */
    REQUESTS_BETWEEN_CLOCKS = 64, /* so many quick requests take far less than a slice */
};

void gibs_exchange_open(gibs_exchange *exchange, gibs_service *service, gibs_log *log)
{
    exchange->service = service;
    exchange->log = log;
    atomic_init(&exchange->work, WORK_AT_ONCE);
    atomic_init(&exchange->slices, -1);
    gib_buffer_init(&exchange->in, &service->store->buffers.allocator);
    gib_buffer_init(&exchange->out, &service->store->buffers.allocator);
}

void gibs_exchange_close(gibs_exchange *exchange)
{
    gibs_holders_clear(&exchange->holders);
    gib_buffer_clear(&exchange->in);
    gib_buffer_clear(&exchange->out);
}

gibs_connection *gibs_connection_new(int descriptor, gibs_exchange *exchange, int64_t now_ms)
{
    gibs_connection *connection = calloc(1, sizeof *connection);
    if (connection && !gibs_holders_join(&exchange->holders)) {
        free(connection);
        connection = NULL;
    }
    if (connection) {
        connection->source = GIBS_SOURCE_CONNECTION;
        connection->descriptor = descriptor;
        connection->come_ms = connection->active_ms = now_ms;
        connection->heavy = 1;
        gib_buffer_init(&connection->in, exchange->in.allocator);
        gib_buffer_init(&connection->out, exchange->in.allocator);
    }
    return connection;
}

/* Brings the count of what is held for clients up to date. */
static void count(gibs_connection *connection, gibs_exchange *exchange)
{
    size_t held = connection->in.capacity + connection->out.capacity;
    held += connection->job
                ? sizeof *connection->job + gibs_job_held(connection->job, exchange->service->store)
                : 0;
    if (held != connection->counted) {
        exchange->service->counters.client_bytes += held;
        exchange->service->counters.client_bytes -= connection->counted;
        connection->counted = held;
        gibs_holders_update(&exchange->holders, connection);
    }
}

static void end_job(gibs_connection *connection, gibs_exchange *exchange)
{
    if (connection->job) {
        gibs_job_clear(connection->job, exchange->service->store);
        free(connection->job);
        connection->job = NULL;
    }
}

void gibs_connection_cut(gibs_connection *connection, gibs_exchange *exchange)
{
    end_job(connection, exchange);
    gib_buffer_clear(&connection->in);
    gib_buffer_clear(&connection->out);
    count(connection, exchange);
    connection->cut = true;
}

void gibs_connection_free(gibs_connection *connection, gibs_exchange *exchange)
{
    gibs_connection_cut(connection, exchange);
    shutdown(connection->descriptor, SHUT_RDWR); /* a process that was forked may have it too */
    close(connection->descriptor);
    gibs_holders_leave(&exchange->holders);
    free(connection);
}

/* What of a buffer can be sent: not the reply that is under way. */
static size_t sendable(const gibs_connection *connection, const gib_buffer *out)
{
    return gib_buffer_size(out) - (connection->job ? connection->job->written : 0);
}

size_t gibs_connection_output(const gibs_connection *connection)
{
    return sendable(connection, &connection->out);
}

bool gibs_connection_is_idle(const gibs_connection *connection)
{
    int arrived = 0;
    return !connection->backlog && !gibs_connection_output(connection) &&
           (ioctl(connection->descriptor, FIONREAD, &arrived) || !arrived);
}

unsigned gibs_connection_interest(const gibs_connection *connection, const gibs_exchange *exchange)
{
    unsigned interest = gibs_connection_output(connection) ? (unsigned)GIBS_WRITABLE : 0;
    if (connection->lingering) {
        return GIBS_READABLE;
    }
    bool full = gib_buffer_size(&connection->out) >= exchange->max_output_size;
    if (!full && !connection->closing && !connection->backlog) {
        interest |= GIBS_READABLE;
    }
    return interest;
}

/* Moves what is left in a shared buffer to an empty one: a little by copying, so that its owner
   holds no more memory than needed, a lot with the memory it is in. */
static bool keep_rest(gib_buffer *rest, gib_buffer *from)
{
    size_t size = gib_buffer_size(from);
    if (size > READ_SIZE) {
        gib_buffer_clear(rest);
        *rest = *from;
        gib_buffer_init(from, rest->allocator);
        uint8_t *data = gib_reallocate(rest->allocator, rest->data, rest->end);
        if (data) { /* else it only holds more than it needs */
            rest->data = data;
            rest->capacity = rest->end;
        }
        return true;
    }
    if (!gib_buffer_make_room(rest, size, false)) {
        return false;
    }
    memcpy(rest->data + rest->end, from->data + from->begin, size);
    rest->end += size;
    return true;
}

/* Of the bytes that were sent, those that the client has taken; or all, where the kernel does not
   tell. */
static int64_t taken_bytes(const gibs_connection *connection)
{
    int held = 0;
#if defined(SIOCOUTQ)
    if (ioctl(connection->descriptor, SIOCOUTQ, &held)) {
        held = 0;
    }
#endif
    return (int64_t)connection->bytes_out - held;
}

/* A client that takes a byte now and then would hold its buffers for ever. So it has moved only
   when it has taken a part of what waits for it. */
static size_t due_of(size_t left)
{
    return left / PART_DUE > SMALLEST_DUE ? left / PART_DUE : SMALLEST_DUE;
}

static void note_move(gibs_connection *connection, size_t left, int64_t now_ms)
{
    connection->moved_ms = now_ms;
    connection->due = due_of(left);
}

static void note_progress(gibs_connection *connection, size_t sent, size_t left, int64_t now_ms)
{
    if (sent < connection->due) {
        connection->due -= sent;
        return;
    }
    note_move(connection, left, now_ms);
    if (left) {
        connection->taken = taken_bytes(connection);
    }
}

/* The kernel takes more only when it has got rid of a third of what it holds, which may be
   megabytes. So before a client is said to stall it is asked what that is. */
bool gibs_connection_has_moved(gibs_connection *connection, int64_t now_ms)
{
    size_t left = gibs_connection_output(connection);
    int64_t taken = taken_bytes(connection);
    if (taken - connection->taken < (int64_t)due_of(left)) {
        return false;
    }
    note_move(connection, left, now_ms);
    connection->taken = taken;
    return true;
}

/* Sends what the socket takes, or a part: a client that reads while it is written to could be
   written to for long. False where the connection is broken. */
static bool send_from(gibs_connection *connection, gibs_exchange *exchange, gib_buffer *out,
                      int64_t now_ms)
{
    size_t left;
    size_t room = MOST_MOVED;
    while (room && (left = sendable(connection, out))) {
        ssize_t sent = send(connection->descriptor, out->data + out->begin,
                            left < room ? left : room, MSG_NOSIGNAL);
        if (sent > 0) {
            room -= (size_t)sent;
            gib_buffer_consume(out, (size_t)sent);
            connection->bytes_out += (uint64_t)sent;
            exchange->service->counters.bytes_out += (uint64_t)sent;
            note_progress(connection, (size_t)sent, left - (size_t)sent, now_ms);
        } else if (errno != EINTR) {
            return errno == EAGAIN || errno == EWOULDBLOCK;
        }
    }
    return true;
}

/* What has taken much is followed by a look at the clock; of quick requests many fit between two.
   How long a key is counts too: there may be a node for each byte of it. */
static bool may_be_long(const gib_request_frame *frame, size_t bytes)
{
    const gibson_command *command = gib_command(frame->opcode);
    return (command && gibson_takes(command->arguments, GIBSON_ARGUMENT_PREFIX)) ||
           bytes > DATA_BETWEEN_CLOCKS;
}

/* Tells whether a command that is under way may go on; only a test ever keeps it from that. */
static bool may_go_on(gibs_exchange *exchange)
{
    int64_t slices = atomic_load_explicit(&exchange->slices, memory_order_relaxed);
    if (slices > 0) {
        atomic_fetch_sub(&exchange->slices, 1);
    }
    return slices != 0;
}

/* Goes on with a request until it is answered or the turn is over; at least a slice is done. */
static gibs_answer work_on(gibs_exchange *exchange, const gib_request_frame *frame, gibs_job *job,
                           gib_buffer *out, int64_t end_ns)
{
    size_t work = atomic_load_explicit(&exchange->work, memory_order_relaxed);
    gibs_answer result;
    do {
        if (GIB_UNLIKELY(job->begun) && !may_go_on(exchange)) {
            return GIBS_ANSWER_MORE;
        }
        result = gibs_service_answer(exchange->service, frame, work, job, out);
    } while (GIB_UNLIKELY(result == GIBS_ANSWER_MORE) && gib_now_ns() < end_ns);
    return result;
}

/* A job ends by the rules that it was begun with: by those of a reload its key could be another
   one, or none. So they take the place of the others while it is worked on. Called before that, and
   after. */
GIB_COLD static void swap_rules(gibs_service_settings *some, gibs_service_settings *others)
{
    gibs_service_settings kept = *some;
    *some = *others;
    *others = kept;
}

static void change_rules(gibs_connection *connection, gibs_exchange *exchange)
{
    if (connection->job) {
        swap_rules(&connection->job->settings, &exchange->service->settings);
    }
}

/* Keeps a job that was begun in this turn for the next ones. */
static bool keep_job(gibs_connection *connection, gibs_exchange *exchange)
{
    if (!connection->job) {
        connection->job = malloc(sizeof *connection->job);
        if (!connection->job) {
            return false;
        }
        *connection->job = exchange->job;
        connection->job->settings = exchange->service->settings;
        exchange->job = (gibs_job){0};
    }
    return true;
}

/* Answers a request, or works on it for the rest of the turn. Returns whether it is done with. */
static bool answer_one(gibs_connection *connection, gibs_exchange *exchange,
                       const gib_request_frame *frame, gib_buffer *out, int64_t end_ns)
{
    gibs_job *job = connection->job ? connection->job : &exchange->job;
    gibs_answer result = work_on(exchange, frame, job, out, end_ns);
    if (result == GIBS_ANSWER_MORE && keep_job(connection, exchange)) {
        return false;
    }
    if (result == GIBS_ANSWER_MORE) { /* without memory for its job it cannot be answered */
        gib_buffer_clear(out);
    }
    connection->closing = result != GIBS_ANSWER_NEXT;
    if (result == GIBS_ANSWER_CLOSE) {
        exchange->service->counters.partings[GIBS_PARTING_malformed]++;
    }
    change_rules(connection, exchange);
    end_job(connection, exchange);
    gibs_job_clear(&exchange->job, exchange->service->store);
    return true;
}

/* Finds the next request that can be answered now. */
static bool find_request(gibs_connection *connection, gibs_exchange *exchange, const gib_buffer *in,
                         const gib_buffer *out, gib_request_frame *frame)
{
    gibs_service *service = exchange->service;
    if (connection->closing || !gib_buffer_size(in)) {
        return false;
    }
    gib_frame_state state = gib_request_find(in->data + in->begin, gib_buffer_size(in),
                                             service->settings.limits.max_request_size, frame);
    if (state == GIB_FRAME_INVALID) {
        connection->closing = true;
        service->counters.partings[GIBS_PARTING_malformed]++;
    }
    if (state != GIB_FRAME_WHOLE) {
        return false;
    }
    bool full = !connection->job && gib_buffer_size(out) >= exchange->max_output_size;
    connection->backlog = full;
    return !full;
}

static size_t look_ahead(const gibs_exchange *exchange, const gib_buffer *in)
{
    return gibs_service_look_ahead(exchange->service,
                                   gibson_bytes_of(in->data + in->begin, gib_buffer_size(in)));
}

/* Answers the requests in `in` until there is no whole one, the replies are too many, or the turn
   is over. */
static void answer(gibs_connection *connection, gibs_exchange *exchange, gib_buffer *in,
                   gib_buffer *out)
{
    int64_t now_ns = gib_now_ns();
    int64_t end_ns = now_ns + exchange->slice_ns;
    int64_t begun_ns = connection->job ? connection->begun_ns : now_ns;
    gibs_exchange_note_time(exchange, now_ns);
    gibs_service_update_time(exchange->service, now_ns); /* those before may have taken long */
    int64_t start_ns = now_ns;
    unsigned answered = 0;
    size_t bytes = 0; /* since the clock was looked at */
    gib_request_frame frame;
    connection->backlog = false;
    change_rules(connection, exchange);
    size_t ahead = 1; /* of one request there is nothing to look at ahead */
    while (find_request(connection, exchange, in, out, &frame)) {
        size_t before = gib_buffer_size(out);
        if (answered == ahead) {
            ahead += look_ahead(exchange, in);
        }
        if (!answer_one(connection, exchange, &frame, out, end_ns)) {
            connection->begun_ns = begun_ns;
            connection->backlog = true;
            break;
        }
        bytes += frame.frame_size + gib_buffer_size(out) - before;
        bool long_one = may_be_long(&frame, bytes);
        if (++answered % REQUESTS_BETWEEN_CLOCKS == 0 || long_one) {
            now_ns = gib_now_ns();
            bytes = 0;
        }
        if (long_one && exchange->slow_ns && now_ns - begun_ns >= exchange->slow_ns) {
            gibs_slow_log_note(exchange, connection, &frame, now_ns - begun_ns);
        }
        begun_ns = now_ns;
        gib_buffer_consume(in, frame.frame_size);
        if (now_ns >= end_ns) {
            connection->backlog = gib_buffer_size(in) > 0;
            break;
        }
    }
    change_rules(connection, exchange);
    connection->requests += answered;
    if (answered > FEW_REQUESTS || connection->job || now_ns - start_ns > SHORT_NS) {
        connection->heavy = HEAVY_TIMES;
    } else if (connection->heavy) {
        connection->heavy--;
    }
    exchange->timed_since_ns = connection->asked_ns;
    exchange->timed = answered;
}

/* Takes what is left in the shared buffers into those of the connection, and gives memory back. */
static bool settle(gibs_connection *connection, gibs_exchange *exchange, gib_buffer *in,
                   gib_buffer *out)
{
    bool kept = true;
    if (connection->closing) {
        gib_buffer_empty(in);
    }
    if (in == &exchange->in && gib_buffer_size(in)) {
        kept = keep_rest(&connection->in, in);
    }
    if (out == &exchange->out && gib_buffer_size(out)) {
        kept = keep_rest(&connection->out, out) && kept;
    }
    gib_buffer_empty(&exchange->in);
    gib_buffer_empty(&exchange->out);
    if (!gib_buffer_size(&connection->in)) {
        gib_buffer_clear(&connection->in);
    }
    if (!gib_buffer_size(&connection->out)) {
        gib_buffer_clear(&connection->out);
    }
    if (exchange->out.capacity > KEPT_OUTPUT) {
        gib_buffer_clear(&exchange->out);
    }
    count(connection, exchange);
    return kept;
}

/* Ends a connection on this side. To close it while bytes of the client are unread, or on their
   way, would make TCP take back the replies that the client has not read yet. So it says that no
   more replies come, and throws away what comes until the client closes its side too. */
static gibs_outcome finish(gibs_connection *connection, int64_t now_ms)
{
    if (connection->peer_ended || shutdown(connection->descriptor, SHUT_WR)) {
        return GIBS_OUTCOME_CLOSED;
    }
    connection->lingering = true;
    connection->moved_ms = now_ms;
    connection->taken = taken_bytes(connection);
    return GIBS_OUTCOME_OPEN;
}

/* Answers what is in a buffer and sends it off. */
static gibs_outcome serve(gibs_connection *connection, gibs_exchange *exchange, gib_buffer *in,
                          int64_t now_ms)
{
    gib_buffer *out = gib_buffer_size(&connection->out) ? &connection->out : &exchange->out;
    if (!gibs_connection_output(connection)) {
        connection->moved_ms = now_ms;
        connection->due = 0;
    }
    answer(connection, exchange, in, out);
    bool sound = send_from(connection, exchange, out, now_ms);
    bool sent = !sendable(connection, out);
    sound = settle(connection, exchange, in, out) && sound;
    if (!sound) {
        return GIBS_OUTCOME_CLOSED;
    }
    return connection->closing && sent ? finish(connection, now_ms) : GIBS_OUTCOME_OPEN;
}

/* The client has closed its side. Replies that wait are still for it. */
static gibs_outcome end_of_requests(gibs_connection *connection)
{
    connection->closing = connection->peer_ended = true;
    return gibs_connection_output(connection) ? GIBS_OUTCOME_OPEN : GIBS_OUTCOME_CLOSED;
}

/* Makes room to read to. A request of which a part is there gets no more than it needs in the end,
   and gets it as it comes: what it claims to be costs nothing. */
static bool make_room(gib_buffer *in, size_t largest_request)
{
    size_t have = gib_buffer_size(in);
    if (have < sizeof(uint32_t)) {
        return gib_buffer_reserve(in, READ_SIZE);
    }
    size_t whole = sizeof(uint32_t) + (size_t)gib_load_u32(in->data + in->begin);
    if (whole <= have || whole - sizeof(uint32_t) > largest_request) {
        return gib_buffer_reserve(in, READ_SIZE);
    }
    size_t step = have > READ_SIZE ? have : READ_SIZE;
    size_t room = whole - have < step ? whole - have : step;
    return gib_buffer_room(in) >= room || gib_buffer_make_room(in, room, false);
}

gibs_outcome gibs_connection_read(gibs_connection *connection, gibs_exchange *exchange,
                                  int64_t now_ms)
{
    gib_buffer *in = gib_buffer_size(&connection->in) ? &connection->in : &exchange->in;
    if (!make_room(in, exchange->service->settings.limits.max_request_size)) {
        return GIBS_OUTCOME_CLOSED;
    }
    size_t room = gib_buffer_room(in) < MOST_MOVED ? gib_buffer_room(in) : MOST_MOVED;
    ssize_t received = recv(connection->descriptor, in->data + in->end, room, 0);
    if (received < 0) {
        bool later = errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
        return later ? GIBS_OUTCOME_OPEN : GIBS_OUTCOME_CLOSED;
    }
    if (received == 0) {
        return end_of_requests(connection);
    }
    exchange->service->counters.bytes_in += (uint64_t)received;
    connection->bytes_in += (uint64_t)received;
    connection->active_ms = now_ms;
    connection->asked_ns = exchange->turn_ns;
    if (connection->lingering) {
        return GIBS_OUTCOME_OPEN;
    }
    in->end += (size_t)received;
    return serve(connection, exchange, in, now_ms);
}

gibs_outcome gibs_connection_go_on(gibs_connection *connection, gibs_exchange *exchange,
                                   int64_t now_ms)
{
    return serve(connection, exchange, &connection->in, now_ms);
}

void gibs_connection_weigh(gibs_connection *connection, uint64_t bytes)
{
    if (bytes > FEW_BYTES) {
        connection->heavy = HEAVY_TIMES;
    }
}

gibs_outcome gibs_connection_write(gibs_connection *connection, gibs_exchange *exchange,
                                   int64_t now_ms)
{
    if (!send_from(connection, exchange, &connection->out, now_ms)) {
        return GIBS_OUTCOME_CLOSED;
    }
    return gibs_connection_go_on(connection, exchange, now_ms);
}
