/* A command with its arguments, made from the arguments of a Python call; and back: a Python object
   from a reply. */
#ifndef PYGIBSON_OPERATION_H
#define PYGIBSON_OPERATION_H

#include "module.h"

enum { MOST_ARGUMENTS = 3 };

/* The name and kinds of a method that runs a command. Of the others that can fail, only the name
   counts. */
typedef struct command_kind {
    const char *name; /* of the method */
    gibson_opcode opcode;
    gibson_arguments arguments;
    gibson_yield yield;
    gibson_effect effect;
    const char *names[MOST_ARGUMENTS + 1]; /* of the arguments, in order, then NULL */
    Py_ssize_t required;                   /* how many of them */
    Py_ssize_t most;
} command_kind;

/* The arguments of a call of METH_FASTCALL | METH_KEYWORDS. */
typedef struct call_arguments {
    PyObject *const *values; /* the positional ones, then those by keyword */
    Py_ssize_t count;        /* of the positional ones */
    PyObject *keywords;      /* a tuple of str, or NULL */
} call_arguments;

typedef struct operation {
    const command_kind *kind;
    gibson_request request; /* points into the objects below */
    PyObject *key;          /* as it was given, NULL where the command has none */
    PyObject *value;        /* the same of the value; both are borrowed until operation_keep */
    PyObject *key_bytes;    /* owned: what an unusual str was encoded to, or NULL */
    PyObject *value_bytes;
    PyObject *refused; /* owned: a str, why the request is one that libgibson refuses; or NULL */
    Py_buffer view;    /* of a value that is neither str nor bytes; else view.obj is NULL */
} operation;

/* Makes an operation that is valid for as long as the call's arguments are alive. One whose
   arguments are of the right types is made even if they are refused: libgibson says so when it is
   run, or where it cannot know, it refuses for another reason in whose place stands `refused`.
   Returns 0, or -1 with an exception set and nothing to release. */
int operation_make(operation *made, const command_kind *kind, const call_arguments *call);

/* Makes the operation outlive the call: it takes references, and copies a value that could change
   in the meantime. Returns 0, or -1 with an exception set; then it is released already. */
int operation_keep(operation *made);

/* Gives up what an operation owns: operation_release of one that was made, operation_drop of one
   that was kept too. */
void operation_release(operation *made);
void operation_drop(operation *kept);

/* The Python object for the value of a reply of status OK. A new reference, or NULL with an
   exception set. It runs no Python code. */
PyObject *value_object(const command_kind *kind, const gibson_value *value);

/* The same for a reply with items: a dict or a list. It may start a garbage collection. */
PyObject *items_object(const command_kind *kind, gibson_items items);

/* The same bit by bit: makes an empty dict or list, and adds the next items to it, until so many or
   so many bytes were added, or gibson_items_count is 0. The second returns 0, or -1 with an
   exception set. */
PyObject *items_begin(const command_kind *kind);
int items_go_on(const command_kind *kind, PyObject *made, gibson_items *items, size_t most,
                size_t most_bytes);

static inline int takes_prefix(const command_kind *kind)
{
    return gibson_takes(kind->arguments, GIBSON_ARGUMENT_PREFIX);
}

#endif
