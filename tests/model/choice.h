/* What the model test does next, by chance: requests, options of clients, and faults. */
#ifndef MODEL_CHOICE_H
#define MODEL_CHOICE_H

#include <gibson/options.h>

#include "proxy/proxy.h"
#include "space.h"

/* A random request, for one of all commands but END. *writes counts the texts of a space. */
void choice_request(uint64_t *random, const char *space, int64_t *writes, space_request *request);

/* Makes a request one that must be refused before anything is sent. What it points to is static. */
void choice_spoil(uint64_t *random, gibson_request *request);

/* Random deadlines and ways to reconnect. The interrupt callback is left to the caller. */
void choice_options(uint64_t *random, gibson_options *options);

/* Random faults for a connection. Returns how many. Corrupt bytes are only those that must show:
   where a value can be hit, no client could tell. */
size_t choice_faults(uint64_t *random, gibp_fault *faults, size_t capacity);

/* True in so many cases of a hundred. */
bool choice_percent(uint64_t *random, unsigned percent);

#endif
