/* The type Pool. */
#ifndef PYGIBSON_POOL_H
#define PYGIBSON_POOL_H

#include "module.h"

extern PyType_Spec pool_spec;

#endif
