/* What the options of a client let pass, worked out from their documentation alone. */
#ifndef WALK_LIMITS_H
#define WALK_LIMITS_H

#include <gibson/options.h>

#include "choices.h"

typedef struct walk_limits {
    size_t max_reply_size;
    size_t max_request_size;
    size_t max_key_size;
    size_t max_value_size;
    int64_t max_seconds;
    size_t window;
    size_t pipeline_bytes;
} walk_limits;

/* Chooses options: often the defaults, else small limits. The address is left alone. */
void walk_limits_choose(walk_choices *choices, gibson_options *options);

/* What they mean. */
walk_limits walk_limits_of(const gibson_options *options);

#endif
