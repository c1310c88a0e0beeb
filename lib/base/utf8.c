#include "base/utf8.h"

#include <stddef.h>
#include <stdint.h>

/* What the first byte of a character says: how many follow, and the bounds of the next one, which
   keep out what is longer than need be, surrogates, and what is beyond the last character. */
typedef struct lead {
    uint8_t from, to;
    uint8_t following;
    uint8_t lowest, highest;
} lead;

static const lead leads[] = {
    {0x00, 0x7F, 0, 0, 0},       {0xC2, 0xDF, 1, 0x80, 0xBF}, {0xE0, 0xE0, 2, 0xA0, 0xBF},
    {0xE1, 0xEC, 2, 0x80, 0xBF}, {0xED, 0xED, 2, 0x80, 0x9F}, {0xEE, 0xEF, 2, 0x80, 0xBF},
    {0xF0, 0xF0, 3, 0x90, 0xBF}, {0xF1, 0xF3, 3, 0x80, 0xBF}, {0xF4, 0xF4, 3, 0x80, 0x8F},
};

/* Bytes of the character at the beginning of a text, or 0 if that is none. */
static size_t character_size(const uint8_t *text)
{
    for (size_t i = 0; i < sizeof leads / sizeof *leads; i++) {
        const lead *row = &leads[i];
        if (*text < row->from || *text > row->to) {
            continue;
        }
        if (row->following && (text[1] < row->lowest || text[1] > row->highest)) {
            return 0;
        }
        for (size_t j = 2; j <= row->following; j++) {
            if (text[j] < 0x80 || text[j] > 0xBF) {
                return 0; /* the NUL at the end of the text, too */
            }
        }
        return 1U + row->following;
    }
    return 0;
}

void gib_utf8_mend(char *text)
{
    for (uint8_t *at = (uint8_t *)text; *at;) {
        const size_t size = character_size(at);
        if (!size) {
            *at = '?';
        }
        at += size ? size : 1;
    }
}
