/* Sockets that the service manager has opened, as systemd does for a unit with a socket. */
#ifndef GIBS_ACTIVATION_H
#define GIBS_ACTIVATION_H

#include "config/config.h"

/* Gives the sockets that were passed to this process to a configuration. As systemd
   documents it, they begin at descriptor 3, are as many as LISTEN_FDS says, and are for the process
   that LISTEN_PID names. That is all of it, so it takes no library. Returns GIBSON_OK, also where
   there are none; or GIBSON_INVALID. To be called before any fork. */
gibson_status gibs_activation_take(gibson_server_config *config, gibson_error *error);

#endif
