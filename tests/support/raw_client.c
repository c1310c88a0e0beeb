#include "raw_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <gibson/command.h>

#include "base/clock.h"
#include "wire/frame.h"
#include "wire/items.h"

enum { PATIENCE_MS = 20000 };

size_t raw_request(uint8_t *to, uint16_t opcode, const void *payload, size_t payload_size)
{
    gib_store_u32(to, (uint32_t)(GIB_OPCODE_FIELD + payload_size));
    gib_store_u16(to + GIB_SIZE_FIELD, opcode);
    if (payload_size) {
        memcpy(to + GIB_REQUEST_HEADER, payload, payload_size);
    }
    return GIB_REQUEST_HEADER + payload_size;
}

bool raw_send(int descriptor, const void *bytes, size_t size)
{
    const uint8_t *from = bytes;
    while (size) {
        ssize_t sent = send(descriptor, from, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return false;
        }
        from += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool raw_send_request(int descriptor, uint16_t opcode, const void *payload, size_t payload_size)
{
    uint8_t *frame = malloc(GIB_REQUEST_HEADER + payload_size);
    if (!frame) {
        abort();
    }
    size_t size = raw_request(frame, opcode, payload, payload_size);
    bool sent = raw_send(descriptor, frame, size);
    free(frame);
    return sent;
}

/* Returns false at the end of the connection. */
static bool read_all(int descriptor, uint8_t *to, size_t size)
{
    while (size) {
        struct pollfd wait = {.fd = descriptor, .events = POLLIN};
        if (poll(&wait, 1, PATIENCE_MS) == 0) {
            fprintf(stderr, "raw_client: no reply\n");
            abort();
        }
        ssize_t got = recv(descriptor, to, size, 0);
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return false;
        }
        to += got;
        size -= (size_t)got;
    }
    return true;
}

raw_reply raw_read_reply(int descriptor)
{
    uint8_t header[GIB_REPLY_HEADER];
    raw_reply reply = {.closed = true};
    if (!read_all(descriptor, header, sizeof header)) {
        return reply;
    }
    reply.code = gib_load_u16(header);
    reply.encoding = header[2];
    reply.size = gib_load_u32(header + 3);
    reply.data = malloc(reply.size + 1u);
    if (!reply.data) {
        abort();
    }
    reply.closed = !read_all(descriptor, reply.data, reply.size);
    return reply;
}

void raw_reply_free(raw_reply *reply)
{
    free(reply->data);
    reply->data = NULL;
}

raw_reply raw_ask(int descriptor, uint16_t opcode, const char *payload)
{
    if (!raw_send_request(descriptor, opcode, payload, strlen(payload))) {
        return (raw_reply){.closed = true};
    }
    return raw_read_reply(descriptor);
}

int raw_ask_code(int descriptor, uint16_t opcode, const char *payload)
{
    raw_reply reply = raw_ask(descriptor, opcode, payload);
    int code = reply.closed ? -1 : reply.code;
    raw_reply_free(&reply);
    return code;
}

int64_t raw_ask_number(int descriptor, uint16_t opcode, const char *payload)
{
    raw_reply reply = raw_ask(descriptor, opcode, payload);
    bool number = !reply.closed && reply.code == GIB_CODE_VAL &&
                  reply.encoding == GIB_ENCODING_NUMBER && reply.size == sizeof(int64_t);
    int64_t result = number ? (int64_t)gib_load_u64(reply.data) : INT64_MIN;
    raw_reply_free(&reply);
    return result;
}

int64_t raw_read_stat(int descriptor, const char *name)
{
    raw_reply reply = raw_read_reply(descriptor);
    gibson_items items = {0};
    gibson_value value = {0};
    if (!reply.closed && reply.code == GIB_CODE_KVAL) {
        gib_items_decode(reply.data, reply.size, gibson_command_by_opcode(GIBSON_OP_STATS), &items,
                         NULL);
        gibson_items_find(&items, gibson_str(name), &value);
    }
    int64_t number = value.kind == GIBSON_KIND_NUMBER ? value.number : INT64_MIN;
    raw_reply_free(&reply);
    return number;
}

int64_t raw_stat(int descriptor, const char *name)
{
    return raw_send_request(descriptor, GIBSON_OP_STATS, "", 0) ? raw_read_stat(descriptor, name)
                                                                : INT64_MIN;
}

bool raw_await_stat(int descriptor, const char *name, int64_t value)
{
    int64_t end = gib_deadline_after(gib_now_ns(), PATIENCE_MS);
    while (raw_stat(descriptor, name) != value) {
        if (gib_now_ns() > end) {
            return false;
        }
    }
    return true;
}
