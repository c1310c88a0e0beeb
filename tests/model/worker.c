#include "worker.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <gibson/pipeline.h>

#include "choice.h"
#include "random.h"
#include "support/suite.h"

enum {
    PATIENT_MS = 20000,
    ENOUGH_WORLDS = 300,
    LONGEST_PIPELINE = WORLDS_BATCH_REQUESTS - 8,
};

static void note(worker *self, const char *format, ...) __attribute__((__format__(printf, 2, 3)));
static void violate(worker *self, const char *format, ...)
    __attribute__((__format__(printf, 2, 3)));

static void note(worker *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->history[self->event_count++ % WORKER_HISTORY], WORKER_EVENT_SIZE, format,
              arguments);
    va_end(arguments);
}

static void violate(worker *self, const char *format, ...)
{
    if (self->violated) {
        return;
    }
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->violation, sizeof self->violation, format, arguments);
    va_end(arguments);
    self->violated = true;
}

void worker_tell(const worker *self)
{
    uint64_t first = self->event_count > WORKER_HISTORY ? self->event_count - WORKER_HISTORY : 0;
    for (uint64_t i = first; i < self->event_count; i++) {
        fprintf(stderr, "  %s\n", self->history[i % WORKER_HISTORY]);
    }
    fprintf(stderr, "VIOLATION: thread %u, seed %" PRIu64 ": %s\n", self->index, self->seed,
            self->violation);
}

static const char *describe_request(const space_request *request, char to[WORKER_EVENT_SIZE])
{
    snprintf(to, WORKER_EVENT_SIZE, "%s %s number %" PRId64 " value kind %d number %" PRId64,
             gibson_command_by_opcode((uint32_t)request->opcode)->name, request->name,
             request->number, (int)request->value.kind, request->value.number);
    return to;
}

static const char *describe_reply(const gibson_reply *reply, char to[WORKER_EVENT_SIZE])
{
    const gibson_bytes bytes = reply->value.bytes;
    snprintf(to, WORKER_EVENT_SIZE,
             "%s, kind %d, %zu bytes \"%.*s\", number %" PRId64 ", %zu items",
             gibson_status_name(reply->status), (int)reply->value.kind, bytes.size,
             bytes.size < 40 ? (int)bytes.size : 40, bytes.size ? (const char *)bytes.data : "",
             reply->value.number, gibson_items_count(&reply->items));
    return to;
}

static bool is_answer(gibson_status status)
{
    return status <= GIBSON_SERVER_ERROR;
}

/* Whether an error can be what the faults have led to. TRUNCATED cannot: nothing changes values. */
static bool may_happen(const worker *self, gibson_status status)
{
    switch (status) {
    case GIBSON_CLOSED:
        return self->faulty || self->may_close;
    case GIBSON_TIMEOUT:
    case GIBSON_UNREACHABLE:
    case GIBSON_PROTOCOL:
        return self->faulty;
    case GIBSON_INTERRUPTED:
        return self->interrupted;
    default:
        return false;
    }
}

static void check_error(worker *self, gibson_status status, const char *where)
{
    if (status == GIBSON_OK || may_happen(self, status)) {
        return;
    }
    violate(self, "%s returned %s", where, gibson_status_name(status));
}

/* Looks at a reply: an answer must be right in some world, an error must be one that can be. */
static void judge(worker *self, const space_request *request, const gibson_reply *reply)
{
    char asked[WORKER_EVENT_SIZE];
    char got[WORKER_EVENT_SIZE];
    note(self, "%s -> %s", describe_request(request, asked), describe_reply(reply, got));
    self->counts.requests++;
    self->counts.by_status[reply->status]++;
    if (!is_answer(reply->status)) {
        check_error(self, reply->status, asked);
        return;
    }
    self->counts.judged_in_many += self->worlds.count > 1;
    if (!worlds_answer(&self->worlds, request, reply)) {
        violate(self, "%s was answered %s, which is right in none of %zu worlds, with %zu batches",
                asked, got, self->worlds.count, self->worlds.batch_count);
    }
}

