/* A method for each command of libgibson's table. A file that includes this, last of all, has a
   function run_command(self, kind, call), and gets COMMAND_METHODS: the rows of its PyMethodDef. It
   may define METHOD_NAME(effect, name) first, where NULL for a name ends the table. */
#include "docs.h"

#ifndef METHOD_NAME
#define METHOD_NAME(effect, name) name
#endif

/* The methods that are not named like their command: two have names of the seed, because `del` is a
   keyword of Python, and `quit` is what everybody but the protocol calls END. */
#define del dl
#define mdel mdl
#define end quit

#define ARGUMENT_NAME(NAME, name, need) #name,
#define COUNT_ARGUMENT(NAME, name, need) +1
#define COUNT_NEEDED(NAME, name, need) +COUNT_##need
#define COUNT_REQUIRED 1
#define COUNT_OPTIONAL 0

/* Each macro has a twin, in whose expansion `name` was replaced by those. */
#define DEFINE_METHOD(NAME, name, opcode, arguments, yield, effect, summary)                       \
    DEFINE_METHOD_NAMED(NAME, name, arguments, yield, effect)
#define DEFINE_METHOD_NAMED(NAME, name, arguments, yield, effect)                                  \
    static PyObject *command_##name(PyObject *self, PyObject *const *args, Py_ssize_t count,       \
                                    PyObject *keywords)                                            \
    {                                                                                              \
        static const command_kind kind = {#name,                                                   \
                                          GIBSON_OP_##NAME,                                        \
                                          GIBSON_ARGUMENTS_##arguments,                            \
                                          GIBSON_YIELD_##yield,                                    \
                                          GIBSON_EFFECT_##effect,                                  \
                                          {GIBSON_TAKES_##arguments(ARGUMENT_NAME) NULL},          \
                                          0 GIBSON_TAKES_##arguments(COUNT_NEEDED),                \
                                          0 GIBSON_TAKES_##arguments(COUNT_ARGUMENT)};             \
        return run_command(self, &kind, &(call_arguments){args, count, keywords});                 \
    }
GIBSON_COMMAND_LIST(DEFINE_METHOD)

#define METHOD_ROW(NAME, name, opcode, arguments, yield, effect, summary)                          \
    METHOD_ROW_NAMED(NAME, name, arguments, effect)
#define METHOD_ROW_NAMED(NAME, name, arguments, effect)                                            \
    {METHOD_NAME(GIBSON_EFFECT_##effect, #name), (PyCFunction)(void (*)(void))command_##name,      \
     METH_FASTCALL | METH_KEYWORDS, #name SIGNATURE(arguments) "\n--\n\n" DOC_##NAME},
#define COMMAND_METHODS GIBSON_COMMAND_LIST(METHOD_ROW)
