/* Waiters: who waits, for others to see. The states stand in docs/design/004-seeing.md.
 *
 * Nothing of the protocols reads any of this: it may be wrong for an instant, and be missing. */
#ifndef LW_WAITER_H
#define LW_WAITER_H

#include "lw_arena.h"

enum lw_wants { LW_WANTS_ACQUIRE, LW_WANTS_READ, LW_WANTS_WRITE, LW_WANTS_EVENT };

/* An entry, and as whom it was taken: a forked child must not give its parent's back. */
struct lw_seen {
    struct lw_waiter *entry; /* NULL: none */
    uint32_t member;
};

/* `said`: all but member and seq. Leaves none if there is no room. */
void lw_seen_begin(struct lw_arena *arena, struct lw_seen *seen, const struct lw_waiter *said);
void lw_seen_end(const struct lw_arena *arena, struct lw_seen *seen);
void lw_seen_note(struct lw_arena *arena, const struct lw_seen *seen, const char *text, uint32_t length);

/* One call that may wait, on the stack of its thread; nested in that of a signal handler's, if that waits as well. Its
 * entry is taken at its first sleep. */
struct lw_waiting {
    struct lw_arena *arena;
    const struct lw_slot *slot; /* NULL: it waits for several, which have entries of their own */
    enum lw_wants wants;
    int64_t deadline_ns;
    int64_t look_ns; /* when it is to go back to Python to look around; LW_FOREVER: never */
    struct lw_seen seen;
    bool slept;
    uint32_t looks; /* so far */
    struct lw_waiting *outer;
};

void lw_waiting_begin(struct lw_waiting *waiting, struct lw_arena *arena, const struct lw_slot *slot,
                      enum lw_wants wants, int64_t deadline_ns);
void lw_waiting_end(struct lw_waiting *waiting);
/* It has what it waited for, or gave up, and may still wait for the GIL: nobody is to see it any more. */
void lw_waiting_served(struct lw_waiting *waiting);
/* This thread's innermost; NULL: none. */
struct lw_waiting *lw_waiting_here(void);
/* What this thread now sleeps on is not what it waits for: that sleep is as long as it likes. */
struct lw_waiting *lw_waiting_pause(void);
void lw_waiting_resume(struct lw_waiting *paused);
/* Just before each sleep; how long that may be. */
int64_t lw_waiting_sleeps(struct lw_waiting *waiting, int64_t wake_ns);
/* Whether its time to look has come. The next one comes as much later, or when that is said. */
bool lw_waiting_looks(struct lw_waiting *waiting);
void lw_waiting_look_later(struct lw_waiting *waiting, uint32_t after_ms);

static inline uint32_t lw_waiters_ready(const struct lw_arena *arena) {
    uint32_t ready = lw_load_acq(&arena->header->waiters_ready);
    return ready < LW_WAITERS_MAX ? ready : LW_WAITERS_MAX;
}
/* What an entry says of a wait that begins now. */
struct lw_waiter lw_waiter_now(const struct lw_arena *arena, const struct lw_slot *slot, enum lw_wants wants,
                               int64_t deadline_ns);
/* A copy of what stands there, with its note; false: nobody's, a dead one's, or it can't be read now. */
bool lw_waiter_read(struct lw_arena *arena, uint32_t index, struct lw_waiter *copy, char note[LW_NOTE_TEXT]);
/* The same without the note, of who waits without a timeout; false: nobody does there. */
bool lw_waiter_is_endless(struct lw_arena *arena, uint32_t index, struct lw_waiter *copy);

#endif
