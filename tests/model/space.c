#include "space.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { FILLER = 61 };

static const char *const key_names[SPACE_KEYS] = {"a:1", "a:2", "a:22", "b:1", "b:2", "c"};

static const struct {
    const char *name;
    unsigned keys;
} prefixes[SPACE_PREFIXES] = {
    {"", 0x3f}, {"a", 0x07}, {"a:2", 0x06}, {"b:", 0x18}, {"c", 0x20}, {"z", 0},
};

void space_name_key(space_request *request, const char *space, unsigned index)
{
    snprintf(request->name, sizeof request->name, "%s:%s", space, key_names[index]);
    request->keys = 1U << index;
}

void space_name_prefix(space_request *request, const char *space, unsigned index)
{
    snprintf(request->name, sizeof request->name, "%s:%s", space, prefixes[index].name);
    request->keys = prefixes[index].keys;
}

size_t space_value_bytes(const char *space, const space_item *value, char *to)
{
    if (value->kind != SPACE_TEXT) {
        return (size_t)snprintf(to, SPACE_LARGEST_TEXT, "%" PRId64, value->number);
    }
    size_t size = (size_t)snprintf(to, SPACE_LARGEST_TEXT, "%s#%" PRId64 ".", space, value->number);
    for (; size < value->size; size++) {
        to[size] = (char)('A' + (size + (size_t)value->number) % FILLER);
    }
    return size;
}

size_t space_value_size(const char *space, const space_item *item)
{
    char text[64];
    if (item->kind == SPACE_NUMBER) {
        return sizeof item->number;
    }
    if (item->kind == SPACE_DIGITS) {
        return (size_t)snprintf(text, sizeof text, "%" PRId64, item->number);
    }
    size_t shortest = (size_t)snprintf(text, sizeof text, "%s#%" PRId64 ".", space, item->number);
    return item->size > shortest ? item->size : shortest;
}

static bool exists(const space_item *item)
{
    return item->kind != SPACE_ABSENT;
}

static bool is_number(const space_item *item)
{
    return item->kind == SPACE_DIGITS || item->kind == SPACE_NUMBER;
}

static void store(space_item *item, const space_item *value, int64_t ttl_s)
{
    *item = *value;
    item->ttl_s = (int32_t)ttl_s;
    item->lock_s = 0;
}

static void add(space_item *item, int64_t delta)
{
    if (exists(item)) {
        item->number = (int64_t)((uint64_t)item->number + (uint64_t)delta);
    } else {
        *item = (space_item){.number = 1};
    }
    item->kind = SPACE_NUMBER;
    item->size = 0;
}

/* What INC and DEC do to one key. */
static gibson_status change(space_item *item, int64_t delta, int64_t *number)
{
    if (item->lock_s) {
        return GIBSON_LOCKED;
    }
    if (exists(item) && !is_number(item)) {
        return GIBSON_NAN;
    }
    add(item, delta);
    *number = item->number;
    return GIBSON_OK;
}

static int64_t meta(const space_item *item, const space_request *request)
{
    switch ((gibson_meta_field)request->number) {
    case GIBSON_META_ENCODING:
        return item->kind == SPACE_NUMBER ? 2 : 0;
    case GIBSON_META_TTL:
    case GIBSON_META_LEFT:
        return item->ttl_s ? item->ttl_s : -1;
    case GIBSON_META_LOCK:
        return item->lock_s;
    default: /* told by space_matches */
        return 0;
    }
}

static gibson_status apply_to_key(space_item *item, const space_request *request, int64_t *number)
{
    const gibson_opcode opcode = request->opcode;
    if (opcode == GIBSON_OP_INC || opcode == GIBSON_OP_DEC) {
        return change(item, opcode == GIBSON_OP_INC ? 1 : -1, number);
    }
    if (!exists(item) && opcode != GIBSON_OP_SET) {
        return GIBSON_NOT_FOUND;
    }
    const bool respects_lock =
        opcode == GIBSON_OP_SET || opcode == GIBSON_OP_DEL || opcode == GIBSON_OP_LOCK;
    if (item->lock_s && respects_lock) {
        return GIBSON_LOCKED;
    }
    switch (opcode) {
    case GIBSON_OP_SET:
        store(item, &request->value, request->number);
        break;
    case GIBSON_OP_DEL:
        *item = (space_item){0};
        break;
    case GIBSON_OP_TTL:
        item->ttl_s = (int32_t)request->number;
        break;
    case GIBSON_OP_LOCK:
        item->lock_s = (int32_t)request->number;
        break;
    case GIBSON_OP_UNLOCK:
        item->lock_s = 0;
        break;
    case GIBSON_OP_META:
        *number = meta(item, request);
        break;
    default: /* GET */
        break;
    }
    return GIBSON_OK;
}

/* Changes one of the items under a prefix. Tells whether it counts. */
static bool apply_to_one(space_item *item, const space_request *request)
{
    switch (request->opcode) {
    case GIBSON_OP_MUNLOCK:
        item->lock_s = 0;
        return true;
    case GIBSON_OP_MTTL:
        item->ttl_s = (int32_t)request->number;
        return true;
    case GIBSON_OP_COUNT:
    case GIBSON_OP_MGET:
    case GIBSON_OP_KEYS:
        return true;
    default:
        break;
    }
    if (item->lock_s) {
        return false;
    }
    switch (request->opcode) {
    case GIBSON_OP_MSET:
        store(item, &request->value, 0);
        return true;
    case GIBSON_OP_MDEL:
        *item = (space_item){0};
        return true;
    case GIBSON_OP_MLOCK:
        item->lock_s = (int32_t)request->number;
        return true;
    default: /* MINC and MDEC */
        if (is_number(item)) {
            add(item, request->opcode == GIBSON_OP_MINC ? 1 : -1);
            return true;
        }
        return false;
    }
}

