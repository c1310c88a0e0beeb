/* Copying keys and looking at their bytes in one go. */
#ifndef GIB_WIRE_KEY_H
#define GIB_WIRE_KEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A space ends a key on the wire, and at a NUL the prefix commands of the reference server cut it.
   Both bytes are 0 without bit 5, and no other is. */
enum { GIB_KEY_MASK = 0xdf };

/* Copies 8 bytes of a key. The result has the top bit of some byte set if and only if one of them
   is forbidden. After "Determine if a word has a zero byte" in "Bit Twiddling Hacks", S. E.
   Anderson. */
static inline uint64_t gib_key_copy_8(uint8_t *to, const uint8_t *from)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t word;
    memcpy(&word, from, sizeof word);
    memcpy(to, &word, sizeof word);
    uint64_t masked = word & (each * GIB_KEY_MASK);
    return (masked - each) & ~masked & (each * 0x80);
}

#if defined(__GNUC__)
/* 16 bytes in one register, where the machine has such. */
typedef uint8_t gib_key_bytes __attribute__((vector_size(16)));
typedef uint64_t gib_key_words __attribute__((vector_size(16)));
typedef char gib_key_chars __attribute__((vector_size(16)));

/* Copies 16 bytes of a key. A byte of the result is not 0 where one is forbidden. */
static inline gib_key_bytes gib_key_copy_16(uint8_t *to, const uint8_t *from)
{
    gib_key_bytes bytes;
    memcpy(&bytes, from, sizeof bytes);
    memcpy(to, &bytes, sizeof bytes);
    return (gib_key_bytes)((bytes & (uint8_t)GIB_KEY_MASK) == 0);
}

/* Copies a key of 16 bytes or more. The last piece may cover some bytes again. */
static inline bool gib_key_copy_long(uint8_t *to, const uint8_t *key, size_t size)
{
    const size_t last = size - 16;
    gib_key_bytes marks = gib_key_copy_16(to, key) | gib_key_copy_16(to + last, key + last);
    for (size_t i = 16; i < last; i += 16) {
        marks |= gib_key_copy_16(to + i, key + i);
    }
#if defined(__SSE2__)
    return !__builtin_ia32_pmovmskb128((gib_key_chars)marks);
#else
    const gib_key_words words = (gib_key_words)marks;
    return !(words[0] | words[1]);
#endif
}
#else
static inline bool gib_key_copy_long(uint8_t *to, const uint8_t *key, size_t size)
{
    const size_t last = size - 8;
    uint64_t marks = gib_key_copy_8(to + last, key + last);
    for (size_t i = 0; i < last; i += 8) {
        marks |= gib_key_copy_8(to + i, key + i);
    }
    return !marks;
}
#endif

/* Copies a key of any size. Returns false if it holds a forbidden byte. */
static inline bool gib_key_copy(uint8_t *to, const uint8_t *key, size_t size)
{
    if (size >= 16) {
        return gib_key_copy_long(to, key, size);
    }
    if (size >= 8) {
        return !(gib_key_copy_8(to, key) | gib_key_copy_8(to + size - 8, key + size - 8));
    }
    bool valid = true;
    for (size_t i = 0; i < size; i++) {
        to[i] = key[i];
        valid &= (key[i] & GIB_KEY_MASK) != 0;
    }
    return valid;
}

#endif
