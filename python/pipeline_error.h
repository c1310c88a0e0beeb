/* The exception of a batch in which operations failed. */
#ifndef PYGIBSON_PIPELINE_ERROR_H
#define PYGIBSON_PIPELINE_ERROR_H

#include "operation.h"

/* Makes PipelineError and PipelineFailure and adds them to the module. Returns 0, or -1 with an
   exception set. */
int pipeline_error_add(PyObject *module, module_state *state);

/* Operations that were run: with each that failed, its exception is in the list of results. */
typedef struct executed {
    const module_state *state;
    PyObject *server; /* or NULL */
    const operation *operations;
    PyObject *results;
} executed;

/* Makes the exception that names every operation which failed. Returns a new reference, NULL
   without an exception set where none failed, or NULL with one. */
PyObject *pipeline_error_of(const executed *done);

#endif
