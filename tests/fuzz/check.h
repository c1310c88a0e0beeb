/* What the fuzz targets of the client share. */
#ifndef FUZZ_CHECK_H
#define FUZZ_CHECK_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/value.h>

/* An assertion that no build type leaves out. */
#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #condition);          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A block of exactly that size, so that a sanitizer sees the first byte read past it. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    FUZZ_CHECK(copy != NULL);
    if (size) {
        memcpy(copy, data, size);
    }
    return copy;
}

/* Reads all bytes of a view, which must be inside a block. */
static inline void fuzz_read(gibson_bytes view, const uint8_t *block, size_t size)
{
    const uint8_t *first = view.data;
    unsigned int sum = 0;
    if (view.size) {
        FUZZ_CHECK(first >= block && view.size <= size &&
                   first - block <= (ptrdiff_t)(size - view.size));
    }
    for (size_t i = 0; i < view.size; i++) {
        sum += first[i];
    }
    FUZZ_CHECK(sum <= 255 * view.size);
}

#endif
