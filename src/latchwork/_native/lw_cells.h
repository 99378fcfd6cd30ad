/* Cells: who is in a primitive, and as what.
 *
 * A cell is 64 bits: a member's id and a word, value << 3 | state. Each transition is one store to one cell,
 * so whatever instruction a process dies at, the cells say what is so. Cells are claimed, and given to
 * others, under the guard only (lw_guard.h); what may be done without it is said in each primitive's header.
 *
 *   state         | value  | meaning
 *   --------------+--------+--------------------------------------------------------------------
 *   FREE          |        | id is 0, too
 *   WAITING       | ticket | a thread sleeps on the cell's word; smaller tickets came earlier
 *   WAITING_WRITE | ticket | the same, for a RWLock's write
 *   HELD          | count  | permits, or read holds, of the member (any thread of it)
 *   WRITING       | 0, 1   | a RWLock's writer; 0: it has not seen it yet
 *   CHOSEN        |        | its wait is over; only the thread that slept here changes it, without the guard
 *   BROKEN        |        | the same, badly (Barrier)
 *   RUNNING       | round  | the thread that runs a Barrier's action
 *
 * Cells live in slots of their own, chained to the primitive: made when first needed, freed with it.
 * The chain only ever grows at its head, so it may be walked without the guard. */
#ifndef LW_CELLS_H
#define LW_CELLS_H

#include "lw_arena.h"

enum lw_cell_state {
    LW_CELL_FREE,
    LW_CELL_WAITING,
    LW_CELL_WAITING_WRITE,
    LW_CELL_HELD,
    LW_CELL_WRITING,
    LW_CELL_CHOSEN,
    LW_CELL_BROKEN,
    LW_CELL_RUNNING,
};
#define LW_CELL_VALUE_SHIFT 3
#define LW_CELL_VALUE_MAX ((1u << (32 - LW_CELL_VALUE_SHIFT)) - 1)

static inline uint64_t lw_cell_make(uint32_t id, enum lw_cell_state state, uint32_t value) {
    return (uint64_t)(value << LW_CELL_VALUE_SHIFT | (uint32_t)state) << 32 | id;
}
static inline uint32_t lw_cell_id(uint64_t cell) { return (uint32_t)cell; }
static inline uint32_t lw_cell_word(uint64_t cell) { return (uint32_t)(cell >> 32); }
static inline enum lw_cell_state lw_cell_state(uint64_t cell) {
    return (enum lw_cell_state)(lw_cell_word(cell) & ((1u << LW_CELL_VALUE_SHIFT) - 1));
}
static inline uint32_t lw_cell_value(uint64_t cell) { return lw_cell_word(cell) >> LW_CELL_VALUE_SHIFT; }

static inline bool lw_cell_is_waiting(uint64_t cell) {
    return lw_cell_state(cell) == LW_CELL_WAITING || lw_cell_state(cell) == LW_CELL_WAITING_WRITE;
}

/* Sequentially consistent, all of them: a RWLock's readers and writers look at each other's words, and
 * on the slow paths it costs nothing that counts. */
static inline uint64_t lw_cell_load(const struct lw_cell *cell) {
    return atomic_load_explicit(&cell->both, memory_order_seq_cst);
}
static inline void lw_cell_store(struct lw_cell *cell, uint64_t value) {
    atomic_store_explicit(&cell->both, value, memory_order_seq_cst);
}
/* Under the guard: whoever sleeps on it, or is just about to, looks around again. Tickets are even. */
static inline void lw_cell_nudge(struct lw_cell *cell) {
    lw_cell_store(cell, lw_cell_load(cell) ^ (uint64_t)1 << (32 + LW_CELL_VALUE_SHIFT));
}
static inline bool lw_cell_cas(struct lw_cell *cell, uint64_t *expected, uint64_t desired) {
    return atomic_compare_exchange_strong_explicit(&cell->both, expected, desired, memory_order_seq_cst,
                                                   memory_order_seq_cst);
}

struct lw_walk {
    uint32_t at;
    unsigned next;
};

static inline struct lw_walk lw_cells_begin(const struct lw_slot *slot) {
    return (struct lw_walk){.at = lw_load_acq(&slot->cells), .next = 0};
}

static inline struct lw_cell *lw_cells_next(const struct lw_arena *arena, struct lw_walk *walk) {
    if (walk->at == LW_NO_SLOT) return NULL;
    struct lw_cell *cell = &arena->slots[walk->at].cell[walk->next];
    if (++walk->next == LW_CELLS) {
        walk->at = arena->slots[walk->at].next;
        walk->next = 0;
    }
    return cell;
}

/* Under the guard: a free cell is given that value. NULL: none is free; with `grow`, there is no room for more.
 * `grow` may wait for the arena's mutex: so not while holding the GIL. */
struct lw_cell *lw_cells_claim(struct lw_arena *arena, struct lw_slot *slot, uint64_t value, bool grow);

/* Under the guard: the ticket of one that comes now. */
uint32_t lw_cells_ticket(const struct lw_arena *arena, const struct lw_slot *slot);
/* Under the guard: of the living, the one in that state with the smallest ticket; NULL: there is none. */
struct lw_cell *lw_cells_oldest(const struct lw_arena *arena, const struct lw_slot *slot, enum lw_cell_state state);

/* Under the arena's mutex: see lw_slot_forget_member. */
void lw_cells_forget_member(struct lw_slot *cells, uint32_t member_index);

/* Whom to wake once the guard has been left. */
#define LW_WAKES 32
struct lw_wakes {
    unsigned count;
    lw_word *words[LW_WAKES];
};
void lw_wakes_add(struct lw_wakes *wakes, struct lw_cell *cell);
void lw_wakes_send(struct lw_wakes *wakes);

#endif
