#include <stdlib.h>
#include <string.h>

#include <gibson/command.h>

#include "transcript.h"
#include "wire/frame.h"
#include "wire/items.h"

/* What of two items has to be alike. */
typedef enum likeness {
    LIKE_PAIRS,
    LIKE_VALUES,
} likeness;

typedef struct pair {
    gibson_bytes key;
    gibson_value value;
} pair;

static bool same_bytes(gibson_bytes a, gibson_bytes b)
{
    return a.size == b.size && (!a.size || !memcmp(a.data, b.data, a.size));
}

static bool alike(const pair *a, const pair *b, likeness what)
{
    bool keys = same_bytes(a->key, b->key);
    bool kinds = a->value.kind == b->value.kind;
    bool values =
        kinds && a->value.number == b->value.number && same_bytes(a->value.bytes, b->value.bytes);
    return values && (keys || what == LIKE_VALUES);
}

static bool decode(const uint8_t *data, size_t size, gibson_items *items)
{
    const gibson_command *mget = gibson_command_by_opcode(GIBSON_OP_MGET);
    return size >= GIB_ITEM_COUNT_FIELD &&
           gib_items_decode(data, size, mget, items, NULL) == GIBSON_OK;
}

/* Every expected item has to be there once. */
static bool same_items(gibson_items expected, gibson_items came, likeness what)
{
    size_t count = gibson_items_count(&came);
    if (count != gibson_items_count(&expected)) {
        return false;
    }
    bool *used = calloc(count + 1, sizeof *used);
    pair wanted;
    bool all = used;
    while (all && gibson_items_next(&expected, &wanted.key, &wanted.value)) {
        gibson_items walk = came;
        pair candidate;
        bool found = false;
        for (size_t i = 0; !found && gibson_items_next(&walk, &candidate.key, &candidate.value);
             i++) {
            found = !used[i] && alike(&wanted, &candidate, what);
            used[i] = used[i] || found;
        }
        all = found;
    }
    free(used);
    return all;
}

/* What was recorded comes first, in its order, with values of the same kinds; rows of a server's
   own may follow. */
static bool stats_match(gibson_items expected, gibson_items came)
{
    pair wanted;
    pair row;
    while (gibson_items_next(&expected, &wanted.key, &wanted.value)) {
        if (!gibson_items_next(&came, &row.key, &row.value) || !same_bytes(wanted.key, row.key) ||
            wanted.value.kind != row.value.kind) {
            return false;
        }
    }
    return true;
}

static bool kval_matches(const transcript_step *step, const uint8_t *data, size_t size)
{
    gibson_items expected;
    gibson_items came;
    if (!decode(step->data, step->data_size, &expected) || !decode(data, size, &came)) {
        return false;
    }
    switch (step->compare) {
    case TRANSCRIPT_KVAL_COUNT:
        return gibson_items_count(&expected) == gibson_items_count(&came);
    case TRANSCRIPT_KVAL_UNORDERED_VALUES:
        return same_items(expected, came, LIKE_VALUES);
    case TRANSCRIPT_STATS:
        return stats_match(expected, came);
    default:
        return same_items(expected, came, LIKE_PAIRS);
    }
}

bool transcript_reply_matches(const transcript_step *step, uint16_t code, uint8_t encoding,
                              const uint8_t *data, size_t size)
{
    if (step->closed || code != step->code || encoding != step->encoding) {
        return false;
    }
    switch (step->compare) {
    case TRANSCRIPT_EXACT:
        return size == step->reply_size && !memcmp(data, step->data, step->data_size);
    case TRANSCRIPT_NUMBER:
        return size == step->reply_size;
    default:
        return kval_matches(step, data, size);
    }
}
