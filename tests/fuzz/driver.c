/* Runs a fuzz target over files, for compilers without libFuzzer, and for AFL++ (which gives one
   file): every argument is an input or a folder of inputs. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/fuzz.h"

enum { LARGEST_INPUT = 1 << 20 };

static size_t inputs;

static void run_file(const char *path)
{
    static uint8_t data[LARGEST_INPUT];
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        exit(EXIT_FAILURE);
    }
    size_t size = fread(data, 1, sizeof data, file);
    fclose(file);
    uint8_t *copy = fuzz_copy(data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    inputs++;
}

static void run_folder(DIR *folder, const char *path)
{
    const struct dirent *entry;
    while ((entry = readdir(folder))) {
        char file[4096];
        if (entry->d_name[0] != '.' &&
            snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < (int)sizeof file) {
            run_file(file);
        }
    }
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        DIR *folder = opendir(argv[i]);
        if (folder) {
            run_folder(folder, argv[i]);
            closedir(folder);
        } else {
            run_file(argv[i]);
        }
    }
    printf("%zu inputs\n", inputs);
    return inputs ? EXIT_SUCCESS : EXIT_FAILURE; /* a corpus that is not there tests nothing */
}
