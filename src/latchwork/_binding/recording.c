#define _GNU_SOURCE
#include "recording.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "../_native/lw_futex.h"
#include "../_native/lw_name.h"
#include "../_native/lw_rlock.h"

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

static struct {
    bool on;
    bool opening, hopeless;
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
} recorder;

static _Thread_local struct {
    uint32_t journal, index;
    bool asking;
} this_thread;

static void forked(void) { atomic_store_explicit(&recorder.forked, true, memory_order_relaxed); }

static void forget(struct hold **holds) {
    for (struct hold *hold = *holds, *next; hold; hold = next) {
        next = hold->next;
        free(hold);
    }
    *holds = NULL;
}

static void forget_holds(void) {
    uint32_t count = recorder.holds ? recorder.journal.header->primitives.capacity : 0;
    for (uint32_t i = 0; i < count; i++) forget(&recorder.holds[i]);
    free(recorder.holds);
    recorder.holds = NULL;
}

static void close_journal(bool ended) {
    forget_holds();
    for (uint32_t i = 0; recorder.entries && i < ENTRIES; i++)
        if (recorder.entries[i].index && !recorder.entries[i].key.what) Py_DECREF((PyObject *)recorder.entries[i].key.code);
    free(recorder.entries);
    recorder.entries = NULL;
    recorder.entries_used = 0;
    lw_journal_close(&recorder.journal, ended);
    recorder.number++;
}

bool recording_start(const char *package) {
    static bool expects_forks;
    if (!expects_forks && pthread_atfork(NULL, NULL, forked) != 0) return PyErr_NoMemory() != NULL;
    expects_forks = true;
    if (!recorder.lasti) recorder.lasti = PyUnicode_InternFromString("f_lasti");
    if (!recorder.back) recorder.back = PyUnicode_InternFromString("f_back");
    if (!recorder.errors) {
        PyObject *errors = PyImport_ImportModule("latchwork.errors");
        recorder.errors = errors ? PyObject_GetAttrString(errors, "LatchworkError") : NULL;
        Py_XDECREF(errors);
    }
    free(recorder.package);
    recorder.package = strdup(package);
    if (!recorder.package) return PyErr_NoMemory() != NULL;
    recorder.package_length = strlen(package);
    recorder.hopeless = false;
    if (!recorder.number) recorder.number = 1; /* a thread that knows of none has 0 */
    recorder.on = recorder.lasti && recorder.back && recorder.errors;
    return recorder.on;
}

void recording_stop(bool ended) {
    recorder.on = false;
    bool mine = !atomic_exchange(&recorder.forked, false);
    close_journal(ended && mine);
}

uint32_t recording_journal(void) { return recorder.journal.header ? recorder.number : 0; }

/* Calls a function of latchwork.profiling.recording. An ordinary error in there is printed, and costs the caller nothing. */
static int ask(const char *name, PyObject **answer) {
    PyObject *module = PyImport_ImportModule("latchwork.profiling.recording");
    *answer = module ? PyObject_CallMethod(module, name, NULL) : NULL;
    Py_XDECREF(module);
    if (*answer) return 1;
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return -1;
    PyErr_WriteUnraisable(NULL);
    return 0;
}

static struct lw_text text_of(PyObject *text) {
    struct lw_text kept = {0, 0};
    PyObject *bytes = text && PyUnicode_Check(text) ? PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace") : NULL;
    char *start;
    Py_ssize_t length;
    if (bytes && PyBytes_AsStringAndSize(bytes, &start, &length) == 0)
        kept = lw_journal_text(&recorder.journal, start, (size_t)length);
    Py_XDECREF(bytes);
    PyErr_Clear();
    return kept;
}

