#include "net/address.h"

#include <stdio.h>
#include <string.h>

int gib_address_text(char *to, size_t size, const char *host, uint16_t port,
                     const char *unix_socket)
{
    if (unix_socket) {
        return snprintf(to, size, "unix:%s", unix_socket);
    }
    return snprintf(to, size, strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
}
