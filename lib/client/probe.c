/* Asking a question to which the answer is known: how many keys have a prefix that none has. Where
   a reply too many has come at some time, each request gets the reply of the one before, and so
   does this one. A zero for an answer is the only one that could be mistaken for it. */
#include "base/error.h"
#include "client/call.h"

static const char no_key[] = "\1gibson-probe\1";

static gibson_status judge(const gibson_reply *reply)
{
    return reply->status == GIBSON_OK && reply->value.kind == GIBSON_KIND_NUMBER &&
                   reply->value.number == 0
               ? GIBSON_OK
               : GIBSON_PROTOCOL;
}

static gibson_status finish(gibson_client *client, gibson_status status, gibson_reply *reply)
{
    if (status == GIBSON_OK || status == GIBSON_WOULD_BLOCK) {
        status = gib_client_exchange(client, reply);
    }
    if (status == GIBSON_OK) {
        status = judge(reply);
    }
    return status;
}

static gibson_status ask(gibson_client *client, const gibson_request *request)
{
    gib_session *session = &client->session;
    gibson_reply reply;
    if (!gib_session_is_settled(session)) {
        gibson_status status = gib_session_push(session, request, GIB_VALUE_COPIED, &client->error);
        /* Limits that forbid the question leave the connection as it is. */
        return status == GIBSON_INVALID ? GIBSON_OK : finish(client, status, &reply);
    }
    size_t size;
    if (!gib_single_write(session, GIBSON_OP_COUNT, request, &size)) {
        return GIBSON_OK;
    }
    const gib_exchanged done = gib_call_exchange(client, size);
    if (gib_single_take_common(session, GIBSON_OP_COUNT, request, done.received, &reply)) {
        return judge(&reply);
    }
    gib_single_hand_over(session, request, size);
    client->fresh = false;
    return finish(client, gib_call_note(client, done), &reply);
}

gibson_status gib_client_probe(gibson_client *client)
{
    const gibson_request request = gibson_request_key(GIBSON_OP_COUNT, no_key, sizeof no_key - 1);
    gib_session *session = &client->session;
    gib_kept kept;
    gib_session_put_aside(session, &kept);
    /* The caller's limits are for what the caller asks. */
    const size_t most = gib_session_set_max_reply(session, GIB_SAFE_REPLY_SIZE);
    gibson_status status = ask(client, &request);
    gib_session_set_max_reply(session, most);
    gib_session_put_back(session, &kept);
    client->fresh = false;
    if (status == GIBSON_PROTOCOL) {
        gib_error_set(
            &client->error, status,
            "the server has sent a reply that answers nothing, and later ones may have gone "
            "to the wrong requests: count of no key was not answered by 0");
    }
    if (status != GIBSON_OK) {
        gib_client_break(client);
        gib_session_abandon_all(session);
    } else {
        gib_session_settle(session);
    }
    return status;
}
