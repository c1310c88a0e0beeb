#include "operation.h"

#include <string.h>

#include "refusal.h"

static int bad_count(const command_kind *kind, Py_ssize_t count)
{
    PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)", kind->name,
                 kind->most, count);
    return -1;
}

/* Puts the arguments by keyword where they belong. */
static int place_keywords(const command_kind *kind, const call_arguments *call,
                          PyObject *placed[MOST_ARGUMENTS])
{
    const char *const *names = kind->names;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(call->keywords); i++) {
        PyObject *keyword = PyTuple_GET_ITEM(call->keywords, i);
        Py_ssize_t at = 0;
        while (at < kind->most && PyUnicode_CompareWithASCIIString(keyword, names[at]) != 0) {
            at++;
        }
        if (at == kind->most) {
            PyErr_Format(PyExc_TypeError, "%s() got an unexpected keyword argument '%U'",
                         kind->name, keyword);
            return -1;
        }
        if (placed[at]) {
            PyErr_Format(PyExc_TypeError, "%s() got multiple values for argument '%s'", kind->name,
                         names[at]);
            return -1;
        }
        placed[at] = call->values[call->count + i];
    }
    return 0;
}

static int place_arguments(const command_kind *kind, const call_arguments *call,
                           PyObject *placed[MOST_ARGUMENTS])
{
    if (call->count > kind->most) {
        return bad_count(kind, call->count);
    }
    for (Py_ssize_t i = 0; i < MOST_ARGUMENTS; i++) {
        placed[i] = i < call->count ? call->values[i] : NULL;
    }
    if (call->keywords && place_keywords(kind, call, placed) < 0) {
        return -1;
    }
    for (Py_ssize_t i = call->count; i < kind->required; i++) {
        if (!placed[i]) {
            PyErr_Format(PyExc_TypeError, "%s() missing required argument '%s' (pos %zd)",
                         kind->name, kind->names[i], i + 1);
            return -1;
        }
    }
    return 0;
}

static const char *argument_name(const operation *made, int at)
{
    return made->kind->names[at];
}

static int bad_type(const command_kind *kind, int at, const char *expected, PyObject *given)
{
    PyErr_Format(PyExc_TypeError, "%s() argument '%s' must be %s, not %.200s", kind->name,
                 kind->names[at], expected, Py_TYPE(given)->tp_name);
    return -1;
}

/* Tells whether the exception that is set says that a str cannot be encoded. */
static bool is_unencodable(void)
{
    return PyErr_ExceptionMatches(PyExc_UnicodeEncodeError);
}

/* Views the UTF-8 of the argument with that number, a str. Bytes that an earlier reply could not
   decode come back as they were: for those surrogates a bytes object is made, which *owner keeps.
   Any others are refused. */
static int view_text(operation *made, int at, PyObject *text, gibson_bytes *view, PyObject **owner)
{
    Py_ssize_t size;
    const char *data = PyUnicode_AsUTF8AndSize(text, &size);
    if (!data) {
        if (!is_unencodable()) {
            return -1;
        }
        PyErr_Clear();
        *owner = PyUnicode_AsEncodedString(text, "utf-8", "surrogateescape");
        if (!*owner) {
            return is_unencodable() ? refuse_text(made, argument_name(made, at), text) : -1;
        }
        data = PyBytes_AS_STRING(*owner);
        size = PyBytes_GET_SIZE(*owner);
    }
    *view = gibson_bytes_of(data, (size_t)size);
    return 0;
}

static gibson_bytes view_bytes(PyObject *bytes)
{
    return gibson_bytes_of(PyBytes_AS_STRING(bytes), (size_t)PyBytes_GET_SIZE(bytes));
}

static int take_key(operation *made, PyObject *key)
{
    made->key = key;
    if (PyUnicode_Check(key)) {
        return view_text(made, 0, key, &made->request.key, &made->key_bytes);
    }
    if (PyBytes_Check(key)) {
        made->request.key = view_bytes(key);
        return 0;
    }
    return bad_type(made->kind, 0, "str or bytes", key);
}

