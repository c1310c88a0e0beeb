#include "service/service.h"

#include "base/clock.h"
#include "base/likely.h"
#include "wire/command.h"
#include "wire/number.h"
#include "wire/reply_encode.h"

/* Each command has a handler. A result of VAL or KVAL says that the handler has appended the reply;
   any other is a reply that says no more than its code, and takes back what was appended. With
   job->more it is not over yet, and the result is that of the slice. */
typedef gib_code handler(gibs_service *service, const gibson_request *request, gibs_job *job,
                         gib_buffer *out);

static gib_code number_reply(gib_code code, int64_t number, gib_buffer *out)
{
    if (code == GIB_CODE_VAL && !gib_reply_encode_number(out, number)) {
        return GIB_CODE_MEM;
    }
    return code;
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

/* Does a piece of what takes several. */
static gib_code copy_more(gibs_service *service, const gibson_request *request, gibs_job *job,
                          gib_buffer *out)
{
    job->more = gibs_copy_go_on(&job->copy, service->store, request->value, out);
    return GIB_CODE_VAL;
}

static gib_code more_later(gibs_job *job)
{
    job->more = true;
    return GIB_CODE_OK;
}

/* Where there is no room for something yet, it goes on being made in the next slice. */
static gib_code wait_for_room(const gibs_service *service, gibs_job *job, gib_code code)
{
    job->room = code == GIB_CODE_MEM ? service->store->unfinished : 0;
    job->more = job->room;
    return code;
}

/* Compresses a large value, makes the item, and sets it, in slices up to that; then the reply is
   written. */
static gib_code set_large(gibs_service *service, const gibson_request *request, gibs_job *job,
                          gib_buffer *out)
{
    gibs_store *store = service->store;
    gibs_build *build = &job->batch.build;
    gibs_batch_prepare(&job->batch);
    if (job->copy.left) {
        return copy_more(service, request, job, out);
    }
    if (gibs_store_may_set(store, request->key) != GIB_CODE_VAL) {
        return GIB_CODE_LOCKED;
    }
    if (gibs_build_pack(build, store, request->value)) {
        return more_later(job);
    }
    if (!build->item && !gibs_build_begin(build, store, request->key, request->value)) {
        return GIB_CODE_MEM;
    }
    if (gibs_build_copy(build, request->value)) {
        return more_later(job);
    }
    uint8_t *room;
    if (!gib_buffer_reserve(out, GIB_REPLY_HEADER + request->value.size)) {
        return GIB_CODE_MEM;
    }
    gib_code code = gibs_build_set(build, store, request->number, false);
    if (code != GIB_CODE_VAL) {
        return wait_for_room(service, job, code);
    }
    gibs_build_clear(build, store);
    gib_reply_encode_value(out, request->value.size, &room);
    gibs_copy_begin_value(&job->copy, request->value);
    return copy_more(service, request, job, out);
}

/* The room for the echo is made first: a SET that cannot be answered is not done. A value is not
   compressed anew in each slice. */
static gib_code handle_set(gibs_service *service, const gibson_request *request, gibs_job *job,
                           gib_buffer *out)
{
    gibs_store *store = service->store;
    if (request->value.size >= GIBS_LARGE_VALUE) {
        return set_large(service, request, job, out);
    }
    if (!gib_buffer_reserve(out, GIB_REPLY_HEADER + request->value.size)) {
        return GIB_CODE_MEM;
    }
    if (job->room && !gibs_store_make_room(store, job->room)) {
        return wait_for_room(service, job, GIB_CODE_MEM);
    }
    gib_code code = gibs_store_set(store, request->key, request->value, request->number);
    return code == GIB_CODE_VAL ? bytes_reply(request->value, out)
                                : wait_for_room(service, job, code);
}

static gib_code handle_ttl(gibs_service *service, const gibson_request *request, gibs_job *job,
                           gib_buffer *out)
{
    (void)job;
    (void)out;
    return gibs_store_ttl(service->store, request->key, request->number);
}

/* The value of an item that is not large. */
static gib_code item_reply(gibs_item *item, gib_buffer *out)
{
    uint8_t *room;
    if (!gib_reply_encode_value(out, gibs_item_plain_size(item), &room)) {
        return GIB_CODE_MEM;
    }
    gibs_item_expand(item, room);
    return GIB_CODE_VAL;
}

/* Where it takes longer than to copy a little. */
GIB_NOINLINE static gib_code get_slowly(gibs_service *service, const gibson_request *request,
                                        gibs_item *item, gibs_job *job, gib_buffer *out)
{
    uint8_t *room;
    if (!gibs_item_is_large(item)) {
        return item_reply(item, out);
    }
    if (!gib_reply_encode_value(out, gibs_item_plain_size(item), &room) ||
        !gibs_copy_begin(&job->copy, service->store, item)) {
        return GIB_CODE_MEM;
    }
    return copy_more(service, request, job, out);
}

static gib_code handle_get(gibs_service *service, const gibson_request *request, gibs_job *job,
                           gib_buffer *out)
{
    if (GIB_UNLIKELY(job->copy.left)) {
        return copy_more(service, request, job, out);
    }
    gibs_item *item = gibs_store_get(service->store, request->key);
    if (!item) {
        return GIB_CODE_NOT_FOUND;
    }
    if (GIB_UNLIKELY(item->encoding == GIB_ENCODING_LZF || item->value_size >= GIBS_LARGE_VALUE)) {
        return get_slowly(service, request, item, job, out);
    }
    if (item->encoding == GIB_ENCODING_NUMBER) {
        return number_reply(GIB_CODE_VAL, gibs_item_number(item), out);
    }
    return bytes_reply((gibson_bytes){gibs_item_value(item), item->value_size}, out);
}

static gib_code handle_del(gibs_service *service, const gibson_request *request, gibs_job *job,
                           gib_buffer *out)
{
    (void)job;
    (void)out;
    return gibs_store_del(service->store, request->key);
}

static gib_code add(gibs_service *service, const gibson_request *request, int64_t delta,
                    gibs_job *job, gib_buffer *out)
{
    int64_t number = 0;
    gib_code code = gibs_store_add(service->store, request->key, delta, &number);
    wait_for_room(service, job, code);
    return number_reply(code, number, out);
}

static gib_code handle_inc(gibs_service *service, const gibson_request *request, gibs_job *job,
                           gib_buffer *out)
{
    return add(service, request, 1, job, out);
}

static gib_code handle_dec(gibs_service *service, const gibson_request *request, gibs_job *job,
                           gib_buffer *out)
{
    return add(service, request, -1, job, out);
}

static gib_code handle_lock(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    (void)job;
    (void)out;
    return gibs_store_lock(service->store, request->key, request->number);
}

static gib_code handle_unlock(gibs_service *service, const gibson_request *request, gibs_job *job,
                              gib_buffer *out)
{
    (void)job;
    (void)out;
    return gibs_store_unlock(service->store, request->key);
}

/* The reply to a batch: the number of items. Where there were none, that is NOT_FOUND. */
static gib_code batch_reply(gibs_job *job, bool more, gib_buffer *out)
{
    job->more = more;
    if (more || job->batch.code != GIB_CODE_OK) {
        return job->batch.code;
    }
    return job->batch.count ? number_reply(GIB_CODE_VAL, job->batch.count, out)
                            : GIB_CODE_NOT_FOUND;
}

static gib_code handle_mset(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    bool more =
        gibs_batch_mset(&job->batch, service->store, request->key, request->value, job->work);
    return batch_reply(job, more, out);
}

static gib_code handle_mttl(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    bool more =
        gibs_batch_mttl(&job->batch, service->store, request->key, request->number, job->work);
    return batch_reply(job, more, out);
}

static gib_code handle_mdel(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    bool more = gibs_batch_mdel(&job->batch, service->store, request->key, job->work);
    return batch_reply(job, more, out);
}

static gib_code handle_minc(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    bool more = gibs_batch_madd(&job->batch, service->store, request->key, 1, job->work);
    return batch_reply(job, more, out);
}

static gib_code handle_mdec(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    bool more = gibs_batch_madd(&job->batch, service->store, request->key, -1, job->work);
    return batch_reply(job, more, out);
}

static gib_code handle_mlock(gibs_service *service, const gibson_request *request, gibs_job *job,
                             gib_buffer *out)
{
    bool more =
        gibs_batch_mlock(&job->batch, service->store, request->key, request->number, job->work);
    return batch_reply(job, more, out);
}

static gib_code handle_munlock(gibs_service *service, const gibson_request *request, gibs_job *job,
                               gib_buffer *out)
{
    bool more = gibs_batch_munlock(&job->batch, service->store, request->key, job->work);
    return batch_reply(job, more, out);
}

static gib_code handle_count(gibs_service *service, const gibson_request *request, gibs_job *job,
                             gib_buffer *out)
{
    job->more = gibs_batch_count(&job->batch, service->store, request->key, job->work);
    return job->more ? GIB_CODE_OK : number_reply(GIB_CODE_VAL, job->batch.count, out);
}

/* A KVAL under construction, in one slice. */
typedef struct items_reply {
    gibs_job *job;
    gib_items_encoder encoder;
    size_t max_size;
    uint64_t max_items;
} items_reply;

static bool begin_items(items_reply *reply, gibs_service *service, gibs_job *job, gib_buffer *out)
{
    *reply = (items_reply){
        .job = job, .max_size = service->settings.limits.max_reply_size, .max_items = UINT64_MAX};
    if (!job->written) {
        return gib_items_encode_begin(&reply->encoder, out);
    }
    reply->encoder = (gib_items_encoder){
        .out = out, .start = gib_buffer_size(out) - job->written, .count = job->items};
    return true;
}

/* Appends an item, and returns where its value goes to. NULL, with the code set, where it does not
   fit. */
static uint8_t *add_item(gibs_batch *batch, items_reply *reply, gibson_bytes key,
                         gib_encoding encoding, size_t value_size)
{
    size_t added = GIB_SMALLEST_ITEM + key.size + value_size;
    uint8_t *room;
    if (gib_items_encode_size(&reply->encoder) + added > reply->max_size) {
        batch->code = GIB_CODE_ERR;
        return NULL;
    }
    if (!gib_items_encode_add(&reply->encoder, key, encoding, value_size, &room)) {
        batch->code = GIB_CODE_MEM;
        return NULL;
    }
    gibs_batch_charge(batch, added);
    return room;
}

/* Ends a slice. */
static gib_code end_items(items_reply *reply, gibs_job *job, bool more)
{
    job->more = more;
    job->items = reply->encoder.count;
    if (more || job->batch.code != GIB_CODE_OK) {
        return job->batch.code;
    }
    if (!job->items) {
        return GIB_CODE_NOT_FOUND;
    }
    gib_items_encode_end(&reply->encoder);
    return GIB_CODE_KVAL;
}

static gibs_visit mget_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    items_reply *reply = context;
    if (reply->encoder.count >= reply->max_items) {
        return GIBS_VISIT_STOP;
    }
    gibs_item *item = gibs_link_item(**place);
    uint8_t *room = add_item(batch, reply, (gibson_bytes){item->bytes, item->key_size},
                             gibs_item_plain_encoding(item), gibs_item_plain_size(item));
    if (!room) {
        return GIBS_VISIT_STOP;
    }
    if (!gibs_item_is_large(item)) {
        gibs_item_expand(item, room);
        return GIBS_VISIT_SKIP;
    }
    if (!gibs_copy_begin(&reply->job->copy, store, item)) {
        batch->code = GIB_CODE_MEM;
        return GIBS_VISIT_STOP;
    }
    return GIBS_VISIT_PAUSE;
}

