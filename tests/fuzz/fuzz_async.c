/* Fuzz target: the walk over gibson/async.h, with the input as its choices. */
#include <stdlib.h>
#include <string.h>

#include "async_walk.h"
#include "fuzz.h"

enum { MOST_STEPS = 2000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static async_walk one;
    memset(&one, 0, sizeof one);
    one.choices = walk_choices_from_bytes(data, size);
    async_walk_run(&one, MOST_STEPS);
    if (one.failed) {
        abort();
    }
    return 0;
}
