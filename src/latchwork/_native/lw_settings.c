#include "lw_settings.h"

static struct lw_header *program;
static uint32_t own_look_ms;
static enum lw_deadlock own_deadlock;

void lw_settings_of(struct lw_arena *arena) { program = arena->header; }

void lw_settings_otherwise(uint32_t look_ms, enum lw_deadlock deadlock) {
    own_look_ms = look_ms;
    own_deadlock = deadlock;
}

void lw_settings_set(struct lw_arena *arena, uint32_t look_ms, enum lw_deadlock deadlock) {
    if (look_ms) lw_store_relaxed(&arena->header->look_ms, look_ms);
    if (deadlock) lw_store_relaxed(&arena->header->deadlock, (uint32_t)deadlock);
}

uint32_t lw_look_ms(void) {
    uint32_t set = program ? lw_load_relaxed(&program->look_ms) : 0;
    if (set == 0) set = own_look_ms;
    return set ? set : 1000;
}

enum lw_deadlock lw_deadlock(void) {
    uint32_t set = program ? lw_load_relaxed(&program->deadlock) : 0;
    if (set == 0 || set >= LW_DEADLOCK_COUNT) set = (uint32_t)own_deadlock;
    return set ? (enum lw_deadlock)set : LW_DEADLOCK_WARN;
}
