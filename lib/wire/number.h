/* Decimal text of integers, as payloads carry them. */
#ifndef GIB_WIRE_NUMBER_H
#define GIB_WIRE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/frame.h"

/* Writes the decimal text of a number, at most GIB_LONGEST_NUMBER bytes and no NUL. Returns how
   many bytes it wrote. */
static inline size_t gib_number_write(uint8_t *to, int64_t number)
{
    uint64_t magnitude = number < 0 ? 0 - (uint64_t)number : (uint64_t)number;
    uint8_t digits[GIB_LONGEST_NUMBER];
    size_t count = 0;
    do {
        digits[count++] = (uint8_t)('0' + magnitude % 10);
        magnitude /= 10;
    } while (magnitude);
    size_t written = 0;
    if (number < 0) {
        to[written++] = '-';
    }
    while (count) {
        to[written++] = digits[--count];
    }
    return written;
}

/* Reads decimal text as the reference server does: a '-' may come first, and no '+'; a '0' in front
   makes it 0 whatever follows; '-' alone is 0. Returns false, and 0 in *number, for empty text, any
   other character, and what does not fit 64 bits. */
bool gib_number_read(const uint8_t *text, size_t size, int64_t *number);

#endif
