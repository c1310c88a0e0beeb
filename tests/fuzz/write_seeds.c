/* Writes the seed corpora: a good reply to every command, and every vector, as the inputs that
   fuzz_reply and fuzz_session read. Usage: write_seeds FOLDER */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "support/replies.h"
#include "support/samples.h"
#include "support/vectors.h"

static const char *root;

static void make_folder(const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s%s", root, name);
    if (mkdir(path, 0777) && errno != EEXIST) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

static void write_seed(const char *folder, const char *name, const gib_buffer *bytes)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/%s", root, folder, name);
    FILE *file = fopen(path, "wb");
    if (!file ||
        fwrite(bytes_of(bytes), 1, gib_buffer_size(bytes), file) != gib_buffer_size(bytes) ||
        fclose(file)) {
        perror(path);
        exit(EXIT_FAILURE);
    }
}

/* One reply as input of both fuzzers. A command's index is its place in the table. */
static void write_both(const char *name, size_t index, const gib_buffer *frame)
{
    uint8_t chosen = (uint8_t)index;
    gib_buffer input = bytes_new();
    bytes_add(&input, &chosen, 1);
    bytes_add(&input, bytes_of(frame), gib_buffer_size(frame));
    write_seed("reply", name, &input);
    gib_buffer_consume(&input, gib_buffer_size(&input));

    /* push, send all, read the reply, decode it */
    size_t size = gib_buffer_size(frame) < 255 ? gib_buffer_size(frame) : 255;
    const uint8_t before[] = {0, chosen, 2, 255, 4, (uint8_t)size};
    const uint8_t after[] = {5, 0, 6, 0};
    bytes_add(&input, before, sizeof before);
    bytes_add(&input, bytes_of(frame), size);
    bytes_add(&input, after, sizeof after);
    write_seed("session", name, &input);
    gib_buffer_clear(&input);
}

static size_t index_of(gibson_opcode opcode)
{
    size_t index = 0;
    while (samples[index].request.opcode != opcode) {
        index++;
    }
    return index;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return EXIT_FAILURE;
    }
    root = argv[1];
    make_folder("");
    make_folder("/reply");
    make_folder("/session");
    char name[64];
    for (size_t i = 0; i < SAMPLE_COUNT; i++) {
        gib_buffer frame = bytes_new();
        sample_reply(&frame, samples[i].request.opcode, samples[i].payload,
                     strlen(samples[i].payload));
        snprintf(name, sizeof name, "good_%s", gibson_command_at(i)->name);
        write_both(name, i, &frame);
        gib_buffer_clear(&frame);
    }
    for (size_t i = 0; i < vector_count; i++) {
        gib_buffer frame = bytes_new();
        vectors[i].build(&frame);
        snprintf(name, sizeof name, "bad_%zu_%s", i, vectors[i].name);
        write_both(name, index_of(vectors[i].opcode), &frame);
        gib_buffer_clear(&frame);
    }
    return EXIT_SUCCESS;
}
