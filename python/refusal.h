/* Arguments that libgibson cannot be asked to refuse, because they cannot be put before it. */
#ifndef PYGIBSON_REFUSAL_H
#define PYGIBSON_REFUSAL_H

#include "operation.h"

/* Each notes in an operation why it is refused, for when it is run. Returns 0, or -1 with an
   exception set. Of several reasons the first one counts. */

/* A str that encodes to no bytes; the UnicodeEncodeError that says so is set, and cleared. */
int refuse_text(operation *made, const char *argument, PyObject *text);

/* An int beyond 64 bits. */
int refuse_number(operation *made, const char *argument, PyObject *number);

/* What is no field of META. */
int refuse_field(operation *made);

/* The digits of an int, or of a very long one a bound. A new reference, or NULL with an exception
   set. It runs no Python code of the caller's. */
PyObject *number_text(PyObject *number);

#endif
