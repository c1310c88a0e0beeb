/* Who is at the other end of a socket. */
#ifndef GIBS_PEER_H
#define GIBS_PEER_H

#include "config/peers.h"

enum { GIBS_PEER_NAME = 96 };

/* Writes what is known of the client of a connection: its address, or the process and user at the
   other end of a unix socket. */
void gibs_peer_name(int descriptor, char name[GIBS_PEER_NAME]);

/* Tells whether the client of a unix socket is one of those who may connect. */
bool gibs_peer_is_among(int descriptor, const gibs_peers *peers);

#endif
