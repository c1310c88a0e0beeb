/* Where a server is, as text. */
#ifndef GIB_NET_ADDRESS_H
#define GIB_NET_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

/* Writes how people write an address: "unix:PATH" if unix_socket is set, else "HOST:PORT", with
   brackets around a host that has colons. Returns the bytes it takes, without the NUL, like
   snprintf. */
int gib_address_text(char *to, size_t size, const char *host, uint16_t port,
                     const char *unix_socket);

#endif
