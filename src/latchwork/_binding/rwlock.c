#include "../_native/lw_rwlock.h"
#include "../_native/lw_task.h"

#include "binding.h"

typedef struct {
    Handle handle;
    struct lw_cell *hint; /* where this process's reads were counted last */
} RWLock;

/* What `with rw.read():` enters and leaves. */
typedef struct {
    PyObject_HEAD
    PyObject *rwlock;
    PyObject *timeout;
    bool write;
} Hold;

PyTypeObject *hold_type;

static PyObject *release(PyObject *self, bool write);

/* What was acquired and not used. */
static void give_back(PyObject *self, bool write) {
    Handle *handle = (Handle *)self;
    if (!write) {
        Py_XDECREF(release(self, false));
        return;
    }
    PyThreadState *state = PyEval_SaveThread();
    lw_rwlock_return_write(handle->arena, handle->slot);
    PyEval_RestoreThread(state);
}

/* Logs that a writer died. After an exception that a signal handler raised, what was acquired is given back. */
static PyObject *acquired(PyObject *self, uint32_t dead, bool write) {
    if (dead && !tell(self, "abandoned", dead, 1)) {
        PyObject *kept[3];
        PyErr_Fetch(&kept[0], &kept[1], &kept[2]);
        give_back(self, write);
        PyErr_Restore(kept[0], kept[1], kept[2]);
        return NULL;
    }
    Py_RETURN_TRUE;
}

static Py_NO_INLINE PyObject *acquire_slow(PyObject *self, int64_t deadline_ns, bool write) {
    RWLock *rwlock = (RWLock *)self;
    struct lw_arena *arena = rwlock->handle.arena;
    struct lw_slot *slot = rwlock->handle.slot;
    struct lw_queue_wait wait = {.deadline_ns = deadline_ns};
    if (!ensure_member(arena)) return NULL;
    if (write && lw_rwlock_write_fast(arena, slot, &wait)) return acquired(self, wait.dead, write);
    struct lw_waiting waiting;
    lw_waiting_begin(&waiting, arena, slot, write ? LW_WANTS_WRITE : LW_WANTS_READ, deadline_ns);
    for (;;) {
        struct lw_cell *hint = NULL;
        PyThreadState *state = PyEval_SaveThread();
        enum lw_queued queued =
            write ? lw_rwlock_write(arena, slot, &wait) : lw_rwlock_read(arena, slot, &wait, &hint);
        if (queued != LW_QUEUE_SIGNAL) lw_waiting_served(&waiting);
        PyEval_RestoreThread(state);
        if (hint) rwlock->hint = hint;
        if (queued != LW_QUEUE_SIGNAL) {
            lw_waiting_end(&waiting);
            if (queued == LW_QUEUE_GRANTED) return acquired(self, wait.dead, write);
            if (queued == LW_QUEUE_TIMEOUT) Py_RETURN_FALSE;
            return raise_status(LW_NO_ROOM);
        }
        if (!wait_goes_on(self, &waiting)) break;
    }
    PyThreadState *state = PyEval_SaveThread();
    lw_rwlock_give_up(arena, slot, &wait);
    PyEval_RestoreThread(state);
    lw_waiting_end(&waiting);
    return NULL;
}

static inline PyObject *acquire(PyObject *self, int64_t deadline_ns, bool write) {
    RWLock *rwlock = (RWLock *)self;
    if (handle_is_gone(&rwlock->handle)) return raise_gone();
    if (!write && lw_rwlock_read_fast(rwlock->handle.arena, rwlock->handle.slot, rwlock->hint)) Py_RETURN_TRUE;
    return acquire_slow(self, deadline_ns, write);
}

static PyObject *release(PyObject *self, bool write) {
    RWLock *rwlock = (RWLock *)self;
    struct lw_arena *arena = rwlock->handle.arena;
    struct lw_slot *slot = rwlock->handle.slot;
    bool settle = false;
    if (handle_is_gone(&rwlock->handle)) return raise_gone();
    if (!write) {
        if (arena->self_id && lw_rwlock_release_read(arena, slot, rwlock->hint, &settle)) Py_RETURN_NONE;
        if (settle) {
            PyThreadState *state = PyEval_SaveThread();
            lw_queue_settle(arena, slot, &lw_rwlock_queue, NULL);
            PyEval_RestoreThread(state);
            Py_RETURN_NONE;
        }
        return raise_error("NotHeldError", "read released that this process does not hold");
    }
    if (!ensure_member(arena)) return NULL;
    enum lw_rwlock_released released = lw_rwlock_release_write(arena, slot, false);
    if (released == LW_RWLOCK_BUSY) {
        PyThreadState *state = PyEval_SaveThread();
        released = lw_rwlock_release_write(arena, slot, true);
        PyEval_RestoreThread(state);
    }
    if (released == LW_RWLOCK_RELEASED) Py_RETURN_NONE;
    return raise_error("NotHeldError", "write released that this process does not hold");
}

