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

/* When a directive can change. */
typedef enum gibs_changes {
    GIBS_CHANGES_LIVE,
    GIBS_CHANGES_RESTART,
} gibs_changes;

enum { GIBS_MOST_LISTENERS = 16 };

typedef struct gibs_directive_row {
    const char *name;
    gibs_kind kind;
    gibs_changes changes;
    const char *fallback; /* the default, as text */
    int64_t smallest;
    int64_t largest;
    const char *summary;
} gibs_directive_row;

extern const gibs_directive_row gibs_directives[GIBS_DIRECTIVE_COUNT];

/* The row with a name, or NULL. */
const gibs_directive_row *gibs_directive_find(const char *name, size_t name_size);

typedef struct gibs_setting {
    char *text;     /* as it was given */
    int64_t number; /* of all kinds but TEXT */
    bool given;     /* not the default */
    bool lowered;   /* to the largest number there is */
} gibs_setting;

struct gibson_server_config {
    gibs_setting settings[GIBS_DIRECTIVE_COUNT];
    int sockets[GIBS_MOST_LISTENERS]; /* to listen on in place of those that it would open */
    size_t socket_count;
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

/* Tells whether a directive is another one in two configurations. */
bool gibs_config_differs(const gibson_server_config *one, const gibson_server_config *other,
                         gibs_directive directive);

/* Takes over the directives that can change live, and gives `next` what it had. */
void gibs_config_adopt(gibson_server_config *config, gibson_server_config *next);

/* Tells whether it listens on TCP: alone, or beside a unix socket where that is asked for. */
bool gibs_config_wants_tcp(const gibson_server_config *config);

/* max_client_memory; where it is the default, at least what one client needs. */
int64_t gibs_config_client_memory(const gibson_server_config *config);

/* Checks what one directive alone cannot tell. */
gibson_status gibs_config_check(const gibson_server_config *config, gibson_error *error);

/* Applies the text of a configuration file; name is what errors call it. */
gibson_status gibs_config_parse(gibson_server_config *config, const char *name, const char *text,
                                size_t size, gibson_error *error);

/* Reads a value of a kind. Sets *number and returns true where the text is of that shape; the range
   is not looked at. What is too large for *number is the largest it can be. */
bool gibs_config_read_number(gibs_kind kind, const char *text, int64_t *number);

/* Reads the value of a directive, of those that are no texts into *number. *lowered tells that it
   was a quantity above the largest. Returns GIBSON_OK or GIBSON_INVALID. */
gibson_status gibs_config_read(const gibs_directive_row *row, const char *value, int64_t *number,
                               bool *lowered, gibson_error *error);

/* Finds the next word of a list with blanks between: returns its size, and sets *at to where it
   begins; 0 where there is none. */
size_t gibs_config_word(const char **at);

#endif
