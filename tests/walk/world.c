#include "world.h"

#include <stdlib.h>
#include <unistd.h>

#include <gibson/client.h>

#include "raw_client.h"
#include "request.h"

/* What the server says of its limit of times. */
static int64_t ask_limit(walk_world *world)
{
    static const char row[] = "max_item_ttl";
    gibson_options options;
    gibson_client *client;
    gibson_items stats;
    gibson_value value = {0};
    gibson_options_init(&options);
    walk_world_point(world, &options);
    options.timeout_ms = GIBSON_NO_DEADLINE;
    if (gibson_client_new(&client, &options, NULL) != GIBSON_OK ||
        gibson_client_connect(client) != GIBSON_OK ||
        gibson_client_stats(client, &stats) != GIBSON_OK) {
        abort();
    }
    (void)gibson_items_find(&stats, gibson_str(row), &value);
    world->connections++;
    gibson_client_free(client);
    if (world->recorder && !recorder_await_end(world->recorder, 0)) {
        abort();
    }
    return value.number;
}

void walk_world_start(walk_world *world, bool recording)
{
    static const char *const directives[] = {"compression", "1M", NULL};
    *world = (walk_world){.control = -1};
    if (recording) {
        world->recorder = recorder_start();
    } else {
        test_server_start(&world->server, TEST_UNIX, directives);
        world->control = test_server_connect(&world->server);
    }
    world->max_seconds = ask_limit(world);
}

void walk_world_stop(walk_world *world)
{
    if (world->recorder) {
        recorder_stop(world->recorder);
    } else {
        close(world->control);
        test_server_stop(&world->server);
    }
}

void walk_world_point(const walk_world *world, gibson_options *options)
{
    if (world->recorder) {
        recorder_point(world->recorder, options);
    } else {
        options->unix_socket = world->server.unix_socket;
    }
}

bool walk_world_reset(walk_world *world, bool fresh)
{
    if (world->recorder) {
        recorder_reset(world->recorder);
        return true;
    }
    /* Those that it has not seen yet must not be taken for those that it has seen go. */
    if (!raw_await_stat(world->control, "total_connections",
                        1 + (int64_t)world->connections + fresh) ||
        !raw_await_stat(world->control, "total_clients", 1 + fresh)) {
        return false;
    }
    (void)raw_ask_code(world->control, GIBSON_OP_MUNLOCK, WALK_SPACE);
    (void)raw_ask_code(world->control, GIBSON_OP_MDEL, WALK_SPACE);
    return true;
}