/* As ask(). */
static int open_journal(void) {
    if (recorder.hopeless || recorder.opening) return 0;
    PyObject *opened, *program, *process;
    int fd;
    unsigned events;
    recorder.opening = true;
    int done = ask("open_journal", &opened);
    recorder.opening = false;
    if (done <= 0) {
        recorder.hopeless = done == 0;
        return done;
    }
    recorder.hopeless = true;
    if (opened == Py_None || !recorder.on || recorder.journal.header ||
        !PyArg_ParseTuple(opened, "iIOO", &fd, &events, &program, &process)) {
        /* None: told by then. Or another thread was faster to stop. */
        PyErr_Clear();
        Py_DECREF(opened);
        return 0;
    }
    recorder.entries = calloc(ENTRIES, sizeof *recorder.entries);
    bool ok = recorder.entries && lw_journal_open(&recorder.journal, fd, events);
    if (ok) recorder.holds = calloc(recorder.journal.header->primitives.capacity, sizeof *recorder.holds);
    if (!ok || !recorder.holds) {
        PyErr_SetFromErrno(PyExc_OSError);
        PyErr_WriteUnraisable(opened);
        close_journal(false);
        Py_DECREF(opened);
        return 0;
    }
    recorder.journal.header->program = text_of(program);
    recorder.journal.header->process = text_of(process);
    recorder.last_hold = 0;
    recorder.hopeless = false;
    Py_DECREF(opened);
    return 1;
}

/* As ask(): whether there is a journal. */
static int have_journal(bool quiet) {
    if (__builtin_expect(atomic_load_explicit(&recorder.forked, memory_order_relaxed), 0)) {
        atomic_store_explicit(&recorder.forked, false, memory_order_relaxed);
        recorder.opening = recorder.hopeless = false;
        close_journal(false); /* the parent goes on with it */
    }
    if (__builtin_expect(recorder.journal.header != NULL, 1)) return 1;
    return quiet || !recorder.on ? 0 : open_journal();
}

static int find_thread(bool quiet, uint32_t *index) {
    *index = this_thread.index;
    if (__builtin_expect(this_thread.journal == recorder.number, 1)) return 1;
    *index = 0;
    if (quiet || this_thread.asking) return 1;
    PyObject *name;
    this_thread.asking = true;
    int done = ask("thread_name", &name);
    this_thread.asking = false;
    if (done < 0) return -1;
    if (!recorder.journal.header) {
        if (done) Py_DECREF(name);
        return 0;
    }
    struct lw_text text = {0, 0};
    if (done) {
        text = text_of(name);
        Py_DECREF(name);
    }
    this_thread.index = *index = lw_journal_add_thread(&recorder.journal, lw_thread_id(), text);
    this_thread.journal = recorder.number;
    return 1;
}

/* Where that key stands, or would. */
static inline struct entry *find(const struct key *key) {
    uint64_t hash = (uint64_t)key->what ^ (uint64_t)key->code << 7 ^ (uint64_t)key->generation << 40 ^ key->instruction;
    hash *= 0x9e3779b97f4a7c15ull;
    for (uint32_t at = (uint32_t)(hash >> 40) % ENTRIES;; at = (at + 1) % ENTRIES) {
        struct entry *entry = &recorder.entries[at];
        if (!entry->index) return entry;
        if (entry->key.what == key->what && entry->key.code == key->code && entry->key.generation == key->generation &&
            entry->key.instruction == key->instruction)
            return entry;
    }
}

static void keep(const struct key *key, uint32_t index) {
    if (recorder.entries_used == FULL) return;
    struct entry *entry = find(key);
    if (!entry->index && !key->what) Py_INCREF((PyObject *)key->code);
    recorder.entries_used += !entry->index;
    *entry = (struct entry){*key, index + 1};
}

static bool is_internal(PyObject *code) {
    PyObject *file = PyObject_GetAttrString(code, "co_filename");
    const char *text = file ? PyUnicode_AsUTF8AndSize(file, NULL) : NULL;
    bool is = text && strncmp(text, recorder.package, recorder.package_length) == 0;
    Py_XDECREF(file);
    PyErr_Clear();
    return is;
}

static uint32_t new_site(PyObject *frame, PyObject *code) {
    PyObject *file = PyObject_GetAttrString(code, "co_filename");
    PyObject *function = PyObject_GetAttrString(code, "co_qualname");
    PyErr_Clear();
    struct lw_text texts[] = {text_of(file), text_of(function)};
    Py_XDECREF(file);
    Py_XDECREF(function);
    return lw_journal_add_site(&recorder.journal, texts[0], texts[1], (uint32_t)PyFrame_GetLineNumber((PyFrameObject *)frame));
}

