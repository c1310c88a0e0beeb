/* Putting off pthread_cancel, where a thread that ended in between would leave something half done
   that others need. */
#ifndef GIB_BASE_CANCEL_H
#define GIB_BASE_CANCEL_H

#include <pthread.h>

/* Returns what gib_cancel_restore needs. */
static inline int gib_cancel_put_off(void)
{
    int before = 0;
#if !defined(__ANDROID__) /* which has no pthread_cancel */
    (void)pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
#endif
    return before;
}

static inline void gib_cancel_restore(int before)
{
#if !defined(__ANDROID__)
    (void)pthread_setcancelstate(before, &before);
#else
    (void)before;
#endif
}

#endif
