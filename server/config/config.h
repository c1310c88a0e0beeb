/* The configuration, inside the server. The public half is in gibson-server/server.h. */
#ifndef GIBS_CONFIG_H
#define GIBS_CONFIG_H

#include <gibson-server/server.h>

#include "base/error.h"
#include "config/directives.h"

typedef enum gibs_directive {
#define GIBS_DIRECTIVE_ENUM(name, ...) GIBS_DIRECTIVE_##name,
    GIBS_DIRECTIVES(GIBS_DIRECTIVE_ENUM)
#undef GIBS_DIRECTIVE_ENUM
        GIBS_DIRECTIVE_COUNT
} gibs_directive;

typedef enum gibs_kind {
    GIBS_KIND_TEXT,
    GIBS_KIND_NUMBER,
    GIBS_KIND_FLAG,
    GIBS_KIND_MODE,
    GIBS_KIND_SIZE,
    GIBS_KIND_SECONDS,
    GIBS_KIND_MILLISECONDS,
    GIBS_KIND_EVICTION,
} gibs_kind;

typedef struct gibs_directive_row {
    const char *name;
    gibs_kind kind;
    const char *fallback; /* the default, as text */
    int64_t smallest;
    int64_t largest;
    const char *summary;
} gibs_directive_row;

extern const gibs_directive_row gibs_directives[GIBS_DIRECTIVE_COUNT];

/* The row with a name, or NULL. */
const gibs_directive_row *gibs_directive_find(const char *name, size_t name_size);

struct gibson_server_config {
    struct {
        char *text;     /* as it was given */
        int64_t number; /* of all kinds but TEXT */
        bool given;     /* not the default */
        bool lowered;   /* to the largest number there is */
    } settings[GIBS_DIRECTIVE_COUNT];
};

/* The value of a directive, by its name. */
#define GIBS_CONFIG_TEXT(config, name) ((config)->settings[GIBS_DIRECTIVE_##name].text)
#define GIBS_CONFIG_NUMBER(config, name) ((config)->settings[GIBS_DIRECTIVE_##name].number)
#define GIBS_CONFIG_SIZE(config, name) ((size_t)GIBS_CONFIG_NUMBER(config, name))
#define GIBS_CONFIG_GIVEN(config, name) ((config)->settings[GIBS_DIRECTIVE_##name].given)

/* A copy, or NULL. */
gibson_server_config *gibs_config_copy(const gibson_server_config *config);

/* Tells whether a directive was given as more than the server can hold, and then writes a sentence
   about it. */
bool gibs_config_lowered(const gibson_server_config *config, gibs_directive directive,
                         char text[GIBSON_ERROR_MESSAGE_SIZE]);

/* max_client_memory; where it is the default, at least what one client needs. */
int64_t gibs_config_client_memory(const gibson_server_config *config);

/* Checks what one directive alone cannot tell. */
gibson_status gibs_config_check(const gibson_server_config *config, gibson_error *error);

/* Applies the text of a configuration file; name is what errors call it. */
gibson_status gibs_config_parse(gibson_server_config *config, const char *name, const char *text,
                                size_t size, gibson_error *error);

/* Reads a value of a kind. Sets *number and returns true where the text is of that shape; the range
   is not looked at. */
bool gibs_config_read_number(gibs_kind kind, const char *text, int64_t *number);

#endif
