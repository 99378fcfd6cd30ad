#include "lw_rwlock.h"

#include "lw_crash.h"
#include "lw_member.h"
#include "lw_stamp.h"

struct tally {
    uint32_t reads; /* by the living */
    unsigned waiting;
    unsigned waiting_write;
    bool writing;
};

static struct tally count_all(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct tally tally = {0};
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        uint32_t id = lw_cell_id(value);
        if (id == 0 || (id != arena->self_id && !lw_member_alive(arena, id))) continue;
        switch (lw_cell_state(value)) {
        case LW_CELL_HELD:
            tally.reads += lw_cell_value(value);
            break;
        case LW_CELL_CHOSEN:
            tally.reads++;
            break;
        case LW_CELL_WAITING:
            tally.waiting++;
            break;
        case LW_CELL_WAITING_WRITE:
            tally.waiting_write++;
            break;
        case LW_CELL_WRITING:
            tally.writing = true;
            break;
        default:
            break;
        }
    }
    return tally;
}

/* Frees what the dead left; whether a write ended by that. */
static bool bury(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    bool wrote = false;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        uint32_t id = lw_cell_id(value);
        if (id == 0 || lw_member_alive(arena, id)) continue;
        if (lw_cell_state(value) == LW_CELL_WRITING) {
            wrote = true;
            lw_store_rel(&slot->left, id);
            settled->dead = id;
        }
        LW_CRASH(rwlock_left); /* CRASH: told already, freed by the next one */
        lw_cell_store(cell, 0);
    }
    return wrote;
}

static void look_again(struct lw_cell *cell, struct lw_wakes *wakes) {
    lw_cell_nudge(cell); /* the wake alone would be lost on one that has looked and does not sleep yet */
    lw_wakes_add(wakes, cell);
}

/* Those that came before that ticket; whether there were any. */
static bool let_readers_in(const struct lw_arena *arena, struct lw_slot *slot, uint32_t before,
                           struct lw_wakes *wakes) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    bool any = false;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_state(value) != LW_CELL_WAITING || lw_cell_value(value) >= before) continue;
        lw_cell_store(cell, lw_cell_make(lw_cell_id(value), LW_CELL_CHOSEN, 0));
        LW_CRASH(rwlock_granted); /* CRASH: granted, nobody woken: it finds it at its next re-check */
        lw_wakes_add(wakes, cell);
        any = true;
    }
    return any;
}

/* Cells of this process that its waits left behind: one is enough for its reads. (A reader that has found one
 * of them finds by its compare-and-swap that it is gone.) */
static void tidy(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    uint64_t empty = lw_cell_make(arena->self_id, LW_CELL_HELD, 0);
    bool first = true;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_id(value) != arena->self_id || lw_cell_state(value) != LW_CELL_HELD) continue;
        if (!first && value == empty) lw_cell_cas(cell, &value, 0);
        first = false;
    }
}

static void give(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled, bool write_ended) {
    write_ended |= bury(arena, slot, settled);
    tidy(arena, slot);
    struct tally tally = count_all(arena, slot);
    if (tally.writing) return;
    if (tally.waiting_write == 0) {
        let_readers_in(arena, slot, UINT32_MAX, &settled->wakes);
        lw_store_seq(&slot->gate, 0);
        return;
    }
    lw_store_seq(&slot->gate, 1);
    struct lw_cell *writer = lw_cells_oldest(arena, slot, LW_CELL_WAITING_WRITE);
    if (!writer) return; /* died since: who was told of that settles next */
    /* Without an end of a write: those that waited for a writer which has given up or died. No younger one may
     * get ahead of them, as they do not watch it. */
    uint32_t before = write_ended ? UINT32_MAX : lw_cell_value(lw_cell_load(writer));
    if (let_readers_in(arena, slot, before, &settled->wakes)) {
        if (write_ended) look_again(writer, &settled->wakes); /* to watch them */
        return;
    }
    LW_CRASH(rwlock_closed); /* CRASH: the next one settles; those that find the gate closed do */
    if (count_all(arena, slot).reads > 0) return;
    lw_cell_store(writer, lw_cell_make(lw_cell_id(lw_cell_load(writer)), LW_CELL_WRITING, 0));
    lw_wakes_add(&settled->wakes, writer);
}

