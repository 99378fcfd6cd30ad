#include "../_native/lw_semaphore.h"

#include "../_native/lw_permits.h"
#include "../_native/lw_task.h"
#include "binding.h"

typedef struct {
    Handle handle;
    struct lw_cell *hint; /* owned: where this process's permits were counted last */
} Semaphore;

static PyObject *raise_too_many(void) {
    PyErr_SetString(PyExc_ValueError, "semaphore or lock released too many times");
    return NULL;
}

static inline bool is_owned(const Handle *handle) {
    return lw_load_relaxed(&handle->slot->state) == LW_KIND_PERMITS;
}

/* Logs whose permits came back. After an exception that a signal handler raised, the one just acquired is given
 * back. */
static PyObject *acquired(PyObject *self, const struct lw_queue_wait *wait) {
    Handle *handle = (Handle *)self;
    if (wait->dead && !tell(self, "returned", wait->dead, wait->count)) {
        PyThreadState *state = PyEval_SaveThread();
        lw_permits_release(handle->arena, handle->slot, 1, NULL);
        PyEval_RestoreThread(state);
        return NULL;
    }
    Py_RETURN_TRUE;
}

static Py_NO_INLINE PyObject *permits_acquire_slow(PyObject *self, int64_t deadline_ns) {
    Semaphore *semaphore = (Semaphore *)self;
    struct lw_arena *arena = semaphore->handle.arena;
    struct lw_slot *slot = semaphore->handle.slot;
    struct lw_queue_wait wait = {.deadline_ns = deadline_ns};
    struct lw_waiting waiting;
    if (!ensure_member(arena)) return NULL;
    lw_waiting_begin(&waiting, arena, slot, LW_WANTS_ACQUIRE, deadline_ns);
    for (;;) {
        struct lw_cell *hint = NULL;
        PyThreadState *state = PyEval_SaveThread();
        enum lw_queued queued = lw_permits_acquire(arena, slot, &wait, &hint);
        if (queued != LW_QUEUE_SIGNAL) lw_waiting_served(&waiting);
        PyEval_RestoreThread(state);
        if (hint) semaphore->hint = hint;
        if (queued != LW_QUEUE_SIGNAL) {
            lw_waiting_end(&waiting);
            if (queued == LW_QUEUE_GRANTED) return acquired(self, &wait);
            if (queued == LW_QUEUE_TIMEOUT) Py_RETURN_FALSE;
            return raise_status(LW_NO_ROOM);
        }
        if (!wait_goes_on(self, &waiting)) break;
    }
    PyThreadState *state = PyEval_SaveThread();
    lw_permits_give_up(arena, slot, &wait);
    PyEval_RestoreThread(state);
    lw_waiting_end(&waiting);
    return NULL;
}

static inline PyObject *permits_acquire(PyObject *self, int64_t deadline_ns) {
    Semaphore *semaphore = (Semaphore *)self;
    if (lw_permits_try(semaphore->handle.arena, semaphore->handle.slot, semaphore->hint)) Py_RETURN_TRUE;
    return permits_acquire_slow(self, deadline_ns);
}

static PyObject *permits_release(PyObject *self, uint32_t count) {
    Semaphore *semaphore = (Semaphore *)self;
    struct lw_arena *arena = semaphore->handle.arena;
    struct lw_slot *slot = semaphore->handle.slot;
    struct lw_queue_wait wait = {.dead = 0};
    bool settle = false, released = true;
    if (arena->self_id && lw_permits_release_fast(arena, slot, semaphore->hint, count, &settle)) Py_RETURN_NONE;
    if (!ensure_member(arena)) return NULL;
    PyThreadState *state = PyEval_SaveThread();
    if (settle)
        lw_queue_settle(arena, slot, &lw_permits_queue, &wait);
    else
        released = lw_permits_release(arena, slot, count, &wait);
    PyEval_RestoreThread(state);
    if (wait.dead && !tell(self, "returned", wait.dead, wait.count)) return NULL;
    if (!released) return raise_too_many();
    Py_RETURN_NONE;
}

