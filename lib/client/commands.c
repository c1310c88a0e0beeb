/* A function for each command but GET. They differ in the command and in which arguments it takes;
   where a result may be passed over, its pointer may be NULL. */
#include <gibson/pipeline.h>

#include "client/call.h"
#include "connection/look.h"

gibson_status gib_client_missing(gibson_client *client)
{
    return client ? gib_client_fail(client, GIBSON_USAGE, "an out-parameter is NULL")
                  : GIBSON_USAGE;
}

/* The number of a reply goes to *number, where that is wanted. */
static GIB_INLINE gibson_status run(gibson_client *client, gibson_opcode opcode, gibson_bytes key,
                                    gibson_bytes value, int64_t argument, int64_t *number)
{
    gibson_value got;
    gibson_status status = gib_call_value(client, opcode, key, value, argument, &got);
    if (number) {
        *number = got.number;
    }
    return status;
}

/* For commands that take a key or a prefix and a number: seconds, or a field. */
static GIB_INLINE gibson_status run_key_number(gibson_client *client, gibson_opcode opcode,
                                               gibson_bytes key, int64_t argument, int64_t *number)
{
    return run(client, opcode, key, gibson_bytes_of(NULL, 0), argument, number);
}

/* For commands that take a key or a prefix and nothing else. */
static GIB_INLINE gibson_status run_key(gibson_client *client, gibson_opcode opcode,
                                        gibson_bytes key, int64_t *number)
{
    return run_key_number(client, opcode, key, 0, number);
}

/* For commands that yield items; without a key or a limit, those are ignored. */
static gibson_status run_items(gibson_client *client, gibson_opcode opcode, gibson_bytes prefix,
                               int64_t limit, gibson_items *items)
{
    if (!items) {
        return gib_client_missing(client);
    }
    gibson_request request = gibson_request_key_number(opcode, prefix, limit);
    gibson_reply reply;
    gibson_status status = gibson_client_call(client, &request, &reply);
    *items = reply.items;
    return status;
}

gibson_status gibson_client_set(gibson_client *client, gibson_bytes key, gibson_bytes value,
                                int64_t ttl_s)
{
    return run(client, GIBSON_OP_SET, key, value, ttl_s, NULL);
}

gibson_status gibson_client_mset(gibson_client *client, gibson_bytes prefix, gibson_bytes value,
                                 int64_t *changed)
{
    return run(client, GIBSON_OP_MSET, prefix, value, 0, changed);
}

gibson_status gibson_client_mget(gibson_client *client, gibson_bytes prefix, int64_t limit,
                                 gibson_items *items)
{
    return run_items(client, GIBSON_OP_MGET, prefix, limit, items);
}

gibson_status gibson_client_del(gibson_client *client, gibson_bytes key)
{
    return run_key(client, GIBSON_OP_DEL, key, NULL);
}

gibson_status gibson_client_mdel(gibson_client *client, gibson_bytes prefix, int64_t *deleted)
{
    return run_key(client, GIBSON_OP_MDEL, prefix, deleted);
}

gibson_status gibson_client_ttl(gibson_client *client, gibson_bytes key, int64_t ttl_s)
{
    return run_key_number(client, GIBSON_OP_TTL, key, ttl_s, NULL);
}

gibson_status gibson_client_mttl(gibson_client *client, gibson_bytes prefix, int64_t ttl_s,
                                 int64_t *changed)
{
    return run_key_number(client, GIBSON_OP_MTTL, prefix, ttl_s, changed);
}

gibson_status gibson_client_inc(gibson_client *client, gibson_bytes key, int64_t *number)
{
    return run_key(client, GIBSON_OP_INC, key, number);
}

gibson_status gibson_client_dec(gibson_client *client, gibson_bytes key, int64_t *number)
{
    return run_key(client, GIBSON_OP_DEC, key, number);
}

gibson_status gibson_client_minc(gibson_client *client, gibson_bytes prefix, int64_t *changed)
{
    return run_key(client, GIBSON_OP_MINC, prefix, changed);
}

gibson_status gibson_client_mdec(gibson_client *client, gibson_bytes prefix, int64_t *changed)
{
    return run_key(client, GIBSON_OP_MDEC, prefix, changed);
}

gibson_status gibson_client_lock(gibson_client *client, gibson_bytes key, int64_t seconds)
{
    return run_key_number(client, GIBSON_OP_LOCK, key, seconds, NULL);
}

gibson_status gibson_client_mlock(gibson_client *client, gibson_bytes prefix, int64_t seconds,
                                  int64_t *locked)
{
    return run_key_number(client, GIBSON_OP_MLOCK, prefix, seconds, locked);
}

gibson_status gibson_client_unlock(gibson_client *client, gibson_bytes key)
{
    return run_key(client, GIBSON_OP_UNLOCK, key, NULL);
}

gibson_status gibson_client_munlock(gibson_client *client, gibson_bytes prefix, int64_t *found)
{
    return run_key(client, GIBSON_OP_MUNLOCK, prefix, found);
}

gibson_status gibson_client_count(gibson_client *client, gibson_bytes prefix, int64_t *number)
{
    return number ? run_key(client, GIBSON_OP_COUNT, prefix, number) : gib_client_missing(client);
}

gibson_status gibson_client_meta(gibson_client *client, gibson_bytes key, gibson_meta_field field,
                                 int64_t *number)
{
    return number ? run_key_number(client, GIBSON_OP_META, key, (int64_t)field, number)
                  : gib_client_missing(client);
}

gibson_status gibson_client_keys(gibson_client *client, gibson_bytes prefix, gibson_items *keys)
{
    return run_items(client, GIBSON_OP_KEYS, prefix, 0, keys);
}

gibson_status gibson_client_stats(gibson_client *client, gibson_items *stats)
{
    return run_items(client, GIBSON_OP_STATS, gibson_bytes_of(NULL, 0), 0, stats);
}

gibson_status gibson_client_ping(gibson_client *client)
{
    return run_key(client, GIBSON_OP_PING, gibson_bytes_of(NULL, 0), NULL);
}

/* Tells whether there is a connection that somebody can be told to end. */
static bool has_someone_to_tell(gibson_client *client)
{
    return gibson_client_connected(client) && !gibson_client_outstanding(client) &&
           gib_connection_look(&client->connection) == GIBSON_OK;
}

gibson_status gibson_client_quit(gibson_client *client)
{
    if (!client) {
        return GIBSON_USAGE;
    }
    gibson_status status = GIBSON_OK;
    if (has_someone_to_tell(client)) {
        const gibson_request request = gibson_request_bare(GIBSON_OP_END);
        gibson_reply reply;
        status = gibson_client_call(client, &request, &reply);
    }
    gibson_error error = client->connection.error;
    gibson_client_close(client);
    if (status != GIBSON_OK) {
        client->connection.error = error;
    }
    return status;
}
