/* GET, the operation that caches live by. */
#include "client/call.h"

gibson_status gibson_client_get(gibson_client *client, const void *key, size_t key_size,
                                gibson_value *value)
{
    if (GIB_UNLIKELY(!value)) {
        return gib_client_missing(client);
    }
    return gib_call_value(client, GIBSON_OP_GET, gibson_bytes_of(key, key_size),
                          gibson_bytes_of(NULL, 0), 0, value);
}
