#include "lw_cells.h"

#include "lw_crash.h"
#include "lw_futex.h"
#include "lw_member.h"
#include "lw_slot.h"
#include "lw_stamp.h"

static struct lw_cell *find_free(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk)))
        if (lw_cell_load(cell) == 0) return cell;
    return NULL;
}

static struct lw_cell *grow_chain(struct lw_arena *arena, struct lw_slot *slot) {
    uint32_t more;
    lw_arena_lock(arena);
    enum lw_status status = lw_slot_alloc(arena, LW_KIND_CELLS, &more);
    if (status == LW_OK) {
        LW_CRASH(cells_made); /* CRASH: in no chain: the repair frees it */
        arena->slots[more].next = lw_load_relaxed(&slot->cells);
        lw_store_rel(&slot->cells, more);
    }
    lw_arena_unlock(arena);
    return status == LW_OK ? &arena->slots[more].cell[0] : NULL;
}

struct lw_cell *lw_cells_claim(struct lw_arena *arena, struct lw_slot *slot, uint64_t value, bool grow) {
    struct lw_cell *cell = find_free(arena, slot);
    if (!cell && grow) cell = grow_chain(arena, slot);
    if (!cell) return NULL;
    lw_stamp_cell(cell);
    lw_cell_store(cell, value);
    LW_CRASH(cell_claimed); /* CRASH: it says what the dead one was: settled like any other */
    return cell;
}

uint32_t lw_cells_ticket(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    uint32_t next = 0;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_is_waiting(value) && lw_cell_value(value) >= next) next = (lw_cell_value(value) | 1) + 1;
    }
    /* Tickets begin anew whenever nobody waits; 2^28 in one busy spell would only cost the order. */
    return next & LW_CELL_VALUE_MAX;
}

struct lw_cell *lw_cells_oldest(const struct lw_arena *arena, const struct lw_slot *slot, enum lw_cell_state state) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell, *oldest = NULL;
    uint32_t ticket = 0;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_state(value) != state || (oldest && lw_cell_value(value) >= ticket)) continue;
        if (!lw_member_alive(arena, lw_cell_id(value))) continue;
        oldest = cell;
        ticket = lw_cell_value(value);
    }
    return oldest;
}

void lw_cells_forget_member(struct lw_slot *cells, uint32_t member_index) {
    for (unsigned i = 0; i < LW_CELLS; i++) {
        uint64_t value = lw_cell_load(&cells->cell[i]);
        while (value != 0 && lw_cell_id(value) != LW_ID_DEAD && lw_member_index(lw_cell_id(value)) == member_index &&
               !lw_cell_cas(&cells->cell[i], &value,
                            lw_cell_make(LW_ID_DEAD, lw_cell_state(value), lw_cell_value(value)))) {
        }
    }
}

void lw_wakes_add(struct lw_wakes *wakes, struct lw_cell *cell) {
    if (wakes->count == LW_WAKES) lw_wakes_send(wakes);
    wakes->words[wakes->count++] = &cell->word;
}

void lw_wakes_send(struct lw_wakes *wakes) {
    for (unsigned i = 0; i < wakes->count; i++) lw_futex_wake(wakes->words[i], 1);
    wakes->count = 0;
}
