#include "store/memory.h"

#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

/* glibc keeps freed blocks of up to 128 bytes apart, and joins them with their neighbours all at
   once when it next sees a reason to: after a million deleted items that takes long, and no client
   is served meanwhile. Without those lists each block is joined as it is freed. */
void gibs_memory_tune(void)
{
#if defined(__GLIBC__)
    mallopt(M_MXFAST, 0);
#endif
}
