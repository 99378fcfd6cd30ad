/* What happens at a primitive, written into this process's journal: ../_native/lw_journal.h. With the GIL held, always. */
#ifndef LATCHWORK_RECORDING_H
#define LATCHWORK_RECORDING_H

#include "../_native/lw_journal.h"
#include "binding.h"

/* An operation that has begun. */
struct moment {
    uint32_t journal; /* which one it belongs to: a fork, or stop and start, makes another */
    uint32_t row, thread;
    int64_t at_ns;
    uint32_t waiting; /* what this thread was marked to wait for before: a signal handler runs in the middle of a wait */
    int64_t since_ns;
};

/* What was held, and is being released. */
struct held {
    uint32_t journal;
    struct hold *hold; /* NULL: unknown */
    bool last;         /* an RLock's last level; else nothing is recorded */
    int64_t at_ns;
};

/* Begins an operation at a primitive, called from that frame (NULL: the one that runs). 1: it did, 0: it is not recorded, -1: an
 * exception is set, of a signal handler. `quiet`: what may not run Python code, for what has been done already. */
int recording_begin(struct moment *moment, PyObject *primitive, enum lw_mode mode, PyObject *frame, bool quiet);
/* This thread will be blocked in it. */
void recording_blocks(struct moment *moment);
void recording_acquired(const struct moment *moment, PyObject *primitive, enum lw_how how);
void recording_waited(const struct moment *moment, enum lw_how how);
void recording_signalled(const struct moment *moment, enum lw_how how);

/* Before a release, what will have been released; then either of the others. */
struct held recording_release(PyObject *primitive, enum lw_mode mode);
/* False: who held it is not known here. */
bool recording_released(struct held *held);
/* All levels of it. */
void recording_released_all(struct held *held, PyObject *primitive);
void recording_kept(struct held *held, PyObject *primitive);
/* Held again as it was before: after a Condition's wait. */
void recording_again(PyObject *primitive, uint32_t row, uint32_t depth);
/* Row and depth of what is held; false: nothing that is known. */
bool recording_row_of(const struct held *held, uint32_t *row, uint32_t *depth);

/* How an operation ended that returned this; with NULL an exception is set. */
enum lw_how how_of(PyObject *result);

bool recording_start(const char *package);
void recording_stop(bool ended);

#endif
