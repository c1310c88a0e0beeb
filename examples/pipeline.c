/* Stores a thousand squares and deletes the odd ones, with many requests on their way at once.

       example_pipeline SOCKET                                                                   */
#include <stdio.h>
#include <stdlib.h>

#include <gibson/gibson.h>

enum { ITEMS = 1000 };

static int fail(gibson_client *client)
{
    fprintf(stderr, "%s: %s\n", gibson_client_peer(client), gibson_client_error(client)->message);
    gibson_client_free(client);
    return 1;
}

/* Queues a SET for each item. The default window is 1024 requests. */
static gibson_status queue_stores(gibson_client *client)
{
    gibson_status status = GIBSON_OK;
    for (int i = 0; i < ITEMS && status == GIBSON_OK; i++) {
        char key[32];
        char value[32];
        snprintf(key, sizeof key, "square:%d", i);
        snprintf(value, sizeof value, "%d", i * i);
        gibson_request request =
            gibson_request_value(GIBSON_OP_SET, gibson_str(key), gibson_str(value), 0);
        status = gibson_client_queue(client, &request); /* copies the request */
    }
    return status;
}

static bool is_odd(gibson_bytes digits)
{
    const char *last = (const char *)digits.data + digits.size - 1;
    return (*last - '0') % 2;
}

/* Reads all items, and queues a DEL for those that are odd. What a reply consists of can be put
   into a request as it is: queueing leaves the reply alone. */
static gibson_status queue_deletes(gibson_client *client)
{
    gibson_items items;
    gibson_bytes key;
    gibson_value value;
    gibson_status status = gibson_client_mget(client, gibson_str("square:"), 0, &items);
    while (status == GIBSON_OK && gibson_items_next(&items, &key, &value)) {
        if (is_odd(value.bytes)) {
            gibson_request request = gibson_request_key(GIBSON_OP_DEL, key);
            status = gibson_client_queue(client, &request);
        }
    }
    return status;
}

/* Reads a reply for each request, and counts them. */
static gibson_status finish(gibson_client *client, size_t *count)
{
    gibson_reply reply;
    for (*count = 0; gibson_client_next(client, &reply) != GIBSON_END; (*count)++) {
        if (reply.status != GIBSON_OK) {
            return reply.status;
        }
    }
    return GIBSON_OK;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s SOCKET\n", argv[0]);
        return 2;
    }
    gibson_options options;
    gibson_options_init(&options);
    options.unix_socket = argv[1];
    gibson_client *client;
    gibson_error error;
    if (gibson_client_new(&client, &options, &error) != GIBSON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    size_t stored;
    size_t deleted;
    if (gibson_client_connect(client) != GIBSON_OK || queue_stores(client) != GIBSON_OK ||
        finish(client, &stored) != GIBSON_OK || queue_deletes(client) != GIBSON_OK ||
        finish(client, &deleted) != GIBSON_OK) {
        return fail(client);
    }
    printf("stored %zu squares, deleted the %zu odd ones\n", stored, deleted);
    gibson_client_free(client);
    return 0;
}
