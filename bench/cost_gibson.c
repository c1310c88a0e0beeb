/* Runs a number of operations over one connection, for counting what they cost the client.

       cost_gibson SOCKET OPERATION COUNT

   get and set: COUNT operations on one key with a value of 100 bytes; miss: GET of a key that is
   not there; each other single-key command by its name, on a key that it succeeds on; pipeline: the
   same as get, 64 at a time; mget: reads the prefix "item:" once, after COUNT items of 100 bytes
   were stored under it. Prints nothing; ends with status 1 if any reply is not the right one. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/gibson.h>

enum { VALUE_SIZE = 100, PIPELINE = 64 };

static const char key[] = "app:user:1000:name";
static char value[VALUE_SIZE];

static _Noreturn void fail(gibson_client *client)
{
    fprintf(stderr, "cost_gibson: %s\n", gibson_client_error(client)->message);
    exit(1);
}

static inline void check(gibson_client *client, gibson_status status)
{
    if (status != GIBSON_OK) {
        fail(client);
    }
}

static inline void check_value(gibson_client *client, const gibson_value *got)
{
    if (got->bytes.size != VALUE_SIZE) {
        fail(client);
    }
}

static void run_get(gibson_client *client, long count)
{
    gibson_value got;
    for (long i = 0; i < count; i++) {
        check(client, gibson_client_get(client, gibson_str(key), &got));
        check_value(client, &got);
    }
}

static void run_miss(gibson_client *client, long count)
{
    gibson_value got;
    for (long i = 0; i < count; i++) {
        if (gibson_client_get(client, gibson_str("app:user:1000:none"), &got) != GIBSON_NOT_FOUND) {
            fail(client);
        }
    }
}

static void run_set(gibson_client *client, long count)
{
    for (long i = 0; i < count; i++) {
        check(client,
              gibson_client_set(client, gibson_str(key), gibson_bytes_of(value, sizeof value), 0));
    }
}

/* The other commands of a single key, each with arguments that it succeeds with. */

static gibson_status run_inc(gibson_client *client)
{
    int64_t number;
    return gibson_client_inc(client, gibson_str("app:user:1000:hits"), &number);
}

static gibson_status run_dec(gibson_client *client)
{
    int64_t number;
    return gibson_client_dec(client, gibson_str("app:user:1000:hits"), &number);
}

static gibson_status run_del(gibson_client *client)
{
    const gibson_status status = gibson_client_del(client, gibson_str("app:user:1000:none"));
    return status == GIBSON_NOT_FOUND ? GIBSON_OK : status;
}

static gibson_status run_ttl(gibson_client *client)
{
    return gibson_client_ttl(client, gibson_str(key), 3600);
}

static gibson_status run_lock(gibson_client *client)
{
    return gibson_client_lock(client, gibson_str(key), 0);
}

static gibson_status run_unlock(gibson_client *client)
{
    return gibson_client_unlock(client, gibson_str(key));
}

static gibson_status run_meta(gibson_client *client)
{
    int64_t number;
    return gibson_client_meta(client, gibson_str(key), GIBSON_META_SIZE, &number);
}

static void run_others(gibson_client *client, const char *name, long count)
{
    static const struct {
        const char *name;
        gibson_status (*run)(gibson_client *client);
    } rows[] = {{"inc", run_inc},   {"dec", run_dec},       {"del", run_del},  {"ttl", run_ttl},
                {"lock", run_lock}, {"unlock", run_unlock}, {"meta", run_meta}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!strcmp(rows[i].name, name)) {
            for (long j = 0; j < count; j++) {
                check(client, rows[i].run(client));
            }
            return;
        }
    }
    fprintf(stderr, "cost_gibson: no such operation: %s\n", name);
    exit(2);
}

static void run_pipeline(gibson_client *client, long count)
{
    gibson_request request = gibson_request_key(GIBSON_OP_GET, gibson_str(key));
    gibson_reply reply;
    for (long done = 0; done < count; done += PIPELINE) {
        for (int i = 0; i < PIPELINE; i++) {
            check(client, gibson_client_queue(client, &request));
        }
        for (int i = 0; i < PIPELINE; i++) {
            check(client, gibson_client_next(client, &reply));
            check_value(client, &reply.value);
        }
    }
}

/* Stores items in batches that fit the window. */
static void store_items(gibson_client *client, long count)
{
    gibson_reply reply;
    char name[32];
    for (long i = 0; i < count;) {
        for (int j = 0; j < PIPELINE && i < count; j++, i++) {
            int size = snprintf(name, sizeof name, "item:%ld", i);
            gibson_request request =
                gibson_request_value(GIBSON_OP_SET, gibson_bytes_of(name, (size_t)size),
                                     gibson_bytes_of(value, sizeof value), 0);
            check(client, gibson_client_queue(client, &request));
        }
        while (gibson_client_next(client, &reply) != GIBSON_END) {
            check(client, reply.status);
        }
    }
}

/* The peak of resident memory since it was last reset, in bytes. */
static long peak_memory(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[128];
    long kib = 0;
    while (status && fgets(line, sizeof line, status)) {
        if (!strncmp(line, "VmHWM:", 6)) {
            kib = strtol(line + 6, NULL, 10);
        }
    }
    if (status) {
        fclose(status);
    }
    return kib * 1024;
}

static void reset_peak_memory(void)
{
    FILE *clear = fopen("/proc/self/clear_refs", "w");
    if (!clear || fputs("5", clear) < 0 || fclose(clear)) {
        perror("cost_gibson: /proc/self/clear_refs");
        exit(1);
    }
}

static void run_mget(gibson_client *client, long count)
{
    store_items(client, count);
    reset_peak_memory();
    long before = peak_memory();
    gibson_items items;
    check(client, gibson_client_mget(client, gibson_str("item:"), 0, &items));
    gibson_bytes name;
    gibson_value got;
    size_t reply_size = 4;
    long seen = 0;
    while (gibson_items_next(&items, &name, &got)) {
        check_value(client, &got);
        reply_size += 9 + name.size + got.bytes.size;
        seen++;
    }
    if (seen != count) {
        fprintf(stderr, "cost_gibson: %ld items instead of %ld\n", seen, count);
        exit(1);
    }
    long grown = peak_memory() - before;
    printf("items %ld reply_bytes %zu peak_memory_bytes %ld ratio %.2f\n", seen, reply_size, grown,
           (double)grown / (double)reply_size);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: cost_gibson SOCKET OPERATION COUNT\n");
        return 2;
    }
    memset(value, 'v', sizeof value);
    gibson_options options;
    gibson_options_init(&options);
    options.unix_socket = argv[1];
    options.timeout_ms = 60000; /* under callgrind everything takes longer */
    gibson_error error;
    gibson_client *client;
    if (gibson_client_new(&client, &options, &error) != GIBSON_OK) {
        fprintf(stderr, "cost_gibson: %s\n", error.message);
        return 1;
    }
    check(client, gibson_client_connect(client));
    long count = strtol(argv[3], NULL, 10);
    run_set(client, 1);
    if (!strcmp(argv[2], "get")) {
        run_get(client, count);
    } else if (!strcmp(argv[2], "miss")) {
        run_miss(client, count);
    } else if (!strcmp(argv[2], "set")) {
        run_set(client, count);
    } else if (!strcmp(argv[2], "pipeline")) {
        run_pipeline(client, count);
    } else if (!strcmp(argv[2], "mget")) {
        run_mget(client, count);
    } else {
        run_others(client, argv[2], count);
    }
    gibson_client_free(client);
    return 0;
}
