/* The exception of a batch in which operations failed. */
#ifndef PYGIBSON_PIPELINE_ERROR_H
#define PYGIBSON_PIPELINE_ERROR_H

#include "batch.h"
#include "module.h"

/* Makes PipelineError and PipelineFailure and adds them to the module. Returns 0, or -1 with an
   exception set. */
int pipeline_error_add(PyObject *module, module_state *state);

/* Makes the exception that names every operation which failed. `results` has the results of all, in
   order, and becomes an attribute. Returns a new reference, NULL without an exception set where
   none failed, or NULL with one. */
PyObject *pipeline_error_of(const batch *run, PyObject *results);

#endif
