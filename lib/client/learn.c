/* Learning from the server what it can keep, where that is more than every server can. */
#include "client/client.h"

static const char row[] = "max_item_ttl"; /* of STATS: seconds */

static void take_limit(gibson_client *client, const gibson_items *stats)
{
    gibson_value value;
    if (gibson_items_find(stats, row, sizeof row - 1, &value) && value.kind == GIBSON_KIND_NUMBER &&
        value.number > 0) {
        gib_session_set_seconds(&client->session, value.number, GIB_SECONDS_TOLD);
    } else {
        gib_session_set_seconds(&client->session, GIB_SAFE_SECONDS, GIB_SECONDS_NOT_TOLD);
    }
}

gibson_status gib_client_learn_seconds(gibson_client *client)
{
    const gibson_request request = gibson_request_bare(GIBSON_OP_STATS);
    gibson_reply reply;
    gibson_status status =
        gib_session_push(&client->session, &request, GIB_VALUE_COPIED, &client->error);
    if (status != GIBSON_OK) {
        return status;
    }
    gib_kept kept;
    gib_session_put_aside(&client->session, &kept);
    /* The caller's limits are for what the caller asks. */
    const size_t most = gib_session_set_max_reply(&client->session, GIB_SAFE_REPLY_SIZE);
    status = gib_client_exchange(client, &reply);
    gib_session_set_max_reply(&client->session, most);
    client->fresh = false;
    if (status == GIBSON_OK) {
        take_limit(client, &reply.items); /* a server that refuses STATS has not told either */
    }
    gib_session_put_back(&client->session, &kept);
    if (status != GIBSON_OK) {
        gib_client_break(client);
        gib_session_abandon_all(&client->session);
    }
    return status;
}
