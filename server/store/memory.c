#include "store/memory.h"

#include <stdlib.h>

enum { MAPPED_SIZE = 1 << 20 }; /* bytes from which a block is mapped, and so given back */

#if defined(__GLIBC__)
#include <malloc.h>
#endif

void gibs_memory_tune(void)
{
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, MAPPED_SIZE); /* else it grows, and then large blocks stay */
#endif
}

void gibs_memory_give_back(void)
{
#if defined(__GLIBC__)
    malloc_trim(0);
#endif
}

bool gibs_memory_has_ebbed(gibs_memory_tide *tide, size_t in_use, size_t step)
{
    enum { PART = 16 };
    if (in_use > tide->high) {
        tide->high = in_use;
    }
    size_t part = tide->high / PART;
    if (tide->high - in_use <= (part > step ? part : step)) {
        return false;
    }
    tide->high = in_use;
    return true;
}
