/* The type Cluster. */
#ifndef PYGIBSON_CLUSTER_H
#define PYGIBSON_CLUSTER_H

#include "module.h"

/* Adds the type, and those of the tuples that it returns, to the module. Returns 0, or -1 with an
   exception set. */
int cluster_add(PyObject *module, module_state *state);

#endif
