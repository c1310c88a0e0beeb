/* The extension module pygibson._pygibson. It has no global state: what an interpreter needs is in
   its module_state, and what a connection needs in its Client. */
#include "client.h"
#include "errors.h"
#include "module.h"
#include "pipeline.h"
#include "pipeline_error.h"
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

static PyObject *after_fork_in_child(PyObject *module, PyObject *unused)
{
    (void)unused;
    state_of(module)->forks++;
    turn_forked();
    Py_RETURN_NONE;
}

static PyMethodDef after_fork_def = {"_after_fork_in_child", after_fork_in_child, METH_NOARGS,
                                     "Note that this process is the child of a fork."};

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

static PyTypeObject *add_type(PyObject *module, PyType_Spec *spec)
{
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (type && PyModule_AddType(module, type) < 0) {
        Py_CLEAR(type);
    }
    return type;
}

static int module_exec(PyObject *module)
{
    module_state *state = state_of(module);
    if (errors_add(module, state) < 0 || pipeline_error_add(module, state) < 0) {
        return -1;
    }
    state->client_type = add_type(module, &client_spec);
    state->pipeline_type = state->client_type ? add_type(module, &pipeline_spec) : NULL;
    if (!state->pipeline_type ||
        PyModule_AddStringConstant(module, "__version__", PYGIBSON_VERSION) < 0 ||
        PyModule_AddStringConstant(module, "libgibson_version", gibson_version()) < 0) {
        return -1;
    }
    return watch_forks(module);
}

static int module_traverse(PyObject *module, visitproc visit, void *arg)
{
    module_state *state = state_of(module);
    Py_VISIT(state->client_type);
    Py_VISIT(state->pipeline_type);
    Py_VISIT(state->failure_type);
    Py_VISIT(state->base_error);
    Py_VISIT(state->pipeline_error);
    for (size_t i = 0; i < STATUS_COUNT; i++) {
        Py_VISIT(state->errors[i]);
    }
    return 0;
}

static int module_clear(PyObject *module)
{
    module_state *state = state_of(module);
    Py_CLEAR(state->client_type);
    Py_CLEAR(state->pipeline_type);
    Py_CLEAR(state->failure_type);
    Py_CLEAR(state->base_error);
    Py_CLEAR(state->pipeline_error);
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
