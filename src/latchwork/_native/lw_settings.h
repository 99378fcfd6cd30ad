/* Settings of a program: how long a waiter waits before it looks around, and what is done about a deadlock.
 *
 * They stand in the header of the program's arena, so that all its processes go by them from the moment when they
 * are changed; 0: not set. A process that has not set them goes by its environment, and by the defaults. */
#ifndef LW_SETTINGS_H
#define LW_SETTINGS_H

#include "lw_arena.h"

enum lw_deadlock {
    LW_DEADLOCK_UNSET,
    LW_DEADLOCK_WARN,
    LW_DEADLOCK_RAISE,
    LW_DEADLOCK_RAISE_PROBABLE,
    LW_DEADLOCK_IGNORE,
    LW_DEADLOCK_COUNT
};
#define LW_LOOK_NEVER UINT32_MAX

/* This process is of the program with that arena. */
void lw_settings_of(struct lw_arena *arena);
/* For this process, where the program has set nothing. 0: the default. */
void lw_settings_otherwise(uint32_t look_ms, enum lw_deadlock deadlock);
/* Of the program: 0 leaves it as it is. */
void lw_settings_set(struct lw_arena *arena, uint32_t look_ms, enum lw_deadlock deadlock);

uint32_t lw_look_ms(void);
enum lw_deadlock lw_deadlock(void);

#endif
