#include "program/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/unix_address.h"

/* What the process that was started does: it waits for a byte, which says that all is well. The end
   of the pipe without one says that the background process is gone. */
static void wait_and_exit(int ready)
{
    char byte;
    ssize_t got;
    do {
        got = read(ready, &byte, 1);
    } while (got < 0 && errno == EINTR);
    _exit(got == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

gibson_status gibs_daemon_fork(int *ready, gibson_error *error)
{
    int pipe_fds[2];
    if (pipe(pipe_fds)) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot make a pipe");
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot fork");
    }
    if (child > 0) {
        close(pipe_fds[1]);
        wait_and_exit(pipe_fds[0]);
    }
    close(pipe_fds[0]);
    *ready = pipe_fds[1];
    fcntl(*ready, F_SETFD, FD_CLOEXEC);
    setsid();
    /* The leader of a session could get a terminal by opening one; its child cannot. */
    pid_t grandchild = fork();
    if (grandchild > 0) {
        _exit(EXIT_SUCCESS);
    }
    return grandchild == 0 ? GIBSON_OK
                           : gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot fork");
}

void gibs_daemon_detach(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0) {
        for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++) {
            dup2(null, stream);
        }
        if (null > STDERR_FILENO) {
            close(null);
        }
    }
}

void gibs_daemon_ready(int ready)
{
    ssize_t written = write(ready, "", 1);
    (void)written; /* nobody waits any more if this fails */
    close(ready);
}

gibson_status gibs_pidfile_open(gibs_pidfile *pidfile, const char *path, gibson_error *error)
{
    /* Not where somebody else's link leads: the directory may be one that others write to. */
    *pidfile = (gibs_pidfile){open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644), path};
    if (pidfile->descriptor < 0) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot open pidfile %.100s", path);
    }
    int cause = 0;
    if (flock(pidfile->descriptor, LOCK_EX | LOCK_NB)) {
        cause = errno;
    } else if (ftruncate(pidfile->descriptor, 0) ||
               dprintf(pidfile->descriptor, "%ld\n", (long)getpid()) < 0) {
        cause = errno;
        unlink(path);
    }
    if (!cause) {
        return GIBSON_OK;
    }
    close(pidfile->descriptor);
    pidfile->descriptor = -1;
    if (cause == EWOULDBLOCK) {
        return gib_error_set(error, GIBSON_SYSTEM, "pidfile %.100s: a server is running already",
                             path);
    }
    return gib_error_set_errno(error, GIBSON_SYSTEM, cause, "cannot write pidfile %.100s", path);
}

void gibs_pidfile_close(gibs_pidfile *pidfile)
{
    if (pidfile->descriptor >= 0) {
        unlink(pidfile->path);
        close(pidfile->descriptor);
        pidfile->descriptor = -1;
    }
}

void gibs_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    socklen_t size;
    if (!path || gib_unix_address(path, &address, &size, NULL) != GIBSON_OK) {
        return;
    }
    int descriptor = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (descriptor >= 0) {
        sendto(descriptor, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address, size);
        close(descriptor);
    }
}
