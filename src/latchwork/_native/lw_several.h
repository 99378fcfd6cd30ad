/* Waiting for several primitives, and file descriptors, at once; nothing is taken.
 *
 * Ready: an Event that is set or was since it began, a Latch at zero, a Lock that is free (or whose owner is
 * dead, or an RLock that this thread has), a semaphore with a permit for one that comes now.
 *
 * All their words go to one futex_waitv, and with them the alive words of those whose death would make one
 * ready. It takes LW_FUTEX_ENTRIES: more are slept on by helper threads, one for each LW_FUTEX_ENTRIES - 1
 * words, that live as long as the call; with file descriptors this thread sleeps in poll(2), and all words
 * are the helpers'. The first thread to wake ends the others' sleep, by a word of the call's own and an eventfd.
 *
 * Where the kernel lacks futex_waitv, it looks every LW_SEVERAL_LOOK_NS.
 *
 * It sleeps among those that acquire, so it may consume the wake that was meant for one of them: before it
 * returns it passes one on for each Lock and Semaphore that it slept on.
 *
 * What a death leaves: a Lock's or Semaphore's consumed wake: as that of any waiter that was woken. */
#ifndef LW_SEVERAL_H
#define LW_SEVERAL_H

#include <poll.h>

#include "lw_arena.h"
#include "lw_futex.h"
#include "lw_waiter.h"

#define LW_SEVERAL_LOOK_NS 10000000

struct lw_several_item {
    struct lw_arena *arena;
    struct lw_slot *slot;
    uint32_t generation; /* of an Event, when the wait began */
    bool ready;
    bool listened; /* to a Lock or Semaphore, since the last unlisten */
    struct lw_seen seen;
};

struct lw_several {
    struct lw_several_item *items;
    unsigned count;
    struct pollfd *files;
    unsigned files_count;
    int64_t deadline_ns;
    int64_t recheck_ns;
    uint32_t who; /* as whom it owns RLocks; 0: as the thread that calls */
};

/* All that is slept on. */
struct lw_words {
    struct lw_futex_entry *entries;
    unsigned count, room;
    struct lw_arena **arenas; /* of the alive words among them; NULL: of the primitives */
    uint32_t *ids;
    bool blind; /* of some death no word would tell */
    bool failed;
};
void lw_words_free(struct lw_words *words);

enum lw_several_end {
    LW_SEVERAL_READY,
    LW_SEVERAL_TIMEOUT,
    LW_SEVERAL_SIGNAL, /* let the signal handlers run, then call again, or not */
    LW_SEVERAL_NO_ROOM,
};

/* Before all else: each Event counts as waited for from here on. */
void lw_several_begin(struct lw_several *several);
/* Whether anything is ready at this moment; marks what is. Never sleeps. */
bool lw_several_look(struct lw_several *several);
/* Sleeps until something is. */
enum lw_several_end lw_several_wait(struct lw_several *several);

/* The parts of it, for those that sleep otherwise. Says in each word that somebody sleeps, and adds it to `words`;
 * true: something seems ready. */
bool lw_several_listen(struct lw_several *several, struct lw_words *words);
/* How long to sleep at most. */
int64_t lw_several_patience(struct lw_several *several, const struct lw_words *words);
/* It has slept that long. */
void lw_several_recheck(struct lw_several *several);
/* It is about to sleep: others may see that (at so many of them), until it hides. A forked child shows itself anew. */
#define LW_SEVERAL_SHOWN 64
void lw_several_show(struct lw_several *several, bool is_task, int64_t until_ns);
void lw_several_hide(struct lw_several *several);
/* After all: passes on what it may have consumed. */
void lw_several_unlisten(struct lw_several *several);

#endif
