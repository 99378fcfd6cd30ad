/* Recording: while it is on, the methods of the public classes are replaced by these here, and put back after. So it costs
 * nothing while it is off. */
#include <string.h>

#include "recording.h"

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);
typedef PyObject *(*keyword_function)(PyObject *, PyObject *const *, Py_ssize_t, PyObject *);

enum operation { ACQUIRE, RELEASE, WAIT, SIGNAL, CONDITION_WAIT, ASYNC_ENTER, ASYNC_EXIT };
/* Whose method it is: the primitive's own; a Condition's, which is its lock's; a RWLock's Hold's. */
enum subject { SELF, ITS_LOCK, ITS_RWLOCK };

struct hook {
    const char *type, *method;
    enum operation operation;
    enum subject subject;
    enum lw_mode mode;
    PyCFunction without, with, with_names; /* for each way of calling */
    PyMethodDef *original, definition;
};

struct call {
    PyObject *self;
    PyObject *const *args;
    Py_ssize_t count;
    PyObject *names;
};

static PyObject *original(const struct hook *hook, const struct call *call) {
    PyCFunction function = hook->original->ml_meth;
    if (hook->original->ml_flags & METH_NOARGS) return function(call->self, NULL);
    if (hook->original->ml_flags & METH_KEYWORDS)
        return ((keyword_function)(void (*)(void))function)(call->self, call->args, call->count, call->names);
    return ((fast_function)(void (*)(void))function)(call->self, call->args, call->count);
}

/* NULL: a lock that is not Latchwork's. */
static inline PyObject *primitive_of(const struct hook *hook, PyObject *self, enum lw_mode *mode) {
    *mode = hook->mode;
    if (hook->subject == SELF) return self;
    if (hook->subject == ITS_LOCK) return condition_lock(self);
    bool write;
    PyObject *rwlock = hold_rwlock(self, &write);
    *mode = write ? LW_MODE_WRITE : LW_MODE_READ;
    return rwlock;
}

static PyObject *acquire(const struct hook *hook, const struct call *call) {
    enum lw_mode mode;
    struct moment moment;
    PyObject *primitive = primitive_of(hook, call->self, &mode);
    if (!primitive) return original(hook, call);
    int begun = recording_begin(&moment, primitive, mode, NULL, false);
    if (begun <= 0) return begun < 0 ? NULL : original(hook, call);
    recording_blocks(&moment);
    PyObject *result = original(hook, call);
    recording_acquired(&moment, primitive, how_of(result));
    return result;
}

static PyObject *release(const struct hook *hook, const struct call *call) {
    enum lw_mode mode;
    struct moment moment;
    PyObject *primitive = primitive_of(hook, call->self, &mode);
    if (!primitive) return original(hook, call);
    struct held held = recording_release(primitive, mode);
    PyObject *result = original(hook, call);
    if (!result)
        recording_kept(&held, primitive);
    else if (!recording_released(&held) && recording_begin(&moment, primitive, LW_MODE_SIGNAL, NULL, true) > 0) {
        /* It was acquired elsewhere. */
        moment.at_ns = held.at_ns;
        recording_signalled(&moment, LW_HAD);
    }
    return result;
}

static PyObject *wait_or_signal(const struct hook *hook, const struct call *call) {
    struct moment moment;
    int begun = recording_begin(&moment, call->self, hook->mode, NULL, false);
    if (begun <= 0) return begun < 0 ? NULL : original(hook, call);
    bool waits = hook->operation == WAIT;
    if (waits) recording_blocks(&moment);
    PyObject *result = original(hook, call);
    (waits ? recording_waited : recording_signalled)(&moment, how_of(result));
    return result;
}

