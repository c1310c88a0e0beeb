/* Stores a thousand values and reads them back, with many requests on their way at once.

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

/* Queues a SET or GET for each item. The default window is 1024 requests. */
static gibson_status queue(gibson_client *client, gibson_opcode opcode)
{
    gibson_status status = GIBSON_OK;
    for (int i = 0; i < ITEMS && status == GIBSON_OK; i++) {
        char key[32];
        char value[32];
        int key_size = snprintf(key, sizeof key, "square:%d", i);
        int value_size = snprintf(value, sizeof value, "%d", i * i);
        gibson_request request =
            gibson_request_value(opcode, key, (size_t)key_size, value, (size_t)value_size, 0);
        status = gibson_client_queue(client, &request); /* copies the request */
    }
    return status;
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
    if (gibson_client_connect(client) != GIBSON_OK || queue(client, GIBSON_OP_SET) != GIBSON_OK) {
        return fail(client);
    }

    gibson_reply reply;
    size_t stored = 0;
    while (gibson_client_next(client, &reply) != GIBSON_END) { /* a reply for each request */
        if (reply.status != GIBSON_OK) {
            return fail(client);
        }
        stored++;
    }

    if (queue(client, GIBSON_OP_GET) != GIBSON_OK) {
        return fail(client);
    }
    size_t bytes = 0;
    while (gibson_client_next(client, &reply) != GIBSON_END) {
        if (reply.status != GIBSON_OK) {
            return fail(client);
        }
        bytes += reply.value.bytes.size; /* a view, until the next call */
    }
    printf("stored %zu values, read back %zu bytes\n", stored, bytes);
    gibson_client_free(client);
    return 0;
}
