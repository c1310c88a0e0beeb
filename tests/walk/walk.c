#include "walk.h"

#include <string.h>

#include "judge.h"
#include "link.h"
#include "note.h"
#include "steps.h"
#include "support/replies.h"

typedef struct weight {
    walk_step *step;
    unsigned idle; /* shares where no reply is outstanding, and where some are */
    unsigned busy;
} weight;

static const weight weights[] = {
    {walk_step_single, 100, 12}, {walk_step_queue, 50, 70},   {walk_step_next, 4, 70},
    {walk_step_flush, 4, 12},    {walk_step_take, 12, 6},     {walk_step_release, 6, 2},
    {walk_step_null, 6, 4},      {walk_step_no_client, 1, 1}, {walk_step_connect, 6, 2},
    {walk_step_close, 2, 1},     {walk_step_quit, 4, 2},      {walk_step_timeout, 4, 2},
    {walk_step_peer, 4, 3},      {walk_step_client, 3, 1},    {walk_step_wrong_options, 1, 1},
};

enum { WEIGHTS = sizeof weights / sizeof *weights };

static walk_step *choose_step(walk *self)
{
    const bool busy = self->count > 0;
    if (!busy && !self->connected && !self->options.reconnect && walk_percent(&self->choices, 30)) {
        return walk_step_connect; /* or else nothing would happen for long */
    }
    unsigned sum = 0;
    for (unsigned i = 0; i < WEIGHTS; i++) {
        sum += busy ? weights[i].busy : weights[i].idle;
    }
    unsigned left = walk_below(&self->choices, sum);
    unsigned i = 0;
    for (; left >= (busy ? weights[i].busy : weights[i].idle); i++) {
        left -= busy ? weights[i].busy : weights[i].idle;
    }
    return weights[i].step;
}

static void begin(walk *self)
{
    self->expected = bytes_new();
    self->frames = bytes_new();
    walk_kept_init(&self->last);
    for (unsigned i = 0; i < WALK_OWNED; i++) {
        walk_kept_init(&self->owned[i]);
    }
    if (!walk_world_reset(self->world, false)) {
        walk_violate(self, "somebody is still connected");
    }
    if (self->world->recorder) {
        self->connection = recorder_next_connection(self->world->recorder);
    }
    walk_step_client(self);
    if (!self->failed && walk_percent(&self->choices, 70)) {
        walk_step_connect(self);
    }
}

void walk_run(walk *self, uint64_t steps)
{
    walk_tell_on_abort(self);
    begin(self);
    walk_judge_client(self);
    while (!self->failed && self->steps < steps && !walk_choices_end(&self->choices)) {
        choose_step(self)(self);
        walk_judge_client(self);
    }
}

void walk_clear(walk *self)
{
    walk_kept_clear(&self->last);
    gibson_client_free(self->client);
    self->client = NULL;
    walk_link_end(self);
    for (unsigned i = 0; i < WALK_OWNED; i++) {
        if (self->owned[i].owned && !walk_kept_is_intact(&self->owned[i])) {
            walk_violate(self, "a reply that was taken has changed with the end of its client");
        }
        walk_kept_clear(&self->owned[i]);
    }
    gib_buffer_clear(&self->expected);
    gib_buffer_clear(&self->frames);
    walk_tell_on_abort(NULL);
}
