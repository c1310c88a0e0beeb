#include "proxy/fault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum argument { ARGUMENT_NONE, ARGUMENT_MS, ARGUMENT_MS_OR_NONE, ARGUMENT_MASK } argument;

static const struct kind {
    const char *name;
    argument argument;
    const char *meaning;
} kinds[] = {
#define FAULT_ROW(NAME, name, argument, meaning) {name, ARGUMENT_##argument, meaning},
    GIBP_FAULT_LIST(FAULT_ROW)
#undef FAULT_ROW
};

enum { KIND_COUNT = sizeof kinds / sizeof kinds[0] };

static const char *const directions[] = {"request", "reply"};

static bool refuse(char error[GIBP_FAULT_ERROR_SIZE], const char *text, const char *why)
{
    snprintf(error, GIBP_FAULT_ERROR_SIZE, "fault \"%.60s\": %s", text, why);
    return false;
}

/* Reads a number that one of the characters of `ends` follows, its end included, and moves to that.
   Without a digit first, strtoull would take signs and spaces. */
static bool read_number(const char **text, const char *ends, uint64_t limit, uint64_t *number)
{
    if (**text < '0' || **text > '9') {
        return false;
    }
    char *end;
    errno = 0;
    int base = strncmp(*text, "0x", 2) == 0 ? 16 : 10;
    *number = strtoull(*text, &end, base);
    if (errno || *number > limit || !strchr(ends, *end)) {
        return false;
    }
    *text = end;
    return true;
}

/* Tells whether the text begins with the word and one of the characters of `ends`, its end
   included, and moves behind the word. */
static bool read_word(const char **text, const char *word, const char *ends)
{
    size_t size = strlen(word);
    if (strncmp(*text, word, size) != 0 || !strchr(ends, (*text)[size])) {
        return false;
    }
    *text += size;
    return true;
}

static bool read_direction(const char **text, gibp_direction *direction)
{
    for (int i = GIBP_REQUESTS; i <= GIBP_REPLIES; i++) {
        if (read_word(text, directions[i], ":") && **text == ':') {
            *direction = (gibp_direction)i;
            ++*text;
            return true;
        }
    }
    return false;
}

static bool read_kind(const char **text, gibp_fault_kind *kind)
{
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (read_word(text, kinds[i].name, "@=")) {
            *kind = (gibp_fault_kind)i;
            return true;
        }
    }
    return false;
}

/* Reads what follows the kind, from `=` on. Returns NULL or what is wrong. */
static const char *read_argument(const char *text, gibp_fault *fault)
{
    const argument wanted = kinds[fault->kind].argument;
    if (*text == '\0') {
        fault->mask = wanted == ARGUMENT_MASK ? 0xff : 0;
        return wanted == ARGUMENT_MS ? "it needs =MILLISECONDS" : NULL;
    }
    uint64_t number;
    text++;
    if (wanted == ARGUMENT_NONE) {
        return "it takes no argument";
    }
    if (wanted == ARGUMENT_MASK) {
        if (!read_number(&text, "", 0xff, &number) || !number) {
            return "the mask is a number from 1 to 255";
        }
        fault->mask = (uint8_t)number;
        return NULL;
    }
    if (!read_number(&text, "", (uint64_t)GIBP_FAULT_MAX_MS, &number)) {
        return "the time is a number of milliseconds, up to a day";
    }
    fault->ms = (int64_t)number;
    return NULL;
}

bool gibp_fault_parse(gibp_fault *fault, const char *text, char error[GIBP_FAULT_ERROR_SIZE])
{
    *fault = (gibp_fault){0};
    const char *at = text;
    if (*at >= '0' && *at <= '9') {
        if (!read_number(&at, "/", UINT64_MAX, &fault->connection) || *at != '/' ||
            !fault->connection) {
            return refuse(error, text, "the number of a connection is 1 or more, and ends in /");
        }
        at++;
    }
    if (!read_direction(&at, &fault->direction)) {
        return refuse(error, text, "it begins with request: or reply:");
    }
    if (!read_kind(&at, &fault->kind)) {
        return refuse(error, text, "there is no fault of that name");
    }
    if (*at == '@') {
        at++;
        if (!read_number(&at, "=", UINT64_MAX, &fault->at)) {
            return refuse(error, text, "after @ there is the number of a byte, the first being 0");
        }
    }
    const char *wrong = read_argument(at, fault);
    return wrong ? refuse(error, text, wrong) : true;
}

int gibp_fault_format(const gibp_fault *fault, char *to, size_t size)
{
    char connection[24] = "";
    char value[24] = "";
    if (fault->connection) {
        snprintf(connection, sizeof connection, "%" PRIu64 "/", fault->connection);
    }
    if (fault->kind == GIBP_FAULT_CORRUPT) {
        snprintf(value, sizeof value, "=0x%02x", fault->mask);
    } else if (kinds[fault->kind].argument == ARGUMENT_MS || fault->ms) {
        snprintf(value, sizeof value, "=%" PRId64, fault->ms);
    }
    return snprintf(to, size, "%s%s:%s@%" PRIu64 "%s", connection, directions[fault->direction],
                    kinds[fault->kind].name, fault->at, value);
}

bool gibp_fault_describe(size_t index, const char **name, const char **meaning)
{
    if (index >= KIND_COUNT) {
        return false;
    }
    *name = kinds[index].name;
    *meaning = kinds[index].meaning;
    return true;
}