/* Checks that a call kept its deadline. */
static void check_time(worker *self, int64_t begin_ms, int64_t allowed_ms, const char *call)
{
    int64_t over_ms = suite_now_ms() - begin_ms - allowed_ms;
    if (over_ms > self->counts.longest_over_ms) {
        self->counts.longest_over_ms = over_ms;
    }
    if (over_ms > SUITE_SLACK_MS) {
        violate(self, "%s took %" PRId64 " ms more than its deadline", call, over_ms);
    }
}

static gibson_request to_request(worker *self, const space_request *request)
{
    static _Thread_local char value[SPACE_LARGEST_TEXT];
    size_t size = 0;
    if (request->value.kind != SPACE_ABSENT) {
        size = space_value_bytes(self->space, &request->value, value);
    }
    return gibson_request_make(request->opcode,
                               gibson_bytes_of(request->name, strlen(request->name)),
                               gibson_bytes_of(value, size), request->number);
}

/* ---- settling ---- */

/* Asks the server without a proxy. */
static void ask_directly(worker *self, const space_request *request)
{
    gibson_request sent = to_request(self, request);
    gibson_reply reply;
    gibson_client_call(self->direct, &sent, &reply);
    if (!is_answer(reply.status)) {
        violate(self, "the server answers %s", gibson_client_error(self->direct)->message);
        return;
    }
    note(self, "directly:");
    judge(self, request, &reply);
}

/* Reads all values, ttls and locks. Afterwards there is one world. */
static void ask_for_all(worker *self)
{
    static const gibson_meta_field fields[] = {GIBSON_META_TTL, GIBSON_META_LOCK};
    space_request request = {.opcode = GIBSON_OP_MGET};
    space_name_prefix(&request, self->space, 0);
    ask_directly(self, &request);
    for (unsigned i = 0; i < SPACE_KEYS && self->worlds.count > 1; i++) {
        for (size_t field = 0; field < 2; field++) {
            request = (space_request){.opcode = GIBSON_OP_META, .number = (int64_t)fields[field]};
            space_name_key(&request, self->space, i);
            ask_directly(self, &request);
        }
    }
    request = (space_request){.opcode = GIBSON_OP_GET};
    for (unsigned i = 0; i < SPACE_KEYS && self->worlds.count > 1; i++) {
        space_name_key(&request, self->space, i); /* tells text from digits by its bytes */
        ask_directly(self, &request);
    }
}

/* Too many worlds to tell them apart: deletes everything, and begins with the one that is left. */
static void give_up(worker *self)
{
    static const space_item nothing[SPACE_KEYS];
    static const gibson_opcode cleaning[] = {GIBSON_OP_MUNLOCK, GIBSON_OP_MDEL};
    for (size_t i = 0; i < 2; i++) {
        space_request request = {.opcode = cleaning[i]};
        space_name_prefix(&request, self->space, 0);
        gibson_request sent = to_request(self, &request);
        gibson_reply reply;
        gibson_client_call(self->direct, &sent, &reply);
    }
    worlds_reset(&self->worlds, nothing);
    self->counts.given_up++;
}

/* Ends all connections through the proxy, and finds out what has been carried out. */
static void settle(worker *self)
{
    self->counts.settled++;
    note(self, "settle %zu worlds, %zu batches", self->worlds.count, self->worlds.batch_count);
    for (unsigned i = 0; i < self->client_count; i++) {
        self->ended[i] = true;
    }
    if (!gib_proxy_drop(self->proxy, PATIENT_MS)) {
        violate(self, "the server did not close the connections that the proxy has ended");
        return;
    }
    worlds_settle(&self->worlds);
    if (self->worlds.too_many) {
        give_up(self);
    } else {
        ask_for_all(self);
    }
    if (!self->violated && self->worlds.count != 1) {
        violate(self, "%zu worlds are left", self->worlds.count);
    }
}

/* ---- single requests ---- */

