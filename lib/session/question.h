/* Questions to which the answers are known, to find out whether replies still go to the requests
   that they answer. Where a reply too many has come at some time, each request gets the reply of
   the one before, and so do these:

       COUNT of a prefix that no key has   0
       META of such a key, three times     NOT_FOUND

   The first answer differs from the others, so up to three replies too many are noticed whatever
   they are; more of them, unless they read as the above. The prefix ends in a random number, so
   that nobody can store such a key to be a nuisance. A server that refuses keys of that length
   answers all four with ERR, which is fine too; one that cuts them, META alone, whose field it
   takes for a part of the key.

   A question is pending like other requests, but not the caller's: gib_session_outstanding does not
   count it. The caller's limits do not hold for it. */
#ifndef GIB_SESSION_QUESTION_H
#define GIB_SESSION_QUESTION_H

#include <sys/types.h>

#include "session/session.h"

/* Writes the question that a session asks, with that random number. */
void gib_session_make_question(gib_session *session, uint64_t random);

/* Appends the question. Returns GIBSON_OK or GIBSON_NOMEM. */
gibson_status gib_session_push_question(gib_session *session, gibson_error *error);

/* Puts the question in front of all that is pending, of which nothing may be sent. Returns
   GIBSON_OK or GIBSON_NOMEM. */
gibson_status gib_session_put_question_first(gib_session *session, gibson_error *error);

/* Bytes of the output buffer that are a question's. */
size_t gib_session_question_bytes(const gib_session *session);

/* Takes back a question, no byte of which is sent, and behind which nothing is pending. */
void gib_session_unpush_question(gib_session *session);

/* Takes back the last request, of which nothing may have been sent, and the question that was asked
   with it. */
void gib_session_take_back(gib_session *session);

/* Tells whether the first pending request is a part of a question whose first part is not pending
   any more. */
bool gib_session_question_is_cut(const gib_session *session);

/* Takes those answers to a question that are due and there. Returns GIBSON_OK if the next pending
   request is the caller's, or there is none; GIBSON_WOULD_BLOCK until more bytes are received;
   GIBSON_PROTOCOL. */
gibson_status gib_session_take_answers(gib_session *session, gibson_error *error);

/* The short way: see single.h. Writes the question and sets *size. False if there is no room. */
bool gib_single_write_question(gib_session *session, size_t *size);

/* Tells whether the `received` bytes (-1 for none) are the usual answer to the question and nothing
   else. They are read to a place of their own, so that the last reply stays: the request that comes
   next may be made of it. */
bool gib_single_is_answer(const uint8_t *bytes, ssize_t received);

/* Makes it pending, as gib_single_hand_over does. Returns what gib_session_push_question does. */
gibson_status gib_single_hand_over_question(gib_session *session, gibson_error *error);

#endif
