#define _GNU_SOURCE
#include "lw_waiter.h"

#include <string.h>

#include "lw_futex.h"
#include "lw_member.h"
#include "lw_rlock.h"

#define PROBES 64u
#define TRIES 100

static _Thread_local struct lw_waiting *innermost;
static _Thread_local uint32_t hint;

static bool take(struct lw_arena *arena, struct lw_waiter *entry) {
    uint32_t member = lw_load_relaxed(&entry->member);
    if (member != 0 && (member == arena->self_id || lw_member_alive(arena, member))) return false;
    return lw_cas_acq(&entry->member, &member, arena->self_id);
}

static struct lw_waiter *find(struct lw_arena *arena, uint32_t ready) {
    uint32_t start = hint ? hint : lw_thread_id() * 0x9e3779b1u >> 8;
    uint32_t probes = ready < LW_WAITERS_MAX && ready > PROBES ? PROBES : ready;
    for (uint32_t i = 0; i < probes; i++) {
        uint32_t at = (start + i) % ready;
        if (!take(arena, &arena->waiters[at])) continue;
        hint = at;
        return &arena->waiters[at];
    }
    return NULL;
}

static struct lw_waiter *find_or_grow(struct lw_arena *arena) {
    for (;;) {
        uint32_t ready = lw_load_acq(&arena->header->waiters_ready);
        struct lw_waiter *entry = ready ? find(arena, ready) : NULL;
        if (entry) return entry;
        if (!lw_arena_grow_waiters(arena, ready)) {
            lw_add_acqrel(&arena->header->waiters_unseen, 1);
            return NULL;
        }
    }
}

/* The fields are read while they are written, by those who then find that `seq` has changed. */
static void write_all(struct lw_waiter *entry, const struct lw_waiter *said) {
    uint32_t seq = lw_load_relaxed(&entry->seq) | 1u;
    lw_store_relaxed(&entry->seq, seq);
    atomic_thread_fence(memory_order_release);
    entry->slot = said->slot;
    entry->generation = said->generation;
    entry->thread = said->thread;
    entry->task = said->task;
    entry->wants = said->wants;
    entry->noted = 0;
    entry->since_ns = said->since_ns;
    entry->until_ns = said->until_ns;
    lw_store_rel(&entry->seq, seq + 1);
}

struct lw_waiter *lw_waiter_take(struct lw_arena *arena, const struct lw_waiter *said) {
    if (arena->self_id == 0) return NULL;
    struct lw_waiter *entry = find_or_grow(arena);
    if (entry) write_all(entry, said);
    return entry;
}

void lw_waiter_give(struct lw_waiter *entry) { lw_store_rel(&entry->member, 0); }

void lw_waiter_note(struct lw_arena *arena, struct lw_waiter *entry, const char *text, uint32_t length) {
    uint32_t seq = lw_load_relaxed(&entry->seq) | 1u;
    if (length > LW_NOTE_TEXT) length = LW_NOTE_TEXT;
    lw_store_relaxed(&entry->seq, seq);
    atomic_thread_fence(memory_order_release);
    memcpy(arena->notes + (size_t)(entry - arena->waiters) * LW_NOTE_TEXT, text, length);
    entry->noted = length;
    lw_store_rel(&entry->seq, seq + 1);
}

bool lw_waiter_read(const struct lw_arena *arena, uint32_t index, struct lw_waiter *copy, char note[LW_NOTE_TEXT]) {
    const struct lw_waiter *entry = &arena->waiters[index];
    for (int i = 0; i < TRIES; i++) {
        uint32_t member = lw_load_acq(&entry->member), seq = lw_load_acq(&entry->seq);
        if (member == 0 || !lw_member_alive(arena, member)) return false;
        if (seq & 1u) continue;
        memcpy(copy, (const void *)entry, sizeof *copy);
        if (copy->noted > LW_NOTE_TEXT) continue;
        memcpy(note, arena->notes + (size_t)index * LW_NOTE_TEXT, copy->noted);
        atomic_thread_fence(memory_order_acquire);
        if (lw_load_relaxed(&entry->seq) == seq && lw_load_relaxed(&entry->member) == member) return true;
    }
    return false;
}

void lw_waiting_begin(struct lw_waiting *waiting, struct lw_arena *arena, const struct lw_slot *slot,
                      enum lw_wants wants, int64_t until_ns) {
    *waiting = (struct lw_waiting){
        .arena = arena, .slot = slot, .wants = wants, .until_ns = until_ns, .look_ns = LW_FOREVER, .outer = innermost};
    innermost = waiting;
}

void lw_waiting_end(struct lw_waiting *waiting) {
    if (waiting->entry) lw_waiter_give(waiting->entry);
    innermost = waiting->outer;
}

struct lw_waiting *lw_waiting_here(void) { return innermost; }

int64_t lw_waiting_sleeps(struct lw_waiting *waiting, int64_t wake_ns) {
    if (!waiting->tried) {
        waiting->tried = true;
        int64_t look_ms = lw_load_relaxed(&waiting->arena->header->look_ms);
        waiting->since_ns = lw_now_ns();
        if (look_ms) waiting->look_ns = waiting->since_ns + look_ms * 1000000;
        struct lw_waiter said = {
            .slot = lw_slot_index(waiting->arena, waiting->slot),
            .generation = lw_load_relaxed(&waiting->slot->generation),
            .thread = lw_thread_id(),
            .wants = waiting->wants,
            .since_ns = waiting->since_ns,
            .until_ns = waiting->until_ns,
        };
        waiting->entry = lw_waiter_take(waiting->arena, &said);
    }
    return waiting->look_ns < wake_ns ? waiting->look_ns : wake_ns;
}

bool lw_waiting_looks(struct lw_waiting *waiting, int64_t again_ns) {
    if (waiting->look_ns == LW_FOREVER) return false;
    int64_t now = lw_now_ns();
    if (now < waiting->look_ns) return false;
    waiting->look_ns = now + again_ns;
    return true;
}
