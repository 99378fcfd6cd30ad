#include "lw_permits.h"

#include <limits.h>

#include "lw_crash.h"
#include "lw_member.h"
#include "lw_stamp.h"

static bool strict(const struct lw_slot *slot) { return lw_load_relaxed(&slot->bell) & LW_PERMITS_STRICT; }

struct tally {
    uint64_t held; /* by the living */
    unsigned waiting;
};

static struct tally count_all(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct tally tally = {0};
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        uint32_t id = lw_cell_id(value);
        if (id == 0 || id == LW_ID_DEAD || (id != arena->self_id && !lw_member_alive(arena, id))) continue;
        if (lw_cell_is_waiting(value))
            tally.waiting++;
        else
            tally.held += lw_cell_state(value) == LW_CELL_HELD ? lw_cell_value(value) : 1;
    }
    return tally;
}

static uint32_t available(const struct lw_slot *slot, const struct tally *tally) {
    uint32_t limit = lw_load_relaxed(&slot->limit);
    return tally->held < limit ? limit - (uint32_t)tally->held : 0;
}

uint32_t lw_permits_available(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct tally tally = count_all(arena, slot);
    return tally.waiting ? 0 : available(slot, &tally);
}

static bool add(struct lw_cell *cell, uint32_t self) {
    uint64_t value = lw_cell_load(cell);
    while (lw_cell_id(value) == self && lw_cell_state(value) == LW_CELL_HELD && lw_cell_value(value) < LW_CELL_VALUE_MAX) {
        if (!lw_cell_cas(cell, &value, value + ((uint64_t)1 << (32 + LW_CELL_VALUE_SHIFT)))) continue;
        if (lw_cell_value(value) == 0) lw_stamp_cell(cell);
        return true;
    }
    return false;
}

/* As many as there are, up to count; returns how many. */
static uint32_t subtract(struct lw_cell *cell, uint32_t id, uint32_t count) {
    uint64_t value = lw_cell_load(cell);
    while (lw_cell_id(value) == id && lw_cell_state(value) == LW_CELL_HELD && lw_cell_value(value) > 0) {
        uint32_t part = lw_cell_value(value) < count ? lw_cell_value(value) : count;
        if (lw_cell_cas(cell, &value, lw_cell_make(id, LW_CELL_HELD, lw_cell_value(value) - part))) return part;
    }
    return 0;
}

enum whose { MINE, NOBODYS, ANYBODYS };

static bool is(const struct lw_arena *arena, uint64_t value, enum whose whose) {
    if (lw_cell_state(value) != LW_CELL_HELD) return false;
    if (whose == MINE) return lw_cell_id(value) == arena->self_id;
    return whose == ANYBODYS || lw_cell_id(value) == LW_ID_DEAD;
}

static uint64_t sum_of(const struct lw_arena *arena, const struct lw_slot *slot, enum whose whose) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    uint64_t sum = 0;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (is(arena, value, whose)) sum += lw_cell_value(value);
    }
    return sum;
}

static uint32_t take_back(const struct lw_arena *arena, const struct lw_slot *slot, enum whose whose, uint32_t count) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while (count > 0 && (cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (is(arena, value, whose)) count -= subtract(cell, lw_cell_id(value), count);
    }
    return count;
}

bool lw_permits_try(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *hint) {
    if (!hint || lw_load_relaxed(&slot->bell) & LW_PERMITS_QUEUE || !add(hint, arena->self_id)) return false;
    LW_CRASH(permits_counted); /* CRASH: a permit of a dead one: holds nothing */
    /* First this, then the sum: if nobody waits now, a settle that is granting either has yet to count, or
     * has granted, and the sum sees it. */
    if (!(lw_load_seq(&slot->bell) & LW_PERMITS_QUEUE) &&
        count_all(arena, slot).held <= lw_load_relaxed(&slot->limit))
        return true;
    /* Another thread's release may have taken this very 1: then there is one in another cell instead. */
    if (!subtract(hint, arena->self_id, 1)) take_back(arena, slot, MINE, 1);
    return false; /* one that waits may have counted it: the slow way, which now follows, settles */
}

