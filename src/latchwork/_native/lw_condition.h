/* Condition: a queue that one who has the lock leaves it for, until it is chosen.
 *
 * Made of a guard and cells; the lock that belongs to it is a primitive of its own.
 *
 *   cell      | meaning                                 | who changes it
 *   ----------+-----------------------------------------+---------------------------------------------------
 *   WAITING t | a thread waits                          | notify, settle: to CHOSEN, smallest t first, under
 *             |                                         | the guard; the thread: frees it, under the guard
 *   CHOSEN    | notified; its wait has not returned yet | the thread: frees it, once it has the lock again
 *
 * `waiting`: how many WAITING there are, so that a notify without any is one load. Written under the
 * guard; a waiter is counted before it releases the lock, so a notifier that has the lock sees it.
 *
 * Nobody ever waits for the notified. What a death leaves: of a WAITING one nothing. A CHOSEN one has
 * swallowed a notification: all that wait watch those that came before them, and who is told of the
 * death chooses the oldest in its place. It may have got as far as the lock: then one wakes up
 * spuriously, which is allowed.
 *
 * Modelled in models/condition.pml. */
#ifndef LW_CONDITION_H
#define LW_CONDITION_H

#include "lw_queue.h"

extern const struct lw_queue lw_condition_queue;

/* How many of the living wait: for people. */
uint32_t lw_condition_waiters(const struct lw_arena *arena, const struct lw_slot *slot);

static inline uint32_t lw_condition_waiting(const struct lw_slot *slot) { return lw_load_acq(&slot->waiting); }

/* Joins the queue: to be called with the lock held. LW_QUEUE_NO_ROOM, or LW_QUEUE_GRANTED: joined. */
enum lw_queued lw_condition_join(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);
/* Until it is chosen. */
lw_queue_stepper lw_condition_step;
/* Before it has the lock again: true if it was chosen. Not to be chosen any more, else. */
bool lw_condition_leave(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);
/* The same, and what it was chosen for goes to another one. */
void lw_condition_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);
/* A chosen one has the lock again. */
static inline void lw_condition_done(struct lw_queue_wait *wait) {
    if (wait->cell) lw_cell_store(wait->cell, 0);
    wait->cell = NULL;
}
void lw_condition_notify(struct lw_arena *arena, struct lw_slot *slot, uint32_t count);

#endif
