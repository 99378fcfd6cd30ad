/* Heirs: what a member lives on in, when its own process is dead.
 *
 * A process that runs a command while it holds something can't prevent that it is killed before the command. What it
 * holds must then be held until the command has ended: so it names the command's process as its heir, before that
 * begins. With an heir, a member is dead once its process and its heir are; between the two it is mute, as one
 * without an alive word: its death is found by the re-check (lw_member_recheck).
 *
 *   heir | heir_by_file | the member lives while
 *   -----+--------------+-------------------------------------------------------------------------------
 *   0    | 0            | its process does
 *   pid  | 0            | that process does as well: pid and start time tell, which an exec keeps
 *   pid  | 1            | that process does, or anyone that has inherited a descriptor of the arena's file by
 *        |              | which the byte of this member is locked (an "open file description" lock: it goes with
 *        |              | the last descriptor, as flock(1)'s does)
 *
 * Only the member's own process changes them, while it lives. */
#ifndef LW_HEIR_H
#define LW_HEIR_H

#include "lw_arena.h"

/* False: there is no such living process, and so no heir. 0: nobody, from now on. */
bool lw_heir_set(struct lw_arena *arena, uint32_t pid);
/* Locks the byte of this member by that descriptor; -1 and errno. */
int lw_heir_lock(struct lw_arena *arena, int fd);
/* By whatever descriptor: one of its own, too. */
bool lw_heir_is_locked(const struct lw_arena *arena, const struct lw_member *member);

static inline bool lw_heir_exists(const struct lw_member *member) {
    return lw_load_acq(&member->heir) != 0 || lw_load_acq(&member->heir_by_file) != 0;
}
/* System calls. `visible`: whether the pids of that member mean anything here. */
bool lw_heir_lives(const struct lw_arena *arena, const struct lw_member *member, bool visible);

#endif
