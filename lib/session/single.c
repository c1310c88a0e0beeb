#include "session/single.h"

#include "session/echo.h"
#include "wire/command.h"

void gib_session_settle(gib_session *session)
{
    session->settled = !gib_session_count(session) && session->pending && !session->in.begin &&
                       gib_session_keeps(&session->in) && gib_session_keeps(&session->out);
    if (session->settled) {
        gib_buffer_empty(&session->out);
        session->unsent = 0;
    }
}

bool gib_single_take(gib_session *session, const gibson_request *request, size_t size,
                     size_t received, gibson_reply *reply, gibson_error *error)
{
    const gibson_command *command = &gib_commands[request->opcode];
    size_t frame_size;
    if (gib_reply_decode(session->in.data, received, command, session->limits.max_reply_size, reply,
                         &frame_size, error) != GIBSON_OK ||
        frame_size != received) {
        return false;
    }
    if (command->yield == GIBSON_YIELD_ECHO && reply->status == GIBSON_OK) {
        const gibson_bytes sent = gib_single_sent_value(session, request, size);
        gib_echo_check(&sent, reply, error);
    }
    gib_single_end(session, received);
    return true;
}

gibson_status gib_single_push(gib_session *session, const gibson_request *request, size_t *size,
                              gibson_error *error)
{
    gib_encoded encoded;
    gibson_status status = gib_request_encode(request, &session->limits, GIB_VALUE_COPIED,
                                              &session->out, &encoded, error);
    *size = session->out.end;
    gib_buffer_empty(&session->out);
    gib_session_unsettle_if_large(session);
    if (status == GIBSON_OK) {
        gib_session_release_reply(session);
    }
    return status;
}

void gib_single_hand_over(gib_session *session, const gibson_request *request, size_t size)
{
    const gibson_command *command = &gib_commands[request->opcode];
    session->settled = false;
    session->out.end = size;
    gib_single_end(session, 0);
    *gib_session_pending(session, session->pushed++) = (gib_pending){
        .frame_size = (uint32_t)size,
        .value_size =
            gibson_takes(command->arguments, GIBSON_ARGUMENT_VALUE) ? request->value.size : 0,
        .opcode = (uint16_t)request->opcode,
    };
}
