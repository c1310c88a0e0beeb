#include "net/portable.h"

#include <errno.h>
#include <fcntl.h>
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
