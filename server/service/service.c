#include "service/service.h"

#include "wire/command.h"
#include "wire/number.h"
#include "wire/reply_encode.h"

/* Each command has a handler. A result of VAL or KVAL says that the handler has appended the reply;
   any other is a reply that says no more than its code, and takes back what was appended. */
typedef gib_code handler(gibs_service *service, const gibson_request *request, gib_buffer *out);

static gib_code number_reply(gib_code code, int64_t number, gib_buffer *out)
{
    if (code == GIB_CODE_VAL && !gib_reply_encode_number(out, number)) {
        return GIB_CODE_MEM;
    }
    return code;
}

static gib_code item_reply(gibs_item *item, gib_buffer *out)
{
    if (item->encoding == GIB_ENCODING_NUMBER) {
        return number_reply(GIB_CODE_VAL, gibs_item_number(item), out);
    }
    uint8_t *room;
    if (!gib_reply_encode_value(out, gibs_item_plain_size(item), &room)) {
        return GIB_CODE_MEM;
    }
    gibs_item_expand(item, room);
    return GIB_CODE_VAL;
}

static gib_code bytes_reply(gibson_bytes bytes, gib_buffer *out)
{
    uint8_t *room;
    if (!gib_reply_encode_value(out, bytes.size, &room)) {
        return GIB_CODE_MEM;
    }
    memcpy(room, bytes.data, bytes.size);
    return GIB_CODE_VAL;
}

/* The room for the echo is made first: a SET that cannot be answered is not done. */
static gib_code handle_set(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    if (!gib_buffer_reserve(out, GIB_REPLY_HEADER + request->value.size)) {
        return GIB_CODE_MEM;
    }
    gib_code code = gibs_store_set(service->store, request->key, request->value, request->number);
    return code == GIB_CODE_VAL ? bytes_reply(request->value, out) : code;
}

static gib_code handle_ttl(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    (void)out;
    return gibs_store_ttl(service->store, request->key, request->number);
}

static gib_code handle_get(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    gibs_item *item = gibs_store_get(service->store, request->key);
    return item ? item_reply(item, out) : GIB_CODE_NOT_FOUND;
}

static gib_code handle_del(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    (void)out;
    return gibs_store_del(service->store, request->key);
}

static gib_code add(gibs_service *service, const gibson_request *request, int64_t delta,
                    gib_buffer *out)
{
    int64_t number = 0;
    gib_code code = gibs_store_add(service->store, request->key, delta, &number);
    return number_reply(code, number, out);
}

static gib_code handle_inc(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    return add(service, request, 1, out);
}

static gib_code handle_dec(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    return add(service, request, -1, out);
}

static gib_code handle_lock(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    (void)out;
    return gibs_store_lock(service->store, request->key, request->number);
}

static gib_code handle_unlock(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    (void)out;
    return gibs_store_unlock(service->store, request->key);
}

static gib_code handle_mset(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    int64_t count;
    gib_code code = gibs_store_mset(service->store, request->key, request->value, &count);
    return number_reply(code, count, out);
}

static gib_code handle_mttl(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    int64_t count;
    gib_code code = gibs_store_mttl(service->store, request->key, request->number, &count);
    return number_reply(code, count, out);
}

static gib_code handle_mdel(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    int64_t count;
    gib_code code = gibs_store_mdel(service->store, request->key, &count);
    return number_reply(code, count, out);
}

static gib_code add_many(gibs_service *service, const gibson_request *request, int64_t delta,
                         gib_buffer *out)
{
    int64_t count;
    gib_code code = gibs_store_madd(service->store, request->key, delta, &count);
    return number_reply(code, count, out);
}

static gib_code handle_minc(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    return add_many(service, request, 1, out);
}

static gib_code handle_mdec(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    return add_many(service, request, -1, out);
}

static gib_code handle_mlock(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    int64_t count;
    gib_code code = gibs_store_mlock(service->store, request->key, request->number, &count);
    return number_reply(code, count, out);
}

static gib_code handle_munlock(gibs_service *service, const gibson_request *request,
                               gib_buffer *out)
{
    int64_t count;
    gib_code code = gibs_store_munlock(service->store, request->key, &count);
    return number_reply(code, count, out);
}

static gib_code handle_count(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    return number_reply(GIB_CODE_VAL, gibs_store_count(service->store, request->key), out);
}

/* Checks, before an item is appended, that the reply stays within its limit. */
static bool fits(const gibs_service *service, const gib_items_encoder *encoder, size_t key_size,
                 size_t value_size)
{
    size_t added = GIB_SMALLEST_ITEM + key_size + value_size;
    return gib_items_encode_size(encoder) + added <= service->settings.limits.max_reply_size;
}

