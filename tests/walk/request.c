#include "request.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/replies.h"

enum { HUGE_NAME = 2000 };

static void *copy(const void *bytes, size_t size)
{
    void *block = malloc(size ? size : 1);
    if (!block) {
        abort();
    }
    if (size) {
        memcpy(block, bytes, size);
    }
    return block;
}

static gibson_opcode choose_opcode(walk_choices *choices)
{
    static const gibson_opcode common[] = {GIBSON_OP_GET,   GIBSON_OP_GET, GIBSON_OP_SET,
                                           GIBSON_OP_SET,   GIBSON_OP_INC, GIBSON_OP_DEL,
                                           GIBSON_OP_UNLOCK};
    if (walk_percent(choices, 50)) {
        return WALK_ONE_OF(choices, common);
    }
    const gibson_opcode opcode =
        gibson_command_at(walk_below(choices, (unsigned)gibson_command_count()))->opcode;
    return opcode == GIBSON_OP_END && walk_percent(choices, 70) ? GIBSON_OP_PING : opcode;
}

static uint32_t choose_size(walk_choices *choices, const walk_limits *limits)
{
    switch (walk_below(choices, 32)) {
    case 0:
        return 66000 + walk_below(choices, 1000); /* a buffer of that size is not kept */
    case 1:
        return 17000 + walk_below(choices, 1000); /* more than one read */
    case 2:
    case 3:
        return 4090 + walk_below(choices, 14); /* around where values are no longer copied */
    case 4:
    case 5:
        return limits->max_value_size < 10000
                   ? (uint32_t)limits->max_value_size - 1 + walk_below(choices, 3)
                   : 100;
    default:
        return walk_below(choices, 100);
    }
}

static space_item choose_value(walk_choices *choices, const walk_limits *limits, int64_t *writes)
{
    if (walk_percent(choices, 40)) {
        return (space_item){.kind = SPACE_DIGITS,
                            .number = (int64_t)walk_below(choices, 2000) - 1000};
    }
    return (space_item){
        .kind = SPACE_TEXT, .number = ++*writes, .size = choose_size(choices, limits)};
}

static int64_t choose_seconds(walk_choices *choices, const walk_limits *limits)
{
    const int64_t all[] = {0,
                           0,
                           SPACE_SHORTEST_TIME_S,
                           20000,
                           32767,
                           32767 + 1,
                           100000,
                           limits->max_seconds,
                           limits->max_seconds + 1,
                           -1,
                           -2,
                           INT64_MIN,
                           INT64_MAX};
    return WALK_ONE_OF(choices, all);
}

static int64_t choose_limit(walk_choices *choices)
{
    static const int64_t all[] = {0, -1, 1, 2, 7, INT64_MIN, INT64_MAX};
    return WALK_ONE_OF(choices, all);
}

static int64_t choose_field(walk_choices *choices)
{
    static const int64_t wrong[] = {-1, GIBSON_META_LOCK + 1, INT64_MIN, INT64_C(1) << 32};
    return walk_percent(choices, 15) ? WALK_ONE_OF(choices, wrong)
                                     : (int64_t)walk_below(choices, GIBSON_META_LOCK + 1);
}

static bool takes_value(gibson_arguments arguments)
{
    return gibson_takes(arguments, GIBSON_ARGUMENT_VALUE);
}

static int64_t choose_number(walk_choices *choices, const walk_limits *limits,
                             gibson_arguments arguments)
{
    switch (arguments) {
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_KEY_LOCK_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_LOCK_SECONDS:
        return choose_seconds(choices, limits);
    case GIBSON_ARGUMENTS_PREFIX_LIMIT:
        return choose_limit(choices);
    case GIBSON_ARGUMENTS_KEY_FIELD:
        return choose_field(choices);
    default:
        return 0;
    }
}

/* A request whose arguments are all of the space; its number may be none. */
static void choose_meaning(walk_choices *choices, const walk_limits *limits, int64_t *writes,
                           space_request *means)
{
    *means = (space_request){.opcode = choose_opcode(choices)};
    const gibson_arguments arguments = gibson_command_by_opcode((uint32_t)means->opcode)->arguments;
    if (gibson_takes(arguments, GIBSON_ARGUMENT_PREFIX)) {
        space_name_prefix(means, WALK_SPACE, walk_below(choices, SPACE_PREFIXES));
    } else if (arguments != GIBSON_ARGUMENTS_NONE) {
        space_name_key(means, WALK_SPACE, walk_below(choices, SPACE_KEYS));
    }
    if (takes_value(arguments)) {
        means->value = choose_value(choices, limits, writes);
    }
    means->number = choose_number(choices, limits, arguments);
}