void space_apply(space_item items[SPACE_KEYS], const space_request *request, space_answer *expected)
{
    *expected = (space_answer){.status = GIBSON_OK};
    const gibson_command *command = gibson_command_by_opcode((uint32_t)request->opcode);
    if (command->arguments == GIBSON_ARGUMENTS_NONE) {
        return;
    }
    const bool is_prefix = gibson_takes(command->arguments, GIBSON_ARGUMENT_PREFIX);
    for (unsigned i = 0; i < SPACE_KEYS; i++) {
        if (!(request->keys & 1U << i)) {
            continue;
        }
        if (!is_prefix) {
            expected->status = apply_to_key(&items[i], request, &expected->number);
        } else if (exists(&items[i])) {
            expected->number += apply_to_one(&items[i], request);
        }
    }
    if (is_prefix && !expected->number && request->opcode != GIBSON_OP_COUNT) {
        expected->status = GIBSON_NOT_FOUND;
    }
}

static bool value_matches(const char *space, const space_item *item, const gibson_value *value)
{
    static _Thread_local char text[SPACE_LARGEST_TEXT];
    if (item->kind == SPACE_NUMBER) {
        return value->kind == GIBSON_KIND_NUMBER && value->number == item->number;
    }
    if (value->kind != GIBSON_KIND_BYTES || value->bytes.size != space_value_size(space, item)) {
        return false;
    }
    space_value_bytes(space, item, text);
    return memcmp(value->bytes.data, text, value->bytes.size) == 0;
}

/* Which of the keys has this name, or SPACE_KEYS. */
static unsigned find_key(const char *space, const void *name, size_t size)
{
    for (unsigned i = 0; i < SPACE_KEYS; i++) {
        space_request key;
        space_name_key(&key, space, i);
        if (strlen(key.name) == size && memcmp(key.name, name, size) == 0) {
            return i;
        }
    }
    return SPACE_KEYS;
}

/* MGET and KEYS: the right number of different items of those asked for, with their values. */
static bool items_match(const char *space, const space_item items[SPACE_KEYS],
                        const space_request *request, int64_t count, gibson_items found)
{
    const bool keys_only = request->opcode == GIBSON_OP_KEYS;
    int64_t wanted = count;
    if (!keys_only && request->number > 0 && request->number < count) {
        wanted = request->number;
    }
    if ((int64_t)gibson_items_count(&found) != wanted) {
        return false;
    }
    unsigned seen = 0;
    gibson_bytes key;
    gibson_value value;
    while (gibson_items_next(&found, &key, &value)) {
        const gibson_bytes name = keys_only ? value.bytes : key;
        unsigned index = find_key(space, name.data, name.size);
        if (index == SPACE_KEYS || !(request->keys & ~seen & 1U << index) ||
            !exists(&items[index]) ||
            (!keys_only && !value_matches(space, &items[index], &value))) {
            return false;
        }
        seen |= 1U << index;
    }
    return true;
}

static const space_item *only_item(const space_item items[SPACE_KEYS], unsigned keys)
{
    const space_item *item = items;
    while (!(keys & 1)) {
        keys >>= 1;
        item++;
    }
    return item;
}

static bool meta_matches(const char *space, const space_item *item, const space_request *request,
                         int64_t expected, int64_t number)
{
    enum { PATIENCE_S = 3600 };
    switch ((gibson_meta_field)request->number) {
    case GIBSON_META_SIZE:
        return number == (int64_t)space_value_size(space, item);
    case GIBSON_META_ACCESS:
    case GIBSON_META_CREATED:
        return number > (int64_t)time(NULL) - PATIENCE_S && number <= (int64_t)time(NULL) + 2;
    case GIBSON_META_LEFT:
        return number == expected || (expected > 0 && number > 0 && number < expected);
    default:
        return number == expected;
    }
}

static bool stats_match(gibson_items stats)
{
    gibson_value items;
    gibson_value version;
    return gibson_items_find(&stats, gibson_str("total_items"), &items) &&
           items.kind == GIBSON_KIND_NUMBER && items.number >= 0 &&
           gibson_items_find(&stats, gibson_str("server_version"), &version) &&
           version.kind == GIBSON_KIND_BYTES && version.bytes.size > 0;
}

bool space_matches(const char *space, const space_item items[SPACE_KEYS],
                   const space_request *request, const space_answer *expected,
                   const gibson_reply *reply)
{
    if (reply->status != expected->status || reply->opcode != request->opcode) {
        return false;
    }
    if (reply->status != GIBSON_OK) {
        return true;
    }
    switch (request->opcode) {
    case GIBSON_OP_GET:
    case GIBSON_OP_SET:
        return value_matches(space, only_item(items, request->keys), &reply->value);
    case GIBSON_OP_META:
        return meta_matches(space, only_item(items, request->keys), request, expected->number,
                            reply->value.number);
    case GIBSON_OP_MGET:
    case GIBSON_OP_KEYS:
        return items_match(space, items, request, expected->number, reply->items);
    case GIBSON_OP_STATS:
        return stats_match(reply->items);
    case GIBSON_OP_TTL:
    case GIBSON_OP_DEL:
    case GIBSON_OP_LOCK:
    case GIBSON_OP_UNLOCK:
    case GIBSON_OP_PING:
    case GIBSON_OP_END:
        return reply->value.kind == GIBSON_KIND_NONE;
    default:
        return reply->value.kind == GIBSON_KIND_NUMBER && reply->value.number == expected->number;
    }
}
