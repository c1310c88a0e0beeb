/* The configuration file: a directive a line, name and value with blanks between them. */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST_FILE = 1 << 20, LONGEST_LINE = 8192 };

/* Where in a file a line is. */
typedef struct location {
    const char *file;
    unsigned line;
} location;

static gibson_status bad_line(const location *at, gibson_error *error, const char *what)
{
    return gib_error_set(error, GIBSON_INVALID, "%.100s:%u: %s", at->file, at->line, what);
}

static bool is_blank(char character)
{
    return character == ' ' || character == '\t' || character == '\r';
}

/* Where the line ends: a '#' at its beginning or after a blank starts a comment. */
static size_t without_comment(const char *line, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (line[i] == '#' && (i == 0 || is_blank(line[i - 1]))) {
            size = i;
        }
    }
    while (size && is_blank(line[size - 1])) {
        size--;
    }
    return size;
}

static gibson_status set_directive(gibson_server_config *config, const location *at,
                                   const char *name, const char *value, gibson_error *error)
{
    gibson_error detail;
    gibson_status status = gibson_server_config_set(config, name, value, &detail);
    if (status == GIBSON_INVALID) {
        return bad_line(at, error, detail.message);
    }
    if (status != GIBSON_OK && error) {
        *error = detail;
    }
    return status;
}

static gibson_status parse_line(gibson_server_config *config, const location *at, const char *line,
                                size_t size, gibson_error *error)
{
    char text[LONGEST_LINE + 1];
    if (memchr(line, '\0', size)) {
        return bad_line(at, error, "there is a NUL byte");
    }
    if (size > LONGEST_LINE) {
        return bad_line(at, error, "the line is too long");
    }
    size = without_comment(line, size);
    memcpy(text, line, size);
    text[size] = '\0';
    char *name = text + strspn(text, " \t\r");
    if (!*name) {
        return GIBSON_OK;
    }
    char *value = name + strcspn(name, " \t\r");
    if (*value) {
        *value++ = '\0';
        value += strspn(value, " \t\r");
    }
    if (!gibs_directive_find(name, strlen(name)) || *value) {
        return set_directive(config, at, name, value, error);
    }
    return bad_line(at, error, "the value is missing");
}

gibson_status gibs_config_parse(gibson_server_config *config, const char *name, const char *text,
                                size_t size, gibson_error *error)
{
    location at = {name, 0};
    const char *end = text + size;
    while (text < end) {
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        const char *line_end = newline ? newline : end;
        at.line++;
        gibson_status status = parse_line(config, &at, text, (size_t)(line_end - text), error);
        if (status != GIBSON_OK) {
            return status;
        }
        text = newline ? newline + 1 : end;
    }
    return GIBSON_OK;
}

gibson_status gibson_server_config_load(gibson_server_config *config, const char *path,
                                        gibson_error *error)
{
    char *text = malloc(LARGEST_FILE + 1);
    if (!text) {
        return gib_error_set(error, GIBSON_NOMEM, "no memory to read %.100s", path);
    }
    gibson_status status;
    FILE *file = fopen(path, "re");
    size_t size = file ? fread(text, 1, LARGEST_FILE + 1, file) : 0;
    if (!file || ferror(file)) {
        status = gib_error_set_errno(error, GIBSON_SYSTEM, errno, "cannot read %.100s", path);
    } else if (size > LARGEST_FILE) {
        status = gib_error_set(error, GIBSON_INVALID, "%.100s: the file is too large", path);
    } else {
        status = gibs_config_parse(config, path, text, size, error);
    }
    if (file) {
        fclose(file);
    }
    free(text);
    return status;
}