static gibs_visit touch_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    uint32_t *items = context;
    if (batch->count >= *items) {
        return GIBS_VISIT_STOP;
    }
    gibs_store_touch(store, gibs_link_item(**place));
    return GIBS_VISIT_COUNT;
}

/* In two passes, for only when the reply fits the items count as accessed. */
static gib_code handle_mget(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    items_reply reply;
    gibs_batch *batch = &job->batch;
    if (job->copy.left) {
        gibs_copy_go_on(&job->copy, service->store, request->value, out);
        return more_later(job);
    }
    if (!begin_items(&reply, service, job, out)) {
        return GIB_CODE_MEM;
    }
    if (request->number > 0) {
        reply.max_items = (uint64_t)request->number;
    }
    if (!batch->second) {
        if (gibs_batch_visit(batch, service->store, request->key, GIBS_WALK_ALL, job->work,
                             mget_one, &reply)) {
            return end_items(&reply, job, true);
        }
        if (batch->code != GIB_CODE_OK) {
            return end_items(&reply, job, false);
        }
        gibs_batch_rewind(batch);
    }
    uint32_t items = reply.encoder.count;
    bool more = gibs_batch_visit(batch, service->store, request->key, GIBS_WALK_ALL, job->work,
                                 touch_one, &items);
    return end_items(&reply, job, more);
}

