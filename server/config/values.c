/* The values of directives: numbers with units. */
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#include "config/config.h"

/* A suffix and what it multiplies by. */
typedef struct unit {
    const char *suffix;
    int64_t factor;
} unit;

static const unit no_units[] = {{"", 1}, {NULL, 0}};
static const unit size_units[] = {{"", 1},        {"B", 1},       {"K", 1 << 10},
                                  {"M", 1 << 20}, {"G", 1 << 30}, {NULL, 0}};
static const unit second_units[] = {{"", 1},     {"s", 1},     {"m", 60},
                                    {"h", 3600}, {"d", 86400}, {NULL, 0}};
static const unit millisecond_units[] = {{"", 1},        {"ms", 1},       {"s", 1000}, {"m", 60000},
                                         {"h", 3600000}, {"d", 86400000}, {NULL, 0}};

static const unit *units_of(gibs_kind kind)
{
    switch (kind) {
    case GIBS_KIND_SIZE:
        return size_units;
    case GIBS_KIND_SECONDS:
        return second_units;
    case GIBS_KIND_MILLISECONDS:
        return millisecond_units;
    default:
        return no_units;
    }
}

bool gibs_config_read_number(gibs_kind kind, const char *text, int64_t *number)
{
    if (kind == GIBS_KIND_EVICTION) {
        *number = !strcmp(text, "clock");
        return *number || !strcmp(text, "none");
    }
    int base = kind == GIBS_KIND_MODE ? 8 : 10;
    int64_t result = 0;
    const char *at = text;
    for (; *at >= '0' && *at < '0' + base; at++) {
        int digit = *at - '0';
        bool fits = result <= (INT64_MAX - digit) / base;
        result = fits ? result * base + digit : INT64_MAX; /* above any limit, then */
    }
    if (at == text) {
        return false;
    }
    for (const unit *candidate = units_of(kind); candidate->suffix; candidate++) {
        if (!strcasecmp(candidate->suffix, at)) {
            bool fits = result <= INT64_MAX / candidate->factor;
            *number = fits ? result * candidate->factor : INT64_MAX; /* above any limit, then */
            return true;
        }
    }
    return false;
}

static const char *const shapes[] = {
    [GIBS_KIND_TEXT] = "a text",
    [GIBS_KIND_NUMBER] = "a number",
    [GIBS_KIND_FLAG] = "0 or 1",
    [GIBS_KIND_MODE] = "an octal number",
    [GIBS_KIND_SIZE] = "a size such as 512, 64K, 4M or 2G",
    [GIBS_KIND_SECONDS] = "a time such as 90, 90s, 15m, 2h or 30d",
    [GIBS_KIND_MILLISECONDS] = "a time such as 100, 100ms or 1s",
    [GIBS_KIND_EVICTION] = "none or clock",
};

/* A quantity above what the server can hold becomes the largest: configurations that were written
   for the reference server then start. */
static bool is_quantity(gibs_kind kind)
{
    return kind == GIBS_KIND_SIZE || kind == GIBS_KIND_SECONDS || kind == GIBS_KIND_MILLISECONDS;
}

gibson_status gibs_config_read(const gibs_directive_row *row, const char *value, int64_t *number,
                               bool *lowered, gibson_error *error)
{
    *lowered = false;
    if (row->kind == GIBS_KIND_TEXT) {
        return GIBSON_OK;
    }
    if (!gibs_config_read_number(row->kind, value, number)) {
        return gib_error_set(error, GIBSON_INVALID, "%s: '%.60s' is not %s", row->name, value,
                             shapes[row->kind]);
    }
    if (*number > row->largest && is_quantity(row->kind)) {
        *number = row->largest;
        *lowered = true;
    }
    if (*number < row->smallest || *number > row->largest) {
        const char *format = row->kind == GIBS_KIND_MODE
                                 ? "%s: '%.60s' is not between %" PRIo64 " and %" PRIo64
                                 : "%s: '%.60s' is not between %" PRId64 " and %" PRId64;
        return gib_error_set(error, GIBSON_INVALID, format, row->name, value, row->smallest,
                             row->largest);
    }
    return GIBSON_OK;
}

size_t gibs_config_word(const char **at)
{
    *at += strspn(*at, " \t");
    return strcspn(*at, " \t");
}
