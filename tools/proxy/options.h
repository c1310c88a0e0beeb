/* The command line of gibson-proxy. */
#ifndef GIBP_PROXY_OPTIONS_H
#define GIBP_PROXY_OPTIONS_H

#include "proxy/proxy.h"

typedef struct gibp_proxy_arguments {
    const char *listen;
    const char *connect;
    bool commands; /* reads commands from the standard input */
    bool leave;    /* --help or --version: all is said */
    gibp_fault faults[GIBP_PROXY_MAX_FAULTS];
    size_t fault_count;
} gibp_proxy_arguments;

/* Reads the command line, and the files of --script. Returns false where it is wrong, after a
   message on the standard error. */
bool gibp_proxy_arguments_read(gibp_proxy_arguments *arguments, int argc, char **argv);

#endif
