/* Numbers that look random and are the same in every run. */
#ifndef TEST_RANDOM_H
#define TEST_RANDOM_H

#include <stdint.h>

/* The splitmix64 generator of G. L. Steele, D. Lea and C. H. Flood (OOPSLA 2014). */
static inline uint64_t test_random(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t mixed = *state;
    mixed = (mixed ^ (mixed >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    mixed = (mixed ^ (mixed >> 27)) * UINT64_C(0x94d049bb133111eb);
    return mixed ^ (mixed >> 31);
}

static inline unsigned test_random_below(uint64_t *state, unsigned limit)
{
    return (unsigned)(test_random(state) % limit);
}

#endif
