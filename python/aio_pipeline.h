/* The type AsyncPipeline, which is pygibson.aio.Pipeline. */
#ifndef PYGIBSON_AIO_PIPELINE_H
#define PYGIBSON_AIO_PIPELINE_H

#include "module.h"

extern PyType_Spec aio_pipeline_spec;

/* Sets the attribute `results`; NULL for none. */
void aio_pipeline_set_results(PyObject *pipeline, PyObject *results);

#endif
