/* What the hammers share: threads that meet as members, laws, and signals that interrupt every sleep. */
#ifndef HAMMER_H
#define HAMMER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lw_arena.h"
#include "lw_futex.h"
#include "lw_slot.h"

#define THREADS 8
/* So long that what only a re-check would find is a hang. */
#define NO_RECHECK_NS (3600 * (int64_t)1000000000)

#define CHECK(law)                                    \
    do {                                              \
        if (!(law)) breach(#law, __FILE__, __LINE__); \
    } while (0)

struct worker {
    pthread_t thread;
    struct lw_arena arena; /* the same mapping; a member of its own or the common one */
    uint64_t random;
    int number;
    unsigned long took, timeouts, signals, abandoned;
    void *(*body)(void *);
};

extern struct lw_arena shared;
extern struct worker workers[THREADS];

_Noreturn void breach(const char *law, const char *file, int line);
/* A number below; the same ones at every run, as far as the threads' timing lets them. */
uint32_t draw(struct worker *self, uint32_t below);
int64_t soon(struct worker *self, uint32_t us);
/* 0, soon, or for ever. */
int64_t patience(struct worker *self);
void nap(struct worker *self, uint32_t us);

void start(struct worker *worker, void *(*body)(void *));
/* Until all are done; meanwhile, but in the quiet phases, signals: every sleep may end in the middle. */
void pester_and_join(void);
/* All of them with one body, each a member of its own but the last, which is of the same process as the one before. */
void run_all(void *(*body)(void *));
void new_member(struct lw_arena *arena);
/* This thread's end is this member's death from here on. */
void become_mortal(struct worker *self);
/* A thread with a member of its own that has ended; whether that is seen as a death. */
bool dies(struct worker *mortal, void *(*body)(void *));
struct lw_slot *new_slot(const struct lw_made *made);
void drop_slot(struct lw_slot *slot);

/* hammer_family.c, hammer_several.c, hammer_cells.c, hammer_tasks.c, hammer_waiters.c */
void family_phase(bool with_deaths);
void several_phase(bool with_deaths);
void cells_phase(void);
void tasks_phase(bool with_deaths);
void waiters_phase(bool with_deaths);

#endif
