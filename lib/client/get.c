/* GET, the operation that caches live by. */
#include "client/call.h"

gibson_status gibson_client_get(gibson_client *client, gibson_bytes key, gibson_value *value)
{
    if (GIB_UNLIKELY(!value)) {
        return gib_client_missing(client);
    }
    return gib_call_value(client, GIBSON_OP_GET, key, gibson_bytes_of(NULL, 0), 0, value);
}
