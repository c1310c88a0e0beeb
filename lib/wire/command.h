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

#endif
