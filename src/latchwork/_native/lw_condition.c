#include "lw_condition.h"

#include "lw_crash.h"
#include "lw_member.h"

static void choose_this(struct lw_cell *cell, struct lw_wakes *wakes) {
    lw_cell_store(cell, lw_cell_make(lw_cell_id(lw_cell_load(cell)), LW_CELL_CHOSEN, 0));
    LW_CRASH(condition_chosen); /* CRASH: chosen, nobody woken: it finds it at its next re-check */
    lw_wakes_add(wakes, cell);
}

static void choose(struct lw_arena *arena, struct lw_slot *slot, uint32_t count, struct lw_wakes *wakes) {
    struct lw_cell *cell;
    for (uint32_t n = 0; n < count && (cell = lw_cells_oldest(arena, slot, LW_CELL_WAITING)); n++)
        choose_this(cell, wakes);
}

static void choose_all(struct lw_arena *arena, struct lw_slot *slot, struct lw_wakes *wakes) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk)))
        if (lw_cell_is_waiting(lw_cell_load(cell))) choose_this(cell, wakes);
}

static void count_waiting(struct lw_arena *arena, struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    uint32_t waiting = 0;
    while ((cell = lw_cells_next(arena, &walk)))
        if (lw_cell_state(lw_cell_load(cell)) == LW_CELL_WAITING) waiting++;
    lw_store_rel(&slot->waiting, waiting);
}

static void settle(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (value == 0 || lw_member_alive(arena, lw_cell_id(value))) continue;
        /* Another one first: whoever dies in between leaves one chosen too many, not too few. */
        if (lw_cell_state(value) == LW_CELL_CHOSEN) choose(arena, slot, 1, &settled->wakes);
        lw_cell_store(cell, 0);
    }
    count_waiting(arena, slot);
}

const struct lw_queue lw_condition_queue = {settle};

enum lw_queued lw_condition_join(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    settle(arena, slot, &settled); /* first: what the dead were notified of is not for one that came later */
    uint32_t ticket = lw_cells_ticket(arena, slot);
    wait->cell = lw_cells_claim(arena, slot, lw_cell_make(arena->self_id, LW_CELL_WAITING, ticket), true);
    count_waiting(arena, slot);
    lw_queue_leave(arena, slot, &settled, NULL);
    return wait->cell ? LW_QUEUE_GRANTED : LW_QUEUE_NO_ROOM;
}

enum lw_queued lw_condition_step(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait, void *unused,
                                 struct lw_watch *watch) {
    (void)unused;
    return lw_queue_step(arena, slot, &lw_condition_queue, wait, watch);
}

uint32_t lw_condition_waiters(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    uint32_t waiting = 0;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_is_waiting(value) && lw_member_alive(arena, lw_cell_id(value))) waiting++;
    }
    return waiting;
}

bool lw_condition_leave(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    bool chosen = !lw_cell_is_waiting(lw_cell_load(wait->cell));
    if (!chosen) {
        lw_cell_store(wait->cell, 0);
        wait->cell = NULL;
    }
    settle(arena, slot, &settled);
    lw_queue_leave(arena, slot, &settled, NULL);
    return chosen;
}

void lw_condition_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    if (!lw_condition_leave(arena, slot, wait)) return;
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    choose(arena, slot, 1, &settled.wakes);
    lw_condition_done(wait);
    count_waiting(arena, slot);
    lw_queue_leave(arena, slot, &settled, NULL);
}

void lw_condition_notify(struct lw_arena *arena, struct lw_slot *slot, uint32_t count) {
    if (lw_condition_waiting(slot) == 0) return;
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    settle(arena, slot, &settled);
    if (count < lw_condition_waiting(slot))
        choose(arena, slot, count, &settled.wakes);
    else
        choose_all(arena, slot, &settled.wakes);
    count_waiting(arena, slot);
    lw_queue_leave(arena, slot, &settled, NULL);
}