static void fill_in(walk_request *request)
{
    static char text[SPACE_LARGEST_TEXT];
    const space_request *means = &request->means;
    const size_t name_size = strlen(means->name);
    size_t size = 0;
    if (means->value.kind != SPACE_ABSENT) {
        size = space_value_bytes(WALK_SPACE, &means->value, text);
    }
    request->key = copy(means->name, name_size);
    request->key_size = name_size;
    request->value = copy(text, size);
    request->value_size = size;
    request->call = gibson_request_make(means->opcode, gibson_bytes_of(request->key, name_size),
                                        gibson_bytes_of(request->value, size), means->number);
}

/* A key of a size at the limit, which stands for nothing: it must not be made. */
static void use_long_key(walk_request *request, size_t size)
{
    static const gibson_opcode makers[] = {GIBSON_OP_SET, GIBSON_OP_INC, GIBSON_OP_DEC};
    char name[HUGE_NAME];
    if (size > sizeof name) {
        return;
    }
    for (size_t i = 0; i < sizeof makers / sizeof *makers; i++) {
        if (request->call.opcode == makers[i]) {
            request->call.opcode = request->means.opcode = GIBSON_OP_GET;
        }
    }
    memset(name, 'x', sizeof name);
    free(request->key);
    request->key = copy(name, size);
    request->key_size = size;
    request->call.key = gibson_bytes_of(request->key, size);
    request->means.keys = 0;
}

/* Puts a byte into the key that keys must not have. */
static void spoil_key(walk_choices *choices, walk_request *request, char byte)
{
    if (request->call.key.size) {
        ((char *)request->key)[walk_below(choices, (unsigned)request->call.key.size)] = byte;
    }
}

static void spoil_opcode(walk_choices *choices, walk_request *request)
{
    static const uint32_t opcodes[] = {0, 100, 254, 256, 0x10003, 0x7fffffff};
    request->call.opcode = (gibson_opcode)WALK_ONE_OF(choices, opcodes);
}

/* Spoils one of the arguments, or makes it the largest that may pass. It need not count. */
static void spoil(walk_choices *choices, const walk_limits *limits, walk_request *request)
{
    gibson_request *call = &request->call;
    switch (walk_below(choices, 12)) {
    case 0:
        call->key.size = 0;
        break;
    case 1:
        call->key.data = NULL;
        break;
    case 2:
        call->key = gibson_bytes_of(NULL, 0);
        break;
    case 3:
        spoil_key(choices, request, '\0');
        break;
    case 4:
        use_long_key(request, limits->max_key_size);
        break;
    case 5:
        use_long_key(request, limits->max_key_size + 1);
        break;
    case 6:
        call->value.size = 0;
        break;
    case 7:
        call->value.data = NULL;
        break;
    case 8:
        call->value.size = limits->max_value_size + 1; /* is refused before it is read */
        break;
    case 9:
        call->value.size = SIZE_MAX;
        break;
    case 10:
        spoil_opcode(choices, request);
        break;
    default:
        spoil_key(choices, request, ' ');
        break;
    }
}

void walk_request_choose(walk_choices *choices, const walk_limits *limits, int64_t *writes,
                         walk_request *request)
{
    choose_meaning(choices, limits, writes, &request->means);
    fill_in(request);
    if (walk_percent(choices, 25)) {
        spoil(choices, limits, request);
    }
}

void walk_request_clear(walk_request *request)
{
    free(request->key);
    free(request->value);
    *request = (walk_request){0};
}

static bool valid_key(gibson_bytes key, const walk_limits *limits)
{
    return key.data && key.size && key.size <= limits->max_key_size &&
           !memchr(key.data, ' ', key.size) && !memchr(key.data, '\0', key.size);
}

bool walk_request_takes_time(gibson_opcode opcode)
{
    const gibson_command *command = gibson_command_by_opcode((uint32_t)opcode);
    return command && gibson_takes_time(command->arguments);
}

static bool valid_number(const gibson_command *command, int64_t number, const walk_limits *limits)
{
    const bool locks = gibson_takes(command->arguments, GIBSON_ARGUMENT_LOCK_SECONDS);
    if (command->arguments == GIBSON_ARGUMENTS_KEY_FIELD) {
        return number >= 0 && number <= GIBSON_META_LOCK;
    }
    return !walk_request_takes_time(command->opcode) ||
           (number >= (locks ? -1 : 0) && number <= limits->max_seconds);
}

