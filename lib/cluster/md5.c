#include "cluster/md5.h"

#include <string.h>

#include "base/likely.h"
#include "wire/frame.h"

enum { BLOCK = 64, LENGTH = 8 /* bytes of the size, at the end of the last block */ };

static uint32_t rotate(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

/* The steps of a round differ by their function alone: F, G, H and I of the RFC. */
#define F(x, y, z) (((x) & (y)) | (~(x) & (z)))
#define G(x, y, z) (((x) & (z)) | ((y) & ~(z)))
#define H(x, y, z) ((x) ^ (y) ^ (z))
#define I(x, y, z) ((y) ^ ((x) | ~(z)))
#define STEP(f, a, b, c, d, k, s, t) a = (b) + rotate((a) + f(b, c, d) + words[k] + UINT32_C(t), s)

/* Four steps, after which the variables stand where they stood. */
#define STEPS(f, k0, k1, k2, k3, s0, s1, s2, s3, t0, t1, t2, t3)                                   \
    STEP(f, a, b, c, d, k0, s0, t0);                                                               \
    STEP(f, d, a, b, c, k1, s1, t1);                                                               \
    STEP(f, c, d, a, b, k2, s2, t2);                                                               \
    STEP(f, b, c, d, a, k3, s3, t3)

static void add_block(gib_md5 *digest, const uint8_t *block)
{
    uint32_t words[BLOCK / 4];
    for (size_t i = 0; i < BLOCK / 4; i++) {
        words[i] = gib_load_u32(block + 4 * i);
    }
    uint32_t a = digest->words[0];
    uint32_t b = digest->words[1];
    uint32_t c = digest->words[2];
    uint32_t d = digest->words[3];

    STEPS(F, 0, 1, 2, 3, 7, 12, 17, 22, 0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee);
    STEPS(F, 4, 5, 6, 7, 7, 12, 17, 22, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501);
    STEPS(F, 8, 9, 10, 11, 7, 12, 17, 22, 0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be);
    STEPS(F, 12, 13, 14, 15, 7, 12, 17, 22, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821);

    STEPS(G, 1, 6, 11, 0, 5, 9, 14, 20, 0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa);
    STEPS(G, 5, 10, 15, 4, 5, 9, 14, 20, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8);
    STEPS(G, 9, 14, 3, 8, 5, 9, 14, 20, 0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed);
    STEPS(G, 13, 2, 7, 12, 5, 9, 14, 20, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a);

    STEPS(H, 5, 8, 11, 14, 4, 11, 16, 23, 0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c);
    STEPS(H, 1, 4, 7, 10, 4, 11, 16, 23, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70);
    STEPS(H, 13, 0, 3, 6, 4, 11, 16, 23, 0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05);
    STEPS(H, 9, 12, 15, 2, 4, 11, 16, 23, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665);

    STEPS(I, 0, 7, 14, 5, 6, 10, 15, 21, 0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039);
    STEPS(I, 12, 3, 10, 1, 6, 10, 15, 21, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1);
    STEPS(I, 8, 15, 6, 13, 6, 10, 15, 21, 0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1);
    STEPS(I, 4, 11, 2, 9, 6, 10, 15, 21, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391);

    digest->words[0] += a;
    digest->words[1] += b;
    digest->words[2] += c;
    digest->words[3] += d;
}

gib_md5 gib_md5_of(const void *bytes, size_t size)
{
    gib_md5 digest = {{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}};
    const uint8_t *at = bytes;
    size_t left = size;
    for (; left >= BLOCK; left -= BLOCK, at += BLOCK) {
        add_block(&digest, at);
    }
    uint8_t last[BLOCK] = {0};
    if (left) {
        memcpy(last, at, left);
    }
    last[left] = 0x80;
    if (left >= BLOCK - LENGTH) {
        add_block(&digest, last);
        memset(last, 0, sizeof last);
    }
    gib_store_u32(last + BLOCK - LENGTH, (uint32_t)(size << 3));
    gib_store_u32(last + BLOCK - LENGTH / 2, (uint32_t)((uint64_t)size >> 29));
    add_block(&digest, last);
    return digest;
}
