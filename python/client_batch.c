/* Running a batch on a Client, in one turn. */
#include "client.h"

static gibson_error error_of(const batch *run)
{
    return client_error(run->context);
}

int client_run_batch(PyObject *object, batch *run)
{
    Client *self = (Client *)object;
    static const command_kind kind = {.name = "pipeline"};
    const operation whole = {.kind = &kind};
    if (client_begin(self, &whole) < 0) {
        return -1;
    }
    gibson_error error;
    bool closed = client_is_closed(self, &error);
    if (!closed) {
        client_enter(self);
        batch_way way = batch_client_way;
        way.error_of = error_of;
        batch_run(run, &way, self->client, self);
        client_leave(self);
    }
    client_end(self);
    if (closed) {
        client_raise(self, &error, &whole);
    }
    return PyErr_Occurred() ? -1 : 0;
}
