/* The journal: what one process has waited for and held, in a file that outlives it. See docs/design/005-profiling.md.
 *
 *   section     | a record says
 *   ------------+-------------------------------------------------------------------------------------------
 *   texts       | bytes; the others refer to them by offset and length
 *   threads     | the kernel's id, a name; what it waits for at this moment, and since when. 0: all beyond the room
 *   primitives  | arena, slot, generation: the same in every process; kind and name. 0: all beyond the room
 *   sites       | file, function, line. 0: all beyond the room
 *   rows        | the sums of one primitive at one site in one mode: exact, whatever else is dropped
 *   events      | one acquisition, release, wait or signal; once there is no room more are only counted
 *
 * Only its process writes it, one thread at a time (Python's GIL); anybody may read it meanwhile. A section's `used` is raised
 * after the record is whole, and an event's `what` is written last. What a kill leaves: a record that is not counted,
 * sums of which one is an operation behind the others, and a thread's mark that it waits. */
#ifndef LW_JOURNAL_H
#define LW_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lw_atomic.h"

#define LW_JOURNAL_MAGIC 0x6c6e6a6b7774616cull /* "latwkjnl" */
#define LW_JOURNAL_VERSION 1u

struct lw_text {
    uint32_t offset, length;
};

struct lw_section {
    uint32_t offset, stride, capacity;
    lw_word used;
};

struct lw_journal_header {
    uint64_t magic;
    uint32_t version, header_size;
    uint32_t pid, parent;
    int64_t began_ns;    /* CLOCK_MONOTONIC, as all times in here */
    int64_t began_at_ns; /* the same moment since the epoch */
    _Atomic int64_t ended_ns; /* 0: it runs, or was killed */
    _Atomic uint64_t dropped; /* events that found no room */
    struct lw_text program, process;
    struct lw_section texts, threads, primitives, sites, rows, events;
};
_Static_assert(sizeof(struct lw_journal_header) == 168, "read by latchwork.profiling.journal");

struct lw_journal_thread {
    uint32_t tid;
    lw_word waiting; /* 0, or the row that it waits in */
    _Atomic int64_t since_ns;
    struct lw_text name;
};
_Static_assert(sizeof(struct lw_journal_thread) == 24, "read by latchwork.profiling.journal");

struct lw_journal_primitive {
    uint8_t arena[16];
    uint32_t slot, generation;
    struct lw_text kind, name;
    uint32_t named; /* the name is one in a namespace; else it is the place in a module */
    uint32_t spare;
};
_Static_assert(sizeof(struct lw_journal_primitive) == 48, "read by latchwork.profiling.journal");

struct lw_journal_site {
    struct lw_text file, function;
    uint32_t line, spare;
};
_Static_assert(sizeof(struct lw_journal_site) == 24, "read by latchwork.profiling.journal");

enum lw_mode { LW_MODE_HELD, LW_MODE_READ, LW_MODE_WRITE, LW_MODE_PERMIT, LW_MODE_WAIT, LW_MODE_SIGNAL };
enum lw_how { LW_HAD, LW_TIMED_OUT, LW_INTERRUPTED, LW_FAILED };
enum lw_what { LW_EVENT_TORN, LW_EVENT_ACQUIRED, LW_EVENT_RELEASED, LW_EVENT_WAITED, LW_EVENT_SIGNALLED };

struct lw_journal_row {
    uint32_t primitive, site, mode, spare;
    uint64_t count;     /* acquired, waited, signalled */
    uint64_t contended; /* of these: took LW_CONTENDED_NS or more */
    uint64_t waited_ns, waited_max_ns;
    uint64_t without[3]; /* timed out, interrupted, failed */
    uint64_t held, held_ns, held_max_ns;
};
_Static_assert(sizeof(struct lw_journal_row) == 96, "read by latchwork.profiling.journal");

/* One that took less had not to wait: an operation takes some 100 ns, a sleep and a wake some 10 µs. */
#define LW_CONTENDED_NS 2000

struct lw_event {
    int64_t at_ns;   /* when it began: the wait; a release: its moment */
    int64_t took_ns; /* the wait; a release: how long it was held */
    uint32_t row;
    uint32_t hold; /* pairs a release with its acquisition; 0: unknown, or nothing was had */
    uint32_t thread;
    uint8_t how;
    _Atomic uint8_t what;
    uint16_t spare;
};
_Static_assert(sizeof(struct lw_event) == 32, "read by latchwork.profiling.journal");

struct lw_journal {
    struct lw_journal_header *header;
    struct lw_journal_thread *threads;
    struct lw_journal_primitive *primitives;
    struct lw_journal_site *sites;
    struct lw_journal_row *rows;
    struct lw_event *events;
    char *texts;
    uint32_t room; /* for so many events there is memory */
    bool full;     /* and there was none for more */
    size_t mapped;
    int fd;
    uint64_t device, inode; /* the program may have closed the descriptor, and opened something else */
};

/* Formats an empty file, which is the journal's from here on; false: errno says why, and the file is still the caller's. */
bool lw_journal_open(struct lw_journal *journal, int fd, uint32_t events);
/* After a fork it is the parent's: it is left as it is, and only the mapping goes. */
void lw_journal_close(struct lw_journal *journal, bool ended);

struct lw_text lw_journal_text(struct lw_journal *journal, const char *text, size_t length);
/* The index of a new record; 0: there is no room. */
uint32_t lw_journal_add_thread(struct lw_journal *journal, uint32_t tid, struct lw_text name);
uint32_t lw_journal_add_primitive(struct lw_journal *journal, const struct lw_journal_primitive *primitive);
uint32_t lw_journal_add_site(struct lw_journal *journal, struct lw_text file, struct lw_text function, uint32_t line);
uint32_t lw_journal_add_row(struct lw_journal *journal, uint32_t primitive, uint32_t site, enum lw_mode mode);

bool lw_journal_grow(struct lw_journal *journal);

static inline void lw_journal_put(struct lw_journal *journal, enum lw_what what, const struct lw_event *event) {
    struct lw_section *section = &journal->header->events;
    uint32_t used = lw_load_relaxed(&section->used);
    if (__builtin_expect(used == journal->room, 0) && !lw_journal_grow(journal)) {
        atomic_fetch_add_explicit(&journal->header->dropped, 1, memory_order_relaxed);
        return;
    }
    struct lw_event *place = &journal->events[used];
    place->at_ns = event->at_ns;
    place->took_ns = event->took_ns;
    place->row = event->row;
    place->hold = event->hold;
    place->thread = event->thread;
    place->how = event->how;
    atomic_store_explicit(&place->what, (uint8_t)what, memory_order_release);
    lw_store_rel(&section->used, used + 1);
}

static inline void lw_journal_count(struct lw_journal_row *row, enum lw_how how, int64_t took_ns) {
    uint64_t took = took_ns > 0 ? (uint64_t)took_ns : 0;
    if (how == LW_HAD)
        row->count++;
    else
        row->without[how - 1]++;
    if (took >= LW_CONTENDED_NS) row->contended++;
    row->waited_ns += took;
    if (took > row->waited_max_ns) row->waited_max_ns = took;
}

static inline void lw_journal_count_held(struct lw_journal_row *row, int64_t held_ns) {
    uint64_t held = held_ns > 0 ? (uint64_t)held_ns : 0;
    row->held++;
    row->held_ns += held;
    if (held > row->held_max_ns) row->held_max_ns = held;
}

#endif
