#include "collected.h"

#include <stdbool.h>

static bool reserve(collected *list)
{
    if (list->count < list->capacity) {
        return true;
    }
    size_t capacity = list->capacity ? list->capacity * 2 : 16;
    if (capacity > SIZE_MAX / sizeof *list->first) {
        return false;
    }
    operation *moved = PyMem_Realloc(list->first, capacity * sizeof *list->first);
    if (moved) {
        list->first = moved;
        list->capacity = capacity;
    }
    return moved != NULL;
}

PyObject *collected_add(collected *list, PyObject *pipeline, const command_kind *kind,
                        const call_arguments *call)
{
    operation op;
    if (operation_make(&op, kind, call) < 0 || operation_keep(&op) < 0) {
        return NULL;
    }
    bool kept;
    Py_BEGIN_CRITICAL_SECTION(pipeline);
    kept = reserve(list);
    if (kept) {
        list->first[list->count++] = op;
    }
    Py_END_CRITICAL_SECTION();
    if (!kept) {
        operation_drop(&op);
        return PyErr_NoMemory();
    }
    Py_INCREF(pipeline);
    return pipeline;
}

collected collected_take(collected *list, PyObject *pipeline)
{
    (void)pipeline; /* with a GIL */
    collected taken;
    Py_BEGIN_CRITICAL_SECTION(pipeline);
    taken = *list;
    *list = (collected){0};
    Py_END_CRITICAL_SECTION();
    return taken;
}

void collected_drop(collected *taken)
{
    for (size_t i = 0; i < taken->count; i++) {
        operation_drop(&taken->first[i]);
    }
    PyMem_Free(taken->first);
}

void collected_forget(collected *list, PyObject *pipeline)
{
    collected taken = collected_take(list, pipeline);
    collected_drop(&taken);
}

int collected_traverse(const collected *list, visitproc visit, void *arg)
{
    for (size_t i = 0; i < list->count; i++) {
        Py_VISIT(list->first[i].key);
        Py_VISIT(list->first[i].value);
    }
    return 0;
}