/* Which connection a client has: descriptors are used again, the numbers of sockets are not. */
static ino_t socket_of(const gibson_client *client)
{
    struct stat state;
    int descriptor = gibson_client_fd(client);
    return descriptor >= 0 && fstat(descriptor, &state) == 0 ? state.st_ino : 0;
}

/* Runs a request by the function of its own that some commands have in the library. */
static void call(worker *self, gibson_client *client, const gibson_request *request,
                 gibson_reply *reply)
{
    if (choice_percent(&self->random, 30)) {
        gibson_client_call(client, request, reply);
        return;
    }
    *reply = (gibson_reply){.opcode = request->opcode};
    switch (request->opcode) {
    case GIBSON_OP_GET:
        reply->status =
            gibson_client_get(client, request->key.data, request->key.size, &reply->value);
        break;
    case GIBSON_OP_MGET:
        reply->status = gibson_client_mget(client, request->key.data, request->key.size,
                                           request->number, &reply->items);
        break;
    case GIBSON_OP_COUNT:
        reply->value.kind = GIBSON_KIND_NUMBER;
        reply->status =
            gibson_client_count(client, request->key.data, request->key.size, &reply->value.number);
        break;
    default:
        gibson_client_call(client, request, reply);
    }
}

/* A repeated request may have been carried out, or be on its way, more than once; also one that had
   to connect first, since that connection may have been lost before the one that there is now. */
static void lose_call(worker *self, unsigned which, const space_request *request, ino_t before,
                      const gibson_reply *reply)
{
    const gibson_options *options = &self->options[which];
    const gibson_command *command = gibson_command_by_opcode((uint32_t)request->opcode);
    const bool answered = is_answer(reply->status);
    const bool may_repeat =
        options->reconnect && options->retry_repeatable && command->effect != GIBSON_EFFECT_WRITE;
    if (!answered) {
        worlds_lose(&self->worlds, &request, 1);
    }
    if (may_repeat && (!answered || socket_of(self->clients[which]) != before)) {
        worlds_lose(&self->worlds, &request, 1);
    }
}

static void run_single(worker *self, unsigned which)
{
    gibson_client *client = self->clients[which];
    const gibson_options *options = &self->options[which];
    space_request request;
    choice_request(&self->random, self->space, &self->writes, &request);
    gibson_request sent = to_request(self, &request);
    const ino_t before = socket_of(client);
    gibson_reply reply;
    gibson_owned_reply *owned = NULL;
    self->interrupted = false;
    const int64_t begin_ms = suite_now_ms();
    call(self, client, &sent, &reply);
    check_time(self, begin_ms, 2 * (options->timeout_ms + options->connect_timeout_ms), "a call");
    lose_call(self, which, &request, before, &reply);
    if (is_answer(reply.status) && choice_percent(&self->random, 5)) {
        check_error(self, gibson_client_take_reply(client, &owned), "take_reply");
        gibson_client_close(client); /* the reply is to outlive it */
    }
    judge(self, &request, &reply);
    gibson_owned_reply_free(owned);
}

/* ---- pipelines ---- */

typedef struct pipeline {
    space_request requests[LONGEST_PIPELINE];
    size_t queued;
    size_t read;
} pipeline;

/* Queues what fits. */
static void fill(worker *self, unsigned which, pipeline *line, size_t wanted)
{
    while (line->queued < wanted && !self->violated) {
        space_request *request = &line->requests[line->queued];
        if (choice_percent(&self->random, 1)) {
            *request = (space_request){.opcode = GIBSON_OP_END};
            self->may_close = true; /* what is queued behind it */
        } else {
            choice_request(&self->random, self->space, &self->writes, request);
        }
        gibson_request sent = to_request(self, request);
        gibson_status status = gibson_client_queue(self->clients[which], &sent);
        if (status == GIBSON_WOULD_BLOCK && line->queued > line->read) {
            return;
        }
        if (status != GIBSON_OK) {
            check_error(self, status, "queue");
            return;
        }
        line->queued++;
    }
}

