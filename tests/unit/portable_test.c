/* net/portable: what is made has its flags, by the calls of this system and by those that all have
   (a second program, with GIB_PLAIN_POSIX). */
#include "net/portable.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

#include "support/suite.h"

/* fcntl fails at the n-th call from now on, once; 0 is never. */
static int failing_call;

/* NOLINTBEGIN(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp): what --wrap makes of names
 */
int __real_fcntl(int descriptor, int command, int value);
int __wrap_fcntl(int descriptor, int command, ...);
int __wrap_fcntl(int descriptor, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    int value = va_arg(arguments, int);
    va_end(arguments);
    if (failing_call && --failing_call == 0) {
        errno = EPERM;
        return -1;
    }
    return __real_fcntl(descriptor, command, value);
}
/* NOLINTEND(bugprone-reserved-identifier,cert-dcl37-c,cert-dcl51-cpp) */

/* The lowest descriptor that is free tells whether one was left open. */
static int lowest_free(void)
{
    int lowest = dup(0);
    ck_assert_int_ge(lowest, 0);
    close(lowest);
    return lowest;
}

static void check_socket(int family, bool blocking)
{
    int made = gib_open_socket(family, blocking);
    ck_assert_int_ge(made, 0);
    int type = 0;
    socklen_t size = sizeof type;
    ck_assert_int_eq(getsockopt(made, SOL_SOCKET, SO_TYPE, &type, &size), 0);
    ck_assert_int_eq(type, SOCK_STREAM);
    ck_assert_int_eq(fcntl(made, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(fcntl(made, F_GETFL, 0) & O_NONBLOCK, blocking ? 0 : O_NONBLOCK);
    close(made);
}

START_TEST(open_socket_has_its_flags)
{
    check_socket(AF_INET, true);
    check_socket(AF_INET, false);
    check_socket(AF_UNIX, true);
    check_socket(AF_UNIX, false);
}
END_TEST

START_TEST(open_socket_of_no_family_says_why)
{
    ck_assert_int_eq(gib_open_socket(-1, true), -1);
    ck_assert_int_eq(errno, EAFNOSUPPORT);
}
END_TEST

START_TEST(open_pipe_has_its_flags)
{
    int ends[2];
    ck_assert_int_eq(gib_open_pipe(ends), 0);
    ck_assert_int_eq(fcntl(ends[0], F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
    ck_assert_int_eq(fcntl(ends[1], F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
    char byte = 'a';
    ck_assert_int_eq(write(ends[1], "b", 1), 1);
    ck_assert_int_eq(read(ends[0], &byte, 1), 1);
    ck_assert_int_eq(byte, 'b');
    close(ends[0]);
    close(ends[1]);
}
END_TEST

#if defined(GIB_PLAIN_POSIX)
/* fcntl is called twice, for a socket that does not block and for a pipe. */
START_TEST(open_that_fails_half_way_leaves_nothing_open)
{
    int lowest = lowest_free();
    for (int call = 1; call <= 2; call++) {
        failing_call = call;
        ck_assert_int_eq(gib_open_socket(AF_INET, false), -1);
        ck_assert_int_eq(errno, EPERM);
        int ends[2];
        failing_call = call;
        ck_assert_int_eq(gib_open_pipe(ends), -1);
        ck_assert_int_eq(errno, EPERM);
    }
    ck_assert_int_eq(lowest_free(), lowest);
}
END_TEST
#else
/* Each is one call, which fails as a whole. */
START_TEST(open_that_fails_half_way_leaves_nothing_open)
{
    int lowest = lowest_free();
    struct rlimit before;
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit limit = {.rlim_cur = (rlim_t)lowest + 1, .rlim_max = before.rlim_max};
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    int ends[2];
    int made = gib_open_pipe(ends);
    int failure = errno;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &before), 0);
    ck_assert_int_eq(made, -1);
    ck_assert_int_eq(failure, EMFILE);
    ck_assert_int_eq(lowest_free(), lowest);
}
END_TEST
#endif

SUITE("portable", open_socket_has_its_flags, open_socket_of_no_family_says_why,
      open_pipe_has_its_flags, open_that_fails_half_way_leaves_nothing_open)
