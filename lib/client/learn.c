/* Learning from the server what it can keep, where that is more than every server can. */
#include "client/client.h"

static const char row[] = "max_item_ttl"; /* of STATS: seconds */

/* Bytes that STATS may have whatever options.max_reply_size is: the caller has not asked for them.
 */
enum { STATS_SIZE = 64 * 1024 };

static void take_limit(gibson_client *client, const gibson_items *stats)
{
    gibson_value value;
    if (gibson_items_find(stats, row, sizeof row - 1, &value) && value.kind == GIBSON_KIND_NUMBER &&
        value.number > GIB_SAFE_SECONDS) {
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
    const size_t most = gib_session_set_max_reply(&client->session, STATS_SIZE);
    status = gib_client_exchange(client, &reply);
    gib_session_set_max_reply(&client->session, most);
    client->fresh = false;
    if (status != GIBSON_OK) {
        gib_client_break(client);
        gib_session_reset(&client->session);
        return status;
    }
    /* A server that refuses STATS has not told either. */
    take_limit(client, &reply.items);
    gib_session_release_reply(&client->session);
    return GIBSON_OK;
}
