/* The watcher: threads that sleep in the kernel on the words of all lanes, and step those that were woken.
 *
 * One thread for each LW_FUTEX_ENTRIES - 1 words. They know nothing of Python. What they share is private to the process, and
 * guarded by one mutex. See docs/design/003-awaiting.md. */
#ifndef LW_WATCHER_H
#define LW_WATCHER_H

#include "lw_lane.h"

#define LW_WATCHER_LINGER_NS 1000000000 /* that long a thread without words is kept */

void lw_watcher_lock(void);
/* Calls the threads that have got something new. */
void lw_watcher_unlock(void);

/* Under the mutex: a lane that has said what it sleeps on is watched from here on … */
void lw_watcher_arm(struct lw_lane *lane);
/* … until here. */
void lw_watcher_disarm(struct lw_lane *lane);
/* The first of all that are watched. */
struct lw_lane *lw_watcher_lanes(void);

/* Not under the mutex: ends the threads that have no words; with `all` the others as well: they are started anew when
 * the next lane says what it sleeps on. */
void lw_watcher_stop(bool all);
/* After all were ended: those that are needed go on. */
bool lw_watcher_rests(void);
void lw_watcher_resume(void);
unsigned lw_watcher_threads(void);

/* In the child of a fork: forgets everything, without looking at it. */
void lw_watcher_forget(void);

/* lw_task.c: a lane that was woken, which may end by that. Under the mutex. */
void lw_lane_run(struct lw_lane *lane);

#endif
