/* The exceptions. */
#ifndef PYGIBSON_ERRORS_H
#define PYGIBSON_ERRORS_H

#include "operation.h"

/* Makes the exceptions and adds them to the module. Returns 0, or -1 with an exception set. */
int errors_add(PyObject *module, module_state *state);

/* A failed call, with copies of all that the exception is to tell. */
typedef struct failure {
    gibson_error error;
    const command_kind *kind; /* static; NULL where no method ran, as for making a Client */
    PyObject *key;            /* borrowed; NULL where the command has none */
    PyObject *server;         /* borrowed; NULL where none is known */
    PyObject *refused;        /* borrowed: as in the operation */
    const char *type;         /* what was made, where no method ran */
} failure;

/* Makes the exception for a failure. Returns a new reference, or NULL with an exception set. */
PyObject *failure_exception(const module_state *state, const failure *failed);

/* Raises that exception, and returns NULL. */
PyObject *failure_raise(const module_state *state, const failure *failed);

/* Raises the exception of a status for which no call of libgibson was made, with a message as of
   PyErr_Format, and returns NULL. */
PyObject *error_raise(const module_state *state, gibson_status status, const char *format, ...);

#endif
