#include "recording.h"

#include <stdlib.h>

#include "../_native/lw_futex.h"
#include "recorder.h"

int recording_begin(struct moment *moment, PyObject *primitive, enum lw_mode mode, PyObject *frame, bool quiet) {
    int have = have_journal(quiet);
    if (have <= 0) return have;
    uint32_t journal = recorder.number, thread;
    have = find_thread(quiet, &thread);
    if (have <= 0) return have;
    uint32_t row = find_row(primitive, mode, frame);
    /* New ones give up the GIL for a moment: stop() may have been called. */
    if (!recorder.journal.header || recorder.number != journal) return 0;
    *moment = (struct moment){.journal = journal, .row = row, .thread = thread, .at_ns = lw_now_ns()};
    return 1;
}

static inline bool is_current(uint32_t journal) {
    return recorder.number == journal && recorder.journal.header && !atomic_load_explicit(&recorder.forked, memory_order_relaxed);
}

void recording_blocks(struct moment *moment) {
    struct lw_journal_thread *thread = &recorder.journal.threads[moment->thread];
    if (!moment->thread) return;
    moment->waiting = lw_load_relaxed(&thread->waiting);
    moment->since_ns = atomic_load_explicit(&thread->since_ns, memory_order_relaxed);
    atomic_store_explicit(&thread->since_ns, moment->at_ns, memory_order_relaxed);
    lw_store_rel(&thread->waiting, moment->row);
}

static void over(const struct moment *moment) {
    struct lw_journal_thread *thread = &recorder.journal.threads[moment->thread];
    if (!moment->thread || moment->row != lw_load_relaxed(&thread->waiting)) return;
    atomic_store_explicit(&thread->since_ns, moment->since_ns, memory_order_relaxed);
    lw_store_rel(&thread->waiting, moment->waiting);
}

static uint32_t hold_now(uint32_t primitive, uint32_t row, uint32_t thread, uint32_t depth, int64_t at_ns) {
    struct hold **first = &recorder.holds[primitive], **last = first;
    enum lw_mode mode = (enum lw_mode)recorder.journal.rows[row].mode;
    /* What is held by one only, and was already, has been released elsewhere. */
    bool alone = mode == LW_MODE_HELD || mode == LW_MODE_WRITE;
    for (int i = 1; *last && !alone && i < HOLDS_MAX; i++) last = &(*last)->next;
    forget(last);
    struct hold *hold = malloc(sizeof *hold);
    if (!hold) return 0;
    if (++recorder.last_hold == 0) recorder.last_hold = 1;
    *hold = (struct hold){*first, recorder.last_hold, row, thread, depth, mode, at_ns};
    *first = hold;
    return hold->id;
}

void recording_acquired(const struct moment *moment, PyObject *primitive, enum lw_how how) {
    if (!is_current(moment->journal)) return;
    int64_t now = lw_now_ns();
    struct lw_journal_row *row = &recorder.journal.rows[moment->row];
    struct lw_event event = {moment->at_ns, now - moment->at_ns, moment->row, 0, moment->thread, how, LW_EVENT_TORN, 0};
    over(moment);
    lw_journal_count(row, how, event.took_ns);
    if (how == LW_HAD && row->primitive) {
        struct hold *hold = recorder.holds[row->primitive];
        if (hold && hold->depth && PyObject_TypeCheck(primitive, rlock_type)) {
            hold->depth++; /* one level more */
            return;
        }
        event.hold = hold_now(row->primitive, moment->row, moment->thread, 1, now);
    }
    lw_journal_put(&recorder.journal, LW_EVENT_ACQUIRED, &event);
}

static void plain(const struct moment *moment, enum lw_how how, enum lw_what what) {
    if (!is_current(moment->journal)) return;
    struct lw_event event = {moment->at_ns, lw_now_ns() - moment->at_ns, moment->row, 0, moment->thread, how, LW_EVENT_TORN, 0};
    over(moment);
    lw_journal_count(&recorder.journal.rows[moment->row], how, event.took_ns);
    lw_journal_put(&recorder.journal, what, &event);
}

void recording_waited(const struct moment *moment, enum lw_how how) { plain(moment, how, LW_EVENT_WAITED); }
void recording_signalled(const struct moment *moment, enum lw_how how) { plain(moment, how, LW_EVENT_SIGNALLED); }