/* It releases the lock and has it again, whatever happens. */
static PyObject *condition_wait(const struct hook *hook, const struct call *call) {
    struct moment moment;
    PyObject *lock = condition_lock(call->self);
    int begun = recording_begin(&moment, call->self, hook->mode, NULL, false);
    if (begun <= 0) return begun < 0 ? NULL : original(hook, call);
    uint32_t row, depth = 0;
    if (lock) {
        struct held held = recording_release(lock, LW_MODE_HELD);
        if (recording_row_of(&held, &row, &depth)) recording_released_all(&held, lock);
        moment.at_ns = held.at_ns; /* what is held ends where the wait begins */
    }
    recording_blocks(&moment);
    PyObject *result = original(hook, call);
    recording_waited(&moment, how_of(result));
    if (depth) recording_again(lock, row, depth);
    return result;
}

static PyObject *token_of(const struct moment *moment) {
    return Py_BuildValue("IIIL", moment->journal, moment->row, moment->thread, (long long)moment->at_ns);
}

static bool moment_of(PyObject *token, struct moment *moment) {
    long long at_ns;
    *moment = (struct moment){.journal = 0};
    if (!PyArg_ParseTuple(token, "IIIL", &moment->journal, &moment->row, &moment->thread, &at_ns)) return false;
    moment->at_ns = at_ns;
    return true;
}

/* What had to wait is finished by latchwork.profiling.tasks. */
static PyObject *enter_later_recorded(PyObject *awaitable, PyObject *primitive, const struct moment *moment) {
    PyObject *tasks = PyImport_ImportModule("latchwork.profiling.tasks"), *token = token_of(moment);
    PyObject *result = tasks && token ? PyObject_CallMethod(tasks, "entering", "OOO", awaitable, primitive, token) : NULL;
    Py_XDECREF(tasks);
    Py_XDECREF(token);
    Py_DECREF(awaitable);
    return result;
}

static PyObject *async_enter(const struct hook *hook, const struct call *call) {
    enum lw_mode mode;
    struct moment moment;
    PyObject *primitive = primitive_of(hook, call->self, &mode);
    int begun = primitive ? recording_begin(&moment, primitive, mode, NULL, false) : 0;
    if (begun <= 0) return begun < 0 ? NULL : original(hook, call);
    PyObject *result = original(hook, call);
    if (result && !is_ready(result)) return enter_later_recorded(result, primitive, &moment);
    recording_acquired(&moment, primitive, how_of(result));
    return result;
}

static PyObject *recorded(const struct hook *hook, const struct call *call) {
    switch (hook->operation) {
    case ACQUIRE:
        return acquire(hook, call);
    case RELEASE:
    case ASYNC_EXIT:
        return release(hook, call);
    case WAIT:
    case SIGNAL:
        return wait_or_signal(hook, call);
    case CONDITION_WAIT:
        return condition_wait(hook, call);
    case ASYNC_ENTER:
        break;
    }
    return async_enter(hook, call);
}

/* Type, method, what it does, whose it is, mode. A C function can't know what it was called as: so each has its own. */
#define LOCK_HOOKS(X, type, subject, mode)                                                                     \
    X(type, acquire, ACQUIRE, subject, mode) X(type, release, RELEASE, subject, mode)                          \
    X(type, __enter__, ACQUIRE, subject, mode) X(type, __exit__, RELEASE, subject, mode)
#define ASYNC_HOOKS(X, type, subject, mode)                                                                    \
    X(type, __aenter__, ASYNC_ENTER, subject, mode) X(type, __aexit__, ASYNC_EXIT, subject, mode)
