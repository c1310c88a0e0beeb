/* Who may connect to a unix socket: lists of users and groups. */
#ifndef GIBS_PEERS_H
#define GIBS_PEERS_H

#include <sys/types.h>

#include "config/config.h"

typedef struct gibs_peers {
    id_t *users;
    size_t user_count;
    id_t *groups;
    size_t group_count;
} gibs_peers;

/* Looks up the users and groups of a configuration. Sets *peers to NULL where it has none, so that
   all may connect, or after a failure. Returns GIBSON_OK; GIBSON_INVALID for a name that is none,
   or where the system does not tell who connects; GIBSON_NOMEM. May wait for a directory service.
 */
gibson_status gibs_peers_new(gibs_peers **peers, const gibson_server_config *config,
                             gibson_error *error);

/* NULL is allowed. */
void gibs_peers_free(gibs_peers *peers);

#endif
