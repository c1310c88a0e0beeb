/* Runs the requests of the fuzz corpus while memory runs out: once with the first allocation
   failing, once with the second, and so on, until none is left to fail. The fuzz target checks that
   every reply can still be read and that no memory is lost.

   usage: server_allocations_test FILE... */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"
#include "support/suite.h"

enum { LARGEST_FILE = 1 << 20 };

static long until_failure = -1; /* allocations; below 0, none fails */

static bool fails(void)
{
    return until_failure >= 0 && until_failure-- == 0;
}

/* The linker hands all allocations of the program to these; their names are given by it. */
/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */
void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_gibs_heap_allocate(void *heap, size_t size);
void *__wrap_gibs_heap_allocate(void *heap, size_t size);
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

void *__wrap_gibs_heap_allocate(void *heap, size_t size)
{
    if (!heap) { /* then it is malloc that fails */
        return __real_gibs_heap_allocate(heap, size);
    }
    return fails() ? NULL : __real_gibs_heap_allocate(heap, size);
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

static char **files;

START_TEST(requests_of_a_file_survive_each_allocation_that_fails)
{
    static uint8_t data[LARGEST_FILE];
    FILE *file = fopen(files[_i], "rb");
    ck_assert_msg(file != NULL, "cannot read %s", files[_i]);
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    long failed = run(data, size);
    printf("%s: %ld allocations failed\n", files[_i], failed);
    ck_assert_int_gt(failed, 0);
}
END_TEST

int main(int count, char **arguments)
{
    files = arguments + 1;
    const suite_part parts[] = {
        {.runs = count - 1, TESTS(requests_of_a_file_survive_each_allocation_that_fails)}};
    return suite_run("server_allocations", 1, parts, COUNT_OF(parts));
}