#define HOOKS(X)                                                                                               \
    LOCK_HOOKS(X, Lock, SELF, LW_MODE_HELD) ASYNC_HOOKS(X, Lock, SELF, LW_MODE_HELD)                           \
    LOCK_HOOKS(X, RLock, SELF, LW_MODE_HELD) ASYNC_HOOKS(X, RLock, SELF, LW_MODE_HELD)                         \
    LOCK_HOOKS(X, Semaphore, SELF, LW_MODE_PERMIT) ASYNC_HOOKS(X, Semaphore, SELF, LW_MODE_PERMIT)             \
    LOCK_HOOKS(X, Condition, ITS_LOCK, LW_MODE_HELD)                                                           \
    X(Condition, wait, CONDITION_WAIT, SELF, LW_MODE_WAIT)                                                     \
    X(Condition, notify, SIGNAL, SELF, LW_MODE_SIGNAL) X(Condition, notify_all, SIGNAL, SELF, LW_MODE_SIGNAL)  \
    X(Event, wait, WAIT, SELF, LW_MODE_WAIT) X(Event, set, SIGNAL, SELF, LW_MODE_SIGNAL)                       \
    X(Latch, wait, WAIT, SELF, LW_MODE_WAIT) X(Latch, count_down, SIGNAL, SELF, LW_MODE_SIGNAL)                \
    X(Barrier, _arrive, WAIT, SELF, LW_MODE_WAIT)                                                              \
    X(RWLock, acquire_read, ACQUIRE, SELF, LW_MODE_READ) X(RWLock, release_read, RELEASE, SELF, LW_MODE_READ)  \
    X(RWLock, acquire_write, ACQUIRE, SELF, LW_MODE_WRITE)                                                     \
    X(RWLock, release_write, RELEASE, SELF, LW_MODE_WRITE)                                                     \
    X(Hold, __enter__, ACQUIRE, ITS_RWLOCK, LW_MODE_READ) X(Hold, __exit__, RELEASE, ITS_RWLOCK, LW_MODE_READ) \
    ASYNC_HOOKS(X, Hold, ITS_RWLOCK, LW_MODE_READ)

enum {
#define NUMBER(type, method, operation, subject, mode) HOOK_##type##_##method,
    HOOKS(NUMBER) HOOKS_COUNT
};

static struct hook hooks[HOOKS_COUNT];

