/* Caches a user and her orders, and invalidates them all with one command.

       example_subtree unix SOCKET
       example_subtree tcp HOST PORT                                                             */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/gibson.h>

/* A cache that is down is no reason to go on with wrong data: whatever is unexpected ends this. */
static void must(gibson_client *client, gibson_status status)
{
    if (status != GIBSON_OK) {
        fprintf(stderr, "%s: %s\n", gibson_client_peer(client),
                gibson_client_error(client)->message);
        exit(1);
    }
}

static void set(gibson_client *client, const char *key, const char *value, int64_t ttl_s)
{
    must(client, gibson_client_set(client, gibson_str(key), gibson_str(value), ttl_s));
    printf("set     %-22s = %s", key, value);
    if (ttl_s) {
        printf("   (for %" PRId64 " s)", ttl_s);
    }
    printf("\n");
}

static void get(gibson_client *client, const char *key)
{
    gibson_value value;
    gibson_status status = gibson_client_get(client, gibson_str(key), &value);
    if (status == GIBSON_NOT_FOUND) {
        printf("get     %-22s : not found\n", key);
        return;
    }
    must(client, status);
    if (value.kind == GIBSON_KIND_NUMBER) {
        printf("get     %-22s = %" PRId64 "   (a number)\n", key, value.number);
    } else {
        printf("get     %-22s = %.*s\n", key, (int)value.bytes.size,
               (const char *)value.bytes.data);
    }
}

static void list(gibson_client *client, const char *prefix)
{
    gibson_items items;
    must(client, gibson_client_mget(client, gibson_str(prefix), 0, &items));
    printf("mget    %s*\n", prefix);
    gibson_bytes key;
    gibson_value value;
    while (gibson_items_next(&items, &key, &value)) { /* views: nothing is copied or allocated */
        if (value.kind == GIBSON_KIND_NUMBER) {
            printf("          %-20.*s = %" PRId64 "\n", (int)key.size, (const char *)key.data,
                   value.number);
        } else {
            printf("          %-20.*s = %.*s\n", (int)key.size, (const char *)key.data,
                   (int)value.bytes.size, (const char *)value.bytes.data);
        }
    }
}

static void count(gibson_client *client, const char *prefix)
{
    int64_t number;
    must(client, gibson_client_count(client, gibson_str(prefix), &number));
    printf("count   %-22s = %" PRId64 "\n", prefix, number);
}

static void use(gibson_client *client)
{
    int64_t number;

    set(client, "user:42:name", "Ada Lovelace", 0);
    set(client, "user:42:mail", "ada@example.org", 3600);
    set(client, "user:42:order:1", "a difference engine", 0);
    set(client, "user:43:name", "Charles Babbage", 0);
    must(client, gibson_client_inc(client, gibson_str("user:42:visits"), &number));
    must(client, gibson_client_inc(client, gibson_str("user:42:visits"), &number));
    printf("inc     %-22s = %" PRId64 "\n", "user:42:visits", number);

    get(client, "user:42:name");
    get(client, "user:42:visits");
    count(client, "user:42:");
    list(client, "user:42:");

    must(client, gibson_client_mlock(client, gibson_str("user:42:order:"), 60, &number));
    printf("mlock   %-22s : %" PRId64 " locked for 60 s\n", "user:42:order:", number);
    gibson_status status = gibson_client_set(client, gibson_str("user:42:order:1"),
                                             gibson_str("an analytical engine"), 0);
    printf("set     %-22s : %s\n", "user:42:order:1", gibson_status_text(status));
    must(client, gibson_client_munlock(client, gibson_str("user:42:"), &number));

    must(client, gibson_client_mdel(client, gibson_str("user:42:"), &number));
    printf("mdel    %-22s : %" PRId64 " deleted\n", "user:42:", number);
    get(client, "user:42:name");
    get(client, "user:43:name");
    must(client, gibson_client_quit(client));
}

int main(int argc, char **argv)
{
    gibson_options options;
    gibson_options_init(&options);
    if (argc == 3 && !strcmp(argv[1], "unix")) {
        options.unix_socket = argv[2];
    } else if (argc == 4 && !strcmp(argv[1], "tcp")) {
        options.host = argv[2];
        options.port = (uint16_t)strtoul(argv[3], NULL, 10);
    } else {
        fprintf(stderr, "usage: %s unix SOCKET | tcp HOST PORT\n", argv[0]);
        return 2;
    }
    options.timeout_ms = 500;

    gibson_client *client;
    gibson_error error;
    if (gibson_client_new(&client, &options, &error) != GIBSON_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 1;
    }
    must(client, gibson_client_connect(client));
    printf("connected to %s with libgibson %s\n\n", gibson_client_peer(client), gibson_version());
    use(client);
    gibson_client_free(client);
    return 0;
}
