#include "lw_watch.h"

#include "lw_member.h"
#include "lw_waiter.h"

void lw_watch_begin(struct lw_watch *watch, const lw_word *word, uint32_t expected) {
    watch->count = 1;
    watch->dead = watch->blind = false;
    watch->wake_ns = LW_FOREVER;
    watch->entries[0] = lw_futex_entry(word, expected);
    watch->ids[0] = 0;
}

void lw_watch_member(struct lw_arena *arena, struct lw_watch *watch, uint32_t id) {
    if (id == arena->self_id) return;
    for (unsigned i = 1; i < watch->count; i++)
        if (watch->ids[i] == id) return;
    if (watch->count == LW_FUTEX_ENTRIES) return; /* the re-check looks after the others */
    uint32_t expected = 0;
    bool dead;
    lw_word *alive = lw_member_watch(arena, id, &expected, &dead);
    if (dead) watch->dead = true;
    if (dead) return;
    if (!alive || !lw_futex_has_waitv()) watch->blind = true;
    /* One without a word is kept for the re-check; it sleeps on the first word twice. */
    watch->ids[watch->count] = id;
    watch->entries[watch->count++] = alive ? lw_futex_entry(alive, expected) : watch->entries[0];
}

void lw_watch_for(struct lw_watch *watch, int64_t *recheck_ns, int64_t now_ns, int64_t deadline_ns) {
    if (*recheck_ns == 0) *recheck_ns = lw_recheck_first_ns;
    int64_t step = *recheck_ns;
    if (watch->blind && step > LW_RECHECK_BLIND_NS) step = LW_RECHECK_BLIND_NS;
    watch->wake_ns = step < deadline_ns - now_ns ? now_ns + step : deadline_ns;
}

bool lw_watch_rechecks(enum lw_slept slept, int64_t *recheck_ns, int64_t deadline_ns) {
    if (slept != LW_SLEPT_TIMEOUT || lw_now_ns() >= deadline_ns) return false;
    *recheck_ns = lw_recheck_next(*recheck_ns);
    return true;
}

enum lw_slept lw_watch_sleep(struct lw_arena *arena, struct lw_watch *watch) {
    unsigned which = 0;
    struct lw_waiting *waiting = lw_waiting_here();
    if (waiting) watch->wake_ns = lw_waiting_sleeps(waiting, watch->wake_ns);
    if (watch->count == 1 || !lw_futex_has_waitv()) {
        lw_word *word = (lw_word *)(uintptr_t)watch->entries[0].address;
        return lw_futex_wait(word, (uint32_t)watch->entries[0].value, watch->wake_ns);
    }
    enum lw_slept slept = lw_futex_wait_many(watch->entries, watch->count, watch->wake_ns, &which);
    if (slept != LW_SLEPT_WOKEN) return slept;
    /* Several words may have been woken and only one of them is named, but each of the dead woke one sleeper
     * only, which may have been this one: so it looks at all. */
    for (unsigned i = 1; i < watch->count; i++) {
        bool by_word = watch->entries[i].address != watch->entries[0].address;
        if (by_word ? !lw_member_is_silent(arena, watch->ids[i]) : lw_member_alive(arena, watch->ids[i])) continue;
        lw_member_tell(arena, watch->ids[i]);
        slept = LW_SLEPT_DEATH;
    }
    return slept;
}
