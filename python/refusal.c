#include "refusal.h"

#include <stdio.h>

/* Python limits how long the digits of an int may be, because they take long to find. */
enum { MOST_BITS = 1024 };

/* Takes over the reference to the text. */
static int refuse(operation *made, PyObject *text)
{
    if (!text) {
        return -1;
    }
    if (made->refused) {
        Py_DECREF(text);
    } else {
        made->refused = text;
    }
    return 0;
}

/* Where the UnicodeEncodeError that is set begins; it is cleared. */
static Py_ssize_t take_position(void)
{
    PyObject *type, *error, *traceback;
    Py_ssize_t start = 0;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    if (PyUnicodeEncodeError_GetStart(error, &start) < 0) {
        PyErr_Clear();
    }
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return start;
}

int refuse_text(operation *made, const char *argument, PyObject *text)
{
    Py_ssize_t position = take_position();
    Py_UCS4 character = PyUnicode_ReadChar(text, position);
    if (character == (Py_UCS4)-1 && PyErr_Occurred()) {
        return -1;
    }
    char code[16]; /* PyUnicode_FromFormat has no %X before Python 3.12 */
    snprintf(code, sizeof code, "U+%04X", (unsigned)character);
    return refuse(made, PyUnicode_FromFormat("the %s has no UTF-8: %s at %zd is a surrogate that "
                                             "stands for no byte",
                                             argument, code, position));
}

static PyObject *bound_text(PyObject *number, size_t bits)
{
    int overflow;
    (void)PyLong_AsLongLongAndOverflow(number, &overflow);
    return PyUnicode_FromFormat(overflow < 0 ? "-2**%zu or less" : "2**%zu or more", bits - 1);
}

PyObject *number_text(PyObject *number)
{
    PyObject *bits = PyObject_CallMethod((PyObject *)&PyLong_Type, "bit_length", "O", number);
    if (!bits) {
        return NULL;
    }
    size_t count = PyLong_AsSize_t(bits);
    Py_DECREF(bits);
    if (count == (size_t)-1 && PyErr_Occurred()) {
        return NULL;
    }
    return count > MOST_BITS ? bound_text(number, count) : PyNumber_ToBase(number, 10);
}

int refuse_number(operation *made, const char *argument, PyObject *number)
{
    PyObject *shown = number_text(number);
    if (!shown) {
        return -1;
    }
    PyObject *text =
        PyUnicode_FromFormat("the %s of %U seconds does not fit into 64 bits", argument, shown);
    Py_DECREF(shown);
    return refuse(made, text);
}

int refuse_field(operation *made)
{
#define FIELD_NAME(NAME, name, summary) " " #name
    return refuse(made,
                  PyUnicode_FromString("the field must be one of:" GIBSON_META_LIST(FIELD_NAME)));
#undef FIELD_NAME
}