/* Writes the payload but for a value at its end. Returns its size. */
static size_t write_payload(const gibson_request *request, char *to, size_t size)
{
    const gibson_command *command = gibson_command_by_opcode((uint32_t)request->opcode);
    const int key_size = (int)request->key.size;
    const char *key = request->key.data;
    switch (command->arguments) {
    case GIBSON_ARGUMENTS_NONE:
        return 0;
    case GIBSON_ARGUMENTS_KEY_VALUE_TTL:
        return (size_t)snprintf(to, size, "%" PRId64 " %.*s ", request->number, key_size, key);
    case GIBSON_ARGUMENTS_PREFIX_VALUE:
        return (size_t)snprintf(to, size, "%.*s ", key_size, key);
    case GIBSON_ARGUMENTS_KEY_FIELD:
        return (size_t)snprintf(to, size, "%.*s %s", key_size, key,
                                gibson_meta_field_name((gibson_meta_field)request->number));
    case GIBSON_ARGUMENTS_PREFIX_LIMIT:
        if (request->number <= 0) {
            break;
        }
        return (size_t)snprintf(to, size, "%.*s %" PRId64, key_size, key, request->number);
    case GIBSON_ARGUMENTS_KEY_SECONDS:
    case GIBSON_ARGUMENTS_KEY_LOCK_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_SECONDS:
    case GIBSON_ARGUMENTS_PREFIX_LOCK_SECONDS:
        return (size_t)snprintf(to, size, "%.*s %" PRId64, key_size, key, request->number);
    default:
        break;
    }
    return (size_t)snprintf(to, size, "%.*s", key_size, key);
}

/* The payload and the opcode, which is what max_request_size is about. */
static size_t request_size(const gibson_request *request, bool has_value, char *payload,
                           size_t size)
{
    return 2 + write_payload(request, payload, size) + (has_value ? request->value.size : 0);
}

bool walk_request_is_valid(const gibson_request *request, const walk_limits *limits)
{
    const gibson_command *command = gibson_command_by_opcode((uint32_t)request->opcode);
    if (!command) {
        return false;
    }
    const bool has_value = takes_value(command->arguments);
    if ((command->arguments != GIBSON_ARGUMENTS_NONE && !valid_key(request->key, limits)) ||
        !valid_number(command, request->number, limits) ||
        (has_value && (!request->value.data || !request->value.size ||
                       request->value.size > limits->max_value_size))) {
        return false;
    }
    char payload[HUGE_NAME];
    return request_size(request, has_value, payload, sizeof payload) <= limits->max_request_size;
}

void walk_request_frame(const gibson_request *request, gib_buffer *to)
{
    const bool has_value =
        takes_value(gibson_command_by_opcode((uint32_t)request->opcode)->arguments);
    char payload[HUGE_NAME];
    const size_t size = request_size(request, has_value, payload, sizeof payload);
    const size_t value_size = has_value ? request->value.size : 0;
    uint8_t head[6];
    for (unsigned i = 0; i < 4; i++) {
        head[i] = (uint8_t)(size >> 8 * i);
    }
    head[4] = (uint8_t)request->opcode;
    head[5] = 0;
    bytes_add(to, head, sizeof head);
    bytes_add(to, payload, size - 2 - value_size);
    bytes_add(to, request->value.data, value_size);
}

void walk_request_apply(const space_request *request, space_item items[SPACE_KEYS],
                        space_answer *expected)
{
    const gibson_arguments arguments =
        gibson_command_by_opcode((uint32_t)request->opcode)->arguments;
    if (!request->keys && gibson_takes(arguments, GIBSON_ARGUMENT_KEY)) {
        *expected = (space_answer){.status = GIBSON_NOT_FOUND};
        return;
    }
    space_apply(items, request, expected);
}

/* The size of a reply with items, of which there is one. */
static size_t items_size(const space_request *request, const space_item items[SPACE_KEYS])
{
    enum { COUNT_SIZE = 4, ITEM_SIZE = 9, INDEX_SIZE = 1 };
    const bool keys_only = request->opcode == GIBSON_OP_KEYS;
    size_t size = COUNT_SIZE;
    int64_t left = !keys_only && request->number > 0 ? request->number : SPACE_KEYS;
    for (unsigned i = 0; i < SPACE_KEYS && left; i++) {
        if (request->keys & 1U << i && items[i].kind != SPACE_ABSENT) {
            space_request key;
            space_name_key(&key, WALK_SPACE, i);
            size += ITEM_SIZE + strlen(key.name) +
                    (keys_only ? INDEX_SIZE : space_value_size(WALK_SPACE, &items[i]));
            left--;
        }
    }
    return size;
}

size_t walk_request_reply_size(const space_request *request, const space_item items[SPACE_KEYS],
                               const space_answer *expected)
{
    const gibson_command *command = gibson_command_by_opcode((uint32_t)request->opcode);
    if (expected->status != GIBSON_OK) {
        return 1;
    }
    switch (command->yield) {
    case GIBSON_YIELD_VALUE:
    case GIBSON_YIELD_ECHO:
        for (unsigned i = 0; i < SPACE_KEYS; i++) {
            if (request->keys & 1U << i) {
                return space_value_size(WALK_SPACE, &items[i]);
            }
        }
        return 1;
    case GIBSON_YIELD_NUMBER:
        return sizeof(int64_t);
    case GIBSON_YIELD_FACTS:
        return WALK_SOME_STATS;
    case GIBSON_YIELD_ITEMS:
    case GIBSON_YIELD_KEYS:
        return items_size(request, items);
    default:
        return 1;
    }
}
