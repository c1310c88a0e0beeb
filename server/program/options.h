/* The command line of gibson-server. */
#ifndef GIBS_OPTIONS_H
#define GIBS_OPTIONS_H

#include <stdio.h>

#include "config/config.h"

/* What the command line asks for. */
typedef enum gibs_action {
    GIBS_ACTION_SERVE,
    GIBS_ACTION_HELP,
    GIBS_ACTION_VERSION,
    GIBS_ACTION_CHECK, /* only read the configuration */
} gibs_action;

/* Applies the configuration file that -c names, then the options, whatever their order. Returns
   GIBSON_OK, or GIBSON_INVALID, GIBSON_SYSTEM or GIBSON_NOMEM with an error. */
gibson_status gibs_options_parse(gibson_server_config *config, int count, char **arguments,
                                 gibs_action *action, gibson_error *error);

/* Prints what the command line can be. */
void gibs_options_help(FILE *out);

#endif
