#include "options.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "errors.h"
#include "refusal.h"

#define FORMAT(name, kind, ...) FORMAT_##kind
#define FORMAT_HOST "O"
#define FORMAT_PATH "O"
#define FORMAT_NUMBER "O"
#define FORMAT_FLAG "p"

#define FORMAT_SERVERS "O"
#define FORMAT_CHARACTER "O"
#define FORMAT_PREFIX "O"

/* Parses with a format, and a list X of the options. */
#define NAME(name, ...) #name,
#define POINTER(name, ...) , &given->name
#define PARSE(type_name, arguments, list)                                                          \
    static const char format[] = arguments ":" type_name;                                          \
    static const char *const names[] = {list(NAME) NULL};                                          \
    *given = (given_options){.type = type_name};                                                   \
    return PyArg_ParseTupleAndKeywords(args, keywords, format,                                     \
                                       (char **)(uintptr_t)names list(POINTER))                    \
               ? 0                                                                                 \
               : -1;

#define FORMAT_ALL "|" POSITIONAL_OPTIONS(FORMAT) "$" KEYWORD_OPTIONS(FORMAT)
#define OPTIONS_OF_POOL(X) ALL_OPTIONS(X) POOL_OPTIONS(X)
#define OPTIONS_OF_CLUSTER(X)                                                                      \
    SERVERS_OPTION(X) TIMEOUT_OPTION(X) CONNECTION_OPTIONS(X) CLUSTER_OPTIONS(X)

int options_parse(given_options *given, PyObject *args, PyObject *keywords)
{
    PARSE("Client", FORMAT_ALL, ALL_OPTIONS)
}

int options_parse_pool(given_options *given, PyObject *args, PyObject *keywords)
{
    PARSE("Pool", FORMAT_ALL POOL_OPTIONS(FORMAT), OPTIONS_OF_POOL)
}

int options_parse_cluster(given_options *given, PyObject *args, PyObject *keywords)
{
    PARSE("Cluster",
          SERVERS_OPTION(FORMAT) "|" TIMEOUT_OPTION(FORMAT) "$" CONNECTION_OPTIONS(FORMAT)
              CLUSTER_OPTIONS(FORMAT),
          OPTIONS_OF_CLUSTER)
}

static void refuse_option(const module_state *state, const char *type, const char *name,
                          PyObject *number, int64_t most)
{
    PyObject *text = number_text(number);
    if (text) {
        error_raise(state, GIBSON_INVALID, "%s() argument '%s' must be from 1 to %lld, not %U",
                    type, name, (long long)most, text);
        Py_DECREF(text);
    }
}

/* A number from 1 to most, or None. *taken is left alone if there is none. */
static int take_option(const module_state *state, const char *type, const char *name,
                       PyObject *given, int64_t none, int64_t most, int64_t *taken)
{
    if (!given) {
        return 0;
    }
    if (given == Py_None && none != OPTION_REFUSED) {
        *taken = none;
        return 0;
    }
    if (!PyIndex_Check(given)) {
        PyErr_Format(PyExc_TypeError, "%s() argument '%s' must be int%s, not %.200s", type, name,
                     none == OPTION_REFUSED ? "" : " or None", Py_TYPE(given)->tp_name);
        return -1;
    }
    PyObject *index = PyNumber_Index(given);
    if (!index) {
        return -1;
    }
    int overflow;
    int64_t number = PyLong_AsLongLongAndOverflow(index, &overflow);
    const bool fits = !overflow && number >= 1 && number <= most;
    if (fits) {
        *taken = number;
    } else {
        refuse_option(state, type, name, index, most);
    }
    Py_DECREF(index);
    return fits ? 0 : -1;
}

#define TAKE(name, kind, shown, text, ...) TAKE_##kind(name, __VA_ARGS__)
#define TAKE_HOST(name, member)
#define TAKE_PATH(name, member)
#define TAKE_FLAG(name, member) options->member = given->name;
#define TAKE_CHARACTER(name, member)
#define TAKE_PREFIX(name, member)
#define TAKE_NUMBER(name, member, number, none, most)                                              \
    {                                                                                              \
        int64_t taken = 0;                                                                         \
        if (take_option(state, given->type, #name, given->name, none, most, &taken) < 0) {         \
            return -1;                                                                             \
        }                                                                                          \
        options->member = (number)taken;                                                           \
    }

static int take_host(gibson_options *options, option_owners *owners, const module_state *state,
                     const given_options *given)
{
    bool has_addr = given->addr && given->addr != Py_None;
    bool has_host = given->host && given->host != Py_None;
    if (has_addr && has_host) {
        PyErr_Format(PyExc_TypeError, "%s() takes addr or host, not both", given->type);
        return -1;
    }
    if (!has_addr && !has_host) {
        return 0;
    }
    PyObject *host = has_host ? given->host : given->addr;
    if (!PyUnicode_Check(host)) {
        PyErr_Format(PyExc_TypeError, "%s() argument '%s' must be str, not %.200s", given->type,
                     host == given->addr ? "addr" : "host", Py_TYPE(host)->tp_name);
        return -1;
    }
    Py_ssize_t size;
    options->host = PyUnicode_AsUTF8AndSize(host, &size);
    if (!options->host) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            error_raise(state, GIBSON_INVALID, "%s(): the host %A has no UTF-8", given->type, host);
        }
        return -1;
    }
    if (strlen(options->host) != (size_t)size) {
        error_raise(state, GIBSON_INVALID, "%s(): the host contains a NUL character", given->type);
        return -1;
    }
    Py_INCREF(host);
    Py_XSETREF(owners->host, host);
    return 0;
}

