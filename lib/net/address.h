/* Where a server is. */
#ifndef GIB_NET_ADDRESS_H
#define GIB_NET_ADDRESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <gibson/status.h>

/* Makes the address of a unix socket from a path, or from '@' and an abstract name. Returns
   GIBSON_OK, or GIBSON_INVALID if it is empty or does not fit. */
gibson_status gib_unix_address(const char *path, struct sockaddr_un *address, socklen_t *size,
                               gibson_error *error);

/* Writes how people write an address: "unix:PATH" if unix_socket is set, else "HOST:PORT", with
   brackets around a host that has colons. Returns the bytes it takes, without the NUL, like
   snprintf. */
int gib_address_text(char *to, size_t size, const char *host, uint16_t port,
                     const char *unix_socket);

#endif
