#include "note.h"

#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static char *present(walk *self)
{
    return self->history[self->steps % WALK_HISTORY];
}

void walk_note(walk *self, const char *format, ...)
{
    self->steps++;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(present(self), WALK_NOTE_SIZE, format, arguments);
    va_end(arguments);
}

void walk_note_more(walk *self, const char *format, ...)
{
    const size_t used = strlen(present(self));
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(present(self) + used, WALK_NOTE_SIZE - used, format, arguments);
    va_end(arguments);
}

/* Writes bytes as a literal of C, of which only the beginning where they are many. There are no
   more than `there` of them, whatever their size says. */
static void note_bytes(walk *self, gibson_bytes bytes, size_t there)
{
    enum { SHOWN = 24 };
    const char *from = bytes.data;
    char text[2 * SHOWN + 1] = "";
    char *to = text;
    for (size_t i = 0; from && i < bytes.size && i < there && i < SHOWN; i++) {
        to += from[i] ? sprintf(to, "%c", from[i]) : sprintf(to, "\\0");
    }
    walk_note_more(self, from ? "{\"%s\"%s, %zu}" : "{NULL%s%s, %zu}", text,
                   from && bytes.size > SHOWN ? "..." : "", bytes.size);
}

void walk_note_request(walk *self, const walk_request *request)
{
    const gibson_request *call = &request->call;
    const gibson_command *command = gibson_command_by_opcode((uint32_t)call->opcode);
    walk_note_more(self, "{%u /* %s */, ", (unsigned)call->opcode,
                   command ? command->name : "none");
    note_bytes(self, call->key, request->key_size);
    walk_note_more(self, ", ");
    note_bytes(self, call->value, request->value_size);
    walk_note_more(self, ", %" PRId64 "}", call->number);
}

static void tell(const walk *self)
{
    const uint64_t first = self->steps < WALK_HISTORY ? 1 : self->steps - WALK_HISTORY + 1;
    for (uint64_t i = first; i <= self->steps; i++) {
        fprintf(stderr, "  %" PRIu64 ": %s\n", i, self->history[i % WALK_HISTORY]);
    }
}

static const walk *under_way;
static struct sigaction before;

/* What is not safe in a handler is safe enough where the program ends anyway. */
static void tell_and_abort(int number)
{
    tell(under_way);
    sigaction(number, &before, NULL);
    raise(number);
}

void walk_tell_on_abort(walk *self)
{
    struct sigaction action = {.sa_handler = tell_and_abort};
    if (self && !under_way) {
        sigaction(SIGABRT, &action, &before);
    } else if (!self && under_way) {
        sigaction(SIGABRT, &before, NULL);
    }
    under_way = self;
}

void walk_violate(walk *self, const char *format, ...)
{
    if (self->failed) {
        return;
    }
    self->failed = true;
    tell(self);
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "VIOLATION in step %" PRIu64 ": ", self->steps);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
}

void walk_expect(walk *self, gibson_status got, gibson_status expected)
{
    walk_note_more(self, "; // %s", gibson_status_name(got));
    if ((unsigned)got < WALK_STATUSES) {
        self->by_status[got]++;
    }
    if (got != expected) {
        walk_violate(self, "the call returned %s instead of %s: %s", gibson_status_name(got),
                     gibson_status_name(expected), gibson_client_error(self->client)->message);
    }
    self->error = expected;
}