static void settle(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled) {
    give(arena, slot, settled, false);
}

const struct lw_queue lw_rwlock_queue = {settle};

static bool add(struct lw_cell *cell, uint32_t self) {
    uint64_t value = lw_cell_load(cell);
    while (lw_cell_id(value) == self && lw_cell_state(value) == LW_CELL_HELD && lw_cell_value(value) < LW_CELL_VALUE_MAX) {
        if (!lw_cell_cas(cell, &value, lw_cell_make(self, LW_CELL_HELD, lw_cell_value(value) + 1))) continue;
        if (lw_cell_value(value) == 0) lw_stamp_cell(cell);
        return true;
    }
    return false;
}

static bool subtract(struct lw_cell *cell, uint32_t self, uint32_t *left) {
    uint64_t value = lw_cell_load(cell);
    while (lw_cell_id(value) == self && lw_cell_state(value) == LW_CELL_HELD && lw_cell_value(value) > 0) {
        *left = lw_cell_value(value) - 1;
        if (lw_cell_cas(cell, &value, lw_cell_make(self, LW_CELL_HELD, *left))) return true;
    }
    return false;
}

bool lw_rwlock_read_fast(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *cell) {
    if (!cell || lw_load_relaxed(&slot->gate) != 0 || !add(cell, arena->self_id)) return false;
    LW_CRASH(rwlock_counted); /* CRASH: a read of a dead one: holds nothing */
    if (lw_load_seq(&slot->gate) == 0) return true;
    uint32_t left;
    bool settle_next;
    /* Another thread's release may have taken this very 1: then there is one in another cell instead. */
    if (!subtract(cell, arena->self_id, &left)) lw_rwlock_release_read(arena, slot, NULL, &settle_next);
    return false; /* a writer may have seen it: the slow way, which now follows, settles */
}

bool lw_rwlock_release_read(struct lw_arena *arena, struct lw_slot *slot, struct lw_cell *hint, bool *settle_now) {
    uint32_t left = 0;
    bool released = hint && subtract(hint, arena->self_id, &left);
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while (!released && (cell = lw_cells_next(arena, &walk)))
        released = subtract(cell, arena->self_id, &left);
    /* CRASH: the cell still says HELD 0: so the writer watches this one, and settles. */
    LW_CRASH(rwlock_released);
    *settle_now = released && left == 0 && lw_load_seq(&slot->gate) != 0;
    return released && !*settle_now;
}

/* Under the guard: the cell for this process's reads. */
static struct lw_cell *own_cell(struct lw_arena *arena, struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_id(value) == arena->self_id && lw_cell_state(value) == LW_CELL_HELD &&
            lw_cell_value(value) < LW_CELL_VALUE_MAX)
            return cell;
    }
    return lw_cells_claim(arena, slot, lw_cell_make(arena->self_id, LW_CELL_HELD, 0), true);
}

static enum lw_queued enqueue(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait,
                              enum lw_cell_state state) {
    uint32_t ticket = lw_cells_ticket(arena, slot);
    wait->cell = lw_cells_claim(arena, slot, lw_cell_make(arena->self_id, state, ticket), true);
    return wait->cell ? LW_QUEUE_TIMEOUT : LW_QUEUE_NO_ROOM;
}

/* Goes in, or joins the queue (then wait->cell is set). */
static enum lw_queued join_read(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait,
                                struct lw_cell **hint) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    settle(arena, slot, &settled);
    struct tally tally = count_all(arena, slot);
    enum lw_queued queued = LW_QUEUE_TIMEOUT;
    if (!tally.writing && !tally.waiting_write) {
        struct lw_cell *cell;
        /* Another thread of this process may free it this instant: lw_rwlock_release_read. */
        do cell = own_cell(arena, slot);
        while (cell && !add(cell, arena->self_id));
        queued = cell ? LW_QUEUE_GRANTED : LW_QUEUE_NO_ROOM;
        *hint = cell;
    } else if (wait->deadline_ns != 0) {
        queued = enqueue(arena, slot, wait, LW_CELL_WAITING);
    }
    lw_queue_leave(arena, slot, &settled, wait);
    return queued;
}

