/* The type Pipeline: operations that are collected and then run at once. */
#ifndef PYGIBSON_PIPELINE_H
#define PYGIBSON_PIPELINE_H

#include "module.h"

extern PyType_Spec pipeline_spec;

#endif
