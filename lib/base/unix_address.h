/* The addresses of unix sockets: the one rule of library, server and proxy. */
#ifndef GIB_BASE_UNIX_ADDRESS_H
#define GIB_BASE_UNIX_ADDRESS_H

#include <sys/socket.h>
#include <sys/un.h>

#include <gibson/status.h>

/* Makes the address of a unix socket from a path, or from '@' and an abstract name. Returns
   GIBSON_OK, or GIBSON_INVALID if it is empty or does not fit: none is cut. */
gibson_status gib_unix_address(const char *path, struct sockaddr_un *address, socklen_t *size,
                               gibson_error *error);

#endif
