#include "loop/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/unix_address.h"

enum {
    SMALLEST_BACKLOG = 1024,
    LOCK_TRIES = 200, /* of 10 ms, for another server that is about to listen */
};

static bool set_flags(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK) == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

/* As many clients as may be connected may come at once; the system may allow less. */
static int backlog_of(const gibson_server_config *config)
{
    int64_t clients = GIBS_CONFIG_NUMBER(config, max_clients);
    return clients > SMALLEST_BACKLOG ? (int)clients : SMALLEST_BACKLOG;
}

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value); /* failing does no harm */
}

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *ipv4 = (const struct sockaddr_in *)(const void *)address;
        return ntohl(ipv4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *ipv6 = (const struct sockaddr_in6 *)(const void *)address;
    return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&ipv6->sin6_addr);
}

static uint16_t bound_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address;
    socklen_t size = sizeof address;
    memset(&address, 0, sizeof address);
    getsockname(fd, &address.any, &size);
    return ntohs(address.any.sa_family == AF_INET6 ? address.ipv6.sin6_port
                                                   : address.ipv4.sin_port);
}

/* Returns whether it listens there; if not, errno tells why. */
static bool listen_on(gibs_listener *listener, const struct addrinfo *where, int backlog)
{
    int fd = socket(where->ai_family, where->ai_socktype, where->ai_protocol);
    if (fd < 0) {
        return false;
    }
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!set_flags(fd) || bind(fd, where->ai_addr, where->ai_addrlen) || listen(fd, backlog)) {
        int cause = errno;
        close(fd);
        errno = cause;
        return false;
    }
    listener->fd = fd;
    listener->port = bound_port(fd);
    listener->reachable = !is_loopback(where->ai_addr);
    return true;
}

static gibson_status open_tcp(gibs_listener *listener, const gibson_server_config *config,
                              gibson_error *error)
{
    const char *address = GIBS_CONFIG_TEXT(config, address);
    char port[8];
    snprintf(port, sizeof port, "%u", (unsigned)GIBS_CONFIG_NUMBER(config, port));
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int failure = getaddrinfo(address, port, &hints, &found);
    if (failure) {
        return gib_error_set(error, GIBSON_SYSTEM, "cannot resolve address '%.60s': %s", address,
                             gai_strerror(failure));
    }
    listener->tcp = true;
    bool listening = false;
    for (const struct addrinfo *at = found; at && !listening; at = at->ai_next) {
        listening = listen_on(listener, at, backlog_of(config));
    }
    int cause = errno;
    freeaddrinfo(found);
    if (!listening) {
        return gib_error_set_errno(error, GIBSON_SYSTEM, cause, "cannot listen on %.60s port %s",
                                   address, port);
    }
    return GIBSON_OK;
}

/* Tells whether the file is a socket that was left behind by a server that is gone. */
static bool is_stale(const struct sockaddr_un *address, socklen_t size)
{
    struct stat info;
    if (lstat(address->sun_path, &info) || !S_ISSOCK(info.st_mode)) {
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) {
        return false;
    }
    bool stale = set_flags(fd) && connect(fd, (const struct sockaddr *)address, size) &&
                 errno == ECONNREFUSED;
    close(fd);
    return stale;
}

/* Binds so that at no time the file has more permissions than asked for: on Linux it gets those of
   the descriptor, less the umask. The chmod gives back what the umask took. */
static bool bind_unix(int fd, const struct sockaddr_un *address, socklen_t size,
                      bool in_file_system, mode_t mode, int backlog)
{
    const struct sockaddr *generic = (const struct sockaddr *)address;
    if (!set_flags(fd) || fchmod(fd, mode)) {
        return false;
    }
    if (bind(fd, generic, size)) {
        int cause = errno;
        if (cause != EADDRINUSE || !in_file_system || !is_stale(address, size)) {
            errno = cause;
            return false;
        }
        if (unlink(address->sun_path) || bind(fd, generic, size)) {
            return false;
        }
    }
    return (!in_file_system || chmod(address->sun_path, mode) == 0) && listen(fd, backlog) == 0;
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
    int fd = open(slash ? directory : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int tries = 0;
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && ++tries < LOCK_TRIES) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return fd;
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

static gibson_status open_unix(gibs_listener *listener, const gibson_server_config *config,
                               gibson_error *error)
{
    const char *path = GIBS_CONFIG_TEXT(config, unix_socket);
    mode_t mode = (mode_t)GIBS_CONFIG_NUMBER(config, unix_socket_mode);
    struct sockaddr_un address;
    socklen_t size = 0;
    gibson_status status = gib_unix_address(path, &address, &size, error);
    if (status != GIBSON_OK) {
        return status;
    }
    bool in_file_system = path[0] != '@';
    int lock = in_file_system ? lock_directory(path) : -1;
    listener->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (listener->fd < 0 ||
        !bind_unix(listener->fd, &address, size, in_file_system, mode, backlog_of(config))) {
        status = gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot listen on unix socket %s",
                                     path);
    } else {
        status = note_path(listener, path, error);
    }
    if (lock >= 0) {
        close(lock);
    }
    return status;
}

gibson_status gibs_listener_open(gibs_listener *listener, const gibson_server_config *config,
                                 gibson_error *error)
{
    *listener = (gibs_listener){.fd = -1};
    bool on_unix = GIBS_CONFIG_TEXT(config, unix_socket)[0];
    gibson_status status =
        on_unix ? open_unix(listener, config, error) : open_tcp(listener, config, error);
    if (status != GIBSON_OK) {
        gibs_listener_close(listener);
    }
    return status;
}

static int accept_one(int listener)
{
#if defined(__linux__)
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int fd = accept(listener, NULL, NULL);
    if (fd >= 0 && !set_flags(fd)) {
        close(fd);
        fd = -1;
    }
    return fd;
#endif
}

int gibs_listener_accept(gibs_listener *listener, int keepalive_s)
{
    int fd = accept_one(listener->fd);
    if (fd >= 0 && listener->tcp) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
#if defined(TCP_KEEPIDLE) && defined(TCP_KEEPINTVL)
        set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_s);
        set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_s);
#endif
    }
    return fd;
}

void gibs_listener_close(gibs_listener *listener)
{
    struct stat info;
    if (listener->path && !lstat(listener->path, &info) && info.st_dev == listener->path_device &&
        info.st_ino == listener->path_inode) {
        unlink(listener->path);
    }
    free(listener->path);
    if (listener->fd >= 0) {
        shutdown(listener->fd, SHUT_RDWR); /* a process that was forked may have it too */
        close(listener->fd);
    }
    *listener = (gibs_listener){.fd = -1};
}
