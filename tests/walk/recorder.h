/* A peer that keeps every byte it is sent, and answers as gibson-server does, with the same store.
   It serves one connection after the other, in the order they were made, so that what it does
   depends on nothing but what it is sent and told. */
#ifndef WALK_RECORDER_H
#define WALK_RECORDER_H

#include <gibson/options.h>

#include "base/buffer.h"

typedef struct recorder recorder;

recorder *recorder_start(void);
void recorder_stop(recorder *self);

/* Forgets all items. No connection may be open. */
void recorder_reset(recorder *self);

/* Sets the address in the options. */
void recorder_point(const recorder *self, gibson_options *options);

/* The number of the connection that will be made next, once all others have ended. */
size_t recorder_next_connection(recorder *self);

/* Each of these waits until what it needs has happened, and returns false if that takes too long.
 */

/* Until so many bytes of a connection have been received. */
bool recorder_await_bytes(recorder *self, size_t connection, size_t size);

/* Until so many bytes, and all that was sent beyond them, are answered. */
bool recorder_await_answers(recorder *self, size_t connection, size_t size);

/* Until the connection has ended: all that was ever sent on it has been received. */
bool recorder_await_end(recorder *self, size_t connection);

/* What has been received on a connection: bytes that were not taken before, and how many whole
   requests there were in all that have been carried out. Appends the bytes to `bytes`. */
void recorder_take(recorder *self, size_t connection, gib_buffer *bytes, size_t *requests);

/* Ends the connection from the side of the peer. recorder_await_end must follow. */
bool recorder_cut(recorder *self, size_t connection);

/* Makes it end the connection as soon as more arrives, which it keeps and does not carry out. All
   that was sent before must have been answered. */
bool recorder_doom(recorder *self, size_t connection);

/* Sends bytes that nobody has asked for. */
bool recorder_stray(recorder *self, size_t connection, const void *bytes, size_t size);

#endif
