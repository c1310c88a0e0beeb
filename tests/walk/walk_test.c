/* A random walk over the public functions of the client, in every order, with right, wrong and
   missing arguments, against an exact model: over gibson-server, and over a peer that records every
   byte it is sent.

       walk_test                    some walks of a fixed number of steps in each world
       walk_test --seed N           one walk of that seed, which a failure has printed
       GIBSON_TEST='*_server_*' walk_test     only over gibson-server; or `*_recorder_*`
       walk_test --steps N          so many steps a walk
       walk_test --seconds N        walks until that time is over
       walk_test --no-strays        without bytes of the peer that nobody has asked for

   A failure shows the last steps. tests/walk/walk.h has the model, rules.h what is left open. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "support/suite.h"
#include "walk.h"

typedef enum world_kind { RECORDER, SERVER, WORLDS } world_kind;

enum { DEFAULT_STEPS = 12000, DEFAULT_WALKS = 8 };

static const char *const world_names[WORLDS] = {"recorder", "server"};

typedef struct plan {
    uint64_t seed;
    bool one; /* only that seed */
    uint64_t steps;
    int64_t seconds;
    walk_rules rules;
} plan;

static uint64_t totals[WALK_STATUSES];
static uint64_t total_steps;

static bool run_walk(const plan *how, walk_world *world, uint64_t seed, const char *name)
{
    static walk one;
    one = (walk){.world = world, .choices = walk_choices_from_seed(seed), .rules = how->rules};
    const int64_t begin_ms = suite_now_ms();
    walk_run(&one, how->steps);
    walk_clear(&one);
    for (unsigned i = 0; i < WALK_STATUSES; i++) {
        totals[i] += one.by_status[i];
    }
    total_steps += one.steps;
    if (one.failed) {
        fprintf(stderr,
                "after %" PRId64
                " ms. To see it again: GIBSON_TEST='*_%s_*' walk_test --seed %" PRIu64
                " --steps %" PRIu64 "%s\n",
                suite_now_ms() - begin_ms, name, seed, how->steps,
                how->rules.strays ? "" : " --no-strays");
    }
    return !one.failed;
}

static void run_world(const plan *how, world_kind which)
{
    walk_world world;
    uint64_t random = suite_seed();
    bool fine = true;
    const int64_t begin_ms = suite_now_ms();
    walk_world_start(&world, which == RECORDER);
    for (unsigned i = 0; fine; i++) {
        if (how->seconds ? suite_now_ms() - begin_ms >= how->seconds * 1000 / WORLDS
                         : i == (how->one ? 1 : DEFAULT_WALKS)) {
            break;
        }
        fine =
            run_walk(how, &world, how->one ? how->seed : test_random(&random), world_names[which]);
    }
    walk_world_stop(&world);
    ck_assert_msg(fine, "the walk has failed: see above");
}

static plan how = {.steps = DEFAULT_STEPS};

START_TEST(walk_over_recorder_follows_the_model)
{
    run_world(&how, RECORDER);
}
END_TEST

START_TEST(walk_over_server_follows_the_model)
{
    run_world(&how, SERVER);
}
END_TEST

static bool parse(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        const char *name = arguments[i];
        if (strcmp(name, "--no-strays") == 0) {
            how.rules.strays = false;
            continue;
        }
        if (++i == count) {
            return false;
        }
        const uint64_t number = strtoull(arguments[i], NULL, 10);
        if (strcmp(name, "--seed") == 0) {
            how.seed = number;
            how.one = true;
        } else if (strcmp(name, "--steps") == 0) {
            how.steps = number;
        } else if (strcmp(name, "--seconds") == 0) {
            how.seconds = (int64_t)number;
        } else {
            return false;
        }
    }
    return true;
}

int main(int count, char **arguments)
{
    how.rules = walk_rules_now;
    if (!parse(count, arguments)) {
        fprintf(stderr, "the arguments are told at the top of walk_test.c\n");
        return EXIT_FAILURE;
    }
    const suite_part parts[] = {
        {TESTS(walk_over_recorder_follows_the_model, walk_over_server_follows_the_model)}};
    const int64_t begin_ms = suite_now_ms();
    const int code = suite_run("walk", 1, parts, COUNT_OF(parts));
    printf("%" PRIu64 " steps in %.1f s\n", total_steps,
           (double)(suite_now_ms() - begin_ms) / 1000);
    for (unsigned i = 0; i < WALK_STATUSES; i++) {
        printf("  %-14s %" PRIu64 "\n", gibson_status_name((gibson_status)i), totals[i]);
    }
    return code;
}