static enum lw_queued join_write(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    enum lw_queued queued = LW_QUEUE_TIMEOUT;
    if (wait->deadline_ns != 0) {
        queued = enqueue(arena, slot, wait, LW_CELL_WAITING_WRITE);
        settle(arena, slot, &settled); /* which grants it at once, if it may write */
    } else {
        settle(arena, slot, &settled);
        struct tally tally = count_all(arena, slot);
        if (!tally.writing && !tally.waiting_write) {
            lw_store_seq(&slot->gate, 1);
            if (count_all(arena, slot).reads == 0 &&
                lw_cells_claim(arena, slot, lw_cell_make(arena->self_id, LW_CELL_WRITING, 1), true))
                queued = LW_QUEUE_GRANTED;
            else
                settle(arena, slot, &settled); /* opens the gate again */
        }
    }
    lw_queue_leave(arena, slot, &settled, wait);
    return queued;
}

bool lw_rwlock_write_fast(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled, got = false;
    if (!lw_guard_try(arena, slot, &unsettled)) return false;
    if (unsettled) settle(arena, slot, &settled);
    if (lw_load_relaxed(&slot->gate) == 0) {
        lw_store_seq(&slot->gate, 1);
        struct tally tally = count_all(arena, slot);
        got = tally.reads == 0 && tally.waiting == 0 &&
              lw_cells_claim(arena, slot, lw_cell_make(arena->self_id, LW_CELL_WRITING, 1), false);
        if (!got) settle(arena, slot, &settled);
    }
    lw_queue_leave(arena, slot, &settled, wait);
    return got;
}

static enum lw_cell_state granted_state(const struct lw_queue_wait *wait, bool write) {
    enum lw_cell_state state = lw_cell_state(lw_cell_load(wait->cell));
    return state == (write ? LW_CELL_WRITING : LW_CELL_CHOSEN) ? state : LW_CELL_FREE;
}

/* A writer that leaves may have been the only one to watch younger readers that were let in before it. */
static void pass_the_watch_on(struct lw_arena *arena, struct lw_slot *slot, struct lw_settled *settled) {
    struct lw_cell *next = lw_cells_oldest(arena, slot, LW_CELL_WAITING_WRITE);
    if (next) look_again(next, &settled->wakes);
}

/* Leaves the queue; true if it was granted meanwhile, which with `keep` it then has. */
static bool leave(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait, bool write, bool keep) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    lw_guard_enter(arena, slot, &unsettled);
    enum lw_cell_state state = granted_state(wait, write);
    bool granted = state != LW_CELL_FREE;
    uint64_t kept = lw_cell_make(arena->self_id, write ? LW_CELL_WRITING : LW_CELL_HELD, 1);
    lw_stamp_cell(wait->cell);
    lw_cell_store(wait->cell, granted && keep ? kept : 0);
    wait->cell = NULL;
    give(arena, slot, &settled, granted && !keep && write);
    if (write && !granted) pass_the_watch_on(arena, slot, &settled);
    lw_queue_leave(arena, slot, &settled, wait);
    return granted;
}

enum lw_queued lw_rwlock_read_step(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait, void *hint,
                                   struct lw_watch *watch) {
    if (!wait->cell) {
        enum lw_queued joined = join_read(arena, slot, wait, hint);
        if (joined == LW_QUEUE_TIMEOUT && wait->deadline_ns == 0 && lw_queue_find_dead(arena, slot))
            joined = join_read(arena, slot, wait, hint);
        if (!wait->cell) return joined;
    }
    enum lw_queued queued = lw_queue_step(arena, slot, &lw_rwlock_queue, wait, watch);
    if (queued == LW_QUEUE_TIMEOUT && leave(arena, slot, wait, false, true)) return LW_QUEUE_GRANTED;
    if (queued == LW_QUEUE_GRANTED) {
        lw_stamp_cell(wait->cell);
        lw_cell_store(wait->cell, lw_cell_make(arena->self_id, LW_CELL_HELD, 1));
        *(struct lw_cell **)hint = wait->cell;
        wait->cell = NULL;
    }
    return queued;
}

