#include "wire/command.h"

#include <string.h>
#include <strings.h>

#define ROW(NAME, name, opcode, arguments, yield, effect, summary)                                 \
    {#name,                                                                                        \
     GIBSON_OP_##NAME,                                                                             \
     GIBSON_ARGUMENTS_##arguments,                                                                 \
     GIBSON_YIELD_##yield,                                                                         \
     GIBSON_EFFECT_##effect,                                                                       \
     summary},

#define ROW_BY_OPCODE(NAME, name, opcode, arguments, yield, effect, summary)                       \
    [opcode] = ROW(NAME, name, opcode, arguments, yield, effect, summary)

const gibson_command gib_commands[256] = {GIBSON_COMMAND_LIST(ROW_BY_OPCODE)};

static const gibson_command rows[] = {GIBSON_COMMAND_LIST(ROW)};

size_t gibson_command_count(void)
{
    return sizeof rows / sizeof *rows;
}

const gibson_command *gibson_command_at(size_t index)
{
    return index < gibson_command_count() ? &rows[index] : NULL;
}

const gibson_command *gibson_command_by_opcode(uint32_t opcode)
{
    return gib_command(opcode);
}

const gibson_command *gibson_command_by_name(gibson_bytes name)
{
    for (size_t i = 0; name.data && i < gibson_command_count(); i++) {
        if (strlen(rows[i].name) == name.size && !strncasecmp(rows[i].name, name.data, name.size)) {
            return &rows[i];
        }
    }
    return NULL;
}

static const char *const meta_fields[] = {
#define META_ROW(NAME, name, summary) #name,
    GIBSON_META_LIST(META_ROW)
#undef META_ROW
};

static const size_t meta_field_count = sizeof meta_fields / sizeof *meta_fields;

const char *gibson_meta_field_name(gibson_meta_field field)
{
    return (size_t)field < meta_field_count ? meta_fields[field] : NULL;
}

bool gibson_meta_field_by_name(gibson_bytes name, gibson_meta_field *field)
{
    for (size_t i = 0; name.data && field && i < meta_field_count; i++) {
        if (strlen(meta_fields[i]) == name.size && !memcmp(meta_fields[i], name.data, name.size)) {
            *field = (gibson_meta_field)i;
            return true;
        }
    }
    return false;
}