static gib_code finish_items(gib_items_encoder *encoder)
{
    if (!encoder->count) {
        return GIB_CODE_NOT_FOUND;
    }
    gib_items_encode_end(encoder);
    return GIB_CODE_KVAL;
}

static gib_code handle_mget(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    gib_items_encoder encoder;
    if (!gib_items_encode_begin(&encoder, out)) {
        return GIB_CODE_MEM;
    }
    gibs_walk walk;
    gibs_item *item;
    gibs_store_walk(service->store, request->key, &walk);
    while ((request->number <= 0 || encoder.count < (uint64_t)request->number) &&
           (item = gibs_store_walk_next(service->store, &walk))) {
        size_t size = gibs_item_plain_size(item);
        if (!fits(service, &encoder, item->key_size, size)) {
            return GIB_CODE_ERR;
        }
        uint8_t *room;
        if (!gib_items_encode_add(&encoder, item->bytes, item->key_size,
                                  gibs_item_plain_encoding(item), size, &room)) {
            return GIB_CODE_MEM;
        }
        gibs_item_expand(item, room);
        gibs_store_touch(service->store, item);
    }
    return finish_items(&encoder);
}

/* The keys of the reply are numbers; the keys of the items are its values. */
static gib_code handle_keys(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    gib_items_encoder encoder;
    if (!gib_items_encode_begin(&encoder, out)) {
        return GIB_CODE_MEM;
    }
    gibs_walk walk;
    gibs_item *item;
    gibs_store_walk(service->store, request->key, &walk);
    while ((item = gibs_store_walk_next(service->store, &walk))) {
        uint8_t name[GIB_LONGEST_NUMBER];
        size_t name_size = gib_number_write(name, encoder.count);
        if (!fits(service, &encoder, name_size, item->key_size)) {
            return GIB_CODE_ERR;
        }
        uint8_t *room;
        if (!gib_items_encode_add(&encoder, name, name_size, GIB_ENCODING_PLAIN, item->key_size,
                                  &room)) {
            return GIB_CODE_MEM;
        }
        memcpy(room, item->bytes, item->key_size);
    }
    return finish_items(&encoder);
}

static gib_code handle_stats(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    (void)request;
    return gibs_service_stats(service, out);
}

static gib_code handle_ping(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    (void)service;
    (void)request;
    (void)out;
    return GIB_CODE_OK;
}

static gib_code handle_meta(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    int64_t number = 0;
    gib_code code =
        gibs_store_meta(service->store, request->key, (gibson_meta_field)request->number, &number);
    return number_reply(code, number, out);
}

static gib_code handle_end(gibs_service *service, const gibson_request *request, gib_buffer *out)
{
    return handle_ping(service, request, out);
}

/* By opcode. The list of commands makes sure that none is forgotten. */
static handler *const handlers[256] = {
#define HANDLER_ROW(NAME, name, opcode, arguments, yield, effect, summary) [opcode] = handle_##name,
    GIBSON_COMMAND_LIST(HANDLER_ROW)
#undef HANDLER_ROW
};

void gibs_service_update_time(gibs_service *service)
{
    if (service->time.elapsed_ms) {
        gibs_store_set_time(service->store, service->time.elapsed_ms(service->time.context));
    }
}

/* A ttl or lock has to last for the seconds asked for, however long the commands before it took; so
   it begins at the time it is, not at that of the last look at the clock. */
static bool begins_an_age(const gibson_command *command, const gibson_request *request)
{
    switch (command->arguments) {
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
        return request->number > 0;
    default:
        return false;
    }
}

gibs_answer gibs_service_answer(gibs_service *service, const gib_request_frame *frame,
                                gib_buffer *out)
{
    const gibson_command *command = gib_command(frame->opcode);
    service->counters.requests++;
    if (!command) {
        return GIBS_ANSWER_CLOSE;
    }
    size_t start = gib_buffer_size(out);
    gibson_request request;
    gib_code code = gib_request_decode(command, frame->payload, &service->settings.limits,
                                       service->settings.excess, &request);
    if (code == GIB_CODE_OK) {
        if (begins_an_age(command, &request)) {
            gibs_service_update_time(service);
        }
        code = handlers[frame->opcode](service, &request, out);
    }
    if (code != GIB_CODE_VAL && code != GIB_CODE_KVAL) {
        out->end = out->begin + start;
        if (!gib_reply_encode_code(out, code)) {
            return GIBS_ANSWER_CLOSE;
        }
    }
    return command->opcode == GIBSON_OP_END ? GIBS_ANSWER_LAST : GIBS_ANSWER_NEXT;
}
