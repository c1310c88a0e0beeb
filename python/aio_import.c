#include "aio_import.h"

/* Takes one attribute, unless that was done. */
static int take(PyObject *asyncio, const char *name, PyObject **to)
{
    PyObject *taken = PyObject_GetAttrString(asyncio, name);
    Py_XSETREF(*to, taken);
    return taken ? 0 : -1;
}

int aio_import(module_state *state)
{
    if (state->context_name || module_check_alive(state) < 0) {
        return state->context_name ? 0 : -1;
    }
    PyObject *asyncio = PyImport_ImportModule("asyncio");
    aio_names *names = &state->asyncio;
    const int taken = asyncio &&
                      take(asyncio, "_get_running_loop", &names->get_running_loop) == 0 &&
                      take(asyncio, "CancelledError", &names->cancelled_error) == 0 &&
                      take(asyncio, "InvalidStateError", &names->invalid_state_error) == 0;
    Py_XDECREF(asyncio);
    state->context_name = taken ? Py_BuildValue("(s)", "context") : NULL;
    return state->context_name ? 0 : -1;
}

PyObject *aio_running_loop(const module_state *state)
{
    return module_check_alive(state) == 0 ? PyObject_CallNoArgs(state->asyncio.get_running_loop)
                                          : NULL;
}

PyObject *aio_no_new(PyTypeObject *type, PyObject *args, PyObject *keywords)
{
    (void)args;
    (void)keywords;
    return PyErr_Format(PyExc_TypeError, "cannot create '%s' instances", type->tp_name);
}

PyObject *aio_take_exception(void)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (traceback) {
        PyException_SetTraceback(error, traceback);
    }
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return error;
}
