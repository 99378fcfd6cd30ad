#include "../_native/lw_lock.h"

#include "../_native/lw_member.h"
#include "binding.h"

static PyObject *raise_free(void) {
    PyErr_SetString(PyExc_ValueError, "lock released that nobody holds");
    return NULL;
}

static uint32_t pid_of(const struct lw_arena *arena, uint32_t id) {
    if (lw_member_index(id) >= lw_load_acq(&arena->header->members_ready)) return 0;
    const struct lw_member *member = &arena->members[lw_member_index(id)];
    return member->last_id == id ? member->pid : 0;
}

/* Tells that the owner before was killed. An ordinary error in there must not cost the caller its lock;
 * but an exception that a signal handler raised is the caller's: then the lock is passed on, and the
 * next owner is told. */
static bool tell_abandoned(PyObject *self, uint32_t dead_owner) {
    Handle *handle = (Handle *)self;
    PyObject *result = call_hook("abandoned", "(OI)", self, pid_of(handle->arena, dead_owner));
    if (result) {
        Py_DECREF(result);
        return true;
    }
    if (PyErr_ExceptionMatches(PyExc_Exception)) {
        PyErr_WriteUnraisable(self);
        return true;
    }
    lw_lock_release_slow(handle->slot, true);
    return false;
}

static Py_NO_INLINE PyObject *acquire_slow(PyObject *self, int64_t deadline_ns) {
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    if (!ensure_member(handle->arena)) return NULL;
    struct lw_lock_wait wait = {.deadline_ns = deadline_ns};
    enum lw_acquired acquired;
    for (;;) {
        if (deadline_ns == 0) {
            acquired = lw_lock_acquire_slow(handle->arena, handle->slot, &wait);
        } else {
            PyThreadState *state = PyEval_SaveThread();
            acquired = lw_lock_acquire_slow(handle->arena, handle->slot, &wait);
            PyEval_RestoreThread(state);
        }
        if (acquired != LW_SIGNAL) break;
        if (PyErr_CheckSignals() < 0) {
            lw_lock_give_up(handle->slot, &wait);
            return NULL;
        }
    }
    if (acquired == LW_TIMEOUT) Py_RETURN_FALSE;
    if (acquired == LW_ABANDONED && !tell_abandoned(self, wait.dead_owner)) return NULL;
    Py_RETURN_TRUE;
}

static inline bool acquire_fast(Handle *handle) {
    uint32_t self = handle->arena->self_id;
    return self != 0 && !handle_is_gone(handle) && lw_lock_try(handle->slot, self);
}

/* An owner that was interrupted while it was told left that to this one. */
static inline PyObject *acquired_fast(PyObject *self) {
    uint32_t dead_owner = lw_load_relaxed(&((Handle *)self)->slot->abandoned);
    if (dead_owner != 0 && !tell_abandoned(self, dead_owner)) return NULL;
    Py_RETURN_TRUE;
}

/* (block=True, timeout=None), or threading's (blocking=True, timeout=-1). */
static bool parse_acquire(PyObject *const *args, Py_ssize_t count, PyObject *names, int64_t *deadline_ns) {
    PyObject *block = count > 0 ? args[0] : NULL;
    PyObject *timeout = count > 1 ? args[1] : NULL;
    bool threading = false;
    if (count > 2) {
        PyErr_Format(PyExc_TypeError, "acquire() takes at most 2 arguments (%zd given)", count);
        return false;
    }
    Py_ssize_t named = names ? PyTuple_Size(names) : 0;
    for (Py_ssize_t i = 0; i < named; i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        PyObject **target = NULL;
        if (PyUnicode_CompareWithASCIIString(name, "timeout") == 0) {
            target = &timeout;
        } else if (PyUnicode_CompareWithASCIIString(name, "block") == 0) {
            target = &block;
        } else if (PyUnicode_CompareWithASCIIString(name, "blocking") == 0) {
            target = &block;
            threading = true;
        } else {
            PyErr_Format(PyExc_TypeError, "acquire() got an unexpected keyword argument '%U'", name);
            return false;
        }
        if (*target) {
            PyErr_Format(PyExc_TypeError, "acquire() got multiple values for argument '%U'", name);
            return false;
        }
        *target = args[count + i];
    }
    int blocks = block ? PyObject_IsTrue(block) : 1;
    if (blocks < 0 || !deadline_of(timeout ? timeout : Py_None, deadline_ns)) return false;
    if (threading && timeout && timeout != Py_None) {
        double seconds = PyFloat_AsDouble(timeout);
        if (seconds == -1.0) {
            *deadline_ns = LW_FOREVER;
        } else if (!blocks) {
            PyErr_SetString(PyExc_ValueError, "can't specify a timeout for a non-blocking call");
            return false;
        } else if (seconds < 0) {
            PyErr_SetString(PyExc_ValueError, "timeout value must be a non-negative number");
            return false;
        }
    }
    if (!blocks) *deadline_ns = 0;
    return true;
}

