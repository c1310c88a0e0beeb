#include "worker_judge.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "support/suite.h"

void worker_note(worker *self, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(self->history[self->event_count++ % WORKER_HISTORY], WORKER_EVENT_SIZE, format,
              arguments);
    va_end(arguments);
}

void worker_violate(worker *self, const char *format, ...)
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

bool worker_is_answer(gibson_status status)
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

void worker_check_error(worker *self, gibson_status status, const char *where)
{
    if (status == GIBSON_OK || may_happen(self, status)) {
        return;
    }
    worker_violate(self, "%s returned %s", where, gibson_status_name(status));
}

/* Looks at a reply: an answer must be right in some world, an error must be one that can be. */
void worker_judge(worker *self, const space_request *request, const gibson_reply *reply)
{
    char asked[WORKER_EVENT_SIZE];
    char got[WORKER_EVENT_SIZE];
    worker_note(self, "%s -> %s", describe_request(request, asked), describe_reply(reply, got));
    self->counts.requests++;
    self->counts.by_status[reply->status]++;
    if (!worker_is_answer(reply->status)) {
        worker_check_error(self, reply->status, asked);
        return;
    }
    self->counts.judged_in_many += self->worlds.count > 1;
    if (!worlds_answer(&self->worlds, request, reply)) {
        worker_violate(self,
                       "%s was answered %s, which is right in none of %zu worlds, with %zu batches",
                       asked, got, self->worlds.count, self->worlds.batch_count);
    }
}

/* Checks that a call kept its deadline. */
void worker_check_time(worker *self, int64_t begin_ms, int64_t allowed_ms, const char *call)
{
    int64_t over_ms = suite_now_ms() - begin_ms - allowed_ms;
    if (over_ms > self->counts.longest_over_ms) {
        self->counts.longest_over_ms = over_ms;
    }
    if (over_ms > SUITE_SLACK_MS) {
        worker_violate(self, "%s took %" PRId64 " ms more than its deadline", call, over_ms);
    }
}
