/* A blocking connection to a server under test. Whatever fails ends the program. */
#ifndef BENCH_SERVER_CLIENT_H
#define BENCH_SERVER_CLIENT_H

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* Says what has failed, with errno, and ends the program. */
static inline _Noreturn void client_fail(const char *what)
{
    perror(what);
    exit(EXIT_FAILURE);
}

/* Connects to a unix socket. */
int client_connect(const char *path);

void client_send(int descriptor, const void *bytes, size_t size);

/* Receives so many bytes and forgets them. */
void client_receive(int descriptor, size_t size);

#endif
