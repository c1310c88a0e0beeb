#include "proxy/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/unix_address.h"

enum { BACKLOG = 128 };

static const char unix_prefix[] = "unix:";

static bool refuse(char error[GIBP_PROXY_ERROR_SIZE], const char *text, const char *why)
{
    snprintf(error, GIBP_PROXY_ERROR_SIZE, "address \"%.80s\": %.90s", text, why);
    return false;
}

static bool parse_unix(gibp_proxy_address *address, const char *text,
                       char error[GIBP_PROXY_ERROR_SIZE])
{
    struct sockaddr_un made;
    gibson_error why;
    if (gib_unix_address(text + sizeof unix_prefix - 1, &made, &address->size, &why) != GIBSON_OK) {
        return refuse(error, text, why.message);
    }
    memcpy(&address->storage, &made, sizeof made);
    return true;
}

/* getaddrinfo takes numbers above the last port, and counts round. */
static bool is_port(const char *text)
{
    const size_t digits = strspn(text, "0123456789");
    return digits && digits <= 5 && !text[digits] && strtol(text, NULL, 10) <= UINT16_MAX;
}

static bool look_up(gibp_proxy_address *address, const char *text, const char *host,
                    const char *port, char error[GIBP_PROXY_ERROR_SIZE])
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found;
    int code = getaddrinfo(host, port, &hints, &found);
    if (code) {
        return refuse(error, text, gai_strerror(code));
    }
    memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
    address->size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

bool gibp_proxy_address_parse(gibp_proxy_address *address, const char *text,
                              char error[GIBP_PROXY_ERROR_SIZE])
{
    memset(address, 0, sizeof *address);
    if (strncmp(text, unix_prefix, sizeof unix_prefix - 1) == 0) {
        return parse_unix(address, text, error);
    }
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !is_port(colon + 1)) {
        return refuse(error, text, "it is HOST:PORT, [IPv6]:PORT, unix:PATH or unix:@NAME");
    }
    char host[NI_MAXHOST];
    size_t size = (size_t)(colon - text);
    const char *from = text;
    if (size > 2 && text[0] == '[' && colon[-1] == ']') {
        from++;
        size -= 2;
    }
    if (size >= sizeof host) {
        return refuse(error, text, "the host name is too long");
    }
    memcpy(host, from, size);
    host[size] = '\0';
    return look_up(address, text, host, colon + 1, error);
}

static int give_up(int descriptor)
{
    int failure = errno;
    close(descriptor);
    errno = failure;
    return -1;
}

static int open_socket(const gibp_proxy_address *address)
{
    return socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

int gibp_proxy_address_listen(gibp_proxy_address *address)
{
    int descriptor = open_socket(address);
    if (descriptor < 0) {
        return -1;
    }
    const int on = 1;
    setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(descriptor, (const struct sockaddr *)&address->storage, address->size)) {
        return give_up(descriptor);
    }
    socklen_t size = sizeof address->storage;
    if (listen(descriptor, BACKLOG) ||
        getsockname(descriptor, (struct sockaddr *)&address->storage, &size)) {
        return give_up(descriptor);
    }
    address->size = size;
    return descriptor;
}

int gibp_proxy_address_connect(const gibp_proxy_address *address)
{
    int descriptor = open_socket(address);
    if (descriptor < 0) {
        return -1;
    }
    gibp_proxy_no_delay(descriptor);
    if (connect(descriptor, (const struct sockaddr *)&address->storage, address->size) &&
        errno != EINPROGRESS) {
        return give_up(descriptor);
    }
    return descriptor;
}

void gibp_proxy_address_remove(const gibp_proxy_address *address)
{
    const struct sockaddr_un *from = (const struct sockaddr_un *)&address->storage;
    if (from->sun_family == AF_UNIX && from->sun_path[0]) {
        unlink(from->sun_path);
    }
}

void gibp_proxy_address_format(const gibp_proxy_address *address, char to[GIBP_PROXY_ADDRESS_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "";
    if (address->storage.ss_family == AF_UNIX) {
        const struct sockaddr_un *from = (const struct sockaddr_un *)&address->storage;
        const bool is_abstract = !from->sun_path[0];
        const int size = (int)(address->size - offsetof(struct sockaddr_un, sun_path)) - 1;
        snprintf(to, GIBP_PROXY_ADDRESS_SIZE, is_abstract ? "unix:@%.*s" : "unix:%.*s", size,
                 from->sun_path + is_abstract);
    } else if (address->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *from = (const struct sockaddr_in6 *)&address->storage;
        inet_ntop(AF_INET6, &from->sin6_addr, host, sizeof host);
        snprintf(to, GIBP_PROXY_ADDRESS_SIZE, "[%s]:%u", host, ntohs(from->sin6_port));
    } else {
        const struct sockaddr_in *from = (const struct sockaddr_in *)&address->storage;
        inet_ntop(AF_INET, &from->sin_addr, host, sizeof host);
        snprintf(to, GIBP_PROXY_ADDRESS_SIZE, "%s:%u", host, ntohs(from->sin_port));
    }
}

void gibp_proxy_no_delay(int descriptor)
{
    const int on = 1;
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on,
                     sizeof on); /* not on unix sockets */
}
