#include "support/inside.h"

#include "client/client.h"

gib_connection *inside(gibson_client *client)
{
    return &client->connection;
}
