/* Fuzz target: the walk of tests/walk over the public functions of the client, with the input as
   its choices. The peer that records all bytes is made once; each input begins with an empty store
   and a new client. */
#include <stdlib.h>

#include "fuzz.h"
#include "walk.h"

enum { MOST_STEPS = 2000 };

static walk_world world;

/* Its threads are joined. */
static void stop_world(void)
{
    walk_world_stop(&world);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static walk one;
    if (!world.recorder) {
        walk_world_start(&world, true);
        atexit(stop_world);
    }
    one = (walk){
        .world = &world, .choices = walk_choices_from_bytes(data, size), .rules = walk_rules_now};
    walk_run(&one, MOST_STEPS);
    walk_clear(&one);
    if (one.failed) {
        abort();
    }
    return 0;
}
