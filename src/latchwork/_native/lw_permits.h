/* Permits: a semaphore whose permits have owners (processes). A dead one's come back.
 *
 * Made of a guard and cells. `limit` is how many there are; STRICT in `bell`: only an owner may release.
 *
 *   cell                      | meaning                            | who changes it, under the guard
 *   --------------------------+------------------------------------+----------------------------------
 *   HELD n                    | the member holds n                 | the member: acquire adds, release
 *                             |                                    | takes; a release by one that
 *                             |                                    | holds none takes from another's
 *   WAITING t                 | a thread of the member waits       | settle: to CHOSEN, in order of t;
 *                             |                                    | the thread: frees it
 *   CHOSEN                    | granted to that thread: counts as  | that thread: to HELD 1, without
 *                             | HELD 1                             | the guard; or frees it
 *   HELD n of LW_ID_DEAD      | n came back from the dead: late    | settle: from a dead one's HELD;
 *                             | releases by others are forgiven    | such a release: takes
 *
 * Available: limit - the HELD and CHOSEN of the living. Who comes while others wait goes behind them.
 *
 * What a death leaves: a HELD cell that holds nothing any more. Those that wait watch all that hold and
 * all that came before them; later holders are among these, so nobody need be woken just to watch.
 *
 * `bell`: number << 2 | STRICT << 1 | LISTENERS: for those that wait for it to be ready and take nothing
 * (lw_several.h): rung, if they asked, when something is available that nobody waits for.
 *
 * Modelled in models/permits.pml. */
#ifndef LW_PERMITS_H
#define LW_PERMITS_H

#include "lw_queue.h"

#define LW_PERMITS_LISTENERS 1u
#define LW_PERMITS_STRICT 2u
#define LW_PERMITS_BELL_SHIFT 2

extern const struct lw_queue lw_permits_queue;

/* With the guard taken at once and without growing, or not at all: for those who hold the GIL. */
enum lw_permits_tried { LW_PERMITS_GOT, LW_PERMITS_NONE, LW_PERMITS_GO_SLOW };
enum lw_permits_tried lw_permits_try(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);
/* May wait. LW_QUEUE_SIGNAL: let the signal handlers run, then call again, or lw_permits_give_up. */
enum lw_queued lw_permits_acquire(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);
void lw_permits_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);

enum lw_permits_released { LW_PERMITS_RELEASED, LW_PERMITS_TOO_MANY, LW_PERMITS_BUSY };
/* Without `may_wait`: LW_PERMITS_BUSY if the guard can't be had at once. */
enum lw_permits_released lw_permits_release(struct lw_arena *arena, struct lw_slot *slot, uint32_t count,
                                            bool may_wait, struct lw_queue_wait *wait);
/* For those that wait for one to be available and take nothing (lw_several.h): the bell rings when one is, to
 * all that listen, once. The value to sleep on. */
uint32_t lw_permits_listen(struct lw_slot *slot);
/* How many could be had at this moment by one that comes now. */
uint32_t lw_permits_available(const struct lw_arena *arena, const struct lw_slot *slot);

#endif
