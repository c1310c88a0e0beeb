/* The table of commands, for those inside the library who look a row up on every operation. */
#ifndef GIB_WIRE_COMMAND_H
#define GIB_WIRE_COMMAND_H

#include <gibson/command.h>

/* Rows by opcode; opcode END (255) is the last. A row without a name is no command. */
extern const gibson_command gib_commands[256];

/* The row, or NULL. */
static inline const gibson_command *gib_command(uint32_t opcode)
{
    return opcode < 256 && gib_commands[opcode].name ? &gib_commands[opcode] : NULL;
}

/* NOLINTBEGIN(bugprone-branch-clone): rows of a list may be alike */

/* What a command takes and yields, where the opcode is one that the compiler knows. */
static inline gibson_arguments gib_arguments_of(gibson_opcode opcode)
{
    switch (opcode) {
#define GIB_ARGUMENTS_CASE(NAME, name, number, arguments, yield, effect, summary)                  \
    case GIBSON_OP_##NAME:                                                                         \
        return GIBSON_ARGUMENTS_##arguments;
        GIBSON_COMMAND_LIST(GIB_ARGUMENTS_CASE)
#undef GIB_ARGUMENTS_CASE
    }
    return GIBSON_ARGUMENTS_NONE;
}

static inline gibson_yield gib_yield_of(gibson_opcode opcode)
{
    switch (opcode) {
#define GIB_YIELD_CASE(NAME, name, number, arguments, yield, effect, summary)                      \
    case GIBSON_OP_##NAME:                                                                         \
        return GIBSON_YIELD_##yield;
        GIBSON_COMMAND_LIST(GIB_YIELD_CASE)
#undef GIB_YIELD_CASE
    }
    return GIBSON_YIELD_NONE;
}

/* NOLINTEND(bugprone-branch-clone) */

/* Tells whether a value of either kind is what a command yields. */
static inline bool gib_yields_value(gibson_yield yield)
{
    return yield == GIBSON_YIELD_VALUE || yield == GIBSON_YIELD_ECHO;
}

/* Tells whether it is of use to connect for a command. */
static inline bool gib_command_connects(gibson_opcode opcode)
{
    const gibson_command *command = gib_command((uint32_t)opcode);
    return !command || command->effect != GIBSON_EFFECT_CLOSE;
}

/* Tells whether an opcode is that of a command which takes nothing but a key or a prefix: one bit
   for each, as all of those are below 32. */
static inline bool gib_command_is_keyed(uint32_t opcode)
{
#define GIB_KEYED_BIT(NAME, name, number, arguments, yield, effect, summary)                       \
    | (uint32_t)(GIBSON_ARGUMENTS_##arguments == GIBSON_ARGUMENTS_KEY ||                           \
                 GIBSON_ARGUMENTS_##arguments == GIBSON_ARGUMENTS_PREFIX)                          \
            << ((number)&31)
    const uint32_t keyed = 0 GIBSON_COMMAND_LIST(GIB_KEYED_BIT);
#undef GIB_KEYED_BIT
    return opcode < 32 && keyed >> opcode & 1;
}

#endif
