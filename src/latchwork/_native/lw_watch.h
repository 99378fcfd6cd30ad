/* Watching: sleeping on a word of one's own and on the alive words of those whose death would matter. */
#ifndef LW_WATCH_H
#define LW_WATCH_H

#include "lw_arena.h"
#include "lw_futex.h"

struct lw_watch {
    unsigned count;
    bool dead;       /* one of them is dead already */
    bool blind;      /* of one of them no word would tell */
    int64_t wake_ns; /* how long at most: see lw_watch_for */
    struct lw_futex_entry entries[LW_FUTEX_ENTRIES];
    uint32_t ids[LW_FUTEX_ENTRIES];
};

void lw_watch_begin(struct lw_watch *watch, const lw_word *word, uint32_t expected);
/* This process itself and those already in it are left out. */
void lw_watch_member(struct lw_arena *arena, struct lw_watch *watch, uint32_t id);

/* Until the deadline, but no longer than a re-check is due; *recheck_ns is 0 before the first sleep. */
void lw_watch_for(struct lw_watch *watch, int64_t *recheck_ns, int64_t now_ns, int64_t deadline_ns);
/* After a sleep: true if it ended for a re-check, and how long the next one may be. */
bool lw_watch_rechecks(enum lw_slept slept, int64_t *recheck_ns, int64_t deadline_ns);

/* LW_SLEPT_DEATH: somebody died, and all others that watch that one have been woken. */
enum lw_slept lw_watch_sleep(struct lw_arena *arena, struct lw_watch *watch);

#endif
