/* Where the proxy listens and where it connects, from text: HOST:PORT, [IPv6]:PORT, unix:PATH, or
   unix:@NAME for an abstract socket. */
#ifndef GIBP_PROXY_ADDRESS_H
#define GIBP_PROXY_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define GIBP_PROXY_ERROR_SIZE 200
#define GIBP_PROXY_ADDRESS_SIZE 128

typedef struct gibp_proxy_address {
    struct sockaddr_storage storage;
    socklen_t size;
} gibp_proxy_address;

/* Reads an address; a host name is looked up, and its first address taken. False with a sentence in
   error where that fails. */
bool gibp_proxy_address_parse(gibp_proxy_address *address, const char *text,
                              char error[GIBP_PROXY_ERROR_SIZE]);

/* Listens, without blocking. Port 0 is any free one; *address becomes what it is. Returns the
   descriptor, or -1 with errno set. */
int gibp_proxy_address_listen(gibp_proxy_address *address);

/* Begins to connect, without blocking. Returns the descriptor, or -1 with errno set. */
int gibp_proxy_address_connect(const gibp_proxy_address *address);

/* Removes the file of a unix socket that is listened on no more. */
void gibp_proxy_address_remove(const gibp_proxy_address *address);

/* Writes an address as text that gibp_proxy_address_parse reads. */
void gibp_proxy_address_format(const gibp_proxy_address *address, char to[GIBP_PROXY_ADDRESS_SIZE]);

/* Lets each send go out at once: bytes that are passed on one by one are to arrive so. */
void gibp_proxy_no_delay(int descriptor);

#endif
