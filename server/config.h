/* The configuration, inside the server. The public half is in gibson/server.h. */
#ifndef GIB_SERVER_CONFIG_H
#define GIB_SERVER_CONFIG_H

#include <gibson/server.h>

#include "base/error.h"
#include "directives.h"

typedef enum gib_directive {
#define GIB_DIRECTIVE_ENUM(name, ...) GIB_DIRECTIVE_##name,
    GIB_DIRECTIVES(GIB_DIRECTIVE_ENUM)
#undef GIB_DIRECTIVE_ENUM
        GIB_DIRECTIVE_COUNT
} gib_directive;

typedef enum gib_kind {
    GIB_KIND_TEXT,
    GIB_KIND_NUMBER,
    GIB_KIND_FLAG,
    GIB_KIND_MODE,
    GIB_KIND_SIZE,
    GIB_KIND_SECONDS,
    GIB_KIND_MILLISECONDS,
} gib_kind;

typedef struct gib_directive_row {
    const char *name;
    gib_kind kind;
    const char *fallback; /* the default, as text */
    int64_t smallest;
    int64_t largest;
    const char *summary;
} gib_directive_row;

extern const gib_directive_row gib_directives[GIB_DIRECTIVE_COUNT];

/* The row with a name, or NULL. */
const gib_directive_row *gib_directive_find(const char *name, size_t name_size);

struct gibson_server_config {
    struct {
        char *text;     /* as it was given */
        int64_t number; /* of all kinds but TEXT */
        bool given;     /* not the default */
    } settings[GIB_DIRECTIVE_COUNT];
};

/* The value of a directive, by its name. */
#define GIB_CONFIG_TEXT(config, name) ((config)->settings[GIB_DIRECTIVE_##name].text)
#define GIB_CONFIG_NUMBER(config, name) ((config)->settings[GIB_DIRECTIVE_##name].number)
#define GIB_CONFIG_SIZE(config, name) ((size_t)GIB_CONFIG_NUMBER(config, name))
#define GIB_CONFIG_GIVEN(config, name) ((config)->settings[GIB_DIRECTIVE_##name].given)

/* A copy, or NULL. */
gibson_server_config *gib_config_copy(const gibson_server_config *config);

/* Checks what one directive alone cannot tell. */
gibson_status gib_config_check(const gibson_server_config *config, gibson_error *error);

/* Applies the text of a configuration file; name is what errors call it. */
gibson_status gib_config_parse(gibson_server_config *config, const char *name, const char *text,
                               size_t size, gibson_error *error);

/* Reads a value of a kind. Sets *number and returns true where the text is of that shape; the range
   is not looked at. */
bool gib_config_read_number(gib_kind kind, const char *text, int64_t *number);

#endif
