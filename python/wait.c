#include "wait.h"

#include "endpoint.h"

static _Thread_local waiting_call *current;

void wait_enter(waiting_call *call, const module_state *state)
{
    *call = (waiting_call){.state = state, .outer = current};
    current = call;
    call->released = PyEval_SaveThread();
}

void wait_leave(const waiting_call *call)
{
    PyEval_RestoreThread(call->released);
    current = call->outer;
}

int wait_interrupt(void *context)
{
    (void)context;
    waiting_call *call = current;
    PyEval_RestoreThread(call->released);
    const unsigned long forks = call->state->forks;
    call->raised = PyErr_CheckSignals() < 0 || call->raised;
    call->forked = call->forked || call->state->forks != forks;
    call->released = PyEval_SaveThread();
    return call->raised || call->forked;
}

gibson_error wait_error(const waiting_call *call, const gibson_error *error)
{
    return error->status == GIBSON_INTERRUPTED && call->forked
               ? endpoint_closed(endpoint_parent_text)
               : *error;
}
