#include "limits.h"

enum {
    SERVER_MOST_SECONDS = 2592000,
    TIMEOUT_MS = 20000, /* that never passes, as the peer answers at once */
    OPCODE_SIZE = 2,
};

void walk_limits_choose(walk_choices *choices, gibson_options *options)
{
    static const size_t reply_sizes[] = {0, 0, 0, 0, 4, 8, 300, 70000};
    static const size_t request_sizes[] = {0, 0, 0, 16, 40, 5000};
    static const size_t key_sizes[] = {0, 0, 0, 3, 5, 6, 64};
    static const size_t value_sizes[] = {0, 0, 0, 1, 12, 4096, 4097};
    static const int64_t seconds[] = {0, 0, 5000, 10000, SERVER_MOST_SECONDS};
    static const uint32_t windows[] = {0, 0, 0, 1, 2, 15, 16, 17};
    static const size_t bytes[] = {0, 0, 0, 1, 20, 300, 5000};
    static const int64_t timeouts_ms[] = {TIMEOUT_MS, TIMEOUT_MS, GIBSON_NO_DEADLINE};
    options->max_reply_size = WALK_ONE_OF(choices, reply_sizes);
    options->max_request_size = WALK_ONE_OF(choices, request_sizes);
    options->max_key_size = WALK_ONE_OF(choices, key_sizes);
    options->max_value_size = WALK_ONE_OF(choices, value_sizes);
    options->max_seconds = WALK_ONE_OF(choices, seconds);
    options->pipeline_window = WALK_ONE_OF(choices, windows);
    options->pipeline_bytes = WALK_ONE_OF(choices, bytes);
    options->timeout_ms = WALK_ONE_OF(choices, timeouts_ms);
    options->connect_timeout_ms = TIMEOUT_MS;
    options->reconnect = walk_percent(choices, 50);
    options->retry_repeatable = walk_percent(choices, 50);
}

static size_t or_default(size_t value, size_t otherwise)
{
    return value ? value : otherwise;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

walk_limits walk_limits_of(const gibson_options *options)
{
    walk_limits limits = {
        .max_reply_size = or_default(options->max_reply_size, GIBSON_DEFAULT_MAX_REPLY_SIZE),
        .max_request_size = or_default(options->max_request_size, GIBSON_DEFAULT_MAX_REQUEST_SIZE),
        .max_seconds = options->max_seconds ? options->max_seconds : GIBSON_DEFAULT_MAX_SECONDS,
        .window = or_default(options->pipeline_window, GIBSON_DEFAULT_PIPELINE_WINDOW),
        .pipeline_bytes = or_default(options->pipeline_bytes, GIBSON_DEFAULT_PIPELINE_BYTES),
    };
    const size_t room = limits.max_request_size - OPCODE_SIZE;
    limits.max_key_size =
        smaller(or_default(options->max_key_size, GIBSON_DEFAULT_MAX_KEY_SIZE), room);
    limits.max_value_size = smaller(or_default(options->max_value_size, room), room);
    return limits;
}
