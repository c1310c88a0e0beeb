#include "cluster_answers.h"

PyObject *answers_tuple(const module_state *state, PyTypeObject *type, PyObject *first,
                        PyObject *second, PyObject *third)
{
    PyObject *made = first && second && third && module_check_alive(state) == 0
                         ? PyStructSequence_New(type)
                         : NULL;
    if (!made) {
        Py_XDECREF(first);
        Py_XDECREF(second);
        Py_XDECREF(third);
        return NULL;
    }
    PyStructSequence_SetItem(made, 0, first);
    PyStructSequence_SetItem(made, 1, second);
    PyStructSequence_SetItem(made, 2, third);
    return made;
}

static PyObject *status_object(gibson_status status)
{
    if (status == GIBSON_OK) {
        Py_RETURN_NONE;
    }
    return PyUnicode_FromString(gibson_status_name(status));
}

static PyObject *answer_object(const module_state *state, const gibson_cluster_answer *answer)
{
    return answers_tuple(state, state->answer_type, PyUnicode_DecodeFSDefault(answer->server),
                         status_object(answer->status), PyLong_FromLongLong(answer->number));
}

static PyObject *answers_object(const module_state *state, const gibson_cluster_answer *answers,
                                size_t count)
{
    PyObject *list = PyList_New((Py_ssize_t)count);
    for (size_t i = 0; list && i < count; i++) {
        PyObject *answer = answer_object(state, &answers[i]);
        if (!answer) {
            Py_CLEAR(list);
            break;
        }
        PyList_SET_ITEM(list, (Py_ssize_t)i, answer);
    }
    return list;
}

static int set_answers(const module_state *state, PyObject *exception,
                       const gibson_cluster_answer *answers, size_t count)
{
    PyObject *list = answers_object(state, answers, count);
    const int set = list ? PyObject_SetAttrString(exception, "answers", list) : -1;
    Py_XDECREF(list);
    return set;
}

/* The server whose status it is. NULL, without an exception, where it is none's. */
static PyObject *server_of_status(const gibson_cluster_answer *answers, size_t count,
                                  gibson_status status)
{
    for (size_t i = 0; i < count; i++) {
        if (answers[i].status == status) {
            return PyUnicode_DecodeFSDefault(answers[i].server);
        }
    }
    return NULL;
}

PyObject *answers_exception(const module_state *state, const failure *of,
                            const gibson_cluster_answer *answers, size_t count)
{
    failure failed = *of;
    PyObject *server = server_of_status(answers, count, failed.error.status);
    failed.server = server;
    PyObject *exception = failure_exception(state, &failed);
    Py_XDECREF(server);
    const bool is_of_one = failed.key && !takes_prefix(failed.kind);
    if (exception && !is_of_one && set_answers(state, exception, answers, count) < 0) {
        Py_CLEAR(exception);
    }
    return exception;
}

PyTypeObject *answers_make_type(void)
{
    PyStructSequence_Field fields[] = {
        {"server", "str: its address"},
        {"status", "str: why it failed, as of PyGibsonError.status; None where it has not"},
        {"number", "int: what it has counted or changed; 0 where that is not known"},
        {NULL, NULL},
    };
    PyStructSequence_Desc desc = {
        .name = "pygibson.ClusterAnswer",
        .doc = "What one server of a Cluster has said: (server, status, number).",
        .fields = fields,
        .n_in_sequence = 3,
    };
    return PyStructSequence_NewType(&desc);
}