#define FUNCTIONS(type, method, operation, subject, mode)                                                     \
    static PyObject *type##_##method##_0(PyObject *self, PyObject *unused) {                                  \
        (void)unused;                                                                                         \
        return recorded(&hooks[HOOK_##type##_##method], &(struct call){self, NULL, 0, NULL});                 \
    }                                                                                                         \
    static PyObject *type##_##method##_n(PyObject *self, PyObject *const *args, Py_ssize_t count) {           \
        return recorded(&hooks[HOOK_##type##_##method], &(struct call){self, args, count, NULL});             \
    }                                                                                                         \
    static PyObject *type##_##method##_k(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) { \
        return recorded(&hooks[HOOK_##type##_##method], &(struct call){self, args, count, names});            \
    }
HOOKS(FUNCTIONS)

#define ANY(function) (PyCFunction)(void (*)(void))function
static struct hook hooks[HOOKS_COUNT] = {
#define HOOK(type, method, operation, subject, mode)                                                                 \
    {#type, #method, operation, subject, mode, type##_##method##_0, ANY(type##_##method##_n), ANY(type##_##method##_k), \
     NULL, {NULL, NULL, 0, NULL}},
    HOOKS(HOOK)};

static PyTypeObject *core_types[HOOKS_COUNT];

static int prepare(PyObject *module) {
    for (int i = 0; i < HOOKS_COUNT; i++) {
        struct hook *hook = &hooks[i];
        PyObject *type = PyObject_GetAttrString(module, hook->type);
        if (!type) return -1;
        core_types[i] = (PyTypeObject *)type;
        hook->original = method_of(core_types[i], hook->method);
        if (!hook->original) {
            PyErr_Format(PyExc_SystemError, "%s has no method %s", hook->type, hook->method);
            return -1;
        }
        int flags = hook->original->ml_flags;
        hook->definition = *hook->original;
        hook->definition.ml_meth = flags & METH_NOARGS ? hook->without : flags & METH_KEYWORDS ? hook->with_names : hook->with;
    }
    return 0;
}

static bool give(PyTypeObject *type, bool recording) {
    for (int i = 0; i < HOOKS_COUNT; i++) {
        if (!PyType_IsSubtype(type, core_types[i])) continue;
        if (give_method(type, recording ? &hooks[i].definition : hooks[i].original) < 0) return false;
    }
    return true;
}

static bool give_all(PyObject *classes, bool recording) {
    for (Py_ssize_t i = 0; i < PyTuple_Size(classes); i++) {
        PyObject *type = PyTuple_GetItem(classes, i);
        if (!PyType_Check(type)) {
            PyErr_SetString(PyExc_TypeError, "a class is wanted");
            return false;
        }
        if (!give((PyTypeObject *)type, recording)) return false;
    }
    return give(hold_type, recording);
}

static PyObject *start_recording(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *classes;
    const char *package;
    if (!PyArg_ParseTuple(args, "O!s", &PyTuple_Type, &classes, &package)) return NULL;
    if (!recording_start(package) || !give_all(classes, true)) return NULL;
    Py_RETURN_NONE;
}

static PyObject *stop_recording(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *classes;
    int ended = 0;
    if (!PyArg_ParseTuple(args, "O!|p", &PyTuple_Type, &classes, &ended)) return NULL;
    if (!give_all(classes, false)) return NULL;
    recording_stop(ended);
    Py_RETURN_NONE;
}

static bool check(PyObject *primitive) {
    if (is_handle(primitive)) return true;
    PyErr_SetString(PyExc_TypeError, "a primitive is wanted");
    return false;
}

static PyObject *begin(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *primitive, *frame;
    int mode;
    struct moment moment;
    if (!PyArg_ParseTuple(args, "OiO", &primitive, &mode, &frame) || !check(primitive)) return NULL;
    int begun = recording_begin(&moment, primitive, (enum lw_mode)(mode & 7), frame == Py_None ? NULL : frame, false);
    if (begun > 0) return token_of(&moment);
    if (begun < 0) return NULL;
    Py_RETURN_NONE;
}

static PyObject *done(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *primitive, *token;
    int how, acquired;
    struct moment moment;
    if (!PyArg_ParseTuple(args, "OO!ip", &primitive, &PyTuple_Type, &token, &how, &acquired)) return NULL;
    if (!check(primitive) || !moment_of(token, &moment)) return NULL;
    if (acquired)
        recording_acquired(&moment, primitive, (enum lw_how)(how & 3));
    else
        recording_waited(&moment, (enum lw_how)(how & 3));
    Py_RETURN_NONE;
}

static PyObject *pause_hold(PyObject *module, PyObject *lock) {
    (void)module;
    uint32_t row, depth;
    if (!check(lock)) return NULL;
    struct held held = recording_release(lock, LW_MODE_HELD);
    if (!recording_row_of(&held, &row, &depth)) Py_RETURN_NONE;
    recording_released_all(&held, lock);
    return Py_BuildValue("II", row, depth);
}

static PyObject *resume_hold(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *lock;
    unsigned row, depth;
    if (!PyArg_ParseTuple(args, "O(II)", &lock, &row, &depth) || !check(lock)) return NULL;
    recording_again(lock, row, depth);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"start_recording", start_recording, METH_VARARGS,
     PyDoc_STR("start_recording($module, classes, package, /)\n--\n\n"
               "Have these record what is done with them; frames of files in that package are not call sites.")},
    {"stop_recording", stop_recording, METH_VARARGS,
     PyDoc_STR("stop_recording($module, classes, ended=False, /)\n--\n\nPut back what start_recording() replaced.")},
    {"recording_begin", begin, METH_VARARGS,
     PyDoc_STR("recording_begin($module, primitive, mode, frame, /)\n--\n\nA task's; None: it is not recorded.")},
    {"recording_done", done, METH_VARARGS,
     PyDoc_STR("recording_done($module, primitive, begun, how, acquired, /)\n--\n\nHow that ended.")},
    {"pause_hold", pause_hold, METH_O,
     PyDoc_STR("pause_hold($module, lock, /)\n--\n\nA Condition's wait has released it; None: nobody is known to have it.")},
    {"resume_hold", resume_hold, METH_VARARGS,
     PyDoc_STR("resume_hold($module, lock, paused, /)\n--\n\nThe Condition's wait has it again.")},
    {NULL, NULL, 0, NULL},
};

int add_profile(PyObject *module) {
    if (prepare(module) < 0) return -1;
    return PyModule_AddFunctions(module, functions);
}