/* The keys of the reply are numbers; the keys of the items are its values. */
static gibs_visit keys_one(gibs_store *store, gibs_batch *batch, gibs_link **place, void *context)
{
    (void)store;
    items_reply *reply = context;
    gibs_item *item = gibs_link_item(**place);
    uint8_t name[GIB_LONGEST_NUMBER];
    size_t name_size = gib_number_write(name, reply->encoder.count);
    uint8_t *room =
        add_item(batch, reply, (gibson_bytes){name, name_size}, GIB_ENCODING_PLAIN, item->key_size);
    if (!room) {
        return GIBS_VISIT_STOP;
    }
    memcpy(room, item->bytes, item->key_size);
    return GIBS_VISIT_SKIP;
}

static gib_code handle_keys(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    items_reply reply;
    if (!begin_items(&reply, service, job, out)) {
        return GIB_CODE_MEM;
    }
    bool more = gibs_batch_visit(&job->batch, service->store, request->key, GIBS_WALK_ALL,
                                 job->work, keys_one, &reply);
    return end_items(&reply, job, more);
}

static gib_code handle_stats(gibs_service *service, const gibson_request *request, gibs_job *job,
                             gib_buffer *out)
{
    (void)job;
    (void)request;
    return gibs_service_stats(service, out);
}

