/* What the killers share. */
#ifndef KILLER_H
#define KILLER_H

#include <stdbool.h>
#include <stdint.h>

#include "lw_arena.h"

#define CHILDREN 8
#define SURVIVORS 3 /* are never killed: so they see whether a death ever makes anybody wait for long */
#define PERMITS 2
#define STUCK_S 15
#define CAPACITY 4

#define CHECK(law)                                    \
    do {                                              \
        if (!(law)) breach(#law, __FILE__, __LINE__); \
    } while (0)

struct page {
    _Atomic uint32_t owner, writer, desks[PERMITS], alone; /* member ids */
    _Atomic uint32_t reading[CHILDREN];
    _Atomic uint32_t stored;
    _Atomic bool stop;
    _Atomic uint64_t done[16];
    _Atomic int64_t slowest_ns;
    _Atomic int slowest_op;
};

extern struct lw_arena arena;
extern struct page *page;
extern struct lw_slot *lock, *permits, *strict, *rwlock, *condition, *barrier, *semaphore, *event;
extern int self_number;

_Noreturn void breach(const char *law, const char *file, int line);
uint32_t draw(uint32_t below);
void work(void);
void come_in(_Atomic uint32_t *place);
void go_out(_Atomic uint32_t *place);
/* One of as many as there are permits. */
_Atomic uint32_t *take_a_desk(void);
void free_lock(void);

/* killer_tasks.c */
void use_tasks(void);

/* killer_waiters.c */
void use_waiters(void);
void check_nobody_waits(void);

#endif
