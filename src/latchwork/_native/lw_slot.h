/* Slots: handed out, counted across processes, swept, freed.
 *
 * A slot lives as long as any living process holds a handle of it. Who holds how many is written in the
 * slot itself, by member id, so that a death takes its holds along without anything having to be done:
 * a hold of a dead member does not count. What the dead left is found by a sweep, made when the arena
 * has doubled since the last one.
 *
 * All of these are called under the arena's mutex. */
#ifndef LW_SLOT_H
#define LW_SLOT_H

#include "lw_arena.h"

/* After the last handle of a primitive that was ever pickled is gone, a pickle in flight still finds it
 * for so many seconds at least. */
#define LW_FLIGHT_SECONDS 60u
/* A freed slot is not used again before so many others were freed. */
#define LW_QUARANTINE 1024u

/* What a new primitive says at first. */
struct lw_made {
    enum lw_kind kind;
    uint32_t word;
    uint32_t limit;
    uint32_t initial;
};

enum lw_status lw_slot_new(struct lw_arena *arena, const struct lw_made *made, uint32_t *index);
/* Without holders: for names. */
enum lw_status lw_slot_alloc(struct lw_arena *arena, enum lw_kind kind, uint32_t *index);
/* Only the queue: for lw_slot_free, and for the repair that builds it anew. */
void lw_slot_push_free(struct lw_arena *arena, uint32_t index);
void lw_slot_free(struct lw_arena *arena, uint32_t index);

/* One more handle in this process; LW_GONE if the slot is not (any more) the one that was meant. */
enum lw_status lw_slot_hold(struct lw_arena *arena, uint32_t index, uint32_t generation, enum lw_kind kind);
/* One handle less; `epoch` is the arena's when the handle was made. */
void lw_slot_drop(struct lw_arena *arena, uint32_t index, uint32_t epoch);
void lw_slot_pickled(struct lw_slot *slot);

/* How many named primitives say something that new ones of their names would not. */
uint32_t lw_slot_stateful(const struct lw_arena *arena);
uint32_t lw_slot_sweep(struct lw_arena *arena);
/* The ids of this entry are about to be used again: replace them wherever they stand. */
void lw_slot_forget_member(struct lw_arena *arena, uint32_t member_index);

static inline bool lw_slot_is(const struct lw_slot *slot, uint32_t generation, enum lw_kind kind) {
    return lw_load_acq(&slot->generation) == generation && lw_load_relaxed(&slot->state) == (uint32_t)kind;
}

#endif