static PyObject *parse_and_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names, bool write) {
    int64_t deadline_ns = LW_FOREVER;
    if ((count != 0 || names) && !parse_acquire(args, count, names, &deadline_ns)) return NULL;
    return acquire(self, deadline_ns, write);
}

static PyObject *acquire_read(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    return parse_and_acquire(self, args, count, names, false);
}

static PyObject *acquire_write(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    return parse_and_acquire(self, args, count, names, true);
}

static PyObject *release_read(PyObject *self, PyObject *unused) {
    (void)unused;
    return release(self, false);
}

static PyObject *release_write(PyObject *self, PyObject *unused) {
    (void)unused;
    return release(self, true);
}

static PyObject *hold(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names, bool write) {
    PyObject *timeout = Py_None;
    if (count || names) timeout = parse_one(args, count, names, write ? "write" : "read", "timeout", Py_None);
    if (!timeout) return NULL;
    Hold *hold = PyObject_New(Hold, hold_type);
    if (!hold) return NULL;
    Py_INCREF(self);
    hold->rwlock = self;
    Py_INCREF(timeout);
    hold->timeout = timeout;
    hold->write = write;
    return (PyObject *)hold;
}

static PyObject *rwlock_read(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    return hold(self, args, count, names, false);
}

static PyObject *rwlock_write(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    return hold(self, args, count, names, true);
}

static PyObject *hold_enter(PyObject *self, PyObject *unused) {
    (void)unused;
    Hold *hold = (Hold *)self;
    int64_t deadline_ns = LW_FOREVER;
    if (hold->timeout != Py_None && !deadline_of(hold->timeout, &deadline_ns)) return NULL;
    PyObject *got = acquire(hold->rwlock, deadline_ns, hold->write);
    if (got == Py_False) {
        Py_DECREF(got);
        PyErr_SetString(PyExc_TimeoutError, hold->write ? "could not be written in time" : "could not be read in time");
        return NULL;
    }
    return got;
}

PyObject *hold_rwlock(PyObject *self, bool *write) {
    *write = ((Hold *)self)->write;
    return ((Hold *)self)->rwlock;
}

void rwlock_keep_hint(PyObject *self, struct lw_cell *hint) { ((RWLock *)self)->hint = hint; }

/* Not past the tasks of this process that wait. */
static PyObject *take_now(PyObject *self, bool write) {
    RWLock *rwlock = (RWLock *)self;
    struct lw_arena *arena = rwlock->handle.arena;
    struct lw_slot *slot = rwlock->handle.slot;
    if (handle_is_gone(&rwlock->handle)) return raise_gone();
    if (lw_tasks_wait_at(slot)) Py_RETURN_FALSE;
    if (!write) return PyBool_FromLong(lw_rwlock_read_fast(arena, slot, rwlock->hint));
    struct lw_queue_wait wait = {.dead = 0};
    if (!ensure_member(arena)) return NULL;
    if (lw_rwlock_write_fast(arena, slot, &wait)) return acquired(self, wait.dead, true);
    Py_RETURN_FALSE;
}

static PyObject *rwlock_take_now(PyObject *self, PyObject *write) {
    int writes = PyObject_IsTrue(write);
    return writes < 0 ? NULL : take_now(self, writes);
}

static PyObject *hold_aenter(PyObject *self, PyObject *unused) {
    (void)unused;
    Hold *hold = (Hold *)self;
    PyObject *got = take_now(hold->rwlock, hold->write);
    if (!got) return NULL;
    bool now = got == Py_True;
    Py_DECREF(got);
    if (now) return ready();
    return PyObject_CallMethod(hold->rwlock, "_hold_async", "OO", hold->write ? Py_True : Py_False, hold->timeout);
}

static PyObject *hold_aexit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    PyObject *released = release(((Hold *)self)->rwlock, ((Hold *)self)->write);
    if (!released) return NULL;
    Py_DECREF(released);
    return ready();
}

static PyObject *hold_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    return release(((Hold *)self)->rwlock, ((Hold *)self)->write);
}

static void hold_dealloc(PyObject *self) {
    Py_DECREF(((Hold *)self)->rwlock);
    Py_DECREF(((Hold *)self)->timeout);
    PyObject_Free(self);
    Py_DECREF((PyObject *)hold_type);
}

