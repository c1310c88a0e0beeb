/* What servers of a Cluster have said, as Python has it. */
#ifndef PYGIBSON_CLUSTER_ANSWERS_H
#define PYGIBSON_CLUSTER_ANSWERS_H

#include "errors.h"

/* A tuple of a type of the module: it takes over the members. NULL with an exception set, as where
   a member is NULL. */
PyObject *answers_tuple(const module_state *state, PyTypeObject *type, PyObject *first,
                        PyObject *second, PyObject *third);

/* The exception for a failure, which names the server that has failed, and of an operation that
   went to many tells what each has said. A new reference, or NULL with an exception set. */
PyObject *answers_exception(const module_state *state, const failure *of,
                            const gibson_cluster_answer *answers, size_t count);

/* The type ClusterAnswer. NULL with an exception set. */
PyTypeObject *answers_make_type(void);

#endif
