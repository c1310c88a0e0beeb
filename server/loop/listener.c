#include "loop/listener.h"

#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/listener_private.h"

enum { SMALLEST_BACKLOG = 1024, LONGEST_ADDRESS = 256 };

/* As many clients as may be connected may come at once; the system may allow less. */
static int backlog_of(const gibson_server_config *config)
{
    int64_t clients = GIBS_CONFIG_NUMBER(config, max_clients);
    return clients > SMALLEST_BACKLOG ? (int)clients : SMALLEST_BACKLOG;
}

static void close_listener(gibs_listener *listener)
{
    struct stat info;
    if (listener->path && !lstat(listener->path, &info) && info.st_dev == listener->path_device &&
        info.st_ino == listener->path_inode) {
        unlink(listener->path);
    }
    free(listener->path);
    if (listener->descriptor >= 0) {
        if (!listener->given) {
            shutdown(listener->descriptor,
                     SHUT_RDWR); /* a process that was forked may have it too */
        }
        close(listener->descriptor);
    }
    *listener = (gibs_listener){.descriptor = -1};
}

void gibs_listeners_close(gibs_listeners *listeners)
{
    while (listeners->count) {
        close_listener(&listeners->all[--listeners->count]);
    }
}

static gibs_listener *add(gibs_listeners *listeners)
{
    gibs_listener *listener = &listeners->all[listeners->count++];
    *listener = (gibs_listener){.source = GIBS_SOURCE_LISTENER, .descriptor = -1};
    return listener;
}

static gibson_status open_addresses(gibs_listeners *listeners, const gibson_server_config *config,
                                    gibson_error *error)
{
    char word[LONGEST_ADDRESS];
    const char *at = GIBS_CONFIG_TEXT(config, address);
    gibson_status status = GIBSON_OK;
    gibs_tcp_place place = {word, (unsigned)GIBS_CONFIG_NUMBER(config, port), true};
    size_t size;
    for (; status == GIBSON_OK && (size = gibs_config_word(&at)); at += size) {
        const char *rest = at + size;
        place.alone = place.alone && !gibs_config_word(&rest);
        snprintf(word, sizeof word, "%.*s", size < sizeof word ? (int)size : LONGEST_ADDRESS, at);
        gibs_listener *listener = add(listeners);
        status = gibs_listener_open_tcp(listener, &place, backlog_of(config), error);
        place.port = listener->port;
    }
    return status;
}

static gibson_status open_all(gibs_listeners *listeners, const gibson_server_config *config,
                              gibson_error *error)
{
    gibson_status status = GIBSON_OK;
    const char *path = GIBS_CONFIG_TEXT(config, unix_socket);
    for (size_t i = 0; status == GIBSON_OK && i < config->socket_count; i++) {
        status = gibs_listener_open_given(add(listeners), config->sockets[i], error);
    }
    if (config->socket_count) {
        return status;
    }
    if (path[0]) {
        mode_t mode = (mode_t)GIBS_CONFIG_NUMBER(config, unix_socket_mode);
        status = gibs_listener_open_unix(add(listeners), path, mode, backlog_of(config), error);
    }
    if (status == GIBSON_OK && gibs_config_wants_tcp(config)) {
        status = open_addresses(listeners, config, error);
    }
    return status;
}

gibson_status gibs_listeners_open(gibs_listeners *listeners, const gibson_server_config *config,
                                  gibson_error *error)
{
    listeners->count = 0;
    gibson_status status = open_all(listeners, config, error);
    if (status != GIBSON_OK) {
        gibs_listeners_close(listeners);
    }
    return status;
}

uint16_t gibs_listeners_port(const gibs_listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        if (listeners->all[i].tcp) {
            return listeners->all[i].port;
        }
    }
    return 0;
}

static int accept_one(int listener)
{
#if defined(__linux__)
    return accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int descriptor = accept(listener, NULL, NULL);
    if (descriptor >= 0 && !gibs_socket_set_flags(descriptor)) {
        close(descriptor);
        descriptor = -1;
    }
    return descriptor;
#endif
}

int gibs_listener_accept(gibs_listener *listener, int keepalive_s)
{
    int descriptor = accept_one(listener->descriptor);
    if (descriptor >= 0 && listener->tcp) {
        gibs_socket_set_option(descriptor, IPPROTO_TCP, TCP_NODELAY, 1);
        gibs_socket_set_option(descriptor, SOL_SOCKET, SO_KEEPALIVE, 1);
#if defined(TCP_KEEPIDLE) && defined(TCP_KEEPINTVL)
        gibs_socket_set_option(descriptor, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_s);
        gibs_socket_set_option(descriptor, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_s);
#endif
    }
    return descriptor;
}
