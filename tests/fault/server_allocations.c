/* Runs the requests of the fuzz corpus while memory runs out: once with the first allocation
   failing, once with the second, and so on, until none is left to fail. The fuzz target checks that
   every reply can still be read and that no memory is lost.

   usage: fault_server_allocations FILE... */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "../fuzz/fuzz.h"

enum { LARGEST_FILE = 1 << 20 };

static long until_failure; /* allocations; below 0, none fails */

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

/* The linker hands all allocations of the program to these; their names are given by it. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return fails() ? NULL : __real_realloc(memory, size);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* Returns how many allocations there were to fail. */
static long run(const uint8_t *data, size_t size)
{
    long failed = 0;
    bool any = true;
    while (any) {
        until_failure = failed;
        LLVMFuzzerTestOneInput(data, size);
        any = until_failure < 0;
        failed += any;
    }
    until_failure = -1;
    return failed;
}

int main(int count, char **arguments)
{
    static uint8_t data[LARGEST_FILE];
    long failed = 0;
    until_failure = -1;
    for (int i = 1; i < count; i++) {
        FILE *file = fopen(arguments[i], "rb");
        if (!file) {
            perror(arguments[i]);
            return EXIT_FAILURE;
        }
        size_t size = fread(data, 1, sizeof data, file);
        fclose(file);
        failed += run(data, size);
    }
    printf("%ld allocations failed\n", failed);
    return failed ? EXIT_SUCCESS : EXIT_FAILURE;
}
