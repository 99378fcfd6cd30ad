/* Waiters: who waits, for others to see. The states stand in docs/design/004-seeing.md.
 *
 * Nothing of the protocols reads any of this: it may be wrong for an instant, and be missing. */
#ifndef LW_WAITER_H
#define LW_WAITER_H

#include "lw_arena.h"

enum lw_wants { LW_WANTS_ACQUIRE, LW_WANTS_READ, LW_WANTS_WRITE, LW_WANTS_EVENT };

/* One call that may wait, on the stack of its thread. Nested in a signal handler's, if that waits as well. */
struct lw_waiting {
    struct lw_arena *arena;
    const struct lw_slot *slot;
    enum lw_wants wants;
    int64_t since_ns; /* 0: has not slept yet */
    int64_t until_ns;
    int64_t look_ns;  /* when it is to go back to Python to look around; LW_FOREVER: never */
    struct lw_waiter *entry; /* NULL: none yet, or no room */
    bool tried;
    struct lw_waiting *outer;
};

void lw_waiting_begin(struct lw_waiting *waiting, struct lw_arena *arena, const struct lw_slot *slot,
                      enum lw_wants wants, int64_t until_ns);
void lw_waiting_end(struct lw_waiting *waiting);
/* This thread's innermost; NULL: none. */
struct lw_waiting *lw_waiting_here(void);
/* Just before each sleep; how long that may be. */
int64_t lw_waiting_sleeps(struct lw_waiting *waiting, int64_t wake_ns);
/* Its time to look has come: true once, and then again after that long. */
bool lw_waiting_looks(struct lw_waiting *waiting, int64_t again_ns);

/* An entry for a wait that is no thread's; NULL: no room. */
struct lw_waiter *lw_waiter_take(struct lw_arena *arena, const struct lw_waiter *said);
void lw_waiter_give(struct lw_waiter *entry);
void lw_waiter_note(struct lw_arena *arena, struct lw_waiter *entry, const char *text, uint32_t length);

/* A copy of what stands there, with its note; false: nobody's, a dead one's, or it can't be read now. */
bool lw_waiter_read(const struct lw_arena *arena, uint32_t index, struct lw_waiter *copy, char note[LW_NOTE_TEXT]);

#endif
