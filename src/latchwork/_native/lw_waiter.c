#define _GNU_SOURCE
#include "lw_waiter.h"

#include <string.h>
#include <time.h>

#include "lw_crash.h"
#include "lw_futex.h"
#include "lw_member.h"
#include "lw_rlock.h"
#include "lw_settings.h"

#define PROBES 64u /* before it is thought of more entries */
#define PROBES_MAX 1024u
#define TRIES 100

static _Thread_local struct lw_waiting *innermost;
static _Thread_local struct {
    uint32_t member; /* whose it is: forked children of one parent must not all begin at the same place */
    uint32_t at;
} hint;

static bool take(const struct lw_arena *arena, struct lw_waiter *entry) {
    uint32_t member = lw_load_relaxed(&entry->member);
    if (member != 0 && (member == arena->self_id || lw_member_alive(arena, member))) return false;
    return lw_cas_acq(&entry->member, &member, arena->self_id);
}

static struct lw_waiter *find(const struct lw_arena *arena, uint32_t ready) {
    uint32_t start = hint.member == arena->self_id ? hint.at : lw_thread_id() * 0x9e3779b1u >> 8;
    for (uint32_t i = 0; i < ready && i < PROBES_MAX; i++) {
        /* Who has found no room nearby looks all over the table. */
        uint32_t at = (i < PROBES ? start + i : start + i * (ready / PROBES_MAX + 1)) % ready;
        if (!take(arena, &arena->waiters[at])) continue;
        hint.member = arena->self_id;
        hint.at = at;
        return &arena->waiters[at];
    }
    return NULL;
}

static struct lw_waiter *find_or_grow(struct lw_arena *arena) {
    for (;;) {
        uint32_t ready = lw_waiters_ready(arena);
        struct lw_waiter *entry = ready ? find(arena, ready) : NULL;
        if (entry) return entry;
        if (!lw_arena_grow_waiters(arena, ready)) {
            lw_add_acqrel(&arena->header->waiters_unseen, 1);
            return NULL;
        }
    }
}

static uint32_t open_entry(struct lw_waiter *entry) {
    uint32_t seq = lw_load_relaxed(&entry->seq) | 1u;
    lw_store_relaxed(&entry->seq, seq);
    atomic_thread_fence(memory_order_release);
    return seq;
}

void lw_seen_begin(struct lw_arena *arena, struct lw_seen *seen, const struct lw_waiter *said) {
    seen->entry = arena->self_id ? find_or_grow(arena) : NULL;
    seen->member = arena->self_id;
    if (!seen->entry) return;
    LW_CRASH(waiter_taken); /* CRASH: a dead one's entry: nobody shows it, anybody takes it */
    uint32_t seq = open_entry(seen->entry);
    size_t from = offsetof(struct lw_waiter, slot);
    memcpy((char *)seen->entry + from, (const char *)said + from, sizeof *said - from);
    seen->entry->writer = arena->self_id;
    LW_CRASH(waiter_written); /* CRASH: the same */
    lw_store_rel(&seen->entry->seq, seq + 1);
}

void lw_seen_end(const struct lw_arena *arena, struct lw_seen *seen) {
    if (seen->entry && seen->member == arena->self_id) {
        open_entry(seen->entry); /* until its next user has written it, nobody shows what stands there */
        lw_store_rel(&seen->entry->member, 0);
    }
    seen->entry = NULL;
}

void lw_seen_note(struct lw_arena *arena, const struct lw_seen *seen, const char *text, uint32_t length) {
    struct lw_waiter *entry = seen->entry;
    if (!entry || seen->member != arena->self_id) return;
    if (length > LW_NOTE_TEXT) length = LW_NOTE_TEXT;
    uint32_t seq = open_entry(entry);
    memcpy(arena->notes + (size_t)(entry - arena->waiters) * LW_NOTE_TEXT, text, length);
    entry->noted = length;
    lw_store_rel(&entry->seq, seq + 1);
}

/* The copies race with whoever writes, and are thrown away if somebody did. */
__attribute__((no_sanitize("thread"))) static void copy_out(void *to, const void *from, size_t length) {
    const volatile char *source = from;
    for (size_t i = 0; i < length; i++) ((char *)to)[i] = source[i];
}