static gib_code handle_ping(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    (void)job;
    (void)service;
    (void)request;
    (void)out;
    return GIB_CODE_OK;
}

static gib_code handle_meta(gibs_service *service, const gibson_request *request, gibs_job *job,
                            gib_buffer *out)
{
    (void)job;
    int64_t number = 0;
    gib_code code =
        gibs_store_meta(service->store, request->key, (gibson_meta_field)request->number, &number);
    return number_reply(code, number, out);
}

static gib_code handle_end(gibs_service *service, const gibson_request *request, gibs_job *job,
                           gib_buffer *out)
{
    return handle_ping(service, request, job, out);
}

/* By opcode. The list of commands makes sure that none is forgotten. */
static handler *const handlers[256] = {
#define HANDLER_ROW(NAME, name, opcode, arguments, yield, effect, summary) [opcode] = handle_##name,
    GIBSON_COMMAND_LIST(HANDLER_ROW)
#undef HANDLER_ROW
};

void gibs_service_update_time(gibs_service *service, int64_t now_ns)
{
    const gibs_time_source *time = &service->time;
    if (time->elapsed_ms) {
        gibs_store_set_time(service->store, time->elapsed_ms(time->context, now_ns));
    }
}

/* A ttl or lock has to last for the seconds asked for, however long the commands before it took; so
   it begins at the time it is, not at that of the last look at the clock. */
static bool begins_an_age(const gibson_command *command, const gibson_request *request)
{
    return gibson_takes_time(command->arguments) && request->number > 0;
}

void gibs_job_reset(gibs_job *job, gibs_store *store)
{
    gibs_copy_clear(&job->copy, store);
    gibs_batch_clear(&job->batch, store);
    *job = (gibs_job){0};
}

size_t gibs_job_held(const gibs_job *job, const gibs_store *store)
{
    return gibs_batch_held(&job->batch) + gibs_copy_held(&job->copy, store);
}

/* Does what a request asks for, as far as it is right. */
static gib_code carry_out(gibs_service *service, const gibson_command *command,
                          const gib_request_frame *frame, gibs_job *job, gib_buffer *out)
{
    gibson_request request;
    gib_code code = gib_request_decode(command, frame->payload, &service->settings.limits,
                                       service->settings.excess, &request);
    if (code != GIB_CODE_OK) {
        return code;
    }
    if (begins_an_age(command, &request)) {
        gibs_service_update_time(service, gib_now_ns());
    }
    return handlers[frame->opcode](service, &request, job, out);
}

gibs_answer gibs_service_answer(gibs_service *service, const gib_request_frame *frame, size_t work,
                                gibs_job *job, gib_buffer *out)
{
    const gibson_command *command = gib_command(frame->opcode);
    service->counters.requests += !job->begun;
    if (!command) {
        return GIBS_ANSWER_CLOSE;
    }
    size_t start = gib_buffer_size(out) - job->written;
    job->begun = true;
    job->more = false;
    job->work = work;
    gib_code code = carry_out(service, command, frame, job, out);
    if (job->more) {
        job->written = gib_buffer_size(out) - start;
        return GIBS_ANSWER_MORE;
    }
    service->counters.replies[frame->opcode][code]++;
    if (code != GIB_CODE_VAL && code != GIB_CODE_KVAL) {
        out->end = out->begin + start;
        if (!gib_reply_encode_code(out, code)) {
            return GIBS_ANSWER_CLOSE;
        }
    }
    return command->effect == GIBSON_EFFECT_CLOSE ? GIBS_ANSWER_LAST : GIBS_ANSWER_NEXT;
}
