#include "wire/reply_decode.h"

#include "base/error.h"
#include "wire/frame.h"
#include "wire/items.h"

/* The header of a reply, with what the errors need. */
typedef struct header {
    const gibson_command *command;
    uint16_t code;
    uint8_t encoding;
    uint32_t size;
} header;

static const char *const code_names[] = {"ERR",    "NOT_FOUND", "NAN", "MEM",
                                         "LOCKED", "OK",        "VAL", "KVAL"};

const gibson_status gib_code_statuses[] = {
    GIBSON_SERVER_ERROR, GIBSON_NOT_FOUND, GIBSON_NAN, GIBSON_SERVER_MEMORY,
    GIBSON_LOCKED,       GIBSON_OK,        GIBSON_OK,  GIBSON_OK,
};

static gibson_status bad_code(const header *head, gibson_error *error)
{
    if (head->code > GIB_CODE_KVAL) {
        return gib_error_set(error, GIBSON_PROTOCOL, "reply to %s: code %u is no code",
                             head->command->name, head->code);
    }
    return gib_error_set(error, GIBSON_PROTOCOL, "reply to %s: code %s does not answer it",
                         head->command->name, code_names[head->code]);
}

static gibson_status bad_encoding(const header *head, gibson_error *error)
{
    if (head->encoding == GIB_ENCODING_LZF && head->code == GIB_CODE_VAL) {
        return gib_error_set(error, GIBSON_PROTOCOL,
                             "reply to %s: encoding 1 (LZF): the value is still compressed",
                             head->command->name);
    }
    return gib_error_set(error, GIBSON_PROTOCOL, "reply to %s: encoding %u does not fit code %s",
                         head->command->name, head->encoding, code_names[head->code]);
}

static gibson_status bad_size(const header *head, gibson_error *error)
{
    return gib_error_set(error, GIBSON_PROTOCOL, "reply to %s: size %u does not fit code %s",
                         head->command->name, (unsigned)head->size, code_names[head->code]);
}

static gibson_status check_value_header(const header *head, gibson_error *error)
{
    gibson_yield yield = head->command->yield;
    if (!gib_yields_value(yield) && yield != GIBSON_YIELD_NUMBER) {
        return bad_code(head, error);
    }
    if (head->encoding == GIB_ENCODING_NUMBER) {
        return gib_number_size_valid(head->size) ? GIBSON_OK : bad_size(head, error);
    }
    if (head->encoding == GIB_ENCODING_PLAIN && gib_yields_value(yield)) {
        return GIBSON_OK;
    }
    return bad_encoding(head, error);
}

static gibson_status check_items_header(const header *head, gibson_error *error)
{
    if (!gibson_yields_items(head->command->yield)) {
        return bad_code(head, error);
    }
    if (head->encoding != GIB_ENCODING_PLAIN) {
        return bad_encoding(head, error);
    }
    return head->size >= GIB_ITEM_COUNT_FIELD ? GIBSON_OK : bad_size(head, error);
}

/* ERR, NOT_FOUND, NAN, MEM, LOCKED and OK carry one zero byte. */
static gibson_status check_short_header(const header *head, gibson_error *error)
{
    if (head->code == GIB_CODE_OK && head->command->yield != GIBSON_YIELD_NONE) {
        return bad_code(head, error);
    }
    if (head->encoding != GIB_ENCODING_PLAIN) {
        return bad_encoding(head, error);
    }
    return head->size == 1 ? GIBSON_OK : bad_size(head, error);
}

/* Checks all that the header alone tells. */
static gibson_status check_header(const header *head, size_t max_reply_size, gibson_error *error)
{
    if (head->size > max_reply_size) {
        return gib_error_set(error, GIBSON_PROTOCOL,
                             "reply to %s: size %u is over max_reply_size (%zu)",
                             head->command->name, (unsigned)head->size, max_reply_size);
    }
    switch (head->code) {
    case GIB_CODE_VAL:
        return check_value_header(head, error);
    case GIB_CODE_KVAL:
        return check_items_header(head, error);
    default:
        return head->code < GIB_CODE_VAL ? check_short_header(head, error) : bad_code(head, error);
    }
}

/* A count that the size cannot hold is found before the items are waited for. */
static gibson_status check_count(const header *head, const uint8_t *body, gibson_error *error)
{
    uint32_t count = gib_load_u32(body);
    if (count > (head->size - GIB_ITEM_COUNT_FIELD) / GIB_SMALLEST_ITEM) {
        return gib_error_set(error, GIBSON_PROTOCOL,
                             "reply to %s: count %u is more than size %u can hold",
                             head->command->name, (unsigned)count, (unsigned)head->size);
    }
    return GIBSON_OK;
}

static gibson_status decode_body(const header *head, const uint8_t *body, gibson_reply *reply,
                                 gibson_error *error)
{
    switch (head->code) {
    case GIB_CODE_VAL:
        reply->value = gib_value_decode(head->encoding, body, head->size);
        return GIBSON_OK;
    case GIB_CODE_KVAL:
        return gib_items_decode(body, head->size, head->command, &reply->items, error);
    default:
        if (body[0] != 0) {
            return gib_error_set(error, GIBSON_PROTOCOL,
                                 "reply to %s: data of code %s is %u instead of 0",
                                 head->command->name, code_names[head->code], body[0]);
        }
        return GIBSON_OK;
    }
}

gibson_status gib_reply_decode(const uint8_t *data, size_t size, const gibson_command *command,
                               size_t max_reply_size, gibson_reply *reply, size_t *frame_size,
                               gibson_error *error)
{
    *reply = (gibson_reply){.status = GIBSON_OK, .opcode = command->opcode};
    *frame_size = GIB_REPLY_HEADER;
    if (size < GIB_REPLY_HEADER) {
        return GIBSON_WOULD_BLOCK;
    }
    header head = {command, gib_load_u16(data), data[2], gib_load_u32(data + 3)};
    gibson_status status = check_header(&head, max_reply_size, error);
    if (status != GIBSON_OK) {
        return status;
    }
    *frame_size = GIB_REPLY_HEADER + (size_t)head.size;
    const uint8_t *body = data + GIB_REPLY_HEADER;
    if (head.code == GIB_CODE_KVAL && size >= GIB_REPLY_HEADER + GIB_ITEM_COUNT_FIELD) {
        status = check_count(&head, body, error);
        if (status != GIBSON_OK) {
            return status;
        }
    }
    if (size < *frame_size) {
        return GIBSON_WOULD_BLOCK;
    }
    reply->status = gib_code_statuses[head.code];
    return decode_body(&head, body, reply, error);
}
