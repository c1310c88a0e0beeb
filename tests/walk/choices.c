#include "choices.h"

#include "random.h"

walk_choices walk_choices_from_seed(uint64_t seed)
{
    return (walk_choices){.random = seed};
}

walk_choices walk_choices_from_bytes(const uint8_t *bytes, size_t size)
{
    return (walk_choices){.bytes = bytes, .left = size};
}

static unsigned take_byte(walk_choices *choices)
{
    if (!choices->left) {
        return 0;
    }
    choices->left--;
    return *choices->bytes++;
}

unsigned walk_below(walk_choices *choices, unsigned limit)
{
    if (!choices->bytes) {
        return test_random_below(&choices->random, limit);
    }
    unsigned number = take_byte(choices);
    if (limit > 256) {
        number = number << 8 | take_byte(choices);
    }
    return number % limit;
}

bool walk_percent(walk_choices *choices, unsigned percent)
{
    return walk_below(choices, 100) < percent;
}

bool walk_choices_end(const walk_choices *choices)
{
    return choices->bytes && !choices->left;
}