static void flush(worker *self, unsigned which)
{
    const int64_t begin_ms = suite_now_ms();
    gibson_status status = gibson_client_flush(self->clients[which]);
    check_time(self, begin_ms, self->options[which].timeout_ms, "flush");
    check_error(self, status, "flush");
}

static void lose_rest(worker *self, const pipeline *line)
{
    const space_request *lost[LONGEST_PIPELINE];
    size_t count = 0;
    for (size_t i = line->read; i < line->queued; i++) {
        lost[count++] = &line->requests[i];
    }
    worlds_lose(&self->worlds, lost, count);
}

/* Reads a reply. At the first error, all that follows is lost as well. */
static void read_reply(worker *self, unsigned which, pipeline *line, bool *lost)
{
    gibson_reply reply;
    const int64_t begin_ms = suite_now_ms();
    gibson_client_next(self->clients[which], &reply);
    check_time(self, begin_ms, self->options[which].timeout_ms, "next");
    if (*lost && is_answer(reply.status)) {
        violate(self, "an answer follows an error in a pipeline");
    }
    if (!*lost && !is_answer(reply.status)) {
        *lost = true;
        lose_rest(self, line);
    }
    judge(self, &line->requests[line->read++], &reply);
}

static void run_pipeline(worker *self, unsigned which)
{
    gibson_client *client = self->clients[which];
    pipeline line = {.queued = 0};
    bool lost = false;
    const size_t wanted = 1 + test_random_below(&self->random, LONGEST_PIPELINE);
    self->interrupted = false;
    fill(self, which, &line, wanted);
    if (choice_percent(&self->random, 30)) {
        flush(self, which);
    }
    while (line.read < line.queued && !self->violated) {
        if (gibson_client_outstanding(client) != line.queued - line.read) {
            violate(self, "%zu replies are outstanding instead of %zu",
                    gibson_client_outstanding(client), line.queued - line.read);
        }
        if (choice_percent(&self->random, 1)) {
            note(self, "a pipeline is dropped");
            if (!lost) {
                lose_rest(self, &line);
            }
            gibson_client_close(client);
            return;
        }
        read_reply(self, which, &line, &lost);
        if (!lost && choice_percent(&self->random, 20)) {
            fill(self, which, &line, wanted);
        }
    }
    gibson_reply none;
    if (!self->violated && gibson_client_next(client, &none) != GIBSON_END) {
        violate(self, "a reply too many");
    }
}

/* ---- steps ---- */

static void connect_client(worker *self, unsigned which)
{
    self->interrupted = false;
    const int64_t begin_ms = suite_now_ms();
    gibson_status status = gibson_client_connect(self->clients[which]);
    check_time(self, begin_ms, self->options[which].connect_timeout_ms, "connect");
    check_error(self, status, "connect");
}

static void quit(worker *self, unsigned which)
{
    self->interrupted = false;
    gibson_status status = gibson_client_quit(self->clients[which]);
    check_error(self, status, "quit");
    if (gibson_client_connected(self->clients[which])) {
        violate(self, "connected after quit");
    }
}

static void step(worker *self)
{
    const unsigned which = test_random_below(&self->random, self->client_count);
    gibson_client *client = self->clients[which];
    const unsigned dice = test_random_below(&self->random, 100);
    self->may_close = self->ended[which];
    if (!gibson_client_connected(client) &&
        (!self->options[which].reconnect || choice_percent(&self->random, 20))) {
        connect_client(self, which);
    }
    if (!gibson_client_connected(client) && !self->options[which].reconnect) {
        return;
    }
    if (dice < 70) {
        run_single(self, which);
    } else if (dice < 88) {
        run_pipeline(self, which);
    } else if (dice < 94) {
        gib_proxy_release(self->proxy);
    } else if (dice < 96) {
        settle(self);
        return;
    } else if (dice < 98) {
        gibson_client_close(client);
    } else {
        quit(self, which);
    }
    self->ended[which] &= dice >= 88 && dice < 94; /* then the client was not used */
    if (worlds_may_become(&self->worlds) > ENOUGH_WORLDS ||
        self->worlds.batch_count + 2 > WORLDS_BATCHES) {
        settle(self);
    }
}

