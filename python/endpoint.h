/* What Client, Pool and Cluster have in common: what a Pipeline needs of each, and what they show
   alike. */
#ifndef PYGIBSON_ENDPOINT_H
#define PYGIBSON_ENDPOINT_H

#include "batch.h"
#include "module.h"

/* The first members of each. */
#define ENDPOINT_HEAD                                                                              \
    PyObject ob_base;                                                                              \
    module_state *state; /* lives as long as the type */                                           \
    PyObject *server;    /* str: the peer; set once; NULL of a Cluster */                          \
    run_batch *run;

/* Runs a batch. Returns -1 with an exception set if nothing was run, or a signal
   handler raised one. */
typedef int run_batch(PyObject *endpoint, batch *run);

typedef struct Endpoint {
    ENDPOINT_HEAD
} Endpoint;

static inline const Endpoint *endpoint_of(PyObject *object)
{
    return (const Endpoint *)object;
}

bool endpoint_check(const module_state *state, PyObject *object);

/* The error of a connection that is closed for that reason. */
gibson_error endpoint_closed(const char *because);

extern const char endpoint_parent_text[]; /* the connection belongs to the parent process */

/* The methods and attributes. */
PyObject *endpoint_pipeline(PyObject *self, PyObject *args, PyObject *keywords);

/* Makes a pipeline of a type of the module for `self`, with the arguments of its method pipeline.
 */
PyObject *endpoint_make_pipeline(const module_state *state, PyTypeObject *type, PyObject *self,
                                 PyObject *args, PyObject *keywords);
PyObject *endpoint_enter(PyObject *self, PyObject *unused);
PyObject *endpoint_get_server(PyObject *self, void *closure);

/* A timeout as Python has it. A new reference. */
PyObject *endpoint_timeout_object(int64_t timeout_ms);

#define DOC_PIPELINE                                                                               \
    "pipeline($self, /, *, raise_on_error=True)\n--\n\n"                                           \
    "Return a new Pipeline, which collects operations and runs them at once.\n\n"                  \
    "Arguments:\n"                                                                                 \
    "    raise_on_error (bool): whether the end of the batch raises PipelineError where\n"         \
    "        operations failed; else their exceptions stand in the results only."

#endif
