#include "lw_queue.h"

#include "lw_crash.h"
#include "lw_member.h"

void lw_queue_leave(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled,
                    struct lw_queue_wait *wait) {
    lw_guard_leave(arena, slot);
    if (settled->wakes.count) {
        LW_CRASH(queue_granted); /* CRASH: granted, nobody woken: they find it at their next re-check */
        lw_wakes_send(&settled->wakes);
    }
    if (wait && settled->dead) {
        wait->dead = settled->dead;
        wait->count = settled->count;
    }
}

void lw_queue_settle(struct lw_arena *arena, struct lw_slot *slot, const struct lw_queue *queue,
                     struct lw_queue_wait *wait) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    queue->settle(arena, slot, &settled);
    lw_queue_leave(arena, slot, &settled, wait);
}

bool lw_queue_find_dead(struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    bool found = false;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint32_t id = lw_cell_id(lw_cell_load(cell));
        if (id == 0 || !lw_member_alive(arena, id) || !lw_member_is_mute(arena, id)) continue;
        if (!lw_member_recheck(arena, id)) found = true;
    }
    return found;
}

/* Whether the death of the other one could be to the advantage of the one that waits: one that holds, or came
 * before it. */
static bool watches(uint64_t mine, uint64_t other) {
    return !lw_cell_is_waiting(other) || lw_cell_value(other) < lw_cell_value(mine);
}

static void watch_all(struct lw_arena *arena, const struct lw_slot *slot, struct lw_watch *watch,
                      uint64_t mine) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t other = lw_cell_load(cell);
        uint32_t id = lw_cell_id(other);
        if (id != 0 && id != LW_ID_DEAD && watches(mine, other)) lw_watch_member(arena, watch, id);
    }
    /* One that has freed its cell under the guard, and has not granted to others yet, is in none. */
    uint32_t owner = lw_lock_owner(arena, slot);
    if (owner) lw_watch_member(arena, watch, owner);
}

enum lw_queued lw_queue_step(struct lw_arena *arena, struct lw_slot *slot, const struct lw_queue *queue,
                             struct lw_queue_wait *wait, struct lw_watch *watch) {
    for (;;) {
        uint64_t mine = lw_cell_load(wait->cell);
        if (!lw_cell_is_waiting(mine)) return LW_QUEUE_GRANTED;
        int64_t now = lw_now_ns();
        if (now >= wait->deadline_ns) return LW_QUEUE_TIMEOUT;
        lw_watch_begin(watch, &wait->cell->word, lw_cell_word(mine));
        watch_all(arena, slot, watch, mine);
        if (watch->dead) {
            lw_queue_settle(arena, slot, queue, wait);
            continue;
        }
        lw_watch_for(watch, &wait->recheck_ns, now, wait->deadline_ns);
        LW_CRASH(queue_waiting); /* CRASH: one that waits: its cell is freed by who settles next */
        return LW_QUEUE_SLEEP;
    }
}

void lw_queue_slept(struct lw_arena *arena, struct lw_slot *slot, const struct lw_queue *queue,
                    struct lw_queue_wait *wait, enum lw_slept slept) {
    switch (slept) {
    case LW_SLEPT_WOKEN:
    case LW_SLEPT_CHANGED:
        LW_CRASH(queue_woken); /* CRASH: what it was granted goes on to the next: they watch it */
        break;
    case LW_SLEPT_DEATH:
        lw_queue_settle(arena, slot, queue, wait);
        break;
    case LW_SLEPT_TIMEOUT:
        if (!lw_watch_rechecks(slept, &wait->recheck_ns, wait->deadline_ns)) break;
        lw_queue_find_dead(arena, slot);
        lw_queue_settle(arena, slot, queue, wait);
        break;
    case LW_SLEPT_SIGNAL:
        break;
    }
}

static bool ends(const struct lw_queue_wait *wait, enum lw_slept slept) {
    /* A signal that came just before the sleep did not end it: its handler has waited. */
    return slept == LW_SLEPT_SIGNAL || (slept == LW_SLEPT_TIMEOUT && lw_now_ns() < wait->deadline_ns);
}

enum lw_queued lw_queue_sleep(struct lw_arena *arena, struct lw_slot *slot, const struct lw_queue *queue,
                              struct lw_queue_wait *wait, lw_queue_stepper *step, void *more) {
    struct lw_watch watch;
    for (;;) {
        enum lw_queued queued = step(arena, slot, wait, more, &watch);
        if (queued != LW_QUEUE_SLEEP) return queued;
        enum lw_slept slept = lw_watch_sleep(arena, &watch);
        lw_queue_slept(arena, slot, queue, wait, slept);
        if (ends(wait, slept)) return LW_QUEUE_SIGNAL;
    }
}
