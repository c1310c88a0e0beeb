#include "server_client.h"

#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

int client_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (descriptor < 0 || connect(descriptor, (struct sockaddr *)&address, sizeof address)) {
        client_fail(path);
    }
    return descriptor;
}

void client_send(int descriptor, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size) {
        ssize_t sent = send(descriptor, at, size, MSG_NOSIGNAL);
        if (sent <= 0) {
            client_fail("send");
        }
        at += sent;
        size -= (size_t)sent;
    }
}

void client_receive(int descriptor, size_t size)
{
    uint8_t buffer[1 << 16];
    while (size) {
        ssize_t got = recv(descriptor, buffer, size < sizeof buffer ? size : sizeof buffer, 0);
        if (got <= 0) {
            client_fail("recv: the replies are shorter than they should be");
        }
        size -= (size_t)got;
    }
}
