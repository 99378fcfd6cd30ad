#include "lw_permits.h"

#include <limits.h>

#include "lw_crash.h"
#include "lw_member.h"

static bool strict(const struct lw_slot *slot) { return lw_load_relaxed(&slot->bell) & LW_PERMITS_STRICT; }

/* A dead one's permits, forgiven to whoever releases them late. One that dies in the middle of this
 * leaves some forgiven twice, which only makes it more lenient. */
static void bury(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *dead, uint32_t count) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while (!strict(slot) && count && (cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_id(value) != LW_ID_DEAD || cell == dead) continue;
        uint32_t limit = lw_load_relaxed(&slot->limit);
        if (limit > LW_CELL_VALUE_MAX) limit = LW_CELL_VALUE_MAX;
        uint32_t sum = lw_cell_value(value) < limit - count ? lw_cell_value(value) + count : limit;
        lw_cell_store(cell, lw_cell_make(LW_ID_DEAD, LW_CELL_HELD, sum));
        count = 0;
    }
    lw_cell_store(dead, !strict(slot) && count ? lw_cell_make(LW_ID_DEAD, LW_CELL_HELD, count) : 0);
}

struct tally {
    uint64_t held; /* by the living */
    unsigned waiting;
    bool dead;            /* somebody is dead: settle first */
    struct lw_cell *mine; /* the fullest HELD cell of this process */
    unsigned mine_cells;
};

static struct tally count_all(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct tally tally = {0};
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        uint32_t id = lw_cell_id(value);
        enum lw_cell_state state = lw_cell_state(value);
        if (id == 0 || id == LW_ID_DEAD) continue;
        if (id == arena->self_id && state == LW_CELL_HELD) {
            tally.held += lw_cell_value(value);
            tally.mine_cells++;
            if (!tally.mine || lw_cell_value(value) > lw_cell_value(lw_cell_load(tally.mine))) tally.mine = cell;
        } else if (id != arena->self_id && !lw_member_alive(arena, id)) {
            tally.dead = true;
        } else if (state == LW_CELL_HELD) {
            tally.held += lw_cell_value(value);
        } else if (state == LW_CELL_CHOSEN) {
            tally.held++;
        } else {
            tally.waiting++;
        }
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
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        uint32_t id = lw_cell_id(value);
        enum lw_cell_state state = lw_cell_state(value);
        if (value == 0 || (id == LW_ID_DEAD && state == LW_CELL_HELD) || lw_member_alive(arena, id)) continue;
        uint32_t count = state == LW_CELL_HELD ? lw_cell_value(value) : state == LW_CELL_CHOSEN;
        if (count) {
            settled->count = settled->dead == id ? settled->count + count : count;
            settled->dead = id;
        }
        bury(arena, slot, cell, count);
    }
    struct tally tally = count_all(arena, slot);
    uint32_t free = available(slot, &tally);
    for (; free > 0 && tally.waiting > 0; free--, tally.waiting--) {
        cell = lw_cells_oldest(arena, slot, LW_CELL_WAITING);
        if (!cell) break;
        lw_cell_store(cell, lw_cell_make(lw_cell_id(lw_cell_load(cell)), LW_CELL_CHOSEN, 0));
        LW_CRASH(permits_granted); /* CRASH: granted, nobody woken: it finds it at its next re-check */
        lw_wakes_add(&settled->wakes, cell);
    }
    if (free > 0) ring(slot);
}

static bool watches(uint64_t mine, uint64_t other) {
    return !lw_cell_is_waiting(other) || lw_cell_value(other) < lw_cell_value(mine);
}

const struct lw_queue lw_permits_queue = {settle, watches};

/* Under the guard: one more for this process. */
static bool take(struct lw_arena *arena, struct lw_slot *slot, const struct tally *tally, bool grow) {
    uint32_t held = tally->mine ? lw_cell_value(lw_cell_load(tally->mine)) : LW_CELL_VALUE_MAX;
    if (held == LW_CELL_VALUE_MAX)
        return lw_cells_claim(arena, slot, lw_cell_make(arena->self_id, LW_CELL_HELD, 1), grow) != NULL;
    lw_cell_store(tally->mine, lw_cell_make(arena->self_id, LW_CELL_HELD, held + 1));
    return true;
}

enum lw_permits_tried lw_permits_try(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    struct lw_settled settled = {.dead = 0};
    bool unsettled;
    if (!lw_guard_try(arena, slot, &unsettled)) return LW_PERMITS_GO_SLOW;
    struct tally tally = count_all(arena, slot);
    if (unsettled || tally.dead) {
        settle(arena, slot, &settled);
        tally = count_all(arena, slot);
    }
    enum lw_permits_tried tried = LW_PERMITS_NONE;
    if (tally.waiting == 0 && available(slot, &tally) > 0)
        tried = take(arena, slot, &tally, false) ? LW_PERMITS_GOT : LW_PERMITS_GO_SLOW;
    lw_queue_leave(arena, slot, &settled, wait);
    return tried;
}

