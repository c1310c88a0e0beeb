/* The requests of async_requests.c in a loop of libuv.

       example_async_libuv SOCKET                                                                 */
#include <stdio.h>

#include <gibson/adapters/libuv.h>

#include "async_requests.h"

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: %s SOCKET\n", arguments[0]);
        return 2;
    }
    uv_loop_t *loop = uv_default_loop();
    requests all = {0};
    gibson_async *async = requests_begin(&all, arguments[1]);
    if (!async || gibson_uv_attach(async, loop) != GIBSON_OK) {
        gibson_async_free(async);
        return 1;
    }
    (void)uv_run(loop, UV_RUN_DEFAULT); /* until the handle waits for nothing any more */
    gibson_async_free(async);
    (void)uv_run(loop, UV_RUN_DEFAULT); /* libuv closes what the adapter had */
    return uv_loop_close(loop) == 0 && all.over && !all.failed ? 0 : 1;
}
