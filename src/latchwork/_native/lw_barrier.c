#include "lw_barrier.h"

#include <limits.h>

#include "lw_crash.h"
#include "lw_member.h"

static uint32_t number_of(uint32_t round) { return round >> LW_BARRIER_NUMBER_SHIFT; }

/* Waits, or runs the action, in a round. */
static bool is_in(uint64_t cell) {
    return lw_cell_state(cell) == LW_CELL_WAITING || lw_cell_state(cell) == LW_CELL_RUNNING;
}

/* Gives the cells of an ended round its outcome. */
static void tell_outcome(const struct lw_arena *arena, struct lw_slot *slot) {
    uint32_t round = lw_load_acq(&slot->round);
    enum lw_cell_state outcome = round & LW_BARRIER_FAILED ? LW_CELL_BROKEN : LW_CELL_CHOSEN;
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (!is_in(value) || lw_cell_value(value) == number_of(round)) continue;
        lw_cell_store(cell, lw_cell_make(lw_cell_id(value), outcome, 0));
        LW_CRASH(barrier_telling); /* CRASH: decided: the next one tells the others */
    }
}

static void end_round(const struct lw_arena *arena, struct lw_slot *slot, uint32_t outcome) {
    uint32_t round = lw_load_relaxed(&slot->round), next = (number_of(round) + 1) << LW_BARRIER_NUMBER_SHIFT;
    while (!lw_cas_acqrel(&slot->round, &round, next | outcome)) {
    }
    LW_CRASH(barrier_ended); /* CRASH: the same */
    tell_outcome(arena, slot);
}

struct tally {
    uint32_t in; /* the dead among them, too */
    uint32_t dead; /* one of these */
    bool running;
    bool litter; /* somebody who has a cell is dead */
};

static struct tally count_all(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct tally tally = {0};
    uint32_t number = number_of(lw_load_acq(&slot->round));
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        uint32_t id = lw_cell_id(value);
        if (value == 0) continue;
        bool dead = id != arena->self_id && !lw_member_alive(arena, id);
        tally.litter |= dead;
        if (!is_in(value) || lw_cell_value(value) != number) continue;
        tally.in++;
        if (lw_cell_state(value) == LW_CELL_RUNNING) tally.running = true;
        if (dead) tally.dead = id;
    }
    return tally;
}

/* But not of one in this round, who died since they were counted: the next one finds it, and breaks the
 * barrier. */
static void free_dead(const struct lw_arena *arena, struct lw_slot *slot) {
    uint32_t number = number_of(lw_load_relaxed(&slot->round));
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (value == 0 || (is_in(value) && lw_cell_value(value) == number)) continue;
        if (!lw_member_alive(arena, lw_cell_id(value))) lw_cell_store(cell, 0);
    }
}

/* Takes the guard and settles. Who is in then, none of them known to be dead; *wake: all that sleep are to be
 * woken. */
static struct tally enter(struct lw_arena *arena, struct lw_slot *slot, uint32_t *dead, bool *wake) {
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    if (unsettled) tell_outcome(arena, slot);
    struct tally tally = count_all(arena, slot);
    *wake = unsettled || tally.dead != 0;
    if (tally.dead) {
        *dead = tally.dead;
        end_round(arena, slot, LW_BARRIER_FAILED | LW_BARRIER_BROKEN);
        tally.in = 0;
        tally.running = false;
    }
    if (tally.litter) free_dead(arena, slot);
    return tally;
}

static void leave(struct lw_arena *arena, struct lw_slot *slot, bool wake) {
    lw_guard_leave(arena, slot);
    if (!wake) return;
    LW_CRASH(barrier_told); /* CRASH: told, nobody woken: they find it at their next re-check */
    lw_futex_wake(&slot->round, INT_MAX);
}

/* One of the others is to watch this one. */
static void call_a_watcher(struct lw_slot *slot) {
    uint32_t round = lw_load_relaxed(&slot->round), called;
    do {
        called = (round & ~LW_BARRIER_CALLS) | ((round + LW_BARRIER_CALL) & LW_BARRIER_CALLS);
    } while (!lw_cas_acqrel(&slot->round, &round, called));
    lw_futex_wake(&slot->round, 1);
}

