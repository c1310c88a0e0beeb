#include "choice.h"

#include "random.h"

bool choice_percent(uint64_t *random, unsigned percent)
{
    return test_random_below(random, 100) < percent;
}

/* What is chosen more often, and then each command once. END, the last of them, is not chosen. */
static const gibson_opcode opcodes[] = {GIBSON_OP_SET,
                                        GIBSON_OP_SET,
                                        GIBSON_OP_SET,
                                        GIBSON_OP_GET,
                                        GIBSON_OP_GET,
                                        GIBSON_OP_GET,
                                        GIBSON_OP_GET,
                                        GIBSON_OP_INC,
                                        GIBSON_OP_UNLOCK,
                                        GIBSON_OP_MGET,
                                        GIBSON_OP_META,
                                        GIBSON_OP_MUNLOCK,
#define OPCODE(NAME, ...) GIBSON_OP_##NAME,
                                        GIBSON_COMMAND_LIST(OPCODE)
#undef OPCODE
};
enum { CHOSEN = sizeof opcodes / sizeof *opcodes - 1 };

static uint32_t text_size(uint64_t *random)
{
    switch (test_random_below(random, 40)) {
    case 0:
        return SPACE_LARGEST_TEXT - test_random_below(random, 1000);
    case 1:
    case 2:
        return 4000 + test_random_below(random, 8000);
    default:
        return test_random_below(random, 200);
    }
}

static space_item value(uint64_t *random, int64_t *writes)
{
    if (choice_percent(random, 30)) {
        return (space_item){.kind = SPACE_DIGITS,
                            .number = (int64_t)test_random_below(random, 100000) - 50000};
    }
    return (space_item){.kind = SPACE_TEXT, .number = ++*writes, .size = text_size(random)};
}

static int64_t seconds(uint64_t *random, bool is_lock)
{
    switch (test_random_below(random, 5)) {
    case 0:
        return 0;
    case 1:
        return is_lock ? -1 : SPACE_SHORTEST_TIME_S;
    default:
        return SPACE_SHORTEST_TIME_S + (int64_t)test_random_below(random, 20000);
    }
}

void choice_request(uint64_t *random, const char *space, int64_t *writes, space_request *request)
{
    *request = (space_request){.opcode = opcodes[test_random_below(random, CHOSEN)]};
    const gibson_arguments arguments =
        gibson_command_by_opcode((uint32_t)request->opcode)->arguments;
    if (gibson_takes(arguments, GIBSON_ARGUMENT_PREFIX)) {
        space_name_prefix(request, space, test_random_below(random, SPACE_PREFIXES));
    } else if (arguments != GIBSON_ARGUMENTS_NONE) {
        space_name_key(request, space, test_random_below(random, SPACE_KEYS));
    }
    switch (arguments) {
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
    case GIBSON_ARGUMENTS_PREFIX_VALUE:
        request->value = value(random, writes);
        request->number = gibson_takes_time(arguments) ? seconds(random, false) : 0;
        break;
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
        request->number = seconds(random, false);
        break;
    case GIBSON_ARGUMENTS_KEY_LOCK_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_LOCK_SECONDS:
        request->number = seconds(random, true);
        break;
    case GIBSON_ARGUMENTS_KEY_FIELD:
        request->number = test_random_below(random, GIBSON_META_LOCK + 1);
        break;
    case GIBSON_ARGUMENTS_PREFIX_LIMIT:
        request->number = (int64_t)test_random_below(random, 8) - 1;
        break;
    default:
        break;
    }
}

