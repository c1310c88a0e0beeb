#include "loop/slow_log.h"

#include <stdio.h>

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

void gibs_slow_log_note(gibs_exchange *exchange, const gibs_connection *connection,
                        const gib_request_frame *frame, int64_t took_ns)
{
    char key[SHOWN_BYTES * ESCAPED_BYTE + sizeof "..."] = "";
    const gibs_service *service = exchange->service;
    const gibson_command *command = gib_command(frame->opcode);
    gibson_request request;
    if (!command) {
        return;
    }
    exchange->service->counters.slow_requests++;
    if (gib_request_decode(command, frame->payload, &service->settings.limits,
                           service->settings.excess, &request) == GIB_CODE_OK) {
        escape(request.key, key);
    }
    gibs_log_write(exchange->log, GIBS_LOG_WARNING, "slow: %s %s took %.1f ms, for client %d",
                   command->name, key, (double)took_ns / 1e6, connection->fd);
}
