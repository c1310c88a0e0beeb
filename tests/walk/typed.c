#include "typed.h"

#include "judge.h"

/* What stands in a result before the call: no reply has it. */
enum { NOT_SET = 0x5a5a5a5a };

typedef struct arguments {
    gibson_client *client;
    const void *key;
    size_t key_size;
    const void *value;
    size_t value_size;
    int64_t number;
} arguments;

/* The commands that have no result, or one that may be passed over. */
static bool run_plain(const arguments *a, gibson_opcode opcode, int64_t *to, gibson_status *status)
{
    gibson_client *client = a->client;
    const void *key = a->key;
    const size_t size = a->key_size;
    switch (opcode) {
    case GIBSON_OP_SET:
        *status = gibson_client_set(client, key, size, a->value, a->value_size, a->number);
        return true;
    case GIBSON_OP_TTL:
        *status = gibson_client_ttl(client, key, size, a->number);
        return true;
    case GIBSON_OP_DEL:
        *status = gibson_client_del(client, key, size);
        return true;
    case GIBSON_OP_LOCK:
        *status = gibson_client_lock(client, key, size, a->number);
        return true;
    case GIBSON_OP_UNLOCK:
        *status = gibson_client_unlock(client, key, size);
        return true;
    case GIBSON_OP_PING:
        *status = gibson_client_ping(client);
        return true;
    case GIBSON_OP_INC:
        *status = gibson_client_inc(client, key, size, to);
        return true;
    case GIBSON_OP_DEC:
        *status = gibson_client_dec(client, key, size, to);
        return true;
    default:
        return false;
    }
}

/* The commands on a prefix that yield a number. */
static bool run_prefix(const arguments *a, gibson_opcode opcode, int64_t *to, gibson_status *status)
{
    gibson_client *client = a->client;
    const void *key = a->key;
    const size_t size = a->key_size;
    switch (opcode) {
    case GIBSON_OP_MSET:
        *status = gibson_client_mset(client, key, size, a->value, a->value_size, to);
        return true;
    case GIBSON_OP_MTTL:
        *status = gibson_client_mttl(client, key, size, a->number, to);
        return true;
    case GIBSON_OP_MDEL:
        *status = gibson_client_mdel(client, key, size, to);
        return true;
    case GIBSON_OP_MINC:
        *status = gibson_client_minc(client, key, size, to);
        return true;
    case GIBSON_OP_MDEC:
        *status = gibson_client_mdec(client, key, size, to);
        return true;
    case GIBSON_OP_MLOCK:
        *status = gibson_client_mlock(client, key, size, a->number, to);
        return true;
    case GIBSON_OP_MUNLOCK:
        *status = gibson_client_munlock(client, key, size, to);
        return true;
    default:
        return false;
    }
}

/* The commands that always need a place for their result. */
static bool run_result(const arguments *a, gibson_opcode opcode, gibson_reply *reply)
{
    gibson_client *client = a->client;
    switch (opcode) {
    case GIBSON_OP_GET:
        reply->status = gibson_client_get(client, a->key, a->key_size, &reply->value);
        return true;
    case GIBSON_OP_MGET:
        reply->status = gibson_client_mget(client, a->key, a->key_size, a->number, &reply->items);
        return true;
    case GIBSON_OP_KEYS:
        reply->status = gibson_client_keys(client, a->key, a->key_size, &reply->items);
        return true;
    case GIBSON_OP_STATS:
        reply->status = gibson_client_stats(client, &reply->items);
        return true;
    case GIBSON_OP_COUNT:
        reply->status = gibson_client_count(client, a->key, a->key_size, &reply->value.number);
        return true;
    case GIBSON_OP_META:
        reply->status = gibson_client_meta(client, a->key, a->key_size,
                                           (gibson_meta_field)a->number, &reply->value.number);
        return true;
    default:
        return false;
    }
}

/* The parts that the function has not filled in, and the kind that goes with a number. */
static void complete(const gibson_command *command, bool asked, gibson_reply *reply, int *told)
{
    const bool has_items = gibson_yields_items(command->yield);
    const bool has_number = command->yield == GIBSON_YIELD_NUMBER && asked;
    *told = has_items ? WALK_TOLD_ITEMS : has_number ? WALK_TOLD_VALUE : 0;
    if (command->opcode == GIBSON_OP_GET) {
        *told = WALK_TOLD_VALUE;
    } else if (has_number) {
        reply->value.kind = reply->status == GIBSON_OK ? GIBSON_KIND_NUMBER : GIBSON_KIND_NONE;
        reply->value.bytes = (gibson_bytes){0};
    } else {
        reply->value = (gibson_value){0};
    }
    if (!has_items) {
        reply->items = (gibson_items){0};
    }
}

bool walk_typed(gibson_client *client, const gibson_request *request, bool out, gibson_reply *reply,
                int *told)
{
    const gibson_command *command = gibson_command_by_opcode((uint32_t)request->opcode);
    if (!command || command->opcode == GIBSON_OP_END) {
        return false;
    }
    const arguments a = {client,
                         request->key.data,
                         request->key.size,
                         request->value.data,
                         request->value.size,
                         request->number};
    *reply = (gibson_reply){
        .opcode = request->opcode,
        .value = {.kind = GIBSON_KIND_NUMBER, .bytes = {"", NOT_SET}, .number = NOT_SET},
        .items = {.left = NOT_SET}};
    const bool asked =
        out || command->opcode == GIBSON_OP_COUNT || command->opcode == GIBSON_OP_META;
    int64_t *to = out ? &reply->value.number : NULL;
    if (!run_plain(&a, request->opcode, to, &reply->status) &&
        !run_prefix(&a, request->opcode, to, &reply->status)) {
        run_result(&a, request->opcode, reply);
    }
    complete(command, asked, reply, told);
    return true;
}

gibson_status walk_typed_null(gibson_client *client, unsigned which)
{
    switch (which) {
    case 0:
        return gibson_client_get(client, "k", 1, NULL);
    case 1:
        return gibson_client_mget(client, "k", 1, 0, NULL);
    case 2:
        return gibson_client_count(client, "k", 1, NULL);
    case 3:
        return gibson_client_meta(client, "k", 1, GIBSON_META_SIZE, NULL);
    case 4:
        return gibson_client_keys(client, "k", 1, NULL);
    default:
        return gibson_client_stats(client, NULL);
    }
}
