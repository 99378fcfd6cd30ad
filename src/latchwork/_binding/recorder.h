/* What recorder.c, places.c and recording.c share: the recorder of this process. */
#ifndef LATCHWORK_RECORDER_H
#define LATCHWORK_RECORDER_H

#include "recording.h"

/* What is known by what, in this process only. Nothing is ever taken out; a table that is full knows no more. */
struct key {
    uintptr_t what;       /* a slot; 0 for a site */
    uintptr_t code;       /* 0 for a primitive */
    uint32_t generation;  /* of the slot */
    uint32_t instruction; /* in the code, and the mode: a line may take several primitives */
};
struct entry {
    struct key key;
    uint32_t index; /* plus one; 0: free */
};
#define ENTRIES (1u << 14)
#define FULL (ENTRIES / 4 * 3)
/* Stands for the site of a frame of Latchwork's own: the one that called it counts. */
#define INTERNAL (UINT32_MAX - 1)

struct hold {
    struct hold *next;
    uint32_t id, row, thread, depth;
    enum lw_mode mode;
    int64_t since_ns;
};
/* Of one primitive. Permits that are taken here and given back elsewhere would add up for ever. */
#define HOLDS_MAX 64

struct recorder {
    bool on;
    bool hopeless;    /* no journal can be had */
    uint32_t opening; /* the number of the one that is being opened, by that thread */
    uint32_t opener;
    atomic_bool forked;
    uint32_t number; /* of the journal; raised with each */
    struct lw_journal journal;
    struct entry *entries;
    uint32_t entries_used;
    struct hold **holds; /* by primitive */
    uint32_t last_hold;
    char *package;
    size_t package_length;
    PyObject *lasti, *back, *errors;
};
extern struct recorder recorder;

extern _Thread_local struct recording_thread {
    uint32_t journal, index;
    bool asking;
} this_thread;

/* recorder.c. 1: there is one, 0: there is none, -1: an exception is set, of a signal handler. `quiet`: none is begun. */
int have_journal(bool quiet);
/* The same, of a name for this thread. */
int find_thread(bool quiet, uint32_t *index);
struct lw_text text_of(PyObject *text);
void forget(struct hold **holds);

/* places.c: the index of a record in the journal; 0: there is no room, or (without `make`) it is not known. */
uint32_t primitive_of(PyObject *object, bool make);
/* The row of that primitive in the innermost frame that is not Latchwork's own. */
uint32_t find_row(PyObject *object, enum lw_mode mode, PyObject *frame);

#endif
