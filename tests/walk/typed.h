/* The function that each command has in client.h. */
#ifndef WALK_TYPED_H
#define WALK_TYPED_H

#include <gibson/client.h>

/* Runs the function of a request's command; that of END is gibson_client_quit, which is left to the
   caller: then, as with an opcode that is none, false is returned. `out` says whether to ask for a
   result that may be passed over. *told becomes which parts of the reply it has told. */
bool walk_typed(gibson_client *client, const gibson_request *request, bool out, gibson_reply *reply,
                int *told);

/* Runs a function with the arguments of a request, but no place for the result it must have.
   `which` chooses it. */
enum { WALK_TYPED_NULLS = 6 };
gibson_status walk_typed_null(gibson_client *client, unsigned which);

#endif
