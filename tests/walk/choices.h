/* Where a walk takes its choices from: a generator with a seed, or the bytes of a fuzzer. */
#ifndef WALK_CHOICES_H
#define WALK_CHOICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct walk_choices {
    const uint8_t *bytes; /* borrowed; NULL for the generator */
    size_t left;
    uint64_t random;
} walk_choices;

walk_choices walk_choices_from_seed(uint64_t seed);
walk_choices walk_choices_from_bytes(const uint8_t *bytes, size_t size);

/* A number from 0 to below the limit, which is at most 65536. 0 where the bytes have run out. */
unsigned walk_below(walk_choices *choices, unsigned limit);

/* True in so many cases of a hundred. */
bool walk_percent(walk_choices *choices, unsigned percent);

/* Tells whether there is nothing left to choose with. */
bool walk_choices_end(const walk_choices *choices);

/* One of the elements of an array. */
#define WALK_ONE_OF(choices, array)                                                                \
    ((array)[walk_below((choices), (unsigned)(sizeof(array) / sizeof *(array)))])

#endif
