#include "support/process.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

size_t process_open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    size_t count = 0;
    if (!folder) {
        abort();
    }
    while (readdir(folder)) {
        count++;
    }
    closedir(folder);
    return count - 3; /* ".", ".." and the descriptor of the folder */
}

bool process_await_descriptors(size_t expected)
{
    for (int i = 0; i < 10000; i++) {
        if (process_open_descriptors() == expected) {
            return true;
        }
        usleep(1000);
    }
    return false;
}

static atomic_size_t signals;

static void count_signal(int number)
{
    int saved = errno;
    (void)number;
    atomic_fetch_add(&signals, 1);
    errno = saved;
}

static void arm(int64_t first_us, int64_t interval_us)
{
    struct sigaction action = {.sa_handler = count_signal};
    struct itimerval timer = {.it_value = {.tv_sec = (time_t)(first_us / 1000000),
                                           .tv_usec = (suseconds_t)(first_us % 1000000)},
                              .it_interval = {.tv_usec = (suseconds_t)interval_us}};
    if (first_us) {
        atomic_store(&signals, 0);
    }
    if (sigaction(SIGALRM, &action, NULL) || setitimer(ITIMER_REAL, &timer, NULL)) {
        abort();
    }
}

size_t process_signal_storm(int64_t interval_us)
{
    arm(interval_us, interval_us);
    return atomic_load(&signals);
}

void process_signal_once(int64_t delay_ms)
{
    arm(delay_ms * 1000, 0);
}