/* The one of this thread, else the one that is held the longest; of permits that nobody owns only this thread's. */
static struct hold **find_hold(struct hold **first, enum lw_mode mode, bool anybodys) {
    struct hold **found = NULL;
    for (struct hold **at = first; *at; at = &(*at)->next) {
        if ((*at)->mode != mode) continue;
        if ((*at)->thread == this_thread.index && this_thread.journal == recorder.number) return at;
        if (anybodys) found = at;
    }
    return found;
}

struct held recording_release(PyObject *object, enum lw_mode mode) {
    struct held held = {.last = true, .at_ns = lw_now_ns()};
    if (have_journal(true) <= 0) return held;
    held.journal = recorder.number;
    uint32_t primitive = primitive_of(object, false);
    if (!primitive) return held;
    bool anybodys = mode != LW_MODE_PERMIT || lw_load_relaxed(&((Handle *)object)->slot->state) == LW_KIND_PERMITS;
    struct hold **found = find_hold(&recorder.holds[primitive], mode, anybodys);
    if (!found) return held;
    held.hold = *found;
    if (held.hold->depth > 1 && PyObject_TypeCheck(object, rlock_type)) {
        held.last = false;
        return held;
    }
    *found = held.hold->next;
    return held;
}

bool recording_released(struct held *held) {
    struct hold *hold = held->hold;
    if (!is_current(held->journal)) return true;
    if (!hold) return false;
    if (!held->last) {
        hold->depth--;
        return true;
    }
    int64_t took = held->at_ns - hold->since_ns;
    uint32_t thread = this_thread.journal == recorder.number ? this_thread.index : 0;
    struct lw_event event = {held->at_ns, took, hold->row, hold->id, thread, LW_HAD, LW_EVENT_TORN, 0};
    lw_journal_count_held(&recorder.journal.rows[hold->row], took);
    lw_journal_put(&recorder.journal, LW_EVENT_RELEASED, &event);
    free(hold);
    return true;
}

void recording_released_all(struct held *held, PyObject *object) {
    if (!is_current(held->journal) || !held->hold) return;
    /* Not popped before, if it was not the last level. */
    if (!held->last) recorder.holds[primitive_of(object, false)] = held->hold->next;
    held->last = true;
    recording_released(held);
}

void recording_kept(struct held *held, PyObject *object) {
    if (!is_current(held->journal) || !held->hold || !held->last) return;
    struct hold **first = &recorder.holds[primitive_of(object, false)];
    held->hold->next = *first;
    *first = held->hold;
}

bool recording_row_of(const struct held *held, uint32_t *row, uint32_t *depth) {
    if (!is_current(held->journal) || !held->hold) return false;
    *row = held->hold->row;
    *depth = held->hold->depth;
    return true;
}

void recording_again(PyObject *object, uint32_t row, uint32_t depth) {
    if (have_journal(true) <= 0 || row >= recorder.journal.header->rows.used) return;
    uint32_t primitive = primitive_of(object, false);
    if (!primitive) return;
    int64_t now = lw_now_ns();
    uint32_t thread = this_thread.journal == recorder.number ? this_thread.index : 0;
    struct lw_event event = {now, 0, row, hold_now(primitive, row, thread, depth, now), thread, LW_HAD, LW_EVENT_TORN, 0};
    lw_journal_put(&recorder.journal, LW_EVENT_ACQUIRED, &event);
}

enum lw_how how_of(PyObject *result) {
    if (result) return result == Py_False ? LW_TIMED_OUT : LW_HAD;
    if (PyErr_ExceptionMatches(PyExc_TimeoutError)) return LW_TIMED_OUT;
    PyObject *const failures[] = {recorder.errors,    PyExc_TypeError, PyExc_ValueError, PyExc_OverflowError,
                                  PyExc_RuntimeError, PyExc_OSError,   PyExc_MemoryError};
    for (size_t i = 0; i < sizeof failures / sizeof *failures; i++)
        if (failures[i] && PyErr_ExceptionMatches(failures[i])) return LW_FAILED;
    return LW_INTERRUPTED;
}