void choice_spoil(uint64_t *random, gibson_request *request)
{
    static const char long_key[GIBSON_DEFAULT_MAX_KEY_SIZE + 1] = "k"; /* the rest are NULs */
    const gibson_arguments arguments =
        gibson_command_by_opcode((uint32_t)request->opcode)->arguments;
    const bool has_key = arguments != GIBSON_ARGUMENTS_NONE;
    const bool has_value = gibson_takes(arguments, GIBSON_ARGUMENT_VALUE);
    const unsigned dice = test_random_below(random, 6);
    if (has_key && dice < 3) {
        const gibson_bytes keys[] = {{"a b", 3}, {"", 0}, {long_key, sizeof long_key}};
        request->key = keys[dice];
    } else if (has_value && dice == 3) {
        request->value.size = 0;
    } else if (has_value && dice == 4) {
        request->value.size = GIBSON_DEFAULT_MAX_REQUEST_SIZE; /* is not read */
    } else {
        request->opcode = (gibson_opcode)(GIBSON_OP_END - 1);
    }
}

void choice_options(uint64_t *random, gibson_options *options)
{
    static const int64_t timeouts_ms[] = {4, 15, 40, 60, 120};
    options->timeout_ms =
        timeouts_ms[test_random_below(random, sizeof timeouts_ms / sizeof timeouts_ms[0])];
    options->connect_timeout_ms = 300;
    options->reconnect = choice_percent(random, 60);
    options->retry_repeatable = choice_percent(random, 50);
    options->reconnect_delay_ms = 1;
    options->reconnect_max_delay_ms = 3;
    if (choice_percent(random, 30)) {
        options->pipeline_window = 1 + test_random_below(random, 12);
    }
}

static uint64_t position(uint64_t *random)
{
    switch (test_random_below(random, 4)) {
    case 0:
        return test_random_below(random, 40);
    case 1:
        return test_random_below(random, 400);
    case 2:
        return test_random_below(random, 4000);
    default:
        return test_random_below(random, 40000);
    }
}

/* In the first frame of the connection: bits that turn the opcode or the code into none, and the
   size into one above the limit. */
static void corrupt(uint64_t *random, gibp_fault *fault)
{
    static const gibp_fault places[] = {
        {.direction = GIBP_REPLIES, .at = 1, .mask = 0x01},
        {.direction = GIBP_REPLIES, .at = 6, .mask = 0x80},
        {.direction = GIBP_REQUESTS, .at = 3, .mask = 0x40},
        {.direction = GIBP_REQUESTS, .at = 5, .mask = 0xff},
    };
    *fault = places[test_random_below(random, sizeof places / sizeof places[0])];
    fault->kind = GIBP_FAULT_CORRUPT;
}

size_t choice_faults(uint64_t *random, gibp_fault *faults, size_t capacity)
{
    static const gibp_fault_kind kinds[] = {
        GIBP_FAULT_DELAY, GIBP_FAULT_DRIBBLE,    GIBP_FAULT_HOLD,      GIBP_FAULT_HOLD,
        GIBP_FAULT_HOLD,  GIBP_FAULT_BLACK_HOLE, GIBP_FAULT_CORRUPT,   GIBP_FAULT_CUT,
        GIBP_FAULT_CUT,   GIBP_FAULT_RESET,      GIBP_FAULT_HALF_CLOSE};
    size_t count = test_random_below(random, 4);
    for (size_t i = 0; i < count && i < capacity; i++) {
        gibp_fault *fault = &faults[i];
        *fault = (gibp_fault){
            .direction = choice_percent(random, 60) ? GIBP_REPLIES : GIBP_REQUESTS,
            .kind = kinds[test_random_below(random, sizeof kinds / sizeof kinds[0])],
            .at = position(random),
        };
        switch (fault->kind) {
        case GIBP_FAULT_DELAY:
            fault->ms = 1 + (int64_t)test_random_below(random, 80);
            break;
        case GIBP_FAULT_DRIBBLE:
            fault->ms = test_random_below(random, 3);
            break;
        case GIBP_FAULT_HOLD: /* two thirds of them until they are released */
            fault->ms = choice_percent(random, 66) ? 0 : 1 + test_random_below(random, 150);
            break;
        case GIBP_FAULT_CORRUPT:
            corrupt(random, fault);
            break;
        default:
            break;
        }
    }
    return count;
}
