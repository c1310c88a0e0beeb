#include "base/clock.h"

#include <limits.h>
#include <time.h>

enum { NS_PER_MS = 1000000, NS_PER_S = 1000000000 };

int64_t gib_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* 146 years: the clock, which counts from the start of the machine, does not come to as many. */
#define MOST_MS ((uint64_t)INT64_MAX / 2 / NS_PER_MS)

gib_deadline gib_deadline_after(int64_t now_ns, int64_t duration_ms)
{
    if ((uint64_t)duration_ms > MOST_MS) {
        return GIB_NO_DEADLINE;
    }
    return now_ns + duration_ms * NS_PER_MS;
}

int gib_deadline_left_ms(gib_deadline deadline)
{
    if (deadline == GIB_NO_DEADLINE) {
        return -1;
    }
    int64_t left_ns = deadline - gib_now_ns();
    if (left_ns <= 0) {
        return 0;
    }
    int64_t left_ms = (left_ns - 1) / NS_PER_MS + 1;
    return left_ms > INT_MAX ? INT_MAX : (int)left_ms;
}
