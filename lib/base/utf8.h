/* Text for people that may have been made of anything. */
#ifndef GIB_BASE_UTF8_H
#define GIB_BASE_UTF8_H

/* Puts a question mark in place of each byte of a text that is no part of UTF-8 (RFC 3629,
   section 4), such as what is left of a character that was cut. */
void gib_utf8_mend(char *text);

#endif