bool lw_permits_release_fast(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *hint, uint32_t count,
                             bool *settle) {
    *settle = false;
    if (!hint) return false;
    uint64_t value = lw_cell_load(hint);
    do {
        if (lw_cell_id(value) != arena->self_id || lw_cell_state(value) != LW_CELL_HELD) return false;
        if (lw_cell_value(value) < count) return false;
    } while (!lw_cell_cas(hint, &value, lw_cell_make(arena->self_id, LW_CELL_HELD, lw_cell_value(value) - count)));
    LW_CRASH(permits_released); /* CRASH: a death that those who wait watch: they settle */
    *settle = lw_load_seq(&slot->bell) & (LW_PERMITS_QUEUE | LW_PERMITS_LISTENERS);
    return !*settle;
}

/* A dead one's permits, forgiven to whoever releases them late. One that dies in the middle of this
 * leaves some forgiven twice, which only makes it more lenient. */
static void bury(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *dead, uint32_t count) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    if (strict(slot)) count = 0;
    while (count && (cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_id(value) != LW_ID_DEAD || lw_cell_state(value) != LW_CELL_HELD || cell == dead) continue;
        uint32_t limit = lw_load_relaxed(&slot->limit);
        if (limit > LW_CELL_VALUE_MAX) limit = LW_CELL_VALUE_MAX;
        uint64_t sum = (uint64_t)lw_cell_value(value) + count;
        lw_cell_store(cell, lw_cell_make(LW_ID_DEAD, LW_CELL_HELD, sum < limit ? (uint32_t)sum : limit));
        count = 0;
    }
    lw_cell_store(dead, count ? lw_cell_make(LW_ID_DEAD, LW_CELL_HELD, count) : 0);
}

static void bury_all(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        uint32_t id = lw_cell_id(value);
        enum lw_cell_state state = lw_cell_state(value);
        if (value == 0 || (id == LW_ID_DEAD && state == LW_CELL_HELD && lw_cell_value(value))) continue;
        if (lw_member_alive(arena, id)) continue;
        uint32_t count = state == LW_CELL_HELD ? lw_cell_value(value) : state == LW_CELL_CHOSEN;
        if (count) {
            settled->count = settled->dead == id ? settled->count + count : count;
            settled->dead = id;
        }
        bury(arena, slot, cell, count);
    }
}

/* Cells of this process that its waits left behind: one that is empty is enough. (Who has found another by its
 * compare-and-swap learns that it is gone.) */
static void tidy(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    bool first = true;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (value != lw_cell_make(arena->self_id, LW_CELL_HELD, 0)) continue;
        if (!first) lw_cell_cas(cell, &value, 0);
        first = false;
    }
}

static void say_queue(struct lw_slot *slot, bool queue) {
    if (queue)
        atomic_fetch_or(&slot->bell, LW_PERMITS_QUEUE);
    else
        atomic_fetch_and(&slot->bell, ~LW_PERMITS_QUEUE);
}

uint32_t lw_permits_listen(struct lw_slot *slot) {
    return atomic_fetch_or(&slot->bell, LW_PERMITS_LISTENERS) | LW_PERMITS_LISTENERS;
}

static void ring(struct lw_slot *slot) {
    uint32_t bell = lw_load_seq(&slot->bell);
    while (bell & LW_PERMITS_LISTENERS) {
        if (!lw_cas_acqrel(&slot->bell, &bell, (bell & ~LW_PERMITS_LISTENERS) + (1u << LW_PERMITS_BELL_SHIFT))) continue;
        lw_futex_wake(&slot->bell, INT_MAX);
        return;
    }
}

static void settle(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled) {
    bury_all(arena, slot, settled);
    tidy(arena, slot);
    struct tally tally = count_all(arena, slot);
    if (tally.waiting) {
        say_queue(slot, true);
        LW_CRASH(permits_queued); /* CRASH: the next one settles; those that find QUEUE do */
        tally = count_all(arena, slot);
    }
    uint32_t free = available(slot, &tally);
    bool granted = false;
    struct lw_cell *cell;
    for (; free > 0 && (cell = lw_cells_oldest(arena, slot, LW_CELL_WAITING)); free--) {
        granted = true;
        lw_cell_store(cell, lw_cell_make(lw_cell_id(lw_cell_load(cell)), LW_CELL_CHOSEN, 0));
        LW_CRASH(permits_granted); /* CRASH: granted, nobody woken: it finds it at its next re-check */
        lw_wakes_add(&settled->wakes, cell);
    }
    if (!lw_cells_oldest(arena, slot, LW_CELL_WAITING)) say_queue(slot, false);
    if (free > 0 || granted) ring(slot); /* after a grant: to watch that one */
}

