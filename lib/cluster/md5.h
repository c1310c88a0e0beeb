/* MD5, after R. Rivest, "The MD5 Message-Digest Algorithm", RFC 1321. For placing keys, where no
   secret depends on it. */
#ifndef GIB_CLUSTER_MD5_H
#define GIB_CLUSTER_MD5_H

#include <stddef.h>
#include <stdint.h>

/* The four words of the digest, as they are computed: as bytes, each begins with its lowest. */
typedef struct gib_md5 {
    uint32_t words[4];
} gib_md5;

gib_md5 gib_md5_of(const void *bytes, size_t size);

#endif
