/* What the asynchronous part takes from Python. */
#ifndef PYGIBSON_AIO_IMPORT_H
#define PYGIBSON_AIO_IMPORT_H

#include "module.h"

/* Imports asyncio, unless that was done. Returns 0, or -1 with an exception set. */
int aio_import(module_state *state);

/* The loop that runs in this thread: a new reference, None where there is none, or NULL with an
   exception set. */
PyObject *aio_running_loop(const module_state *state);

/* The tp_new of types of which Python code makes no objects. */
PyObject *aio_no_new(PyTypeObject *type, PyObject *args, PyObject *keywords);

/* The exception that is set, as an object, with its traceback; none is set any more. */
PyObject *aio_take_exception(void);

#endif