static enum lw_barred arrive(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait, bool action) {
    bool wake;
    struct tally tally = enter(arena, slot, &wait->dead, &wake);
    enum lw_barred barred = LW_BARRIER_SIGNAL;
    wait->round = lw_load_relaxed(&slot->round);
    wait->index = tally.in;
    bool last = wait->index + 1 >= lw_load_relaxed(&slot->limit);
    if (wait->round & LW_BARRIER_BROKEN) {
        barred = LW_BARRIER_IS_BROKEN;
    } else if (tally.running) {
        /* Too late for this round: without a cell it waits until the action has run, and comes again. */
    } else if (last && !action) {
        end_round(arena, slot, 0);
        wake |= wait->index > 0;
        barred = LW_BARRIER_PASSED;
    } else {
        enum lw_cell_state state = last ? LW_CELL_RUNNING : LW_CELL_WAITING;
        uint64_t value = lw_cell_make(arena->self_id, state, number_of(wait->round));
        wait->cell = lw_cells_claim(arena, slot, value, true);
        /* One that waited for the end of an action is as new here as any other. */
        wait->patient_until_ns = wait->recheck_ns = 0;
        wait->watched = false;
        if (!wait->cell) barred = LW_BARRIER_NO_ROOM;
        if (wait->cell && last) barred = LW_BARRIER_RUN;
    }
    leave(arena, slot, wake);
    if (barred == LW_BARRIER_RUN) call_a_watcher(slot);
    return barred;
}

/* Its round has ended: the outcome. */
static bool passed(struct lw_barrier_wait *wait) {
    bool well = lw_cell_state(lw_cell_load(wait->cell)) == LW_CELL_CHOSEN;
    lw_cell_store(wait->cell, 0);
    wait->cell = NULL;
    return well;
}

static void settle_now(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait) {
    bool wake;
    enter(arena, slot, &wait->dead, &wake);
    leave(arena, slot, wake);
}

static void watch_all(struct lw_arena *arena, const struct lw_slot *slot, struct lw_watch *watch, uint32_t round) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (is_in(value) && lw_cell_value(value) == number_of(round)) lw_watch_member(arena, watch, lw_cell_id(value));
    }
    /* One that ends the round without a cell of its own, and has not told the others yet. */
    uint32_t owner = lw_lock_owner(arena, slot);
    if (owner) lw_watch_member(arena, watch, owner);
}

static enum lw_barred timed_out(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait) {
    bool wake;
    enter(arena, slot, &wait->dead, &wake);
    enum lw_barred barred = LW_BARRIER_IS_BROKEN;
    bool over = number_of(lw_load_relaxed(&slot->round)) != number_of(wait->round);
    if (wait->cell ? is_in(lw_cell_load(wait->cell)) : !over) {
        end_round(arena, slot, LW_BARRIER_FAILED | LW_BARRIER_BROKEN);
        wake = true;
        barred = LW_BARRIER_TIMEOUT;
    }
    leave(arena, slot, wake);
    return wait->cell && passed(wait) ? LW_BARRIER_PASSED : barred;
}

/* One that came in time has its cell to tell; one that came too late waits for the end of the round. */
static bool is_over(const struct lw_slot *slot, const struct lw_barrier_wait *wait) {
    if (wait->cell) return !is_in(lw_cell_load(wait->cell));
    return number_of(lw_load_acq(&slot->round)) != number_of(wait->round);
}

static enum lw_barred step_round(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait,
                                 struct lw_watch *watch) {
    while (!is_over(slot, wait)) {
        int64_t now = lw_now_ns();
        if (now >= wait->deadline_ns) return timed_out(arena, slot, wait);
        uint32_t round = lw_load_acq(&slot->round);
        if (number_of(round) != number_of(wait->round)) {
            settle_now(arena, slot, wait); /* the round's last one is still telling */
            continue;
        }
        if (wait->patient_until_ns == 0) wait->patient_until_ns = now + LW_BARRIER_PATIENCE_NS;
        wait->patient = now < wait->patient_until_ns;
        if (!wait->patient && !wait->watched) {
            wait->watched = true;
            call_a_watcher(slot);
            continue;
        }
        lw_watch_begin(watch, &slot->round, round);
        if (!wait->patient) watch_all(arena, slot, watch, round);
        if (watch->dead) {
            settle_now(arena, slot, wait);
            continue;
        }
        lw_watch_for(watch, &wait->recheck_ns, now, wait->deadline_ns);
        if (wait->patient && wait->patient_until_ns < watch->wake_ns) watch->wake_ns = wait->patient_until_ns;
        LW_CRASH(barrier_waiting); /* CRASH: breaks the barrier: by those that watch, or by the re-check */
        return LW_BARRIER_SLEEP;
    }
    if (!wait->cell) return LW_BARRIER_SIGNAL; /* and comes again, for the next round */
    return passed(wait) ? LW_BARRIER_PASSED : LW_BARRIER_IS_BROKEN;
}