PyMethodDef hold_methods[] = {
    {"__enter__", hold_enter, METH_NOARGS,
     PyDoc_STR("__enter__($self, /)\n--\n\nAcquire; True. TimeoutError if it took too long.")},
    {"__exit__", (PyCFunction)(void (*)(void))hold_exit, METH_FASTCALL,
     PyDoc_STR("__exit__($self, /, *exc_info)\n--\n\nRelease.")},
    {"__aenter__", hold_aenter, METH_NOARGS,
     PyDoc_STR("__aenter__($self, /)\n--\n\nAcquire. TimeoutError if it took too long.")},
    {"__aexit__", (PyCFunction)(void (*)(void))hold_aexit, METH_FASTCALL,
     PyDoc_STR("__aexit__($self, /, *exc_info)\n--\n\nRelease.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot hold_slots[] = {
    {Py_tp_dealloc, (void *)hold_dealloc}, {Py_tp_methods, hold_methods},
    {Py_tp_doc, "What rwlock.read() and rwlock.write() return, for a with statement."}, {0, NULL},
};

static PyType_Spec hold_spec = {"latchwork._core.Hold", sizeof(Hold), 0,
                                Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, hold_slots};

static PyObject *get_readers(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    return PyLong_FromUnsignedLong(lw_rwlock_readers(handle->arena, handle->slot));
}

static PyObject *rwlock_writer_pid(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    uint32_t writer = lw_rwlock_writer(handle->arena, handle->slot);
    if (writer == 0) Py_RETURN_NONE;
    return PyLong_FromUnsignedLong(pid_of(handle->arena, writer));
}

static PyObject *get_abandoned(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    return PyBool_FromLong(lw_rwlock_abandoned(handle->arena, handle->slot));
}

static PyObject *rwlock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    return handle_new(type, args, LW_KIND_RWLOCK);
}

#define FAST METH_FASTCALL | METH_KEYWORDS
#define FUNCTION(name) (PyCFunction)(void (*)(void))name
static PyMethodDef methods[] = {
    {"read", FUNCTION(rwlock_read), FAST,
     PyDoc_STR("read($self, timeout=None)\n--\n\n"
               "For `with` or `async with rwlock.read():`, which acquires a read and releases it. TimeoutError if it\n"
               "can't be had within `timeout` seconds (None: waits for ever).")},
    {"write", FUNCTION(rwlock_write), FAST,
     PyDoc_STR("write($self, timeout=None)\n--\n\n"
               "For `with` or `async with rwlock.write():`, which acquires the write and releases it. TimeoutError if\n"
               "it can't be had within `timeout` seconds (None: waits for ever).")},
    {"acquire_read", FUNCTION(acquire_read), FAST,
     PyDoc_STR("acquire_read(block=True, timeout=None)\n\n"
               "Acquire a read; True if it was had. Arguments and signals are as for Lock.acquire.")},
    {"release_read", release_read, METH_NOARGS,
     PyDoc_STR("release_read($self, /)\n--\n\n"
               "Release a read. Any thread of the process may; ValueError if the process holds none.")},
    {"acquire_write", FUNCTION(acquire_write), FAST,
     PyDoc_STR("acquire_write(block=True, timeout=None)\n\n"
               "Acquire the write; True if it was had. Arguments and signals are as for Lock.acquire.")},
    {"release_write", release_write, METH_NOARGS,
     PyDoc_STR("release_write($self, /)\n--\n\n"
               "Release the write. Any thread of the process may; ValueError if the process does not hold it.")},
    {"_take_now", rwlock_take_now, METH_O,
     PyDoc_STR("_take_now($self, write, /)\n--\n\nAcquire, if that is quick and no task of this process waits.")},
    {"_writer_pid", rwlock_writer_pid, METH_NOARGS,
     PyDoc_STR("_writer_pid($self, /)\n--\n\nThe pid of the living writer, or None.")},
    ROOM_FOR_METHODS,
};

static PyGetSetDef getset[] = {
    {"readers", get_readers, NULL, PyDoc_STR("How many reads living processes hold at this moment."), NULL},
    {"abandoned", get_abandoned, NULL,
     PyDoc_STR("Whether a writer died while it wrote: what it guards may be half done. True for readers and the\n"
               "next writer, until a write is released."),
     NULL},
    ROOM_FOR_GETSET,
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)rwlock_new}, {Py_tp_dealloc, (void *)handle_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, "RWLock(arena, first=..., second=..., /)\n--\n\nThe hot half of latchwork.RWLock."}, {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.RWLock", sizeof(RWLock), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

int add_rwlock(PyObject *module) {
    hold_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &hold_spec, NULL);
    if (!hold_type || PyModule_AddType(module, hold_type) < 0) return -1;
    for (PyMethodDef *method = hold_methods; method->ml_name; method++)
        if (give_method(hold_type, method) < 0) return -1;
    return add_handle_type(module, &spec, methods, getset) ? 0 : -1;
}
