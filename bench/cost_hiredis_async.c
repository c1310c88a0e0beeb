/* The same gets as cost_async's, by hiredis on libuv and Redis, for comparison.

   Usage: cost_hiredis_async SOCKET UNDER_WAY OPERATIONS */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/async.h>
#include <hiredis/hiredis.h>

#include <hiredis/adapters/libuv.h>

enum { VALUE_SIZE = 100 };

static const char key[] = "app:user:1000:name";
static long to_submit;
static long left;

static void submit(redisAsyncContext *context);

static void answered(redisAsyncContext *context, void *got, void *data)
{
    const redisReply *reply = got;
    (void)data;
    if (!reply || reply->len != VALUE_SIZE) {
        fprintf(stderr, "cost_hiredis_async: %s\n", context->errstr);
        exit(1);
    }
    if (--left == 0) {
        redisAsyncDisconnect(context);
    } else {
        submit(context);
    }
}

static void submit(redisAsyncContext *context)
{
    if (to_submit) {
        to_submit--;
        redisAsyncCommand(context, answered, NULL, "GET %b", key, sizeof key - 1);
    }
}

/* Stores what is asked for, and waits for that. */
static void store(const char *socket)
{
    char value[VALUE_SIZE];
    memset(value, 'v', sizeof value);
    redisContext *context = redisConnectUnix(socket);
    redisReply *reply =
        redisCommand(context, "SET %b %b", key, sizeof key - 1, value, sizeof value);
    if (!reply) {
        fprintf(stderr, "cost_hiredis_async: %s\n", context->errstr);
        exit(1);
    }
    freeReplyObject(reply);
    redisFree(context);
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: cost_hiredis_async SOCKET UNDER_WAY OPERATIONS\n");
        return 2;
    }
    store(argv[1]);
    redisAsyncContext *context = redisAsyncConnectUnix(argv[1]);
    if (!context || context->err || redisLibuvAttach(context, uv_default_loop()) != REDIS_OK) {
        fprintf(stderr, "cost_hiredis_async: %s\n", context ? context->errstr : "no memory");
        return 1;
    }
    const long under_way = strtol(argv[2], NULL, 10);
    to_submit = left = strtol(argv[3], NULL, 10);
    for (long i = 0; i < under_way; i++) {
        submit(context);
    }
    uv_run(uv_default_loop(), UV_RUN_DEFAULT);
    return 0;
}
