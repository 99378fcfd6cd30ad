/* A survey: what primitives say at one moment, for eyes only. See docs/design/004-seeing.md.
 *
 * Nothing is locked, and nobody is held up: what changes while it is read is read again, some times. By any process
 * that has the arena mapped, a member or not. */
#ifndef LW_SURVEY_H
#define LW_SURVEY_H

#include "lw_arena.h"

enum lw_surveyed_state {
    LW_STATE_NONE,
    LW_STATE_SET,     /* Event */
    LW_STATE_BROKEN,  /* Barrier */
    LW_STATE_RUNNING, /* Barrier: somebody runs the action */
};

struct lw_holding {
    uint32_t member;
    uint32_t who;   /* a thread's id or a task's number; 0: the process, or unknown */
    uint32_t since; /* a stamp: lw_stamp.h; 0: unknown */
    uint32_t count;
    bool write;
};

struct lw_survey {
    uint32_t index, generation, kind;
    enum lw_surveyed_state state;
    uint32_t value; /* free permits, count, how many wait */
    uint32_t limit;
    bool bounded; /* a semaphore that may not grow beyond its limit */
    uint32_t deaths, deadlock;
    /* Both in one allocation of the survey's own, used again by the next one. */
    struct lw_holding *holdings;
    unsigned held, room;
    uint32_t *chosen; /* members; one for each of their waits that was granted and has not returned */
    unsigned chosen_count, chosen_room;
};

/* How many slots there are to look at. */
uint32_t lw_survey_slots(const struct lw_arena *arena);
/* False: no primitive is there, or no memory. `generation`: the one that is meant, or 0. */
bool lw_survey_look(struct lw_arena *arena, uint32_t index, uint32_t generation, struct lw_survey *survey);
void lw_survey_free(struct lw_survey *survey);
/* The text of its name; returns the length. 0: none, or it has just gone. */
uint32_t lw_survey_name(const struct lw_arena *arena, const struct lw_survey *survey, char *text, uint32_t room);

#endif
