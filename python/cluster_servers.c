#include "cluster_servers.h"

#include <string.h>

#include "errors.h"

static int bad_address(const module_state *state, PyObject *address, const char *why)
{
    error_raise(state, GIBSON_INVALID, "Cluster(): the address %R %s", address, why);
    return -1;
}

/* Digits only, as strtol takes more. */
static int take_port(gibson_cluster_server *server, const module_state *state, PyObject *address,
                     const char *digits)
{
    unsigned long port = 0;
    const char *at = digits;
    for (; *at >= '0' && *at <= '9' && port <= UINT16_MAX; at++) {
        port = port * 10 + (unsigned long)(*at - '0');
    }
    if (*at || at == digits || port < 1 || port > UINT16_MAX) {
        return bad_address(state, address, "has a port that is not from 1 to 65535");
    }
    server->port = (uint16_t)port;
    return 0;
}

/* "[IPv6]" or "[IPv6]:port". */
static int take_bracketed(gibson_cluster_server *server, const module_state *state,
                          PyObject *address, char *text)
{
    char *end = strchr(text, ']');
    if (!end || end == text + 1 || (end[1] && end[1] != ':')) {
        return bad_address(state, address, "is not of the form [IPv6]:port");
    }
    *end = '\0';
    server->host = text + 1;
    return end[1] ? take_port(server, state, address, end + 2) : 0;
}

/* Cuts the text into what it consists of. */
static int take_address(gibson_cluster_server *server, const module_state *state, PyObject *address,
                        char *text)
{
    static const char scheme[] = "unix:";
    if (strncmp(text, scheme, sizeof scheme - 1) == 0) {
        server->unix_socket = text + sizeof scheme - 1;
        return *server->unix_socket ? 0 : bad_address(state, address, "has no path");
    }
    if (*text == '[') {
        return take_bracketed(server, state, address, text);
    }
    char *colon = strchr(text, ':');
    const bool has_port = colon && !strchr(colon + 1, ':'); /* several: IPv6 without one */
    if (!*text || (has_port && colon == text)) {
        return bad_address(state, address, "has no host");
    }
    server->host = text;
    if (!has_port) {
        return 0;
    }
    *colon = '\0';
    return take_port(server, state, address, colon + 1);
}

static int take_weight(gibson_cluster_server *server, const module_state *state, PyObject *weight)
{
    if (!PyLong_Check(weight)) {
        PyErr_Format(PyExc_TypeError, "Cluster(): a weight must be int, not %.200s",
                     Py_TYPE(weight)->tp_name);
        return -1;
    }
    int overflow;
    const long long number = PyLong_AsLongLongAndOverflow(weight, &overflow);
    if (overflow || number < 1 || number > UINT32_MAX) {
        error_raise(state, GIBSON_INVALID, "Cluster(): a weight must be from 1 to %lld, not %R",
                    (long long)UINT32_MAX, weight);
        return -1;
    }
    server->weight = (uint32_t)number;
    return 0;
}

/* A copy that can be cut. */
static char *text_of(const module_state *state, PyObject *address)
{
    if (!PyUnicode_Check(address)) {
        PyErr_Format(PyExc_TypeError,
                     "Cluster(): a server must be str, or a tuple of str and int, not %.200s",
                     Py_TYPE(address)->tp_name);
        return NULL;
    }
    PyObject *bytes = PyUnicode_EncodeFSDefault(address);
    if (!bytes) {
        if (PyErr_ExceptionMatches(PyExc_UnicodeEncodeError)) {
            PyErr_Clear();
            error_raise(state, GIBSON_INVALID, "Cluster(): the address %A cannot be encoded",
                        address);
        }
        return NULL;
    }
    const size_t size = (size_t)PyBytes_GET_SIZE(bytes);
    char *text = NULL;
    if (strlen(PyBytes_AS_STRING(bytes)) != size) {
        bad_address(state, address, "contains a NUL character");
    } else if (!(text = PyMem_Malloc(size + 1))) {
        PyErr_NoMemory();
    } else {
        memcpy(text, PyBytes_AS_STRING(bytes), size + 1);
    }
    Py_DECREF(bytes);
    return text;
}

static int take_server(server_list *list, const module_state *state, PyObject *given)
{
    gibson_cluster_server *server = &list->servers[list->count];
    const bool is_pair = PyTuple_Check(given) && PyTuple_GET_SIZE(given) == 2;
    PyObject *address = is_pair ? PyTuple_GET_ITEM(given, 0) : given;
    char *text = text_of(state, address);
    if (!text) {
        return -1;
    }
    *server = (gibson_cluster_server){0};
    list->texts[list->count++] = text;
    if (take_address(server, state, address, text) < 0) {
        return -1;
    }
    return is_pair ? take_weight(server, state, PyTuple_GET_ITEM(given, 1)) : 0;
}

static int take_sequence(server_list *made, const module_state *state, PyObject *servers)
{
    const size_t count = (size_t)PySequence_Fast_GET_SIZE(servers);
    made->servers = PyMem_Calloc(count + 1, sizeof *made->servers);
    made->texts = PyMem_Calloc(count + 1, sizeof *made->texts);
    if (!made->servers || !made->texts) {
        PyErr_NoMemory();
        return -1;
    }
    while (made->count < count) {
        PyObject *given = PySequence_Fast_GET_ITEM(servers, (Py_ssize_t)made->count);
        if (take_server(made, state, given) < 0) {
            return -1;
        }
    }
    return 0;
}

int server_list_take(server_list *made, const module_state *state, PyObject *given)
{
    *made = (server_list){0};
    if (PyUnicode_Check(given) || PyBytes_Check(given)) {
        PyErr_SetString(PyExc_TypeError, "Cluster(): servers must be a list of addresses, not one");
        return -1;
    }
    PyObject *servers = PySequence_Tuple(given); /* which nobody changes meanwhile */
    if (!servers) {
        return -1;
    }
    const int taken = take_sequence(made, state, servers);
    Py_DECREF(servers);
    if (taken < 0) {
        server_list_free(made);
    }
    return taken;
}

void server_list_free(server_list *taken)
{
    for (size_t i = 0; i < taken->count; i++) {
        PyMem_Free(taken->texts[i]);
    }
    PyMem_Free(taken->texts);
    PyMem_Free(taken->servers);
}
