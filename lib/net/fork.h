/* Noticing that the process was forked, without a system call an operation. */
#ifndef GIB_NET_FORK_H
#define GIB_NET_FORK_H

/* A number that differs between a process and its children by fork. What holds a descriptor keeps
   the number of the time it was opened, and must not use the descriptor under another. */
unsigned int gib_fork_generation(void);

/* Makes gib_fork_generation work from here on. Any thread, any number of times. */
void gib_fork_watch(void);

#endif