static int take_value(operation *made, PyObject *value)
{
    made->value = value;
    if (PyBytes_Check(value)) {
        made->request.value = view_bytes(value);
        return 0;
    }
    if (PyUnicode_Check(value)) {
        return view_text(made, 1, value, &made->request.value, &made->value_bytes);
    }
    if (!PyObject_CheckBuffer(value)) {
        return bad_type(made->kind, 1, "str or a bytes-like object", value);
    }
    if (PyObject_GetBuffer(value, &made->view, PyBUF_SIMPLE) < 0) {
        made->view.obj = NULL;
        return -1;
    }
    made->request.value = gibson_bytes_of(made->view.buf, (size_t)made->view.len);
    return 0;
}

/* What is beyond 64 bits is refused as a time, and as a limit like the nearest number. */
static int take_index(operation *made, int at, PyObject *index)
{
    int overflow;
    long long taken = PyLong_AsLongLongAndOverflow(index, &overflow);
    if (taken == -1 && PyErr_Occurred()) {
        return -1;
    }
    if (overflow && made->kind->arguments != GIBSON_ARGUMENTS_PREFIX_LIMIT) {
        return refuse_number(made, argument_name(made, at), index);
    }
    if (overflow) {
        taken = overflow < 0 ? INT64_MIN : INT64_MAX;
    }
    made->request.number = taken;
    return 0;
}

static int take_number(operation *made, int at, PyObject *number)
{
    if (!PyIndex_Check(number)) {
        return bad_type(made->kind, at, "int", number);
    }
    PyObject *index = PyNumber_Index(number);
    if (!index) {
        return -1;
    }
    int result = take_index(made, at, index);
    Py_DECREF(index);
    return result;
}

static int take_field(operation *made, PyObject *field)
{
    Py_ssize_t size;
    const char *name;
    if (PyBytes_Check(field)) {
        name = PyBytes_AS_STRING(field);
        size = PyBytes_GET_SIZE(field);
    } else if (!PyUnicode_Check(field)) {
        return bad_type(made->kind, 1, "str or bytes", field);
    } else if (!(name = PyUnicode_AsUTF8AndSize(field, &size))) {
        if (!is_unencodable()) {
            return -1;
        }
        PyErr_Clear();
        return refuse_field(made);
    }
    gibson_meta_field found;
    if (!gibson_meta_field_by_name(gibson_bytes_of(name, (size_t)size), &found)) {
        return refuse_field(made);
    }
    made->request.number = (int64_t)found;
    return 0;
}

static int take_second(operation *made, PyObject *argument)
{
    const gibson_arguments arguments = made->kind->arguments;
    if (gibson_takes(arguments, GIBSON_ARGUMENT_VALUE)) {
        return take_value(made, argument);
    }
    if (gibson_takes(arguments, GIBSON_ARGUMENT_FIELD)) {
        return take_field(made, argument);
    }
    if (gibson_takes(arguments, GIBSON_ARGUMENT_LIMIT) && argument == Py_None) {
        return 0;
    }
    return take_number(made, 1, argument);
}

static int take_all(operation *made, const call_arguments *call)
{
    PyObject *placed[MOST_ARGUMENTS];
    if (place_arguments(made->kind, call, placed) < 0) {
        return -1;
    }
    if ((placed[0] && take_key(made, placed[0]) < 0) ||
        (placed[1] && take_second(made, placed[1]) < 0) ||
        (placed[2] && take_number(made, 2, placed[2]) < 0)) {
        operation_release(made);
        return -1;
    }
    if (made->refused) { /* so that libgibson refuses it, whatever else is right */
        made->request = gibson_request_bare(made->kind->opcode);
    }
    return 0;
}

