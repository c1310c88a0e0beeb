/* The command line of gibson-server. */
#ifndef GIB_SERVER_OPTIONS_H
#define GIB_SERVER_OPTIONS_H

#include <stdio.h>

#include "config.h"

/* What the command line asks for. */
typedef enum gib_action {
    GIB_ACTION_SERVE,
    GIB_ACTION_HELP,
    GIB_ACTION_VERSION,
    GIB_ACTION_CHECK, /* only read the configuration */
} gib_action;

/* Applies the configuration file that -c names, then the options, whatever their order. Returns
   GIBSON_OK, or GIBSON_INVALID, GIBSON_SYSTEM or GIBSON_NOMEM with an error. */
gibson_status gib_options_parse(gibson_server_config *config, int count, char **arguments,
                                gib_action *action, gibson_error *error);

/* Prints what the command line can be. */
void gib_options_help(FILE *out);

#endif
