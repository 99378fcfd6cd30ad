/* Barrier: as many as its parties wait for each other.
 *
 * Made of a guard, cells, and the round that all sleep on. `limit`: the parties.
 *
 *   round: number << 8 | calls << 2 | FAILED << 1 | BROKEN
 *     number: of the round that is gathering. FAILED: how the round before it ended. BROKEN: nobody gets
 *     in before a reset. Changed under the guard only, and always together with the number. (But a
 *     reset with nobody in it only clears BROKEN.)
 *     calls: raised, without the guard, by one that wants to be watched, before it wakes one of the
 *     others: so that one which is just about to sleep looks again.
 *
 *   cell      | meaning                                    | who changes it
 *   ----------+--------------------------------------------+------------------------------------------------
 *   WAITING r | a thread waits in round r                  | who ends the round: to CHOSEN or BROKEN; the
 *             |                                            | thread, if it is interrupted: frees it
 *   RUNNING r | the thread that came last runs the action  | the same
 *             | (who comes meanwhile waits for its end)    |
 *   CHOSEN    | its round is complete                      | the thread: frees it, without the guard
 *   BROKEN    | its round failed                           | the thread: frees it, without the guard
 *
 * Ending a round is first the store of `round`, with its outcome, then the cells, then the wake: who dies
 * in between has decided, and whoever settles completes it. The outcome is read in the own cell, so one
 * that is slow to wake still gets that of its own round.
 *
 * What a death leaves: a WAITING or RUNNING cell of a dead member: that breaks the barrier, for all that
 * are in it and those that come. Who has waited for LW_BARRIER_PATIENCE_NS watches the others that are there,
 * and calls one of them to watch it; before that it sleeps on the round alone, so that rounds that are quicker
 * cost nothing. Whose death nobody watches yet, the re-check finds. Who comes last and runs the action
 * calls one at once.
 *
 * Modelled in models/barrier.pml. */
#ifndef LW_BARRIER_H
#define LW_BARRIER_H

#include "lw_queue.h"

#define LW_BARRIER_BROKEN 1u
#define LW_BARRIER_FAILED 2u
#define LW_BARRIER_CALL 4u
#define LW_BARRIER_CALLS 0xfcu
#define LW_BARRIER_NUMBER_SHIFT 8
#define LW_BARRIER_PATIENCE_NS 1000000
#define LW_BARRIER_PARTIES_MAX 0x7fffffffu

enum lw_barred {
    LW_BARRIER_PASSED,
    LW_BARRIER_RUN, /* the last one: run the action, then lw_barrier_end */
    LW_BARRIER_IS_BROKEN,
    LW_BARRIER_TIMEOUT, /* which has broken it */
    LW_BARRIER_SIGNAL,  /* let the signal handlers run, then call again, or lw_barrier_give_up */
    LW_BARRIER_NO_ROOM,
    LW_BARRIER_SLEEP, /* of a step only */
};

/* One call of wait, across the signal handlers that interrupt it. */
struct lw_barrier_wait {
    int64_t deadline_ns; /* LW_FOREVER; 0: do not sleep */
    int64_t recheck_ns;
    struct lw_cell *cell; /* NULL: not in it (yet) */
    uint32_t index;       /* how many were there before */
    uint32_t round;       /* the word when it came */
    uint32_t dead;        /* who broke it by dying, if this one found it; or 0 */
    int64_t patient_until_ns; /* 0: has not slept yet */
    bool watched;
    bool patient; /* before the last sleep */
};

/* May wait: not while holding the GIL. */
enum lw_barred lw_barrier_wait(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait,
                               bool action);
/* The same without sleeping: LW_BARRIER_SLEEP, and on what; then how that ended. (LW_BARRIER_SIGNAL: step again.) */
enum lw_barred lw_barrier_step(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait, bool action,
                               struct lw_watch *watch);
void lw_barrier_slept(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait, enum lw_slept slept);
/* After LW_BARRIER_RUN: the action has run, well or not. False: the round had failed meanwhile. */
bool lw_barrier_end(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait, bool well);
/* Leaves without breaking it, as threading.Barrier does when a wait is interrupted. */
void lw_barrier_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait);
void lw_barrier_abort(struct lw_arena *arena, struct lw_slot *slot);
void lw_barrier_reset(struct lw_arena *arena, struct lw_slot *slot);

/* As the cells say, the dead not counted. */
uint32_t lw_barrier_waiting(const struct lw_arena *arena, const struct lw_slot *slot);
bool lw_barrier_is_broken(const struct lw_arena *arena, const struct lw_slot *slot);

#endif
