/* RWLock: many readers, or one writer.
 *
 * Made of a guard, cells, and the gate that readers look at without the guard.
 *
 *   cell            | meaning                       | who changes it
 *   ----------------+-------------------------------+------------------------------------------------------
 *   HELD n          | the member holds n reads      | the member, without the guard, by compare-and-swap:
 *                   | (0: it is about to, or has)   | adds and takes; under the guard: frees HELD 0
 *   WAITING t       | a thread waits to read        | settle: to CHOSEN; the thread: frees it, under the guard
 *   CHOSEN          | may read: counts as HELD 1    | the thread: to HELD 1, without the guard; or frees it
 *   WAITING_WRITE t | a thread waits to write       | settle: to WRITING 0; the thread: frees it, under the guard
 *   WRITING 0, 1    | the member writes; 0: has not | the thread: to 1; release_write (any thread of the
 *                   | seen it yet                   | member): frees 1, under the guard
 *
 *   gate | meaning                                        | who changes it, under the guard
 *   -----+------------------------------------------------+--------------------------------------------------
 *   0    | no writer writes or waits: readers go in       | a writer that comes: to 1, before it looks at the cells
 *   1    | readers queue                                  | settle: to 0, once no writer writes or waits
 *
 * A reader without the guard: adds 1 to its HELD, then looks at the gate; a writer: closes the gate, then
 * looks at HELD. Both sequentially consistent, so one of them sees the other. A reader that sees the gate
 * closed takes its 1 back and goes through the guard, where it settles: so a writer that saw that 1 is
 * not forgotten. The same for a release that finds the gate closed. One that dies in between is watched
 * as all that have a HELD cell are, also HELD 0; new ones aren't made while a writer waits.
 *
 * Order: when a write ends, all readers that wait go in; when the last of them is out, the writer that came
 * first, but after the readers that came before it (whom a writer that gave up or died kept waiting). So a reader waits for one write at most, a writer for those before it and the reads in between.
 *
 * What a death leaves: cells of a dead member, that hold nothing any more. `left`: the writer that died
 * while it wrote, until the next write ends. Those that wait watch all that hold and all that came before
 * them; a writer before which younger readers go in is woken to watch these, and if it gives up, the next one.
 *
 * Modelled in models/rwlock.pml. */
#ifndef LW_RWLOCK_H
#define LW_RWLOCK_H

#include "lw_queue.h"

extern const struct lw_queue lw_rwlock_queue;

/* Without the guard, in the cell where this process's HELD was found last time. False: the slow way. */
bool lw_rwlock_read_fast(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *cell);
/* True: released, and nobody cares; false with *settle: released, and lw_queue_settle is to follow; false
 * without: this process holds no read. */
bool lw_rwlock_release_read(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *hint, bool *settle);
/* With the guard taken at once and without growing: for those who hold the GIL. */
bool lw_rwlock_write_fast(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);

/* May wait. LW_QUEUE_SIGNAL: let the signal handlers run, then call again, or lw_rwlock_give_up. After a read
 * was granted, *hint is where it is counted. */
enum lw_queued lw_rwlock_read(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait,
                              struct lw_cell **hint);
enum lw_queued lw_rwlock_write(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);
/* The same without sleeping; `hint` is a struct lw_cell **, of reads. */
lw_queue_stepper lw_rwlock_read_step, lw_rwlock_write_step;
/* One read more for a process that holds one for sure, in the cell where that is counted: no writer can get in
 * between. False: not there. */
bool lw_rwlock_read_more(struct lw_arena *arena, struct lw_cell *hint);
void lw_rwlock_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait);

enum lw_rwlock_released { LW_RWLOCK_RELEASED, LW_RWLOCK_NOT_HELD, LW_RWLOCK_BUSY };
/* Without `may_wait`: LW_RWLOCK_BUSY if the guard can't be had at once. */
enum lw_rwlock_released lw_rwlock_release_write(struct lw_arena *arena, struct lw_slot *slot, bool may_wait);
/* By one that has not written: what there is to tell of a writer that died is for the next one. May wait. */
void lw_rwlock_return_write(struct lw_arena *arena, struct lw_slot *slot);

/* The living: how many reads are held, and by whom it is written (0: nobody). */
uint32_t lw_rwlock_readers(const struct lw_arena *arena, const struct lw_slot *slot);
uint32_t lw_rwlock_writer(const struct lw_arena *arena, const struct lw_slot *slot);
/* A writer died while it wrote, and no write has been released since: also if nobody has settled that yet. */
bool lw_rwlock_abandoned(const struct lw_arena *arena, const struct lw_slot *slot);
/* Nothing to tell to the next one. */
bool lw_rwlock_as_new(const struct lw_arena *arena, const struct lw_slot *slot);

#endif