/* `note`: NULL, or where to. */
static bool read_entry(struct lw_arena *arena, uint32_t index, struct lw_waiter *copy, char *note) {
    const struct lw_waiter *entry = &arena->waiters[index];
    for (int i = 0; i < TRIES; i++) {
        uint32_t member = lw_load_acq(&entry->member);
        if (member == 0 || !lw_member_lives(arena, member)) return false;
        uint32_t seq = lw_load_acq(&entry->seq);
        if (seq & 1u) continue;
        copy_out(copy, entry, sizeof *copy);
        if (copy->noted > LW_NOTE_TEXT) continue;
        if (note) copy_out(note, arena->notes + (size_t)index * LW_NOTE_TEXT, copy->noted);
        atomic_thread_fence(memory_order_acquire);
        if (lw_load_relaxed(&entry->seq) == seq && lw_load_relaxed(&entry->member) == member)
            return copy->writer == member;
    }
    return false;
}

bool lw_waiter_read(struct lw_arena *arena, uint32_t index, struct lw_waiter *copy, char note[LW_NOTE_TEXT]) {
    return read_entry(arena, index, copy, note);
}

bool lw_waiter_is_endless(struct lw_arena *arena, uint32_t index, struct lw_waiter *copy) {
    return read_entry(arena, index, copy, NULL) && copy->until_ns == LW_FOREVER;
}

static int64_t epoch_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

struct lw_waiter lw_waiter_now(const struct lw_arena *arena, const struct lw_slot *slot, enum lw_wants wants,
                               int64_t deadline_ns) {
    int64_t since = epoch_ns();
    return (struct lw_waiter){
        .slot = lw_slot_index(arena, slot),
        .generation = lw_load_relaxed(&slot->generation),
        .thread = lw_thread_id(),
        .wants = wants,
        .since_ns = since,
        .until_ns = deadline_ns == LW_FOREVER ? LW_FOREVER : since + (deadline_ns - lw_now_ns()),
    };
}

void lw_waiting_begin(struct lw_waiting *waiting, struct lw_arena *arena, const struct lw_slot *slot,
                      enum lw_wants wants, int64_t deadline_ns) {
    *waiting = (struct lw_waiting){.arena = arena,
                                   .slot = slot,
                                   .wants = wants,
                                   .deadline_ns = deadline_ns,
                                   .look_ns = LW_FOREVER,
                                   .outer = innermost};
    innermost = waiting;
}

void lw_waiting_served(struct lw_waiting *waiting) {
    if (waiting->slot) lw_seen_end(waiting->arena, &waiting->seen);
}

void lw_waiting_end(struct lw_waiting *waiting) {
    lw_waiting_served(waiting);
    innermost = waiting->outer;
}

struct lw_waiting *lw_waiting_here(void) { return innermost; }

struct lw_waiting *lw_waiting_pause(void) {
    struct lw_waiting *paused = innermost;
    innermost = NULL;
    return paused;
}

void lw_waiting_resume(struct lw_waiting *paused) { innermost = paused; }

static int64_t next_look(void) {
    uint32_t look_ms = lw_look_ms();
    return look_ms == LW_LOOK_NEVER ? LW_FOREVER : lw_now_ns() + (int64_t)look_ms * 1000000;
}

/* In a child that was forked in the middle of it, it waits anew. */
static bool is_new(const struct lw_waiting *waiting) {
    return !waiting->slept || (waiting->slot && waiting->seen.member != waiting->arena->self_id);
}

int64_t lw_waiting_sleeps(struct lw_waiting *waiting, int64_t wake_ns) {
    if (is_new(waiting)) {
        waiting->slept = true;
        waiting->looks = 0;
        waiting->look_ns = next_look();
        if (waiting->slot) {
            struct lw_waiter said = lw_waiter_now(waiting->arena, waiting->slot, waiting->wants, waiting->deadline_ns);
            lw_seen_begin(waiting->arena, &waiting->seen, &said);
        }
    }
    return waiting->look_ns < wake_ns ? waiting->look_ns : wake_ns;
}

bool lw_waiting_looks(struct lw_waiting *waiting) {
    if (waiting->look_ns == LW_FOREVER || lw_now_ns() < waiting->look_ns) return false;
    waiting->look_ns = next_look();
    return true;
}

void lw_waiting_look_later(struct lw_waiting *waiting, uint32_t after_ms) {
    if (waiting->look_ns != LW_FOREVER) waiting->look_ns = lw_now_ns() + (int64_t)after_ms * 1000000;
}
