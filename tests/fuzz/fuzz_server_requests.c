/* Fuzz target: requests, against a live store. The input is a byte of flags, then requests as they
   would come from a socket. Every reply is decoded by the client's half of the wire, which has to
   accept it; and in the end all memory has to be accounted for. */
#include <stdlib.h>
#include <string.h>

#include "../support/store_batch.h"
#include "../support/store_check.h"
#include "fuzz.h"
#include "service/service.h"
#include "wire/command.h"
#include "wire/reply_decode.h"

enum {
    FLAG_COMPAT = 1,
    FLAG_LITTLE_MEMORY = 2,
    FLAG_NO_COMPRESSION = 4,
    FLAG_EVICTION = 8,
    FLAG_TWO_CLIENTS = 16, /* between two slices of a request the next one is answered */
    OPCODE_PASS_TIME =
        0xffff, /* not of the protocol: lets as many ticks pass as its payload says */
};

static void require(bool condition)
{
    if (!condition) {
        abort();
    }
}

static gibs_service make_service(uint8_t flags, gibs_store *store)
{
    gibs_service service = {.store = store};
    service.settings.limits = (gib_limits){.max_reply_size = 20000,
                                           .max_request_size = 1 << 20,
                                           .max_key_size = 64,
                                           .max_value_size = 16384,
                                           .max_seconds = 100000};
    service.settings.excess = flags & FLAG_COMPAT ? GIB_EXCESS_CUT : GIB_EXCESS_REFUSED;
    return service;
}

static gibs_store *make_store(uint8_t flags)
{
    gibs_store_settings settings = {.max_memory = flags & FLAG_LITTLE_MEMORY ? 2048 : 1 << 20,
                                    .compression = flags & FLAG_NO_COMPRESSION ? 1 << 20 : 40,
                                    .evict = flags & FLAG_EVICTION,
                                    .gc_ratio = 10};
    return gibs_store_new(&settings);
}

static void pass_time(gibs_store *store, gibson_bytes payload, int64_t *now_ms)
{
    const uint8_t *bytes = payload.data;
    int64_t ticks = payload.size ? bytes[0] : 0;
    ticks += payload.size > 1 ? bytes[1] * 256 : 0;
    *now_ms += ticks * GIBS_TICK_MS;
    gibs_store_set_time(store, *now_ms);
    gibs_store_sweep_begin(store, payload.size > 2);
}

static void check_reply(uint16_t opcode, const gib_buffer *out, size_t before)
{
    const gibson_command *command = gib_command(opcode);
    gibson_reply reply;
    gibson_error error;
    size_t frame_size;
    size_t size = gib_buffer_size(out) - before;
    require(command);
    require(gib_reply_decode(out->data + out->begin + before, size, command, 20000, &reply,
                             &frame_size, &error) == GIBSON_OK);
    require(frame_size == size);
}

/* The requests of an input, and what they are answered with. */
typedef struct run {
    gibs_service *service;
    const uint8_t *data;
    size_t size;
    int64_t now_ms;
    bool two_clients;
    gib_buffer out;   /* of the client that waits between slices */
    gib_buffer other; /* of the one that comes in between */
} run;

static void keep_house(gibs_store *store)
{
    gibs_store_sweep(store, 2);
    gibs_store_reclaim(store, 2);
    require(!gibs_tree_check(&store->tree));
}

static bool take_request(run *self, gib_request_frame *frame)
{
    size_t largest = self->service->settings.limits.max_request_size;
    if (gib_request_find(self->data, self->size, largest, frame) != GIB_FRAME_WHOLE) {
        return false;
    }
    self->data += frame->frame_size;
    self->size -= frame->frame_size;
    return true;
}

/* Answers a request in small slices, between which `between` happens. */
static void answer(run *self, const gib_request_frame *frame, gib_buffer *out,
                   void (*between)(run *))
{
    enum { WORK = 3 };
    gibs_job job = {0};
    gibs_answer result;
    size_t before = gib_buffer_size(out);
    if (frame->opcode == OPCODE_PASS_TIME) {
        pass_time(self->service->store, frame->payload, &self->now_ms);
        return;
    }
    while ((result = gibs_service_answer(self->service, frame, WORK, &job, out)) ==
           GIBS_ANSWER_MORE) {
        require(job.written <= gib_buffer_size(out));
        keep_house(self->service->store);
        between(self);
    }
    gibs_job_clear(&job, self->service->store);
    if (result != GIBS_ANSWER_CLOSE) {
        check_reply(frame->opcode, out, before);
    }
}

static void do_nothing(run *self)
{
    (void)self;
}

static void answer_other(run *self)
{
    gib_request_frame frame;
    if (self->two_clients && take_request(self, &frame)) {
        answer(self, &frame, &self->other, do_nothing);
        gib_buffer_empty(&self->other);
    }
}

static void feed(run *self)
{
    gib_request_frame frame;
    while (take_request(self, &frame)) {
        answer(self, &frame, &self->out, answer_other);
        keep_house(self->service->store);
        if (gib_buffer_size(&self->out) > 1 << 18) {
            gib_buffer_consume(&self->out, gib_buffer_size(&self->out));
        }
    }
}

/* Deletes all that can be deleted, and checks that nothing is left of it. */
static void check_accounts(gibs_store *store)
{
    while (gibs_store_reclaim(store, 1000)) {
    }
    require(store_is_sound(store));
    int64_t count;
    do_munlock(store, gibson_str(""), &count);
    do_mdel(store, gibson_str(""), &count);
    while (gibs_store_reclaim(store, 1000)) {
    }
    require(gibs_store_used(store) == 0 && store->items == 0 && store->allocated_items == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size) {
        return 0;
    }
    gibs_store *store = make_store(data[0]);
    if (!store) { /* server_allocations_test lets memory run out */
        return 0;
    }
    gibs_service service = make_service(data[0], store);
    run self = {.service = &service,
                .data = data + 1,
                .size = size - 1,
                .two_clients = data[0] & FLAG_TWO_CLIENTS};
    gib_buffer_init(&self.out, &store->buffers.allocator);
    gib_buffer_init(&self.other, &gib_default_allocator);
    feed(&self);
    require(!store->hold_count);
    check_accounts(store);
    gib_buffer_clear(&self.out);
    gib_buffer_clear(&self.other);
    gibs_store_free(store);
    return 0;
}