const struct lw_queue lw_permits_queue = {settle};

/* Under the guard: one more for this process. */
static bool take(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell **hint) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        if (!add(cell, arena->self_id)) continue;
        *hint = cell;
        return true;
    }
    return (*hint = lw_cells_claim(arena, slot, lw_cell_make(arena->self_id, LW_CELL_HELD, 1), true)) != NULL;
}

/* Takes one, or joins the queue. */
static enum lw_queued join(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait,
                           struct lw_cell **hint) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    settle(arena, slot, &settled);
    struct tally tally = count_all(arena, slot);
    enum lw_queued queued = LW_QUEUE_TIMEOUT;
    if (tally.waiting == 0 && available(slot, &tally) > 0) {
        queued = take(arena, slot, hint) ? LW_QUEUE_GRANTED : LW_QUEUE_NO_ROOM;
        /* Another one may have added its own without the guard. */
        tally = count_all(arena, slot);
        if (queued == LW_QUEUE_GRANTED && tally.held > lw_load_relaxed(&slot->limit)) {
            subtract(*hint, arena->self_id, 1);
            queued = LW_QUEUE_TIMEOUT;
        }
    }
    if (queued == LW_QUEUE_TIMEOUT && wait->deadline_ns != 0) {
        uint32_t ticket = lw_cells_ticket(arena, slot);
        wait->cell = lw_cells_claim(arena, slot, lw_cell_make(arena->self_id, LW_CELL_WAITING, ticket), true);
        if (!wait->cell) queued = LW_QUEUE_NO_ROOM;
        settle(arena, slot, &settled); /* says QUEUE, and looks again */
    }
    lw_queue_leave(arena, slot, &settled, wait);
    return queued;
}

/* Leaves the queue; true if it was granted meanwhile. */
static bool leave(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait, bool keep) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    bool granted = lw_cell_state(lw_cell_load(wait->cell)) == LW_CELL_CHOSEN;
    lw_stamp_cell(wait->cell);
    lw_cell_store(wait->cell, granted && keep ? lw_cell_make(arena->self_id, LW_CELL_HELD, 1) : 0);
    wait->cell = NULL;
    settle(arena, slot, &settled);
    lw_queue_leave(arena, slot, &settled, wait);
    return granted;
}

enum lw_queued lw_permits_step(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait, void *hint,
                               struct lw_watch *watch) {
    if (!wait->cell) {
        enum lw_queued joined = join(arena, slot, wait, hint);
        if (joined == LW_QUEUE_TIMEOUT && wait->deadline_ns == 0 && lw_queue_find_dead(arena, slot))
            joined = join(arena, slot, wait, hint);
        if (!wait->cell) return joined;
    }
    enum lw_queued queued = lw_queue_step(arena, slot, &lw_permits_queue, wait, watch);
    if (queued == LW_QUEUE_TIMEOUT && leave(arena, slot, wait, true)) return LW_QUEUE_GRANTED;
    if (queued == LW_QUEUE_GRANTED) {
        lw_stamp_cell(wait->cell);
        lw_cell_store(wait->cell, lw_cell_make(arena->self_id, LW_CELL_HELD, 1));
        wait->cell = NULL;
    }
    return queued;
}

enum lw_queued lw_permits_acquire(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait,
                                  struct lw_cell **hint) {
    return lw_queue_sleep(arena, slot, &lw_permits_queue, wait, lw_permits_step, hint);
}

void lw_permits_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    if (wait->cell) leave(arena, slot, wait, false);
}

bool lw_permits_release(struct lw_arena *arena, struct lw_slot *slot, uint32_t count, struct lw_queue_wait *wait) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    if (unsettled) settle(arena, slot, &settled);
    bool enough = sum_of(arena, slot, strict(slot) ? MINE : ANYBODYS) >= count;
    if (enough) {
        uint32_t left = take_back(arena, slot, MINE, count);
        if (left && !strict(slot)) left = take_back(arena, slot, NOBODYS, left);
        if (left && !strict(slot)) take_back(arena, slot, ANYBODYS, left);
        settle(arena, slot, &settled);
    }
    lw_queue_leave(arena, slot, &settled, wait);
    return enough;
}
