/* The command line of gibson-proxy. */
#ifndef GIB_PROXY_OPTIONS_H
#define GIB_PROXY_OPTIONS_H

#include "proxy.h"

typedef struct gib_proxy_arguments {
    const char *listen;
    const char *connect;
    bool commands; /* reads commands from the standard input */
    bool leave;    /* --help or --version: all is said */
    gib_fault faults[GIB_PROXY_MAX_FAULTS];
    size_t fault_count;
} gib_proxy_arguments;

/* Reads the command line, and the files of --script. Returns false where it is wrong, after a
   message on the standard error. */
bool gib_proxy_arguments_read(gib_proxy_arguments *arguments, int argc, char **argv);

#endif
