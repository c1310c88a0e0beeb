#include "worker_steps.h"

#include <sys/stat.h>

#include "choice.h"
#include "support/suite.h"

gibson_request worker_request(worker *self, const space_request *request)
{
    static _Thread_local char value[SPACE_LARGEST_TEXT];
    size_t size = 0;
    if (request->value.kind != SPACE_ABSENT) {
        size = space_value_bytes(self->space, &request->value, value);
    }
    return gibson_request_make(request->opcode, gibson_str(request->name),
                               gibson_bytes_of(value, size), request->number);
}

/* Which connection a client has: descriptors are used again, the numbers of sockets are not. */
static ino_t socket_of(const gibson_client *client)
{
    struct stat state;
    int descriptor = gibson_client_descriptor(client);
    return descriptor >= 0 && fstat(descriptor, &state) == 0 ? state.st_ino : 0;
}

/* Runs a request by the function of its own that some commands have in the library. */
static void call(worker *self, gibson_client *client, const gibson_request *request,
                 gibson_reply *reply)
{
    if (choice_percent(&self->random, 30)) {
        gibson_client_call(client, request, reply);
        return;
    }
    *reply = (gibson_reply){.opcode = request->opcode};
    switch (request->opcode) {
    case GIBSON_OP_GET:
        reply->status = gibson_client_get(client, request->key, &reply->value);
        break;
    case GIBSON_OP_MGET:
        reply->status = gibson_client_mget(client, request->key, request->number, &reply->items);
        break;
    case GIBSON_OP_COUNT:
        reply->value.kind = GIBSON_KIND_NUMBER;
        reply->status = gibson_client_count(client, request->key, &reply->value.number);
        break;
    default:
        gibson_client_call(client, request, reply);
    }
}

/* A repeated request may have been carried out, or be on its way, more than once; also one that had
   to connect first, since that connection may have been lost before the one that there is now. */
static void lose_call(worker *self, unsigned which, const space_request *request, ino_t before,
                      const gibson_reply *reply)
{
    const gibson_options *options = &self->options[which];
    const gibson_command *command = gibson_command_by_opcode((uint32_t)request->opcode);
    const bool answered = worker_is_answer(reply->status);
    const bool may_repeat = options->reconnect && options->retry_repeatable &&
                            command->effect <= GIBSON_EFFECT_REPEATABLE;
    if (!answered) {
        worlds_lose(&self->worlds, &request, 1);
    }
    if (may_repeat && (!answered || socket_of(self->clients[which]) != before)) {
        worlds_lose(&self->worlds, &request, 1);
    }
}

void worker_run_single(worker *self, unsigned which)
{
    gibson_client *client = self->clients[which];
    const gibson_options *options = &self->options[which];
    space_request request;
    choice_request(&self->random, self->space, &self->writes, &request);
    gibson_request sent = worker_request(self, &request);
    const ino_t before = socket_of(client);
    gibson_reply reply;
    gibson_owned_reply *owned = NULL;
    self->interrupted = false;
    const int64_t begin_ms = suite_now_ms();
    call(self, client, &sent, &reply);
    worker_check_time(self, begin_ms, 2 * (options->timeout_ms + options->connect_timeout_ms),
                      "a call");
    lose_call(self, which, &request, before, &reply);
    if (worker_is_answer(reply.status) && choice_percent(&self->random, 5)) {
        worker_check_error(self, gibson_client_take_reply(client, &owned), "take_reply");
        gibson_client_close(client); /* the reply is to outlive it */
    }
    worker_judge(self, &request, &reply);
    gibson_owned_reply_free(owned);
}
