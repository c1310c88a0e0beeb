/* An allocator that fails when told to, and knows what is still allocated. */
#ifndef SUPPORT_FAILING_ALLOCATOR_H
#define SUPPORT_FAILING_ALLOCATOR_H

#include <stddef.h>
#include <stdint.h>

#include <gibson/options.h>

typedef struct failing_allocator {
    size_t fail_at;    /* the allocation that fails, counted from 1; 0: none */
    size_t calls;      /* allocations and reallocations that were asked for */
    size_t live;       /* blocks not released */
    size_t live_bytes; /* bytes in them */
    size_t peak_bytes; /* the most there were */
    size_t largest;    /* the largest size asked for */
    uint8_t fill;      /* what new memory is filled with */
} failing_allocator;

/* The functions for gibson_options.allocator. The allocator must outlive what uses them. */
gibson_allocator failing_allocator_functions(failing_allocator *allocator);

/* Makes allocation number `n` from here on fail, 0 none, and forgets the figures of the past. */
void failing_allocator_arm(failing_allocator *allocator, size_t n);

#endif
