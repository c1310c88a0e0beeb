/* GET, the operation that caches live by. */
#include "client/single.h"

/* The long way, which any request can go. */
static GIB_NOINLINE gibson_status get(gibson_client *client, const gibson_request *request,
                                      gibson_value *value)
{
    gibson_reply reply;
    gibson_status status = gibson_client_call(client, request, &reply);
    *value = reply.value;
    return status;
}

static GIB_NOINLINE gibson_status finish(gibson_client *client, const gibson_request *request,
                                         gibson_value *value, const gib_single *single)
{
    gibson_reply reply;
    gibson_status status = gib_single_finish(client, request, &reply, single);
    *value = reply.value;
    return status;
}

gibson_status gibson_client_get(gibson_client *client, const void *key, size_t key_size,
                                gibson_value *value)
{
    if (GIB_UNLIKELY(!value)) {
        return gib_client_missing(client);
    }
    const gibson_request request = gibson_request_key(GIBSON_OP_GET, key, key_size);
    if (GIB_UNLIKELY(!client || !gib_single_begin(client))) {
        return get(client, &request, value);
    }
    gib_session *session = &client->session;
    if (GIB_UNLIKELY(!gib_request_encode_key(GIBSON_OP_GET, key, key_size, &session->limits,
                                             &session->out))) {
        return get(client, &request, value);
    }
    gib_single single;
    gib_single_exchange(client, &single);
    const size_t received = gib_single_received(&single);
    const size_t size = gib_session_find_value(session, session->in.data, received, value);
    if (GIB_UNLIKELY(!size || size != received)) {
        return finish(client, &request, value, &single);
    }
    gib_single_answered(client, size);
    client->error.status = GIBSON_OK;
    return GIBSON_OK;
}
