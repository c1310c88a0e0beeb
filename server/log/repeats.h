/* How often lines of the same kind may stand in the log. */
#ifndef GIBS_REPEATS_H
#define GIBS_REPEATS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    GIBS_REPEATS_KINDS = 8,    /* those that are known apart at once */
    GIBS_REPEATS_ALLOWED = 10, /* of one kind in one period */
    GIBS_REPEATS_PERIOD_MS = 1000,
    GIBS_REPEATS_EXAMPLE = 100,
};

/* A kind of line: all that have the same format. */
typedef struct gibs_repeat {
    const char *format; /* NULL: free */
    int64_t since_ms;
    unsigned written;
    uint64_t left_out;
    char example[GIBS_REPEATS_EXAMPLE]; /* the text of the first, as far as it fits */
} gibs_repeat;

typedef struct gibs_repeats {
    gibs_repeat kinds[GIBS_REPEATS_KINDS];
} gibs_repeats;

/* Tells whether a line of a format, which has become `text`, may be written now. */
bool gibs_repeats_allow(gibs_repeats *repeats, const char *format, const char *text,
                        int64_t now_ms);

/* Finds a kind whose period is over and of which lines were left out, and takes it off the list,
   into *ended. With `all`, periods are not waited for. */
bool gibs_repeats_end(gibs_repeats *repeats, int64_t now_ms, bool all, gibs_repeat *ended);

#endif