static PyObject *lock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int64_t deadline_ns = LW_FOREVER;
    if ((count != 0 || names) && !parse_acquire(args, count, names, &deadline_ns)) return NULL;
    if (acquire_fast((Handle *)self)) return acquired_fast(self);
    return acquire_slow(self, deadline_ns);
}

static PyObject *lock_enter(PyObject *self, PyObject *unused) {
    (void)unused;
    if (acquire_fast((Handle *)self)) return acquired_fast(self);
    return acquire_slow(self, LW_FOREVER);
}

static PyObject *lock_release(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    if (!lw_lock_release_fast(handle->slot, handle->arena->self_id) && !lw_lock_release_slow(handle->slot, false))
        return raise_free();
    Py_RETURN_NONE;
}

static PyObject *lock_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    return lock_release(self, NULL);
}

static PyObject *lock_locked(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    return PyBool_FromLong(lw_lock_owner(handle->arena, handle->slot) != 0);
}

static PyObject *lock_owner_pid(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    uint32_t owner = lw_lock_owner(handle->arena, handle->slot);
    if (owner == 0) Py_RETURN_NONE;
    return PyLong_FromUnsignedLong(pid_of(handle->arena, owner));
}

static PyObject *lock_is_mine(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    uint32_t owner = lw_lock_owner(handle->arena, handle->slot);
    return PyBool_FromLong(owner != 0 && owner == handle->arena->self_id);
}

static PyObject *lock_abandoned(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    uint32_t owner = lw_lock_owner(handle->arena, handle->slot);
    return PyBool_FromLong(owner != 0 && owner == handle->arena->self_id &&
                           lw_load_relaxed(&handle->slot->abandoned) != 0);
}

static PyObject *lock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    return handle_new(type, args, LW_KIND_LOCK);
}

static PyMethodDef methods[];

static PyObject *lock_own(PyObject *type, PyObject *unused) {
    (void)unused;
    return own_methods(type, methods);
}

static PyMethodDef methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))lock_acquire, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("acquire(block=True, timeout=None)\n\n"
               "Acquire the lock; True if it is now held by this process.\n\n"
               "Without `block` it is tried once; `timeout` is in seconds, None waits for ever, and zero or less\n"
               "tries once, as in multiprocessing. A process that dies while it holds the lock releases it: then\n"
               "`abandoned` is true, and a warning is logged on the logger `latchwork`. Signal handlers run during\n"
               "the wait; an exception that one raises ends it, without the lock.\n\n"
               "threading's spelling is accepted as well: with `blocking=`, timeout=-1 waits for ever, and other\n"
               "negative timeouts are a ValueError.")},
    {"release", lock_release, METH_NOARGS,
     PyDoc_STR("release($self, /)\n--\n\n"
               "Release the lock. Any thread of any process may; ValueError if nobody holds it.")},
    {"locked", lock_locked, METH_NOARGS,
     PyDoc_STR("locked($self, /)\n--\n\nWhether a living process holds it at this moment.")},
    {"__enter__", lock_enter, METH_NOARGS, PyDoc_STR("__enter__($self, /)\n--\n\nAcquire; True.")},
    {"__exit__", (PyCFunction)(void (*)(void))lock_exit, METH_FASTCALL,
     PyDoc_STR("__exit__($self, /, *exc_info)\n--\n\nRelease.")},
    {"_owner_pid", lock_owner_pid, METH_NOARGS,
     PyDoc_STR("_owner_pid($self, /)\n--\n\nThe pid of the living owner, or None.")},
    {"_is_mine", lock_is_mine, METH_NOARGS,
     PyDoc_STR("_is_mine($self, /)\n--\n\nWhether this process is the owner.")},
    {"_own_methods", lock_own, METH_NOARGS | METH_CLASS,
     PyDoc_STR("_own_methods($type, /)\n--\n\nGive this subclass the hot methods as its own.")},
    {NULL, NULL, 0, NULL}, /* room for what all handles have */
    {NULL, NULL, 0, NULL},
    {NULL, NULL, 0, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"abandoned", lock_abandoned, NULL,
     PyDoc_STR("Whether this process holds the lock because its owner before died with it. What it guards may\n"
               "be half done. True until the release."),
     NULL},
    {NULL, NULL, NULL, NULL, NULL}, /* room, as above */
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)lock_new}, {Py_tp_dealloc, (void *)handle_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset}, {Py_tp_doc, "Lock(arena, first=..., second=..., /)\n--\n\nThe hot half of latchwork.Lock."},
    {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Lock", sizeof(Handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

int add_lock(PyObject *module) {
    methods[8] = handle_pickling;
    methods[9] = handle_unlink;
    methods[10] = handle_names;
    getset[1] = handle_getset[0];
    PyObject *type = PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!type) return -1;
    int status = PyModule_AddType(module, (PyTypeObject *)type);
    Py_DECREF(type);
    return status;
}
