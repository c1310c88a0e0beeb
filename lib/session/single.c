#include "session/single.h"

#include "session/echo.h"
#include "wire/command.h"

void gib_session_settle(gib_session *session)
{
    session->settled = !gib_session_count(session) && session->pending &&
                       gib_session_keeps(&session->in) && gib_session_keeps(&session->out);
    if (session->settled) {
        gib_buffer_empty(&session->out);
        session->unsent = 0;
    }
}

/* Decodes a reply of one of the common shapes, if it is one and all of the bytes are it. */
static inline bool decode_common(const gib_session *session, const gibson_command *command,
                                 size_t received, gibson_reply *reply)
{
    const uint8_t *data = session->in.data;
    const size_t most = session->limits.max_reply_size;
    *reply = (gibson_reply){.status = GIBSON_OK, .opcode = command->opcode};
    if (received == GIB_CODE_FRAME && gib_reply_find_code(data, command->yield, &reply->status)) {
        return true;
    }
    if (received == GIB_NUMBER_FRAME &&
        gib_reply_find_number(data, command->yield, most, &reply->value.number)) {
        reply->value.kind = GIBSON_KIND_NUMBER;
        return true;
    }
    return command->yield == GIBSON_YIELD_VALUE &&
           gib_reply_find_value(data, received, most, &reply->value) == received && received;
}

static bool decode_any(const gib_session *session, const gibson_command *command, size_t received,
                       gibson_reply *reply, gibson_error *error)
{
    size_t frame_size;
    return received &&
           gib_reply_decode(session->in.data, received, command, session->limits.max_reply_size,
                            reply, &frame_size, error) == GIBSON_OK &&
           frame_size == received;
}

bool gib_single_take(gib_session *session, const gibson_request *request, size_t received,
                     gibson_reply *reply, gibson_error *error)
{
    const gibson_command *command = &gib_commands[request->opcode];
    if (GIB_UNLIKELY(!decode_common(session, command, received, reply)) &&
        !decode_any(session, command, received, reply, error)) {
        return false;
    }
    if (command->opcode == GIBSON_OP_SET && reply->status == GIBSON_OK) {
        gib_echo_check(request->value.data, request->value.size, reply, error);
    }
    gib_single_end(session, received);
    return true;
}

void gib_single_hand_over(gib_session *session, const gibson_request *request)
{
    const gibson_command *command = &gib_commands[request->opcode];
    session->settled = false;
    *gib_session_pending(session, session->pushed++) = (gib_pending){
        .frame_size = (uint32_t)session->out.end,
        .value_size = gib_command_takes_value(command) ? request->value.size : 0,
        .opcode = request->opcode,
    };
}
