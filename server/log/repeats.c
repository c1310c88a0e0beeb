#include "log/repeats.h"

#include <stdio.h>

static bool is_over(const gibs_repeat *kind, int64_t now_ms)
{
    return now_ms - kind->since_ms >= GIBS_REPEATS_PERIOD_MS;
}

/* The entry of a format; or one that can be used for it, if need be that of another whose period is
   over, unless there is something left to say of it. NULL if all are taken. */
static gibs_repeat *find(gibs_repeats *repeats, const char *format, int64_t now_ms)
{
    gibs_repeat *usable = NULL;
    for (size_t i = 0; i < GIBS_REPEATS_KINDS; i++) {
        gibs_repeat *kind = &repeats->kinds[i];
        if (kind->format == format) {
            return kind;
        }
        if (!kind->format || (is_over(kind, now_ms) && !kind->left_out)) {
            usable = kind;
        }
    }
    return usable;
}

bool gibs_repeats_allow(gibs_repeats *repeats, const char *format, const char *text, int64_t now_ms)
{
    gibs_repeat *kind = find(repeats, format, now_ms);
    if (!kind) {
        return true; /* so many kinds at once are no repetition */
    }
    if (kind->format != format || (is_over(kind, now_ms) && !kind->left_out)) {
        *kind = (gibs_repeat){.format = format, .since_ms = now_ms};
        snprintf(kind->example, sizeof kind->example, "%s", text);
    }
    if (kind->written < GIBS_REPEATS_ALLOWED) {
        kind->written++;
        return true;
    }
    kind->left_out++;
    return false;
}

bool gibs_repeats_end(gibs_repeats *repeats, int64_t now_ms, bool all, gibs_repeat *ended)
{
    for (size_t i = 0; i < GIBS_REPEATS_KINDS; i++) {
        gibs_repeat *kind = &repeats->kinds[i];
        if (kind->left_out && (all || is_over(kind, now_ms))) {
            *ended = *kind;
            *kind = (gibs_repeat){0};
            return true;
        }
    }
    return false;
}
