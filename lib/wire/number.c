#include "wire/number.h"

/* The magnitude that a number may have: one more below zero than above. */
static uint64_t largest_magnitude(bool negative)
{
    return (uint64_t)INT64_MAX + (negative ? 1 : 0);
}

bool gib_number_read(const uint8_t *text, size_t size, int64_t *number)
{
    *number = 0;
    if (!size) {
        return false;
    }
    bool negative = text[0] == '-';
    size_t at = negative ? 1 : 0;
    if (at == size || text[at] == '0') {
        return true;
    }
    uint64_t limit = largest_magnitude(negative);
    uint64_t magnitude = 0;
    for (; at < size; at++) {
        if (text[at] < '0' || text[at] > '9') {
            return false;
        }
        uint64_t digit = (uint64_t)(text[at] - '0');
        if (magnitude > (limit - digit) / 10) {
            return false;
        }
        magnitude = magnitude * 10 + digit;
    }
    *number = negative ? -(int64_t)(magnitude - 1) - 1 : (int64_t)magnitude;
    return true;
}
