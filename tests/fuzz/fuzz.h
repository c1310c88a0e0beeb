/* The entry of a fuzz target, as libFuzzer calls it. */
#ifndef GIB_FUZZ_H
#define GIB_FUZZ_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