static int take_unix_socket(gibson_options *options, option_owners *owners,
                            const module_state *state, const given_options *given)
{
    Py_CLEAR(owners->unix_socket);
    if (given->unix_socket && given->unix_socket != Py_None) {
        if (!PyUnicode_FSConverter(given->unix_socket, &owners->unix_socket)) {
            if (PyUnicode_Check(given->unix_socket) && PyErr_ExceptionMatches(PyExc_ValueError)) {
                PyErr_Clear(); /* a NUL, or a surrogate */
                error_raise(state, GIBSON_INVALID, "%s(): the unix_socket %A is no path",
                            given->type, given->unix_socket);
            }
            return -1;
        }
        options->unix_socket = PyBytes_AS_STRING(owners->unix_socket);
    }
    return 0;
}

static int take_timeout(gibson_options *options, const module_state *state,
                        const given_options *given)
{
    TIMEOUT_OPTION(TAKE)
    if (!options->timeout_ms) {
        options->timeout_ms = GIBSON_DEFAULT_TIMEOUT_MS; /* waiting for a turn needs it */
    }
    return 0;
}

int options_take_connection(gibson_options *options, const module_state *state,
                            const given_options *given)
{
    gibson_options_init(options);
    CONNECTION_OPTIONS(TAKE)
    return take_timeout(options, state, given);
}

static int take_port_and_reconnecting(gibson_options *options, const module_state *state,
                                      const given_options *given)
{
    ADDRESS_OPTIONS(TAKE)
    RECONNECT_OPTIONS(TAKE)
    return 0;
}

int options_take(gibson_options *options, option_owners *owners, const module_state *state,
                 const given_options *given)
{
    if (options_take_connection(options, state, given) < 0 ||
        take_port_and_reconnecting(options, state, given) < 0 ||
        take_host(options, owners, state, given) < 0) {
        return -1;
    }
    return take_unix_socket(options, owners, state, given);
}

int options_take_pool(gibson_pool_options *options, const module_state *state,
                      const given_options *given)
{
    gibson_pool_options_init(options);
    POOL_OPTIONS(TAKE)
    return 0;
}

/* One ASCII character. */
static int take_separator(gibson_cluster_options *options, const given_options *given)
{
    PyObject *text = given->separator;
    if (!text) {
        options->separator = options->depth ? ':' : '\0';
        return 0;
    }
    if (!PyUnicode_Check(text) || PyUnicode_GET_LENGTH(text) != 1 || !PyUnicode_IS_ASCII(text)) {
        PyErr_SetString(PyExc_TypeError,
                        "Cluster() argument 'separator' must be one ASCII character");
        return -1;
    }
    const char separator = (char)PyUnicode_READ_CHAR(text, 0);
    options->separator = separator == ':' && !options->depth ? '\0' : separator; /* the default */
    return 0;
}

static PyObject *prefix_bytes(PyObject *prefix)
{
    if (PyUnicode_Check(prefix)) {
        return PyUnicode_AsEncodedString(prefix, "utf-8", "surrogateescape");
    }
    Py_INCREF(prefix);
    return prefix;
}

static int take_prefix(gibson_cluster_options *options, PyObject **text, const module_state *state,
                       const given_options *given)
{
    PyObject *prefix = given->flush_prefix;
    if (!prefix || prefix == Py_None) {
        return 0;
    }
    if (!PyUnicode_Check(prefix) && !PyBytes_Check(prefix)) {
        PyErr_Format(PyExc_TypeError,
                     "Cluster() argument 'flush_prefix' must be str or bytes, not %.200s",
                     Py_TYPE(prefix)->tp_name);
        return -1;
    }
    *text = prefix_bytes(prefix);
    if (!*text) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            error_raise(state, GIBSON_INVALID, "Cluster(): flush_prefix contains a surrogate");
        }
        return -1;
    }
    options->flush_prefix = PyBytes_AS_STRING(*text);
    if (strlen(options->flush_prefix) != (size_t)PyBytes_GET_SIZE(*text)) {
        error_raise(state, GIBSON_INVALID, "Cluster(): flush_prefix contains a NUL character");
        return -1;
    }
    return 0;
}

int options_take_cluster(gibson_cluster_options *options, PyObject **text,
                         const module_state *state, const given_options *given)
{
    gibson_cluster_options_init(options);
    CLUSTER_OPTIONS(TAKE)
    return take_separator(options, given) < 0 ? -1 : take_prefix(options, text, state, given);
}

int options_timeout(const module_state *state, const char *type, PyObject *given,
                    int64_t *timeout_ms)
{
    return take_option(state, type, "timeout", given, GIBSON_NO_DEADLINE, INT64_MAX, timeout_ms);
}