static Py_NO_INLINE PyObject *acquire_slow(PyObject *self, int64_t deadline_ns) {
    Handle *handle = (Handle *)self;
    struct lw_semaphore_wait wait = {.deadline_ns = deadline_ns};
    struct lw_waiting waiting;
    enum lw_taken taken;
    lw_waiting_begin(&waiting, handle->arena, handle->slot, LW_WANTS_ACQUIRE, deadline_ns);
    for (;;) {
        if (deadline_ns == 0) {
            taken = lw_semaphore_acquire(handle->slot, &wait);
        } else {
            PyThreadState *state = PyEval_SaveThread();
            taken = lw_semaphore_acquire(handle->slot, &wait);
            if (taken != LW_TAKEN_SIGNAL) lw_waiting_served(&waiting);
            PyEval_RestoreThread(state);
        }
        if (taken != LW_TAKEN_SIGNAL || !wait_goes_on(self, &waiting)) break;
    }
    if (taken == LW_TAKEN_SIGNAL) lw_semaphore_give_up(handle->slot, &wait);
    lw_waiting_end(&waiting);
    return taken == LW_TAKEN_SIGNAL ? NULL : PyBool_FromLong(taken == LW_TAKEN);
}

static inline PyObject *acquire(PyObject *self, int64_t deadline_ns) {
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    if (is_owned(handle)) return permits_acquire(self, deadline_ns);
    if (lw_semaphore_try(handle->slot)) Py_RETURN_TRUE;
    return acquire_slow(self, deadline_ns);
}

static PyObject *semaphore_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int64_t deadline_ns = LW_FOREVER;
    if ((count != 0 || names) && !parse_acquire(args, count, names, &deadline_ns)) return NULL;
    return acquire(self, deadline_ns);
}

static PyObject *semaphore_enter(PyObject *self, PyObject *unused) {
    (void)unused;
    return acquire(self, LW_FOREVER);
}

static inline PyObject *release(PyObject *self, uint32_t count) {
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    if (is_owned(handle)) return permits_release(self, count);
    if (!lw_semaphore_release(handle->slot, count)) return raise_too_many();
    Py_RETURN_NONE;
}

static PyObject *semaphore_release(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    if (count == 0 && !names) return release(self, 1);
    PyObject *number = parse_one(args, count, names, "release", "n", NULL);
    uint32_t permits = number ? parse_count(number) : 0;
    return permits ? release(self, permits) : NULL;
}

static PyObject *semaphore_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    return release(self, 1);
}

void semaphore_keep_hint(PyObject *self, struct lw_cell *hint) { ((Semaphore *)self)->hint = hint; }

/* Not past the tasks of this process that wait. */
static bool take_now(const Semaphore *semaphore) {
    const Handle *handle = &semaphore->handle;
    if (handle_is_gone(handle) || lw_tasks_wait_at(handle->slot)) return false;
    if (is_owned(handle)) return lw_permits_try(handle->arena, handle->slot, semaphore->hint);
    return lw_semaphore_try(handle->slot);
}

static PyObject *semaphore_take_now(PyObject *self, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(take_now((Semaphore *)self));
}

static PyObject *semaphore_aenter(PyObject *self, PyObject *unused) {
    (void)unused;
    return take_now((Semaphore *)self) ? ready() : enter_later(self);
}

static PyObject *semaphore_aexit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    PyObject *released = release(self, 1);
    if (!released) return NULL;
    Py_DECREF(released);
    return ready();
}

static uint32_t value_of(const Handle *handle) {
    return is_owned(handle) ? lw_permits_available(handle->arena, handle->slot) : lw_semaphore_value(handle->slot);
}

static PyObject *semaphore_get_value(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    return PyLong_FromUnsignedLong(value_of(handle));
}