enum lw_queued lw_rwlock_write_step(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait, void *unused,
                                    struct lw_watch *watch) {
    (void)unused;
    if (!wait->cell) {
        enum lw_queued joined = join_write(arena, slot, wait);
        if (joined == LW_QUEUE_TIMEOUT && wait->deadline_ns == 0 && lw_queue_find_dead(arena, slot))
            joined = join_write(arena, slot, wait);
        if (!wait->cell) return joined;
    }
    enum lw_queued queued = lw_queue_step(arena, slot, &lw_rwlock_queue, wait, watch);
    if (queued == LW_QUEUE_TIMEOUT && leave(arena, slot, wait, true, true)) return LW_QUEUE_GRANTED;
    if (queued == LW_QUEUE_GRANTED) {
        lw_stamp_cell(wait->cell);
        lw_cell_store(wait->cell, lw_cell_make(arena->self_id, LW_CELL_WRITING, 1));
        wait->cell = NULL;
    }
    return queued;
}

bool lw_rwlock_read_more(struct lw_arena *arena, struct lw_cell *hint) { return hint && add(hint, arena->self_id); }

enum lw_queued lw_rwlock_read(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait,
                              struct lw_cell **hint) {
    return lw_queue_sleep(arena, slot, &lw_rwlock_queue, wait, lw_rwlock_read_step, hint);
}

enum lw_queued lw_rwlock_write(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    return lw_queue_sleep(arena, slot, &lw_rwlock_queue, wait, lw_rwlock_write_step, NULL);
}

void lw_rwlock_give_up(struct lw_arena *arena, struct lw_slot *slot, struct lw_queue_wait *wait) {
    if (!wait->cell) return;
    enum lw_cell_state state = lw_cell_state(lw_cell_load(wait->cell));
    leave(arena, slot, wait, state == LW_CELL_WAITING_WRITE || state == LW_CELL_WRITING, false);
}

static enum lw_rwlock_released end_write(struct lw_arena *arena, struct lw_slot *slot, bool may_wait, bool written) {
    struct lw_settled settled;
    lw_settled_begin(&settled);
    bool unsettled;
    if (may_wait)
        lw_guard_enter(arena, slot, &unsettled);
    else if (!lw_guard_try(arena, slot, &unsettled))
        return LW_RWLOCK_BUSY;
    enum lw_rwlock_released released = LW_RWLOCK_NOT_HELD;
    struct lw_walk walk = lw_cells_begin(slot);
    struct lw_cell *cell;
    uint64_t mine = lw_cell_make(arena->self_id, LW_CELL_WRITING, 1);
    while (released == LW_RWLOCK_NOT_HELD && (cell = lw_cells_next(arena, &walk))) {
        if (lw_cell_load(cell) != mine) continue;
        if (written) lw_store_rel(&slot->left, 0);
        lw_cell_store(cell, 0);
        released = LW_RWLOCK_RELEASED;
    }
    if (released == LW_RWLOCK_RELEASED || unsettled)
        give(arena, slot, &settled, released == LW_RWLOCK_RELEASED);
    lw_queue_leave(arena, slot, &settled, NULL);
    return released;
}

enum lw_rwlock_released lw_rwlock_release_write(struct lw_arena *arena, struct lw_slot *slot, bool may_wait) {
    return end_write(arena, slot, may_wait, true);
}

void lw_rwlock_return_write(struct lw_arena *arena, struct lw_slot *slot) { end_write(arena, slot, true, false); }

uint32_t lw_rwlock_readers(const struct lw_arena *arena, const struct lw_slot *slot) {
    return count_all(arena, slot).reads;
}

uint32_t lw_rwlock_writer(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_state(value) == LW_CELL_WRITING && lw_member_alive(arena, lw_cell_id(value)))
            return lw_cell_id(value);
    }
    return 0;
}

bool lw_rwlock_abandoned(const struct lw_arena *arena, const struct lw_slot *slot) {
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk))) {
        uint64_t value = lw_cell_load(cell);
        if (lw_cell_state(value) == LW_CELL_WRITING && !lw_member_alive(arena, lw_cell_id(value))) return true;
    }
    return lw_load_acq(&slot->left) != 0; /* after the cells: it is set before they are freed */
}

bool lw_rwlock_as_new(const struct lw_arena *arena, const struct lw_slot *slot) {
    if (lw_load_relaxed(&slot->left)) return false;
    struct lw_walk walk = lw_cells_begin(slot);
    const struct lw_cell *cell;
    while ((cell = lw_cells_next(arena, &walk)))
        if (lw_cell_state(lw_cell_load(cell)) == LW_CELL_WRITING) return false;
    return true;
}
