/* The type AsyncClient, which is pygibson.aio.Client. */
#ifndef PYGIBSON_AIO_CLIENT_H
#define PYGIBSON_AIO_CLIENT_H

#include "aio_connection.h"

typedef struct AioClient {
    PyObject ob_base;
    Connection *connection; /* NULL until __init__ has succeeded */
    PyObject *weakrefs;
    PyObject *attributes; /* the dict of what was set on the instance, or NULL */
} AioClient;

extern PyType_Spec aio_client_spec;

/* Begins the call of a method. Returns the connection, or NULL with an exception set. */
Connection *aio_client_begin(PyObject *client, const command_kind *kind);

#endif
