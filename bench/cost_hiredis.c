/* The same GET as cost_gibson's, by hiredis on Redis, for comparison.

       cost_hiredis SOCKET get|pipeline COUNT                                                    */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

enum { VALUE_SIZE = 100, PIPELINE = 64 };

static const char key[] = "app:user:1000:name";

static void check(redisContext *context, redisReply *reply, size_t size)
{
    if (!reply || reply->type == REDIS_REPLY_ERROR || (size && reply->len != size)) {
        fprintf(stderr, "cost_hiredis: %s\n", context->errstr);
        exit(1);
    }
    freeReplyObject(reply);
}

static void run_get(redisContext *context, long count)
{
    for (long i = 0; i < count; i++) {
        check(context, redisCommand(context, "GET %b", key, sizeof key - 1), VALUE_SIZE);
    }
}

static void run_pipeline(redisContext *context, long count)
{
    for (long done = 0; done < count; done += PIPELINE) {
        for (int i = 0; i < PIPELINE; i++) {
            redisAppendCommand(context, "GET %b", key, sizeof key - 1);
        }
        for (int i = 0; i < PIPELINE; i++) {
            void *reply = NULL;
            redisGetReply(context, &reply);
            check(context, reply, VALUE_SIZE);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: cost_hiredis SOCKET get|pipeline COUNT\n");
        return 2;
    }
    redisContext *context = redisConnectUnix(argv[1]);
    if (!context || context->err) {
        fprintf(stderr, "cost_hiredis: %s\n", context ? context->errstr : "no memory");
        return 1;
    }
    char value[VALUE_SIZE];
    memset(value, 'v', sizeof value);
    check(context, redisCommand(context, "SET %b %b", key, sizeof key - 1, value, sizeof value), 0);
    if (!strcmp(argv[2], "get")) {
        run_get(context, strtol(argv[3], NULL, 10));
    } else {
        run_pipeline(context, strtol(argv[3], NULL, 10));
    }
    redisFree(context);
    return 0;
}
