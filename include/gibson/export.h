/* Visibility of the public functions. Everything else in the library is hidden. */
#ifndef GIBSON_EXPORT_H
#define GIBSON_EXPORT_H

#if defined(__GNUC__)
#define GIBSON_API __attribute__((visibility("default")))
#else
#define GIBSON_API
#endif

#if defined(__cplusplus)
#define GIBSON_BEGIN_DECLS extern "C" {
#define GIBSON_END_DECLS }
#else
#define GIBSON_BEGIN_DECLS
#define GIBSON_END_DECLS
#endif

#endif
