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

gib_deadline gib_deadline_after(int64_t now_ns, int64_t duration_ms)
{
    if (duration_ms < 0 || duration_ms > (INT64_MAX - now_ns) / NS_PER_MS) {
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
