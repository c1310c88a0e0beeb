/* The requests of async_requests.c in a main loop of GLib.

       example_async_glib SOCKET                                                                  */
#include <stdio.h>

#include <gibson/adapters/glib.h>

#include "async_requests.h"

static void quit(void *context)
{
    g_main_loop_quit(context);
}

int main(int count, char **arguments)
{
    if (count != 2) {
        fprintf(stderr, "usage: %s SOCKET\n", arguments[0]);
        return 2;
    }
    GMainLoop *loop = g_main_loop_new(NULL, FALSE);
    requests all = {.ended = quit, .context = loop};
    gibson_async *async = requests_begin(&all, arguments[1]);
    if (async && gibson_glib_attach(async, NULL) == GIBSON_OK) {
        g_main_loop_run(loop);
    }
    gibson_async_free(async);
    g_main_loop_unref(loop);
    return all.over && !all.failed ? 0 : 1;
}
