#include "worker_steps.h"

#include <gibson/pipeline.h>

#include "choice.h"
#include "random.h"
#include "support/suite.h"

enum { LONGEST_PIPELINE = WORLDS_BATCH_REQUESTS - 8 };

typedef struct pipeline {
    space_request requests[LONGEST_PIPELINE];
    size_t queued;
    size_t read;
} pipeline;

/* Queues what fits. */
static void fill(worker *self, unsigned which, pipeline *line, size_t wanted)
{
    while (line->queued < wanted && !self->violated) {
        if (choice_percent(&self->random, 5)) {
            worker_queue_refused(self, which);
        }
        space_request *request = &line->requests[line->queued];
        if (choice_percent(&self->random, 1)) {
            *request = (space_request){.opcode = GIBSON_OP_END};
            self->may_close = true; /* what is queued behind it */
        } else {
            choice_request(&self->random, self->space, &self->writes, request);
        }
        gibson_request sent = worker_request(self, request);
        gibson_status status = gibson_client_queue(self->clients[which], &sent);
        if (status == GIBSON_WOULD_BLOCK && line->queued > line->read) {
            return;
        }
        if (status != GIBSON_OK) {
            worker_check_error(self, status, "queue");
            return;
        }
        line->queued++;
    }
}

static void flush(worker *self, unsigned which)
{
    const int64_t begin_ms = suite_now_ms();
    gibson_status status = gibson_client_flush(self->clients[which]);
    worker_check_time(self, begin_ms, self->options[which].timeout_ms, "flush");
    worker_check_error(self, status, "flush");
}

static void lose_rest(worker *self, const pipeline *line)
{
    const space_request *lost[LONGEST_PIPELINE];
    size_t count = 0;
    for (size_t i = line->read; i < line->queued; i++) {
        lost[count++] = &line->requests[i];
    }
    worlds_lose(&self->worlds, lost, count);
}

/* Reads a reply. At the first error, all that follows is lost as well. */
static void read_reply(worker *self, unsigned which, pipeline *line, bool *lost)
{
    gibson_reply reply;
    const int64_t begin_ms = suite_now_ms();
    gibson_client_next(self->clients[which], &reply);
    worker_check_time(self, begin_ms, self->options[which].timeout_ms, "next");
    if (*lost && worker_is_answer(reply.status)) {
        worker_violate(self, "an answer follows an error in a pipeline");
    }
    if (!*lost && !worker_is_answer(reply.status)) {
        *lost = true;
        lose_rest(self, line);
    }
    worker_judge(self, &line->requests[line->read++], &reply);
}

void worker_run_pipeline(worker *self, unsigned which)
{
    gibson_client *client = self->clients[which];
    pipeline line = {.queued = 0};
    bool lost = false;
    const size_t wanted = 1 + test_random_below(&self->random, LONGEST_PIPELINE);
    self->interrupted = false;
    fill(self, which, &line, wanted);
    if (choice_percent(&self->random, 30)) {
        flush(self, which);
    }
    while (line.read < line.queued && !self->violated) {
        if (gibson_client_outstanding(client) != line.queued - line.read) {
            worker_violate(self, "%zu replies are outstanding instead of %zu",
                           gibson_client_outstanding(client), line.queued - line.read);
        }
        if (choice_percent(&self->random, 1)) {
            worker_note(self, "a pipeline is dropped");
            if (!lost) {
                lose_rest(self, &line);
            }
            gibson_client_close(client);
            return;
        }
        read_reply(self, which, &line, &lost);
        if (!lost && choice_percent(&self->random, 20)) {
            fill(self, which, &line, wanted);
        }
    }
    gibson_reply none;
    if (!self->violated && gibson_client_next(client, &none) != GIBSON_END) {
        worker_violate(self, "a reply too many");
    }
}
