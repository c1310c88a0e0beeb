/* Requests that must be refused. The worlds know nothing of them: if one were sent after all, or
   what is sent with the next one were not just that, the answers that follow would be wrong. */
#include "worker_steps.h"

#include <gibson/pipeline.h>

#include "choice.h"

static gibson_request refused_request(worker *self)
{
    space_request request;
    choice_request(&self->random, self->space, &self->writes, &request);
    gibson_request spoiled = worker_request(self, &request);
    choice_spoil(&self->random, &spoiled);
    return spoiled;
}

/* It may also be that the client does not get as far as to look at the request. */
static void judge(worker *self, gibson_status status, const char *call)
{
    worker_note(self, "a refused %s -> %s", call, gibson_status_name(status));
    self->counts.requests++;
    self->counts.by_status[status]++;
    if (status == GIBSON_OK) {
        worker_violate(self, "a request that must be refused was not, by %s", call);
    } else if (status != GIBSON_INVALID) {
        worker_check_error(self, status, call);
    }
}

void worker_run_refused(worker *self, unsigned which)
{
    const gibson_request request = refused_request(self);
    gibson_reply reply;
    self->interrupted = false;
    judge(self, gibson_client_call(self->clients[which], &request, &reply), "call");
}

void worker_queue_refused(worker *self, unsigned which)
{
    const gibson_request request = refused_request(self);
    const size_t outstanding = gibson_client_outstanding(self->clients[which]);
    const gibson_status status = gibson_client_queue(self->clients[which], &request);
    if (status != GIBSON_WOULD_BLOCK || !outstanding) {
        judge(self, status, "queue");
    }
    if (gibson_client_outstanding(self->clients[which]) != outstanding) {
        worker_violate(self, "a refused queue leaves another number of replies outstanding");
    }
}
