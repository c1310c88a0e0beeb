/* GET, the operation that caches live by. */
#include "client/call.h"

static GIB_NOINLINE gibson_status get_long(gibson_client *client, const gibson_request *request,
                                           gibson_value *value)
{
    gibson_reply reply;
    gibson_status status = gibson_client_call(client, request, &reply);
    *value = reply.value;
    return status;
}

static GIB_NOINLINE gibson_status finish(gibson_client *client, const gibson_request *request,
                                         gibson_value *value, const gib_exchanged *exchanged)
{
    gibson_reply reply;
    gibson_status status = gib_call_finish(client, request, &reply, exchanged);
    *value = reply.value;
    return status;
}

gibson_status gibson_client_get(gibson_client *client, const void *key, size_t key_size,
                                gibson_value *value)
{
    GIB_CHECKED(client);
    if (GIB_UNLIKELY(!value)) {
        return gib_client_missing(client);
    }
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, key, key_size);
    if (GIB_UNLIKELY(!client || !gib_call_begin(client))) {
        return get_long(client, &request, value);
    }
    gib_session *session = &client->session;
    if (GIB_UNLIKELY(!gib_single_push_key(session, GIBSON_OP_GET, key, key_size))) {
        return get_long(client, &request, value);
    }
    gib_exchanged exchanged;
    gib_call_exchange(client, &exchanged);
    const size_t received = exchanged.received > 0 ? (size_t)exchanged.received : 0;
    if (GIB_UNLIKELY(!gib_single_take_value(session, received, value))) {
        return finish(client, &request, value, &exchanged);
    }
    client->error.status = GIBSON_OK;
    gib_idle_end(&client->idle);
    return GIBSON_OK;
}
