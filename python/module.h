/* What the files of the extension share. They see libgibson through its public headers only. */
#ifndef PYGIBSON_MODULE_H
#define PYGIBSON_MODULE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdbool.h>

#include <gibson/gibson.h>

enum { STATUS_COUNT = GIBSON_SYSTEM + 1 };

/* What is taken from asyncio, once somebody makes a Client for that: the import takes long. */
typedef struct aio_names {
    PyObject *get_running_loop; /* returns None where there is none */
    PyObject *cancelled_error;
    PyObject *invalid_state_error;
} aio_names;

/* Each interpreter that imports the module has one. */
typedef struct module_state {
    PyTypeObject *client_type;
    PyTypeObject *pool_type;
    PyTypeObject *cluster_type;
    PyTypeObject *answer_type; /* ClusterAnswer */
    PyTypeObject *server_type; /* ClusterServer */
    PyTypeObject *pipeline_type;
    PyTypeObject *failure_type; /* PipelineFailure */
    PyTypeObject *aio_client_type;
    PyTypeObject *aio_pipeline_type;
    PyTypeObject *reply_type;
    PyTypeObject *connection_type;
    PyObject *base_error;           /* PyGibsonError */
    PyObject *pipeline_error;       /* PipelineError */
    PyObject *errors[STATUS_COUNT]; /* the exception of each status, or NULL */
    aio_names asyncio;
    PyObject *context_name; /* the tuple ("context",) */
    unsigned long forks;    /* how many forks this process descends from since import */
} module_state;

extern struct PyModuleDef pygibson_module;

/* The state of the module that made a type or one of its bases. NULL with an exception set if no
   base comes from this module. */
module_state *module_state_of_type(PyTypeObject *type);

/* Returns 0; or -1 with an exception set once the interpreter has taken the module down, as it does
   when it ends: then nothing of the state is there, while objects of its types may be. */
int module_check_alive(const module_state *state);

/* Whether the interpreter is ending. Then what is destroyed must call no function that is made in
   Python: before 3.11 one that was cleared as part of the same garbage crashes. */
bool module_is_ending(const module_state *state);

#endif
