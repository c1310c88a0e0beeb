#include "worker_steps.h"

/* Asks the server without a proxy. */
static void ask_directly(worker *self, const space_request *request)
{
    gibson_request sent = worker_request(self, request);
    gibson_reply reply;
    gibson_client_call(self->direct, &sent, &reply);
    if (!worker_is_answer(reply.status)) {
        worker_violate(self, "the server answers %s", gibson_client_error(self->direct)->message);
        return;
    }
    worker_note(self, "directly:");
    worker_judge(self, request, &reply);
}

/* Reads all values, ttls and locks. Afterwards the worlds are one. */
static void ask_for_all(worker *self)
{
    static const gibson_meta_field fields[] = {GIBSON_META_TTL, GIBSON_META_LOCK};
    space_request request = {.opcode = GIBSON_OP_MGET};
    space_name_prefix(&request, self->space, 0);
    ask_directly(self, &request);
    for (unsigned i = 0; i < SPACE_KEYS && !worlds_are_one(&self->worlds); i++) {
        for (size_t field = 0; field < 2; field++) {
            request = (space_request){.opcode = GIBSON_OP_META, .number = (int64_t)fields[field]};
            space_name_key(&request, self->space, i);
            ask_directly(self, &request);
        }
    }
    request = (space_request){.opcode = GIBSON_OP_GET};
    for (unsigned i = 0; i < SPACE_KEYS && !worlds_are_one(&self->worlds); i++) {
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
        gibson_request sent = worker_request(self, &request);
        gibson_reply reply;
        gibson_client_call(self->direct, &sent, &reply);
    }
    worlds_reset(&self->worlds, nothing);
    self->counts.given_up++;
}

/* Ends all connections through the proxy, and finds out what has been carried out. */
void worker_settle(worker *self)
{
    self->counts.settled++;
    worker_note(self, "settle %zu worlds, %zu batches", self->worlds.count,
                self->worlds.batch_count);
    for (unsigned i = 0; i < self->client_count; i++) {
        self->ended[i] = true;
    }
    if (!gibp_proxy_drop(self->proxy, WORKER_PATIENT_MS)) {
        worker_violate(self, "the server did not close the connections that the proxy has ended");
        return;
    }
    worlds_settle(&self->worlds);
    if (self->worlds.too_many) {
        give_up(self);
    } else {
        ask_for_all(self);
    }
    if (!self->violated && !worlds_are_one(&self->worlds)) {
        worker_violate(self, "%zu worlds are left", self->worlds.count);
    }
}