static PyObject *get_owned(PyObject *self, void *unused) {
    (void)unused;
    return PyBool_FromLong(is_owned((Handle *)self));
}

static PyObject *get_initial(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    const lw_word *initial = is_owned(handle) ? &handle->slot->limit : &handle->slot->initial;
    return PyLong_FromUnsignedLong(lw_load_relaxed(initial));
}

static PyObject *get_bounded(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (is_owned(handle)) return PyBool_FromLong(!(lw_load_relaxed(&handle->slot->bell) & LW_PERMITS_STRICT));
    return PyBool_FromLong(lw_load_relaxed(&handle->slot->limit) != LW_SEMAPHORE_MAX);
}

/* (arena, first, second, value, bounded, owned) */
static PyObject *semaphore_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    PyObject *arena, *first = Py_None, *second = Py_None;
    unsigned value = 0;
    int bounded = 0, owned = 0;
    if (!PyArg_ParseTuple(args, "O!|OOIpp", arena_type, &arena, &first, &second, &value, &bounded, &owned)) return NULL;
    struct lw_made made = {.kind = LW_KIND_SEMAPHORE};
    if (owned) {
        made.kind = LW_KIND_PERMITS;
        made.limit = value;
        made.initial = bounded ? 0 : LW_PERMITS_STRICT; /* that is the bell's place */
    } else {
        made.word = value << LW_SEMAPHORE_SHIFT;
        made.limit = bounded ? value : LW_SEMAPHORE_MAX;
        made.initial = value;
    }
    return handle_open(type, arena, first, second, &made);
}

static PyMethodDef methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))semaphore_acquire, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("acquire(block=True, timeout=None)\n\n"
               "Take a permit; True if one was had. Arguments and signals are as for Lock.acquire.")},
    {"release", (PyCFunction)(void (*)(void))semaphore_release, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("release($self, n=1)\n--\n\n"
               "Give `n` permits (1 or more). ValueError beyond the bound, or, if it is owned, beyond what is held;\n"
               "then nothing is changed.")},
    {"get_value", semaphore_get_value, METH_NOARGS,
     PyDoc_STR("get_value($self, /)\n--\n\nHow many permits could be had at this moment.")},
    {"__enter__", semaphore_enter, METH_NOARGS, PyDoc_STR("__enter__($self, /)\n--\n\nAcquire; True.")},
    {"__exit__", (PyCFunction)(void (*)(void))semaphore_exit, METH_FASTCALL,
     PyDoc_STR("__exit__($self, /, *exc_info)\n--\n\nRelease.")},
    {"__aenter__", semaphore_aenter, METH_NOARGS, PyDoc_STR("__aenter__($self, /)\n--\n\nAcquire.")},
    {"__aexit__", (PyCFunction)(void (*)(void))semaphore_aexit, METH_FASTCALL,
     PyDoc_STR("__aexit__($self, /, *exc_info)\n--\n\nRelease.")},
    {"_take_now", semaphore_take_now, METH_NOARGS,
     PyDoc_STR("_take_now($self, /)\n--\n\nAcquire, if that is quick and no task of this process waits for one.")},
    ROOM_FOR_METHODS,
};

static PyGetSetDef getset[] = {
    {"owned", get_owned, NULL, PyDoc_STR("Whether its permits have owners, and come back when these die."), NULL},
    {"_initial", get_initial, NULL, PyDoc_STR("The value that it was made with."), NULL},
    {"_bounded", get_bounded, NULL, PyDoc_STR("Whether it may not grow beyond that."), NULL},
    ROOM_FOR_GETSET,
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)semaphore_new}, {Py_tp_dealloc, (void *)handle_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, "Semaphore(arena, first=..., second=..., value=0, bounded=False, owned=False, /)\n--\n\n"
                "The hot half of latchwork.Semaphore."},
    {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Semaphore", sizeof(Semaphore), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

int add_semaphore(PyObject *module) { return add_handle_type(module, &spec, methods, getset) ? 0 : -1; }
