/* Telling of a walk: its last steps as C, and what was wrong. */
#ifndef WALK_NOTE_H
#define WALK_NOTE_H

#include "walk.h"

/* The library may end the program where it finds itself in a wrong state: the last steps are told
   then as well. NULL ends that. */
void walk_tell_on_abort(walk *self);

/* Begins a step. */
void walk_note(walk *self, const char *format, ...) __attribute__((__format__(printf, 2, 3)));

/* Adds to it. */
void walk_note_more(walk *self, const char *format, ...) __attribute__((__format__(printf, 2, 3)));

/* Adds the arguments of a request. */
void walk_note_request(walk *self, const walk_request *request);

/* Tells what is wrong, after the last steps; only the first time. */
void walk_violate(walk *self, const char *format, ...) __attribute__((__format__(printf, 2, 3)));

/* Violates unless a call returned that status, and adds it to the step. */
void walk_expect(walk *self, gibson_status got, gibson_status expected);

#endif