static int interrupt(void *context)
{
    worker *self = context;
    bool now = choice_percent(&self->interrupt_random, self->interrupt_percent);
    self->interrupted |= now;
    return now;
}

static size_t plan(void *context, uint64_t connection, gib_fault *faults, size_t capacity)
{
    worker *self = context;
    (void)connection;
    return self->faulty ? choice_faults(&self->fault_random, faults, capacity) : 0;
}

/* Sets where to connect to, from text as the proxy has it. `host` outlives the options. */
static void set_address(gibson_options *options, const char *address, uint16_t port)
{
    if (port) {
        options->port = port;
    } else {
        options->unix_socket = address + strlen("unix:");
    }
}

static void make_client(worker *self, gibson_client **client, const gibson_options *options)
{
    gibson_error error;
    if (gibson_client_new(client, options, &error) != GIBSON_OK) {
        violate(self, "client_new: %s", error.message);
    }
}

static void start_proxy(worker *self)
{
    char error[GIB_PROXY_ERROR_SIZE];
    const bool is_unix = strncmp(self->server, "unix:", 5) == 0;
    char listen[GIB_PROXY_ADDRESS_SIZE];
    snprintf(listen, sizeof listen, is_unix ? "%s.%u" : "127.0.0.1:0", self->server, self->index);
    const gib_proxy_options options = {
        .listen = listen, .connect = self->server, .plan = plan, .context = self};
    if (!gib_proxy_start(&self->proxy, &options, error)) {
        violate(self, "%s", error);
    }
}

static void start(worker *self)
{
    self->random = self->seed;
    self->fault_random = test_random(&self->random);
    self->interrupt_random = test_random(&self->random);
    self->interrupt_percent = self->faulty ? 5 : 0;
    snprintf(self->space, sizeof self->space, "t%u", self->index);
    worlds_init(&self->worlds, self->space);
    start_proxy(self);
    gibson_options options;
    gibson_options_init(&options);
    options.timeout_ms = PATIENT_MS;
    options.reconnect = true;
    const char *colon = strrchr(self->server, ':');
    const bool is_unix = strncmp(self->server, "unix:", 5) == 0;
    set_address(&options, self->server, is_unix ? 0 : (uint16_t)strtol(colon + 1, NULL, 10));
    make_client(self, &self->direct, &options);
    self->client_count = 1 + test_random_below(&self->random, WORKER_CLIENTS);
    for (unsigned i = 0; i < self->client_count && !self->violated; i++) {
        gibson_options_init(&self->options[i]);
        choice_options(&self->random, &self->options[i]);
        if (!self->faulty) {
            self->options[i].timeout_ms = PATIENT_MS;
            self->options[i].reconnect = true;
        }
        self->options[i].interrupt = interrupt;
        self->options[i].interrupt_context = self;
        set_address(&self->options[i], gib_proxy_listens_on(self->proxy),
                    gib_proxy_port(self->proxy));
        make_client(self, &self->clients[i], &self->options[i]);
    }
}

static void stop(worker *self)
{
    for (unsigned i = 0; i < self->client_count; i++) {
        gibson_client_free(self->clients[i]);
    }
    gibson_client_free(self->direct);
    if (self->proxy) {
        gib_proxy_counters counters = gib_proxy_count(self->proxy);
        self->counts.connections = counters.accepted;
        self->counts.faults = counters.struck;
    }
    gib_proxy_stop(self->proxy);
    self->counts.most_worlds = self->worlds.most;
    worlds_clear(&self->worlds);
}

void *worker_run(void *context)
{
    worker *self = context;
    start(self);
    for (unsigned i = 0; i < self->steps && !self->violated; i++) {
        step(self);
    }
    if (!self->violated) {
        settle(self);
    }
    stop(self);
    return NULL;
}