int operation_make(operation *made, const command_kind *kind, const call_arguments *call)
{
    made->kind = kind;
    made->request = gibson_request_bare(kind->opcode);
    made->key = made->value = made->key_bytes = made->value_bytes = made->refused = NULL;
    made->view.obj = NULL;
    if (call->count == 1 && !call->keywords && kind->arguments == GIBSON_ARGUMENTS_KEY) {
        return take_key(made, call->values[0]); /* as get: the most common call by far */
    }
    return take_all(made, call);
}

void operation_release(operation *made)
{
    Py_CLEAR(made->key_bytes);
    Py_CLEAR(made->value_bytes);
    Py_CLEAR(made->refused);
    if (made->view.obj) {
        PyBuffer_Release(&made->view);
    }
}

int operation_keep(operation *made)
{
    if (made->view.obj) {
        made->value_bytes = PyBytes_FromStringAndSize(made->view.buf, made->view.len);
        PyBuffer_Release(&made->view);
        if (!made->value_bytes) {
            operation_release(made);
            return -1;
        }
        made->request.value = view_bytes(made->value_bytes);
        made->value = made->value_bytes;
    }
    Py_XINCREF(made->key);
    Py_XINCREF(made->value);
    return 0;
}

void operation_drop(operation *kept)
{
    operation_release(kept);
    Py_CLEAR(kept->key);
    Py_CLEAR(kept->value);
}

static PyObject *bytes_object(const gibson_bytes *bytes)
{
    return PyBytes_FromStringAndSize(bytes->data, (Py_ssize_t)bytes->size);
}

static PyObject *text_object(const gibson_bytes *bytes)
{
    return PyUnicode_DecodeUTF8(bytes->data, (Py_ssize_t)bytes->size, "surrogateescape");
}

/* What the server says about itself is text, the values of items are bytes. */
static PyObject *item_object(const command_kind *kind, const gibson_value *value)
{
    if (value->kind == GIBSON_KIND_NUMBER) {
        return PyLong_FromLongLong(value->number);
    }
    return kind->yield == GIBSON_YIELD_FACTS ? text_object(&value->bytes)
                                             : bytes_object(&value->bytes);
}

PyObject *value_object(const command_kind *kind, const gibson_value *value)
{
    if (kind->yield == GIBSON_YIELD_NONE || kind->yield == GIBSON_YIELD_ECHO) {
        Py_RETURN_NONE;
    }
    return item_object(kind, value);
}

PyObject *items_begin(const command_kind *kind)
{
    return kind->yield == GIBSON_YIELD_KEYS ? PyList_New(0) : PyDict_New();
}

/* Adds an item to a dict. Returns 0, or -1 with an exception set. */
static int add_pair(const command_kind *kind, PyObject *dict, const gibson_bytes *key,
                    const gibson_value *value)
{
    PyObject *name = text_object(key);
    PyObject *item = name ? item_object(kind, value) : NULL;
    const int added = item ? PyDict_SetItem(dict, name, item) : -1;
    Py_XDECREF(name);
    Py_XDECREF(item);
    return added;
}

static int append_bytes(PyObject *list, const gibson_bytes *bytes)
{
    PyObject *item = bytes_object(bytes);
    const int added = item ? PyList_Append(list, item) : -1;
    Py_XDECREF(item);
    return added;
}

int items_go_on(const command_kind *kind, PyObject *made, gibson_items *items, size_t most,
                size_t most_bytes)
{
    gibson_bytes key;
    gibson_value value;
    size_t bytes = 0;
    while (most-- && bytes < most_bytes && gibson_items_next(items, &key, &value)) {
        bytes += key.size + value.bytes.size;
        const int added = kind->yield == GIBSON_YIELD_KEYS ? append_bytes(made, &value.bytes)
                                                           : add_pair(kind, made, &key, &value);
        if (added < 0) {
            return -1;
        }
    }
    return 0;
}

PyObject *items_object(const command_kind *kind, gibson_items items)
{
    PyObject *made = items_begin(kind);
    if (made && items_go_on(kind, made, &items, SIZE_MAX, SIZE_MAX) < 0) {
        Py_CLEAR(made);
    }
    return made;
}
