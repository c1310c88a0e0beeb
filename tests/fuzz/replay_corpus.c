/* Runs a fuzz target over files, where there is no libFuzzer to do it: each file, and where it is
   small each beginning of it. Arguments: files and directories. */
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { LARGEST_FILE = 1 << 20, LARGEST_CUT = 1024 };

/* A copy of just that size, so that a sanitizer sees every read past the end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + !size);
    if (!copy) {
        abort();
    }
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static bool run_file(const char *path)
{
    static uint8_t data[LARGEST_FILE];
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "cannot open %s\n", path);
        return false;
    }
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    for (size_t cut = size <= LARGEST_CUT ? 0 : size; cut <= size; cut++) {
        run(data, cut);
    }
    return true;
}

/* Returns how many files were run, or -1. */
static int run_path(const char *path)
{
    DIR *directory = opendir(path);
    if (!directory) {
        return run_file(path) ? 1 : -1;
    }
    int count = 0;
    struct dirent *entry;
    while (count >= 0 && (entry = readdir(directory))) {
        if (entry->d_name[0] != '.') {
            char name[4096];
            snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
            count = run_file(name) ? count + 1 : -1;
        }
    }
    closedir(directory);
    return count;
}

int main(int count, char **arguments)
{
    int files = 0;
    for (int i = 1; i < count; i++) {
        int run_here = run_path(arguments[i]);
        if (run_here <= 0) {
            fprintf(stderr, "%s: nothing was run\n", arguments[i]);
            return EXIT_FAILURE;
        }
        files += run_here;
    }
    printf("%d files\n", files);
    return files ? EXIT_SUCCESS : EXIT_FAILURE;
}
