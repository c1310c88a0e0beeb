/* The extension module pygibson._pygibson. It has no global state: what an interpreter needs is in
   its module_state, and what a connection needs in its Client. */
#include "aio_client.h"
#include "aio_connection.h"
#include "aio_pipeline.h"
#include "client.h"
#include "cluster.h"
#include "errors.h"
#include "module.h"
#include "pipeline.h"
#include "pipeline_error.h"
#include "pool.h"
#include "turn.h"

static module_state *state_of(PyObject *module)
{
    return PyModule_GetState(module);
}

module_state *module_state_of_type(PyTypeObject *type)
{
    for (; type; type = type->tp_base) {
        if (type->tp_flags & Py_TPFLAGS_HEAPTYPE) {
            PyObject *module = PyType_GetModule(type); /* of a class made in Python: none */
            if (module && PyModule_GetDef(module) == &pygibson_module) {
                return state_of(module);
            }
            PyErr_Clear();
        }
    }
    PyErr_SetString(PyExc_SystemError, "the type has no base in pygibson");
    return NULL;
}

int module_check_alive(const module_state *state)
{
    if (state->connection_type) {
        return 0;
    }
    PyErr_SetString(PyExc_RuntimeError, "pygibson is being taken down: the interpreter ends");
    return -1;
}

bool module_is_ending(const module_state *state)
{
#if PY_VERSION_HEX >= 0x030D0000
    return Py_IsFinalizing() || !state->connection_type;
#else
    return _Py_IsFinalizing() || !state->connection_type;
#endif
}

static PyObject *after_fork_in_child(PyObject *module, PyObject *unused)
{
    (void)unused;
    state_of(module)->forks++;
    turn_forked();
    Py_RETURN_NONE;
}

static PyMethodDef after_fork_def = {"_after_fork_in_child", after_fork_in_child, METH_NOARGS,
                                     "Note that this process is the child of a fork."};

/* The objects that the state owns, but for the exceptions. */
#define STATE_OBJECTS(X)                                                                           \
    X(client_type)                                                                                 \
    X(cluster_type)                                                                                \
    X(answer_type)                                                                                 \
    X(server_type)                                                                                 \
    X(pool_type)                                                                                   \
    X(pipeline_type)                                                                               \
    X(failure_type)                                                                                \
    X(aio_client_type)                                                                             \
    X(aio_pipeline_type)                                                                           \
    X(reply_type)                                                                                  \
    X(connection_type)                                                                             \
    X(base_error)                                                                                  \
    X(pipeline_error)                                                                              \
    X(asyncio.get_running_loop)                                                                    \
    X(asyncio.cancelled_error)                                                                     \
    X(asyncio.invalid_state_error)                                                                 \
    X(context_name)

static int watch_forks(PyObject *module)
{
    PyObject *os = PyImport_ImportModule("os");
    PyObject *watch = os ? PyObject_GetAttrString(os, "register_at_fork") : NULL;
    PyObject *hook = watch ? PyCFunction_New(&after_fork_def, module) : NULL;
    PyObject *keywords = hook ? Py_BuildValue("{sO}", "after_in_child", hook) : NULL;
    PyObject *none = PyTuple_New(0);
    PyObject *done = keywords && none ? PyObject_Call(watch, none, keywords) : NULL;
    Py_XDECREF(none);
    Py_XDECREF(keywords);
    Py_XDECREF(hook);
    Py_XDECREF(watch);
    Py_XDECREF(os);
    Py_XDECREF(done);
    return done ? 0 : -1;
}

/* Adds a type to the module under a name of its own, or under none. */
static int add_type(PyObject *module, PyTypeObject **made, PyType_Spec *spec, const char *name)
{
    *made = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (!*made || !name) {
        return *made ? 0 : -1;
    }
    Py_INCREF(*made);
    if (PyModule_AddObject(module, name, (PyObject *)*made) < 0) {
        Py_DECREF(*made);
        return -1;
    }
    return 0;
}

static int add_types(PyObject *module, module_state *state)
{
    if (add_type(module, &state->client_type, &client_spec, "Client") < 0 ||
        add_type(module, &state->pool_type, &pool_spec, "Pool") < 0 ||
        add_type(module, &state->pipeline_type, &pipeline_spec, "Pipeline") < 0 ||
        add_type(module, &state->aio_client_type, &aio_client_spec, "AsyncClient") < 0 ||
        add_type(module, &state->aio_pipeline_type, &aio_pipeline_spec, "AsyncPipeline") < 0 ||
        add_type(module, &state->reply_type, &reply_spec, "Reply") < 0) {
        return -1;
    }
    return add_type(module, &state->connection_type, &connection_spec, NULL);
}

static int module_exec(PyObject *module)
{
    module_state *state = state_of(module);
    if (errors_add(module, state) < 0 || pipeline_error_add(module, state) < 0 ||
        add_types(module, state) < 0 || cluster_add(module, state) < 0 ||
        PyModule_AddStringConstant(module, "__version__", PYGIBSON_VERSION) < 0 ||
        PyModule_AddStringConstant(module, "libgibson_version", gibson_version()) < 0) {
        return -1;
    }
    return watch_forks(module);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = state_of(module);
#define VISIT(member) Py_VISIT(state->member);
    STATE_OBJECTS(VISIT)
#undef VISIT
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        Py_VISIT(state->errors[i]);
    }
    return 0;
}

static int module_clear(PyObject *module)
{
    module_state *state = state_of(module);
#define CLEAR(member) Py_CLEAR(state->member);
    STATE_OBJECTS(CLEAR)
#undef CLEAR
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        Py_CLEAR(state->errors[i]);
    }
    return 0;
}

static void module_free(void *module)
{
    (void)module_clear(module);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#ifdef Py_mod_multiple_interpreters
    {Py_mod_multiple_interpreters, Py_MOD_PER_INTERPRETER_GIL_SUPPORTED},
#endif
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

struct PyModuleDef pygibson_module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "pygibson._pygibson",
    .m_doc = "The Client of pygibson over libgibson.",
    .m_size = sizeof(module_state),
    .m_slots = module_slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
    .m_free = module_free,
};

PyMODINIT_FUNC PyInit__pygibson(void);

PyMODINIT_FUNC PyInit__pygibson(void)
{
    return PyModuleDef_Init(&pygibson_module);
}