static uint32_t site_of(PyObject *frame, PyObject *code, uint32_t instruction) {
    struct key key = {.what = 0, .code = (uintptr_t)code, .instruction = instruction};
    const struct entry *entry = find(&key);
    if (entry->index) return entry->index - 1;
    if (is_internal(code)) {
        keep(&key, INTERNAL);
        return INTERNAL;
    }
    uint32_t site = new_site(frame, code);
    keep(&key, site);
    return site;
}

static uint32_t new_primitive(PyObject *object) {
    const Handle *handle = (Handle *)object;
    struct lw_journal_primitive primitive = {.slot = lw_slot_index(handle->arena, handle->slot),
                                             .generation = handle->generation};
    memcpy(primitive.arena, handle->arena->header->uuid, sizeof primitive.arena);
    PyObject *kind = PyObject_GetAttrString(object, "kind");
    PyErr_Clear();
    char text[LW_NAME_BYTES_MAX];
    enter(handle->arena);
    uint32_t name = lw_load_relaxed(&handle->slot->state) ? handle->slot->name : LW_NO_SLOT, length = 0;
    if (name != LW_NO_SLOT && !handle_is_gone(handle)) length = lw_name_text(handle->arena, name, text, sizeof text);
    lw_arena_unlock(handle->arena);
    if (!recorder.journal.header) {
        Py_XDECREF(kind);
        return 0;
    }
    primitive.kind = text_of(kind);
    Py_XDECREF(kind);
    primitive.name = lw_journal_text(&recorder.journal, text, length);
    primitive.named = (handle->arena->header->flags & LW_PERSISTENT) != 0;
    return lw_journal_add_primitive(&recorder.journal, &primitive);
}

static uint32_t primitive_of(PyObject *object, bool make) {
    const Handle *handle = (Handle *)object;
    struct key key = {.what = (uintptr_t)handle->slot, .generation = handle->generation, .instruction = UINT32_MAX};
    const struct entry *entry = find(&key);
    if (entry->index) return entry->index - 1;
    if (!make) return 0;
    uint32_t primitive = new_primitive(object);
    if (!recorder.journal.header) return 0;
    /* Another thread may have been faster, while this one waited for the arena. */
    entry = find(&key);
    if (entry->index) return entry->index - 1;
    keep(&key, primitive);
    return primitive;
}

/* The row of that primitive in the innermost frame that is not Latchwork's own. */
static uint32_t find_row(PyObject *object, enum lw_mode mode, PyObject *frame) {
    const Handle *handle = (Handle *)object;
    if (!frame) frame = (PyObject *)PyEval_GetFrame();
    Py_XINCREF(frame);
    uint32_t row = 0;
    while (frame && frame != Py_None) {
        PyObject *code = (PyObject *)PyFrame_GetCode((PyFrameObject *)frame);
        PyObject *lasti = PyObject_GetAttr(frame, recorder.lasti);
        uint32_t instruction = lasti ? (uint32_t)PyLong_AsLong(lasti) << 3 : 0;
        Py_XDECREF(lasti);
        struct key key = {(uintptr_t)handle->slot, (uintptr_t)code, handle->generation, instruction | mode};
        const struct entry *entry = find(&key);
        uint32_t site = 0;
        if (entry->index) {
            row = entry->index - 1;
        } else if ((site = site_of(frame, code, instruction)) != INTERNAL) {
            uint32_t primitive = primitive_of(object, true);
            if (recorder.journal.header) {
                row = lw_journal_add_row(&recorder.journal, primitive, site, mode);
                keep(&key, row);
            }
        }
        Py_DECREF(code);
        if (site != INTERNAL || !recorder.journal.header) break;
        PyObject *outer = PyObject_GetAttr(frame, recorder.back);
        Py_DECREF(frame);
        frame = outer;
    }
    Py_XDECREF(frame);
    return row;
}

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
    struct held held = {.journal = recorder.number, .last = true};
    if (have_journal(true) <= 0) return held;
    held.journal = recorder.number;
    uint32_t primitive = primitive_of(object, false);
    held.at_ns = lw_now_ns();
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