/* Takes one, or joins the queue. */
static enum lw_queued join(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    struct lw_settled settled = {.dead = 0};
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    settle(arena, slot, &settled);
    struct tally tally = count_all(arena, slot);
    enum lw_queued queued = LW_QUEUE_TIMEOUT;
    if (tally.waiting == 0 && available(slot, &tally) > 0) {
        queued = take(arena, slot, &tally, true) ? LW_QUEUE_GRANTED : LW_QUEUE_NO_ROOM;
    } else if (wait->deadline_ns != 0) {
        uint32_t ticket = lw_cells_ticket(arena, slot);
        wait->cell = lw_cells_claim(arena, slot, lw_cell_make(arena->self_id, LW_CELL_WAITING, ticket), true);
        if (!wait->cell) queued = LW_QUEUE_NO_ROOM;
    }
    lw_queue_leave(arena, slot, &settled, wait);
    return queued;
}

/* What is held in several cells is held in one as well: so they don't become ever more. */
static void merge(struct lw_arena *arena, struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell, *first = NULL;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_id(value) != arena->self_id || lw_cell_state(value) != LW_CELL_HELD) continue;
        if (!first) {
            first = cell;
            continue;
        }
        uint64_t sum = (uint64_t)lw_cell_value(lw_cell_load(first)) + lw_cell_value(value);
        if (sum > LW_CELL_VALUE_MAX) continue;
        /* CRASH: counted twice, by a dead one: as good as not at all. */
        lw_cell_store(first, lw_cell_make(arena->self_id, LW_CELL_HELD, (uint32_t)sum));
        LW_CRASH(permits_merging);
        lw_cell_store(cell, 0);
    }
}

/* Leaves the queue; true if it was granted meanwhile. */
static bool leave(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait, bool keep) {
    struct lw_settled settled = {.dead = 0};
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    bool granted = lw_cell_state(lw_cell_load(wait->cell)) == LW_CELL_CHOSEN;
    lw_cell_store(wait->cell, granted && keep ? lw_cell_make(arena->self_id, LW_CELL_HELD, 1) : 0);
    wait->cell = NULL;
    settle(arena, slot, &settled);
    lw_queue_leave(arena, slot, &settled, wait);
    return granted;
}

enum lw_queued lw_permits_acquire(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    if (!wait->cell) {
        enum lw_queued joined = join(arena, slot, wait);
        if (!wait->cell) return joined;
    }
    enum lw_queued slept = lw_queue_sleep(arena, slot, &lw_permits_queue, wait);
    if (slept == LW_QUEUE_TIMEOUT && leave(arena, slot, wait, true)) return LW_QUEUE_GRANTED;
    if (slept == LW_QUEUE_GRANTED) {
        lw_cell_store(wait->cell, lw_cell_make(arena->self_id, LW_CELL_HELD, 1));
        wait->cell = NULL;
    }
    return slept;
}

void lw_permits_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    if (wait->cell) leave(arena, slot, wait, false);
}

static bool is_mine(const struct lw_arena *arena, uint64_t value) { return lw_cell_id(value) == arena->self_id; }
static bool is_nobodys(const struct lw_arena *arena, uint64_t value) {
    (void)arena;
    return lw_cell_id(value) == LW_ID_DEAD;
}
static bool is_anybodys(const struct lw_arena *arena, uint64_t value) {
    (void)arena, (void)value;
    return true;
}

typedef bool (*whose)(const struct lw_arena *arena, uint64_t value);

static uint64_t sum_of(const struct lw_arena *arena, const struct lw_slot *slot, whose whose) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    uint64_t sum = 0;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_state(value) == LW_CELL_HELD && whose(arena, value)) sum += lw_cell_value(value);
    }
    return sum;
}

static uint32_t take_back(const struct lw_arena *arena, const struct lw_slot *slot, whose whose, uint32_t count) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while (count > 0 && (cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_state(value) != LW_CELL_HELD || !whose(arena, value)) continue;
        uint32_t part = lw_cell_value(value) < count ? lw_cell_value(value) : count;
        lw_cell_store(cell, lw_cell_make(lw_cell_id(value), LW_CELL_HELD, lw_cell_value(value) - part));
        count -= part;
    }
    return count;
}

enum lw_permits_released lw_permits_release(struct lw_arena *arena, struct lw_slot *slot, uint32_t count,
                                            bool may_wait, struct lw_queue_wait *wait) {
    struct lw_settled settled = {.dead = 0};
    bool unsettled;
    if (may_wait)
        lw_guard_enter(arena, slot, &unsettled);
    else if (!lw_guard_try(arena, slot, &unsettled))
        return LW_PERMITS_BUSY;
    struct tally tally = count_all(arena, slot);
    if (unsettled || tally.dead) settle(arena, slot, &settled);
    enum lw_permits_released released = LW_PERMITS_TOO_MANY;
    uint32_t mine = tally.mine ? lw_cell_value(lw_cell_load(tally.mine)) : 0;
    if (mine >= count) {
        lw_cell_store(tally.mine, lw_cell_make(arena->self_id, LW_CELL_HELD, mine - count));
        released = LW_PERMITS_RELEASED;
    } else if (sum_of(arena, slot, strict(slot) ? is_mine : is_anybodys) >= count) {
        uint32_t left = take_back(arena, slot, is_mine, count);
        if (left) left = take_back(arena, slot, is_nobodys, left);
        if (left) take_back(arena, slot, is_anybodys, left);
        released = LW_PERMITS_RELEASED;
    }
    if (released == LW_PERMITS_RELEASED) {
        if (tally.waiting || lw_load_seq(&slot->bell) & LW_PERMITS_LISTENERS) settle(arena, slot, &settled);
        if (tally.mine_cells > 1) merge(arena, slot);
    }
    lw_queue_leave(arena, slot, &settled, wait);
    return released;
}
