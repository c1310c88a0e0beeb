/* A time that not every server keeps: where one of them does not, none is to be sent the request.
 */
#include "wire/limits.h"
#include "cluster/cluster.h"
#include "wire/command.h"

bool gib_cluster_is_long_time(const gibson_request *request)
{
    return gibson_takes_time(gib_arguments_of(request->opcode)) &&
           request->number > GIB_SAFE_SECONDS;
}

bool gib_cluster_may_disagree(const gibson_cluster_client *client, const gibson_request *request)
{
    bool may = gib_cluster_is_long_time(request);
    if (gibson_takes_time(gib_arguments_of(request->opcode))) {
        for (size_t i = 0; i < client->membership->count; i++) {
            const gibson_client *to = client->links[i].client;
            may = may || (to && gib_session_refuses_time(&to->connection.session, request->number));
        }
    }
    return may;
}

/* The first part with a status, or their number. */
static size_t find(const gibson_cluster_client *client, gibson_status status)
{
    size_t i = 0;
    while (i < client->membership->count && client->parts[i].status != status) {
        i++;
    }
    return i;
}

/* Takes back what the parts have queued. */
static void take_back(gibson_cluster_client *client, gibson_status status)
{
    for (size_t i = 0; i < client->membership->count; i++) {
        gib_fanout_part *part = &client->parts[i];
        if (part->client && part->status == GIBSON_OK) {
            gib_client_take_back(part->client);
            part->status = status;
        }
    }
}

gibson_status gib_cluster_agree(gibson_cluster_client *client)
{
    const size_t refusing = find(client, GIBSON_INVALID);
    if (refusing < client->membership->count) {
        client->error = *gibson_client_error(client->parts[refusing].client);
        take_back(client, GIBSON_INVALID);
        return GIBSON_INVALID;
    }
    if (find(client, GIBSON_INTERRUPTED) < client->membership->count) {
        take_back(client, GIBSON_INTERRUPTED);
    }
    return GIBSON_OK;
}
