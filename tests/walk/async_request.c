#include "async_request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "support/replies.h"

enum { LONG_TIME_S = 40000, SHORT_TIME_S = 60, REFUSED_ONE_IN = 13 };

static uint8_t *value_bytes(uint32_t number, size_t *size)
{
    static uint8_t bytes[ASYNC_LARGEST_VALUE];
    *size = number % 31 == 0 ? ASYNC_LARGEST_VALUE - number % 97 : 8 + number % 50;
    for (size_t i = 0; i < *size; i++) {
        bytes[i] = (uint8_t)(number >> (i % 4 * 8)) ^ (uint8_t)i;
    }
    return bytes;
}

static bool is_refused(const async_request *self)
{
    return self->number % REFUSED_ONE_IN == 5;
}

static async_request *append(async_requests *all)
{
    if (all->count == all->capacity) {
        all->capacity = all->capacity ? all->capacity * 2 : 64;
        all->all = realloc(all->all, all->capacity * sizeof(void *));
    }
    async_request *made = calloc(1, sizeof *made);
    if (!all->all || !made) {
        abort();
    }
    made->number = (uint32_t)all->count;
    all->all[all->count++] = made;
    return made;
}

async_request *async_request_make(async_requests *all, walk_choices *choices, gibson_request *with)
{
    static const gibson_opcode opcodes[] = {GIBSON_OP_GET, GIBSON_OP_GET, GIBSON_OP_GET,
                                            GIBSON_OP_SET, GIBSON_OP_INC, GIBSON_OP_TTL,
                                            GIBSON_OP_MGET};
    async_request *self = append(all);
    self->opcode = walk_below(choices, 500) ? WALK_ONE_OF(choices, opcodes) : GIBSON_OP_END;
    self->is_valid = true;
    snprintf(self->key, sizeof self->key, "k%08u", self->number);
    size_t size = 0;
    const uint8_t *value = value_bytes(self->number, &size);
    const bool times = self->opcode == GIBSON_OP_SET || self->opcode == GIBSON_OP_TTL;
    self->is_long = times && walk_percent(choices, 4);
    self->value = malloc(size); /* the hooks of a submit may make others */
    if (!self->value) {
        abort();
    }
    memcpy(self->value, value, size);
    *with =
        gibson_request_make(self->opcode, gibson_str(self->key), gibson_bytes_of(self->value, size),
                            times ? (self->is_long ? LONG_TIME_S : SHORT_TIME_S) : 0);
    self->most_size = 64 + (self->opcode == GIBSON_OP_SET ? size : 0);
    return self;
}

void async_request_spoil(async_request *self, walk_choices *choices, gibson_request *with)
{
    static uint8_t large[ASYNC_MOST_VALUE + 1];
    self->is_valid = false;
    switch (walk_below(choices, 5)) {
    case 0:
        self->key[2] = ' ';
        break;
    case 1:
        with->key = gibson_str("");
        break;
    case 2:
        with->opcode = (gibson_opcode)99;
        break;
    case 3:
        with->opcode = GIBSON_OP_SET;
        with->value = gibson_bytes_of(large, sizeof large);
        break;
    default:
        with->opcode = GIBSON_OP_TTL;
        with->number = -3;
        break;
    }
    if (self->opcode == GIBSON_OP_END && with->opcode == GIBSON_OP_END) {
        with->opcode = (gibson_opcode)99; /* END takes no key to be wrong */
    }
}

static gib_code refusal(gibson_opcode opcode)
{
    return opcode == GIBSON_OP_SET   ? GIB_CODE_LOCKED
           : opcode == GIBSON_OP_INC ? GIB_CODE_NAN
                                     : GIB_CODE_NOT_FOUND;
}

void async_request_answer(const async_request *self, gib_buffer *to)
{
    size_t size;
    const uint8_t *value = value_bytes(self->number, &size);
    size_t frame;
    const bool just_ok = self->opcode == GIBSON_OP_TTL && !is_refused(self);
    if (self->opcode == GIBSON_OP_END || just_ok) {
        reply_add_short(to, GIB_CODE_OK);
    } else if (is_refused(self)) {
        reply_add_short(to, refusal(self->opcode));
    } else if (self->opcode == GIBSON_OP_GET || self->opcode == GIBSON_OP_SET) {
        reply_add_bytes(to, value, size);
    } else if (self->opcode == GIBSON_OP_INC) {
        reply_add_number(to, self->number);
    } else {
        frame = reply_begin_items(to, 1);
        reply_add_item(to, self->key, GIB_ENCODING_PLAIN, value, size);
        reply_end_items(to, frame);
    }
}

static bool is_value(const async_request *self, gibson_value got)
{
    size_t size;
    const uint8_t *value = value_bytes(self->number, &size);
    return got.kind == GIBSON_KIND_BYTES && got.bytes.size == size &&
           !memcmp(got.bytes.data, value, size);
}

bool async_request_matches(const async_request *self, const gibson_reply *reply)
{
    static const gibson_status refusals[] = {
        [GIB_CODE_LOCKED] = GIBSON_LOCKED,
        [GIB_CODE_NAN] = GIBSON_NAN,
        [GIB_CODE_NOT_FOUND] = GIBSON_NOT_FOUND,
    };
    if (reply->opcode != self->opcode) {
        return false;
    }
    if (self->opcode != GIBSON_OP_END && is_refused(self)) {
        return reply->status == refusals[refusal(self->opcode)];
    }
    if (reply->status != GIBSON_OK) {
        return false;
    }
    gibson_items items = reply->items;
    gibson_bytes key;
    gibson_value value;
    switch (self->opcode) {
    case GIBSON_OP_GET:
    case GIBSON_OP_SET:
        return is_value(self, reply->value);
    case GIBSON_OP_INC:
        return reply->value.kind == GIBSON_KIND_NUMBER && reply->value.number == self->number;
    case GIBSON_OP_MGET:
        return gibson_items_next(&items, &key, &value) && key.size == strlen(self->key) &&
               !memcmp(key.data, self->key, key.size) && is_value(self, value) &&
               !gibson_items_next(&items, &key, &value);
    default:
        return reply->value.kind == GIBSON_KIND_NONE;
    }
}

async_request *async_request_find(const async_requests *all, gibson_bytes key)
{
    char text[ASYNC_KEY_SIZE] = "";
    if (key.size != 9) {
        return NULL;
    }
    memcpy(text, key.data, key.size);
    const unsigned long number = strtoul(text + 1, NULL, 10);
    return number < all->count && !strcmp(all->all[number]->key, text) ? all->all[number] : NULL;
}

void async_requests_clear(async_requests *all)
{
    for (size_t i = 0; i < all->count; i++) {
        free(all->all[i]->value);
        free(all->all[i]);
    }
    free(all->all);
    *all = (async_requests){0};
}
