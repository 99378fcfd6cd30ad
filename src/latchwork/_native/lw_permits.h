/* Permits: a semaphore whose permits have owners (processes). A dead one's come back.
 *
 * Made of a guard, cells, and the bell that all look at without the guard. `limit` is how many there are.
 *
 *   cell                      | meaning                            | who changes it
 *   --------------------------+------------------------------------+----------------------------------
 *   HELD n                    | the member holds n (0: it is about | the member, without the guard, by
 *                             | to, or has)                        | compare-and-swap: adds and takes;
 *                             |                                    | under the guard: a release by one
 *                             |                                    | that holds none takes; frees HELD 0
 *   WAITING t                 | a thread of the member waits       | settle: to CHOSEN, in order of t;
 *                             |                                    | the thread: frees it; both under it
 *   CHOSEN                    | granted to that thread: counts as  | that thread: to HELD 1, without
 *                             | HELD 1                             | the guard; or frees it, under it
 *   HELD n of LW_ID_DEAD      | n came back from the dead: late    | settle: from a dead one's HELD;
 *                             | releases by others are forgiven    | such a release: takes
 *
 * Available: limit - the HELD and CHOSEN of the living. Who comes while others wait goes behind them.
 *
 *   bell: number << 3 | QUEUE | STRICT | LISTENERS
 *     QUEUE: somebody waits. Set and cleared under the guard.
 *     STRICT: only an owner may release. Never changes.
 *     LISTENERS: somebody waits for it to be ready and takes nothing (lw_several.h): when one is available that
 *       nobody waits for, or was granted to one that they don't watch yet, the number is raised, this
 *       cleared, and all are woken.
 *
 * Without the guard, to acquire: add 1 to one's HELD, then look at QUEUE, then at the sum of all; if somebody waits,
 * or the sum is above the limit, take the 1 back and go through the guard. (In this order: a settle that
 * counted before the add says QUEUE until it has granted, and what it granted is in the sum.) Of two that add at the same
 * time at least the later one sees both, so the sum of those that succeed is never above the limit; if
 * each sees the other and both take it back, the later one under the guard gets it. To
 * release: take from one's HELD, then look at the bell; if it asks for anything, settle under the guard. Who
 * waits sets QUEUE, then looks at the sum. All sequentially consistent: so one sees the other.
 *
 * What a death leaves: a HELD cell that holds nothing any more. Those that wait watch all that have a HELD
 * cell (also HELD 0) and all that came before them; later holders are among these, so nobody need be
 * woken just to watch.
 *
 * Modelled in models/permits.pml. */
#ifndef LW_PERMITS_H
#define LW_PERMITS_H

#include "lw_queue.h"

#define LW_PERMITS_LISTENERS 1u
#define LW_PERMITS_STRICT 2u
#define LW_PERMITS_QUEUE 4u
#define LW_PERMITS_BELL_SHIFT 3

extern const struct lw_queue lw_permits_queue;

/* Without the guard, in the cell where this process's HELD was found last time. False: the slow way. */
bool lw_permits_try(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *hint);
/* True: released. False with *settle: released, and lw_queue_settle is to follow; false without: the slow way. */
bool lw_permits_release_fast(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *hint, uint32_t count,
                             bool *settle);

/* May wait. LW_QUEUE_SIGNAL: let the signal handlers run, then call again, or lw_permits_give_up. *hint: where
 * this process's are counted, if that was found. */
enum lw_queued lw_permits_acquire(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait,
                                  struct lw_cell **hint);
/* The same without sleeping; `hint` is a struct lw_cell **. */
enum lw_queued lw_permits_step(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait, void *hint,
                               struct lw_watch *watch);
void lw_permits_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);
/* False: more than may be released, and nothing was changed. */
bool lw_permits_release(struct lw_arena *arena, struct lw_slot *slot, uint32_t count, struct lw_queue_wait *wait);
/* For those that wait for one to be available and take nothing (lw_several.h): the bell rings when one is, to
 * all that listen, once. The value to sleep on. */
uint32_t lw_permits_listen(struct lw_slot *slot);
/* How many could be had at this moment by one that comes now. */
uint32_t lw_permits_available(const struct lw_arena *arena, const struct lw_slot *slot);

#endif
