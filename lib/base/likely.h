/* Telling the compiler which way a branch goes in the common case. */
#ifndef GIB_BASE_LIKELY_H
#define GIB_BASE_LIKELY_H

#if defined(__GNUC__)
#define GIB_LIKELY(condition) __builtin_expect(!!(condition), 1)
#define GIB_UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define GIB_COLD __attribute__((cold, noinline))
#define GIB_NOINLINE __attribute__((noinline)) /* keeps its callers small */
#if defined(GIB_COVERAGE)
#define GIB_INLINE inline /* each branch is counted once */
#else
#define GIB_INLINE inline __attribute__((always_inline)) /* made anew for constant arguments */
#endif
/* Makes the compiler forget what it knows of a variable. Between two tests it keeps them two
   branches: gcc would rather compute both and combine them, which is longer. */
#define GIB_FORGET(variable) __asm__("" : "+r"(variable))
/* Makes the compiler keep a variable in memory: one that is needed in rare cases only would else
   take a register over a call, which has to be saved and restored. */
#define GIB_KEEP_IN_MEMORY(variable) __asm__ volatile("" : "+m"(variable))
#else
#define GIB_LIKELY(condition) (condition)
#define GIB_UNLIKELY(condition) (condition)
#define GIB_COLD
#define GIB_NOINLINE
#define GIB_INLINE inline
#define GIB_FORGET(variable) (void)(variable)
#define GIB_KEEP_IN_MEMORY(variable) (void)(variable)
#endif

#endif
