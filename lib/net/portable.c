#include "net/portable.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

/* macOS cannot set close-on-exec while it makes a descriptor: a program started by another thread
   in between inherits it. GIB_PLAIN_POSIX is for the test of this way on systems that have the
   other. */
#if defined(__APPLE__) || defined(GIB_PLAIN_POSIX)

static int close_failed(int descriptor)
{
    int failure = errno;
    close(descriptor);
    errno = failure;
    return -1;
}

int gib_open_socket(int family, bool blocking)
{
    int made = socket(family, SOCK_STREAM, 0);
    if (made < 0) {
        return -1;
    }
    if (fcntl(made, F_SETFD, FD_CLOEXEC) || (!blocking && fcntl(made, F_SETFL, O_NONBLOCK))) {
        return close_failed(made);
    }
#if defined(SO_NOSIGPIPE)
    int on = 1;
    if (setsockopt(made, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on)) {
        return close_failed(made);
    }
#endif
    return made;
}

int gib_open_pipe(int ends[2])
{
    if (pipe(ends)) {
        return -1;
    }
    if (fcntl(ends[0], F_SETFD, FD_CLOEXEC) || fcntl(ends[1], F_SETFD, FD_CLOEXEC)) {
        close_failed(ends[0]);
        return close_failed(ends[1]);
    }
    return 0;
}

#else

int gib_open_socket(int family, bool blocking)
{
    return socket(family, SOCK_STREAM | SOCK_CLOEXEC | (blocking ? 0 : SOCK_NONBLOCK), 0);
}

int gib_open_pipe(int ends[2])
{
    return pipe2(ends, O_CLOEXEC);
}

#endif

static struct timespec timespec_of(int64_t ns)
{
    enum { NS_PER_S = 1000000000 };
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* macOS has no condition on the monotonic clock, but one that is told how long to wait. */
#if defined(__APPLE__)

int gib_condition_init(pthread_cond_t *condition)
{
    return pthread_cond_init(condition, NULL);
}

static void wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ns)
{
    const int64_t left_ns = until_ns - gib_now_ns();
    const struct timespec left = timespec_of(left_ns > 0 ? left_ns : 0);
    (void)pthread_cond_timedwait_relative_np(condition, mutex, &left);
}

#else

int gib_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t attributes;
    int failure = pthread_condattr_init(&attributes);
    if (failure) {
        return failure;
    }
    failure = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    if (!failure) {
        failure = pthread_cond_init(condition, &attributes);
    }
    (void)pthread_condattr_destroy(&attributes);
    return failure;
}

static void wait_until(pthread_cond_t *condition, pthread_mutex_t *mutex, int64_t until_ns)
{
    const struct timespec until = timespec_of(until_ns);
    (void)pthread_cond_timedwait(condition, mutex, &until);
}

#endif

void gib_condition_wait(pthread_cond_t *condition, pthread_mutex_t *mutex, gib_deadline until)
{
    if (until == GIB_NO_DEADLINE) {
        (void)pthread_cond_wait(condition, mutex);
    } else {
        wait_until(condition, mutex, until);
    }
}
