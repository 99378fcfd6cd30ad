/* The recorder of this process: when it has a journal, and which. */
#define _GNU_SOURCE
#include "recorder.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../_native/lw_rlock.h"

struct recorder recorder;
_Thread_local struct recording_thread this_thread;

static void forked(void) { atomic_store_explicit(&recorder.forked, true, memory_order_relaxed); }

void forget(struct hold **holds) {
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

struct lw_text text_of(PyObject *text) {
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

/* With what the hook has opened; false: told by then. */
static bool begin_journal(PyObject *opened) {
    PyObject *program, *process;
    int fd;
    unsigned events;
    if (opened == Py_None || !PyArg_ParseTuple(opened, "iIOO", &fd, &events, &program, &process)) {
        if (PyErr_Occurred()) PyErr_WriteUnraisable(opened);
        return false;
    }
    bool begun = lw_journal_open(&recorder.journal, fd, events);
    if (begun) {
        recorder.entries = calloc(ENTRIES, sizeof *recorder.entries);
        recorder.holds = calloc(recorder.journal.header->primitives.capacity, sizeof *recorder.holds);
    }
    if (!recorder.entries || !recorder.holds) {
        PyErr_SetFromErrno(PyExc_OSError);
        PyErr_WriteUnraisable(opened);
        if (!begun) close(fd);
        close_journal(false);
        return false;
    }
    recorder.journal.header->program = text_of(program);
    recorder.journal.header->process = text_of(process);
    recorder.last_hold = 0;
    return true;
}

/* Another thread is in the middle of opening it, in Python; or this one, and a signal handler runs. */
static int wait_for_opener(void) {
    uint32_t number = recorder.number;
    while (recorder.on && recorder.number == number && recorder.opening == number) {
        if (recorder.opener == lw_thread_id()) return 0;
        PyThreadState *state = PyEval_SaveThread();
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        PyEval_RestoreThread(state);
    }
    return recorder.journal.header != NULL;
}

/* As ask(). */
static int open_journal(void) {
    uint32_t number = recorder.number;
    if (recorder.opening == number) return wait_for_opener();
    if (recorder.hopeless) return 0;
    recorder.opener = lw_thread_id();
    PyObject *opened;
    recorder.opening = number;
    int done = ask("open_journal", &opened);
    if (recorder.number != number) {
        /* Another thread has called stop() meanwhile: that file is nobody's. */
        PyObject *fd = done > 0 && opened != Py_None ? PyTuple_GetItem(opened, 0) : NULL;
        if (fd) close((int)PyLong_AsLong(fd));
        if (done > 0) Py_DECREF(opened);
        return done < 0 ? -1 : 0;
    }
    recorder.opening = 0;
    if (done <= 0) {
        recorder.hopeless = done == 0;
        return done;
    }
    recorder.hopeless = !begin_journal(opened);
    Py_DECREF(opened);
    return !recorder.hopeless;
}

int have_journal(bool quiet) {
    if (__builtin_expect(atomic_load_explicit(&recorder.forked, memory_order_relaxed), 0)) {
        atomic_store_explicit(&recorder.forked, false, memory_order_relaxed);
        recorder.opening = 0;
        recorder.hopeless = false;
        close_journal(false); /* the parent goes on with it */
    }
    if (__builtin_expect(recorder.journal.header != NULL, 1)) return 1;
    return quiet || !recorder.on ? 0 : open_journal();
}

int find_thread(bool quiet, uint32_t *index) {
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
