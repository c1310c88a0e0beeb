/* The operations that a pipeline has noted, and not run yet. */
#ifndef PYGIBSON_COLLECTED_H
#define PYGIBSON_COLLECTED_H

#include "operation.h"

/* Before Python 3.13, the GIL is what it stands for. */
#ifndef Py_BEGIN_CRITICAL_SECTION
#define Py_BEGIN_CRITICAL_SECTION(object) {
#define Py_END_CRITICAL_SECTION() }
#endif

typedef struct collected {
    operation *first;
    size_t count;
    size_t capacity;
} collected;

/* Notes the operation of a call of a method of `pipeline`, which owns the list. Returns a new
   reference to the pipeline, or NULL with an exception set. */
PyObject *collected_add(collected *list, PyObject *pipeline, const command_kind *kind,
                        const call_arguments *call);

/* Takes the operations out of the pipeline: what runs or drops them may run Python code. */
collected collected_take(collected *list, PyObject *pipeline);

/* Drops operations that were taken out. */
void collected_drop(collected *taken);

/* Does both. */
void collected_forget(collected *list, PyObject *pipeline);

int collected_traverse(const collected *list, visitproc visit, void *arg);

#endif
