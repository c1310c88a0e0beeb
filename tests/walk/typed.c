#include "typed.h"

#include "judge.h"
#include "support/samples.h"

/* What stands in a result before the call: no reply has it. */
enum { NOT_SET = 0x5a5a5a5a };

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
    *reply = (gibson_reply){
        .opcode = request->opcode,
        .value = {.kind = GIBSON_KIND_NUMBER, .bytes = {"", NOT_SET}, .number = NOT_SET},
        .items = {.left = NOT_SET}};
    const bool asked =
        out || command->opcode == GIBSON_OP_COUNT || command->opcode == GIBSON_OP_META;
    reply->status = sample_run(client, request, asked ? &reply->value.number : NULL, &reply->value,
                               &reply->items);
    complete(command, asked, reply, told);
    return true;
}

gibson_status walk_typed_null(gibson_client *client, unsigned which)
{
    switch (which) {
    case 0:
        return gibson_client_get(client, gibson_str("k"), NULL);
    case 1:
        return gibson_client_mget(client, gibson_str("k"), 0, NULL);
    case 2:
        return gibson_client_count(client, gibson_str("k"), NULL);
    case 3:
        return gibson_client_meta(client, gibson_str("k"), GIBSON_META_SIZE, NULL);
    case 4:
        return gibson_client_keys(client, gibson_str("k"), NULL);
    default:
        return gibson_client_stats(client, NULL);
    }
}
