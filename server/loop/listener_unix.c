/* Listening on a unix socket. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/unix_address.h"
#include "loop/listener_private.h"

enum { LOCK_TRIES = 200 }; /* of 10 ms, for another server that is about to listen */

/* Tells whether the file is a socket that was left behind by a server that is gone. */
static bool is_stale(const struct sockaddr_un *address, socklen_t size)
{
    struct stat info;
    if (lstat(address->sun_path, &info) || !S_ISSOCK(info.st_mode)) {
        return false;
    }
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    if (descriptor < 0) {
        return false;
    }
    bool stale = gibs_socket_set_flags(descriptor) &&
                 connect(descriptor, (const struct sockaddr *)address, size) &&
                 errno == ECONNREFUSED;
    close(descriptor);
    return stale;
}

/* Binds so that at no time the file has more permissions than asked for: on Linux it gets those of
   the descriptor, less the umask. The chmod gives back what the umask took. */
static bool bind_unix(int descriptor, const struct sockaddr_un *address, socklen_t size,
                      bool in_file_system, mode_t mode, int backlog)
{
    const struct sockaddr *generic = (const struct sockaddr *)address;
    if (!gibs_socket_set_flags(descriptor) || fchmod(descriptor, mode)) {
        return false;
    }
    if (bind(descriptor, generic, size)) {
        int cause = errno;
        if (cause != EADDRINUSE || !in_file_system || !is_stale(address, size)) {
            errno = cause;
            return false;
        }
        if (unlink(address->sun_path) || bind(descriptor, generic, size)) {
            return false;
        }
    }
    return (!in_file_system || chmod(address->sun_path, mode) == 0) &&
           listen(descriptor, backlog) == 0;
}

/* Locks the directory of a path, so that of two servers that find the same stale socket one sees
   that the other listens already. Returns the descriptor that holds the lock, or -1: where the
   directory cannot be read or locked it has to do without. */
static int lock_directory(const char *path)
{
    char directory[sizeof((struct sockaddr_un *)NULL)->sun_path];
    snprintf(directory, sizeof directory, "%s", path);
    char *slash = strrchr(directory, '/');
    if (slash) {
        slash[slash == directory] = '\0';
    }
    int descriptor = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int tries = 0;
    while (descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) && ++tries < LOCK_TRIES) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return descriptor;
}

/* Notes which file the socket is, to remove it in the end. */
static gibson_status note_path(gibs_listener *listener, const char *path, gibson_error *error)
{
    struct stat info;
    if (path[0] == '@') {
        return GIBSON_OK;
    }
    listener->path = strdup(path);
    if (!listener->path) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory for unix_socket");
    }
    if (lstat(path, &info)) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot look at %.100s", path);
    }
    listener->path_device = info.st_dev;
    listener->path_inode = info.st_ino;
    return GIBSON_OK;
}

gibson_status gibs_listener_open_unix(gibs_listener *listener, const char *path, mode_t mode,
                                      int backlog, gibson_error *error)
{
    struct sockaddr_un address;
    socklen_t size = 0;
    gibson_status status = gib_unix_address(path, &address, &size, error);
    if (status != GIBSON_OK) {
        return status;
    }
    bool in_file_system = path[0] != '@';
    int lock = in_file_system ? lock_directory(path) : -1;
    listener->descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listener->descriptor < 0 ||
        !bind_unix(listener->descriptor, &address, size, in_file_system, mode, backlog)) {
        status = gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot listen on unix socket %s",
                                     path);
    } else {
        status = note_path(listener, path, error);
    }
    if (lock >= 0) {
        close(lock);
    }
    snprintf(listener->name, sizeof listener->name, "unix socket %s", path);
    return status;
}
