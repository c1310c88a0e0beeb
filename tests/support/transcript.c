#include "transcript.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gibson/command.h>

const char *const transcript_directives[] = {
    "max_key_size",
    "1K",
    "max_value_size",
    "64K",
    "max_request_size",
    "2M",
    "max_response_size",
    "1M",
    "compression",
    "4K",
    NULL,
};

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "transcript: %s: %s\n", what, why);
    abort();
}

static uint8_t nibble(char digit)
{
    const char *digits = "0123456789abcdef";
    const char *found = digit ? strchr(digits, digit) : NULL;
    if (!found) {
        fail("hex", "bad digit");
    }
    return (uint8_t)(found - digits);
}

/* Reads a member of hexadecimal text, which may be missing. */
static uint8_t *read_hex(const json_t *step, const char *name, size_t *size)
{
    const char *text = json_string_value(json_object_get(step, name));
    *size = text ? strlen(text) / 2 : 0;
    uint8_t *bytes = malloc(*size + 1);
    if (!bytes) {
        abort();
    }
    for (size_t i = 0; i < *size; i++) {
        bytes[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
    }
    return bytes;
}

static uint16_t read_opcode(const json_t *op)
{
    if (json_is_integer(op)) {
        return (uint16_t)json_integer_value(op);
    }
    const char *name = json_string_value(op);
    const gibson_command *command = name ? gibson_command_by_name(gibson_str(name)) : NULL;
    if (!command) {
        fail("op", name ? name : "missing");
    }
    return (uint16_t)command->opcode;
}

static transcript_compare read_compare(const json_t *step)
{
    static const char *const names[] = {
        "exact", "number", "kval_unordered", "kval_count", "kval_unordered_values", "stats"};
    const char *text = json_string_value(json_object_get(step, "compare"));
    for (size_t i = 0; text && i < sizeof names / sizeof *names; i++) {
        if (!strcmp(text, names[i])) {
            return (transcript_compare)i;
        }
    }
    fail("compare", text ? text : "missing");
    return TRANSCRIPT_EXACT;
}

static void read_step(transcript_step *step, const json_t *from)
{
    *step = (transcript_step){0};
    const json_t *sleep = json_object_get(from, "sleep_s");
    if (sleep) {
        step->sleep_ms = (int64_t)(json_number_value(sleep) * 1000);
        return;
    }
    step->opcode = read_opcode(json_object_get(from, "op"));
    step->compare = read_compare(from);
    step->payload = read_hex(from, "payload_hex", &step->payload_size);
    step->closed = json_is_true(json_object_get(from, "closed"));
    step->code = (uint16_t)json_integer_value(json_object_get(from, "code"));
    step->encoding = (uint8_t)json_integer_value(json_object_get(from, "encoding"));
    step->data = read_hex(from, "data_hex", &step->data_size);
    step->reply_size = step->data_size;
    if (json_is_true(json_object_get(from, "data_truncated"))) {
        step->reply_size = (size_t)json_integer_value(json_object_get(from, "data_len"));
    }
}

static void read_scenario(transcript *scenario, const char *line)
{
    json_error_t error;
    json_t *object = json_loads(line, 0, &error);
    const json_t *steps = json_object_get(object, "steps");
    const char *name = json_string_value(json_object_get(object, "scenario"));
    if (!json_is_array(steps) || !name) {
        fail("scenario", object ? "no steps or no name" : error.text);
    }
    scenario->count = json_array_size(steps);
    scenario->steps = calloc(scenario->count, sizeof *scenario->steps);
    scenario->scenario = strdup(name);
    if (!scenario->steps || !scenario->scenario) {
        abort();
    }
    for (size_t i = 0; i < scenario->count; i++) {
        read_step(&scenario->steps[i], json_array_get(steps, i));
    }
    json_decref(object);
}

void transcripts_load(transcripts *list, const char *path)
{
    *list = (transcripts){0};
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    if (!file) {
        fail(path, "cannot be opened");
    }
    while (getline(&line, &room, file) > 0) {
        list->all = realloc(list->all, (list->count + 1) * sizeof *list->all);
        if (!list->all) {
            abort();
        }
        read_scenario(&list->all[list->count++], line);
    }
    free(line);
    fclose(file);
    if (!list->count) {
        fail(path, "is empty");
    }
}

void transcripts_free(transcripts *list)
{
    for (size_t i = 0; i < list->count; i++) {
        for (size_t j = 0; j < list->all[i].count; j++) {
            free(list->all[i].steps[j].payload);
            free(list->all[i].steps[j].data);
        }
        free(list->all[i].steps);
        free(list->all[i].scenario);
    }
    free(list->all);
}
