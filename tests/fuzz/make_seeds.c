/* Writes a seed for fuzz_server_requests from each recorded scenario. Arguments: the recordings, a
   directory. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "raw_client.h"
#include "transcript.h"

static void write_frame(FILE *file, uint16_t opcode, const void *payload, size_t size)
{
    uint8_t *frame = malloc(size + 6);
    if (!frame) {
        abort();
    }
    size_t frame_size = raw_request(frame, opcode, payload, size);
    fwrite(frame, 1, frame_size, file);
    free(frame);
}

static void write_step(FILE *file, const transcript_step *step)
{
    if (step->sleep_ms) {
        uint8_t ticks[] = {(uint8_t)(step->sleep_ms / 100), 0};
        write_frame(file, 0xffff, ticks, sizeof ticks); /* OPCODE_PASS_TIME of the target */
    } else {
        write_frame(file, step->opcode, step->payload, step->payload_size);
    }
}

/* The first byte is for the flags of the target. */
static bool write_seed(const char *directory, const transcript *scenario, int flags)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s-%d", directory, scenario->scenario, flags);
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        return false;
    }
    putc(flags, file);
    for (size_t i = 0; i < scenario->count; i++) {
        write_step(file, &scenario->steps[i]);
    }
    return fclose(file) == 0;
}

int main(int count, char **arguments)
{
    if (count != 3) {
        fprintf(stderr, "usage: make_seeds RECORDINGS DIRECTORY\n");
        return EXIT_FAILURE;
    }
    transcripts recorded;
    bool written = true;
    transcripts_load(&recorded, arguments[1]);
    mkdir(arguments[2], 0777);
    for (size_t i = 0; i < recorded.count && written; i++) {
        written = write_seed(arguments[2], &recorded.all[i], 0) &&
                  write_seed(arguments[2], &recorded.all[i], 3);
    }
    transcripts_free(&recorded);
    return written ? EXIT_SUCCESS : EXIT_FAILURE;
}
