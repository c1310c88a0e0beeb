#include "cluster_batch.h"

#include <stdlib.h>
#include <string.h>

#include "wait.h"

static gibson_status queue(void *on, const gibson_request *request)
{
    return gibson_cluster_queue(on, request);
}

static gibson_status next(void *on, gibson_reply *reply)
{
    return gibson_cluster_next(on, reply);
}

static gibson_status take_reply(void *on, gibson_owned_reply **owned)
{
    return gibson_cluster_take_reply(on, owned);
}

static bool is_broken(void *on, gibson_status failed)
{
    (void)on;
    return failed == GIBSON_INTERRUPTED;
}

static gibson_error error_of(const batch *run)
{
    return wait_error(run->context, gibson_cluster_error(run->on));
}

static size_t size_of(const gibson_cluster_answer *answers, size_t count)
{
    size_t size = sizeof(said) + count * sizeof *answers;
    for (size_t i = 0; i < count; i++) {
        size += strlen(answers[i].server) + 1;
    }
    return size;
}

static said *listen(void *on, bool asked)
{
    size_t count;
    const gibson_cluster_answer *answers = gibson_cluster_answers(on, &count);
    count = asked ? count : 0; /* else they are of the reply before */
    said *heard = malloc(size_of(answers, count));
    if (!heard) {
        return NULL;
    }
    char *text = (char *)(heard->answers + count);
    heard->count = count;
    for (size_t i = 0; i < count; i++) {
        const size_t size = strlen(answers[i].server) + 1;
        heard->answers[i] = answers[i];
        heard->answers[i].server = memcpy(text, answers[i].server, size);
        text += size;
    }
    return heard;
}

const batch_way cluster_batch_way = {
    .queue = queue,
    .next = next,
    .take_reply = take_reply,
    .is_broken = is_broken,
    .error_of = error_of,
    .listen = listen,
};
