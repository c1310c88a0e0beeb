#include "loop/slow_log.h"

#include <stdio.h>
#include <string.h>

#include "wire/command.h"

enum { SHOWN_BYTES = 64, ESCAPED_BYTE = 4 };

/* Keys are any bytes; in a line of the log they must look like nothing else. */
static void escape(gibson_bytes key, char *text)
{
    size_t shown = key.size < SHOWN_BYTES ? key.size : SHOWN_BYTES;
    const uint8_t *bytes = key.data;
    for (size_t i = 0; i < shown; i++) {
        bool plain = bytes[i] > ' ' && bytes[i] < 0x7f && bytes[i] != '\\';
        text += snprintf(text, ESCAPED_BYTE + 1, plain ? "%c" : "\\x%02x", bytes[i]);
    }
    snprintf(text, sizeof "...", "%s", key.size > shown ? "..." : "");
}

/* What stands before a space, or to the end. */
static gibson_bytes take_word(gibson_bytes *from)
{
    const uint8_t *data = from->data;
    const uint8_t *space = from->size ? memchr(data, ' ', from->size) : NULL;
    size_t size = space ? (size_t)(space - data) : from->size;
    size_t skipped = size + (space ? 1 : 0);
    *from = skipped ? (gibson_bytes){data + skipped, from->size - skipped} : *from;
    return (gibson_bytes){data, size};
}

/* The key or prefix of a request, which has been decoded before and may have been found wrong. */
static gibson_bytes find_key(const gibson_command *command, gibson_bytes payload)
{
    if (command->arguments == GIBSON_ARGUMENTS_NONE) {
        return (gibson_bytes){0};
    }
    if (gibson_takes(command->arguments, GIBSON_ARGUMENT_TTL)) {
        take_word(&payload);
    }
    return take_word(&payload);
}

void gibs_slow_log_note(gibs_exchange *exchange, const gibs_connection *connection,
                        const gib_request_frame *frame, int64_t took_ns)
{
    char text[1 + SHOWN_BYTES * ESCAPED_BYTE + sizeof "..."] = "";
    const gibson_command *command = gib_command(frame->opcode);
    if (!command) {
        return;
    }
    gibson_bytes key = find_key(command, frame->payload);
    text[0] = key.size ? ' ' : '\0';
    escape(key, text + 1);
    exchange->service->counters.slow_requests++;
    gibs_log_write(exchange->log, GIBS_LOG_WARNING, "slow: %s%s took %.1f ms, for client %d",
                   command->name, text, (double)took_ns / 1e6, connection->descriptor);
}