enum lw_barred lw_barrier_step(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait, bool action,
                               struct lw_watch *watch) {
    if (!wait->cell) {
        enum lw_barred arrived = arrive(arena, slot, wait, action);
        if (arrived != LW_BARRIER_SIGNAL) return arrived;
    }
    return step_round(arena, slot, wait, watch);
}

static bool rechecks(const struct lw_barrier_wait *wait, enum lw_slept slept) {
    return slept == LW_SLEPT_TIMEOUT && !wait->patient && lw_now_ns() < wait->deadline_ns;
}

void lw_barrier_slept(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait, enum lw_slept slept) {
    if (rechecks(wait, slept)) {
        wait->recheck_ns = lw_recheck_next(wait->recheck_ns);
        lw_queue_find_dead(arena, slot);
        settle_now(arena, slot, wait);
    }
    if (slept == LW_SLEPT_DEATH) settle_now(arena, slot, wait);
}

enum lw_barred lw_barrier_wait(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait,
                               bool action) {
    struct lw_watch watch;
    for (;;) {
        enum lw_barred barred = lw_barrier_step(arena, slot, wait, action, &watch);
        if (barred != LW_BARRIER_SLEEP) return barred;
        enum lw_slept slept = lw_watch_sleep(arena, &watch);
        lw_barrier_slept(arena, slot, wait, slept);
        /* A signal that came just before the sleep did not end it: its handler has waited. */
        if (slept == LW_SLEPT_SIGNAL || rechecks(wait, slept)) return LW_BARRIER_SIGNAL;
    }
}

bool lw_barrier_end(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait, bool well) {
    bool wake;
    enter(arena, slot, &wait->dead, &wake);
    if (is_in(lw_cell_load(wait->cell))) {
        end_round(arena, slot, well ? 0 : LW_BARRIER_FAILED | LW_BARRIER_BROKEN);
        wake = true;
    }
    leave(arena, slot, wake);
    return passed(wait);
}

void lw_barrier_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_barrier_wait *wait) {
    if (!wait->cell) return;
    bool wake;
    enter(arena, slot, &wait->dead, &wake);
    lw_cell_store(wait->cell, 0);
    wait->cell = NULL;
    leave(arena, slot, true); /* it may have been the only one to watch one of the others */
}

void lw_barrier_abort(struct lw_arena *arena, struct lw_slot *slot) {
    uint32_t dead;
    bool wake;
    enter(arena, slot, &dead, &wake);
    if (!(lw_load_relaxed(&slot->round) & LW_BARRIER_BROKEN)) {
        end_round(arena, slot, LW_BARRIER_FAILED | LW_BARRIER_BROKEN);
        wake = true;
    }
    leave(arena, slot, wake);
}

void lw_barrier_reset(struct lw_arena *arena, struct lw_slot *slot) {
    uint32_t dead;
    bool wake;
    struct tally tally = enter(arena, slot, &dead, &wake);
    uint32_t round = lw_load_relaxed(&slot->round);
    if (tally.in > 0) {
        end_round(arena, slot, LW_BARRIER_FAILED);
        wake = true;
    } else if (round & LW_BARRIER_BROKEN) {
        atomic_fetch_and(&slot->round, ~LW_BARRIER_BROKEN);
    }
    leave(arena, slot, wake);
}

uint32_t lw_barrier_waiting(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct tally tally = count_all(arena, slot);
    return tally.dead ? 0 : tally.in; /* a death has broken it: nobody waits in a broken one */
}

bool lw_barrier_is_broken(const struct lw_arena *arena, const struct lw_slot *slot) {
    return lw_load_acq(&slot->round) & LW_BARRIER_BROKEN || count_all(arena, slot).dead != 0;
}
