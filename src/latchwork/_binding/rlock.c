#include "../_native/lw_rlock.h"

#include "../_native/lw_member.h"
#include "../_native/lw_task.h"
#include "binding.h"

static PyObject *raise_not_owned(void) {
    return raise_error("NotOwnedError", "attempt to release recursive lock not owned by thread");
}

static bool deepen(struct lw_slot *slot) {
    uint32_t depth = lw_load_relaxed(&slot->depth);
    if (depth == UINT32_MAX) {
        PyErr_SetString(PyExc_OverflowError, "this thread has acquired the lock too many times");
        return false;
    }
    lw_store_relaxed(&slot->depth, depth + 1);
    return true;
}

/* As Lock's: see lock.c. */
static PyObject *taken(PyObject *self, uint32_t who, uint32_t dead_owner) {
    struct lw_slot *slot = ((Handle *)self)->slot;
    lw_rlock_begin(slot, ((Handle *)self)->arena->self_id, who, 1);
    if (dead_owner == 0) dead_owner = lw_load_relaxed(&slot->abandoned);
    if (dead_owner != 0 && !tell(self, "abandoned", dead_owner, 1)) {
        lw_rlock_end(slot);
        lw_lock_release_slow(slot, true);
        return NULL;
    }
    Py_RETURN_TRUE;
}

static Py_NO_INLINE PyObject *acquire_slow(PyObject *self, int64_t deadline_ns) {
    uint32_t dead_owner;
    int got = lock_take(self, deadline_ns, &dead_owner);
    if (got < 0) return NULL;
    if (got) return taken(self, lw_thread_id(), dead_owner);
    Py_RETURN_FALSE;
}

static inline PyObject *acquire(PyObject *self, int64_t deadline_ns) {
    Handle *handle = (Handle *)self;
    uint32_t member = handle->arena->self_id;
    if (handle_is_gone(handle)) return raise_gone();
    if (member != 0) {
        /* First a look: a compare-and-swap that fails costs as much as one that succeeds. */
        if (lw_rlock_is_mine(handle->slot, member)) {
            if (!deepen(handle->slot)) return NULL;
            Py_RETURN_TRUE;
        }
        if (lw_lock_try(handle->slot, member)) return taken(self, lw_thread_id(), 0);
    }
    return acquire_slow(self, deadline_ns);
}

PyObject *rlock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int64_t deadline_ns = LW_FOREVER;
    if ((count != 0 || names) && !parse_acquire(args, count, names, &deadline_ns)) return NULL;
    return acquire(self, deadline_ns);
}

static PyObject *rlock_enter(PyObject *self, PyObject *unused) {
    (void)unused;
    return acquire(self, LW_FOREVER);
}

int rlock_is_ours(const Handle *handle) {
    uint32_t member = handle->arena->self_id;
    if (lw_rlock_is_mine(handle->slot, member)) return 1;
    uint32_t task = this_task();
    if (task == NO_TASK) return -1;
    return task && lw_rlock_is_owner(handle->slot, member, task);
}

PyObject *rlock_release(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    struct lw_slot *slot = handle->slot;
    if (handle_is_gone(handle)) return raise_gone();
    int ours = rlock_is_ours(handle);
    if (ours <= 0) return ours < 0 ? NULL : raise_not_owned();
    uint32_t depth = lw_load_relaxed(&slot->depth);
    if (depth > 1) {
        lw_store_relaxed(&slot->depth, depth - 1);
        Py_RETURN_NONE;
    }
    lw_rlock_end(slot);
    if (!lw_lock_release_fast(slot, handle->arena->self_id)) lock_give(handle);
    Py_RETURN_NONE;
}

/* For the task: NULL with an exception set, True or False. */
static PyObject *take_now(PyObject *self, uint32_t task) {
    Handle *handle = (Handle *)self;
    uint32_t member = handle->arena->self_id;
    if (handle_is_gone(handle)) return raise_gone();
    if (member != 0 && lw_rlock_is_owner(handle->slot, member, task)) {
        if (!deepen(handle->slot)) return NULL;
        Py_RETURN_TRUE;
    }
    if (member != 0 && !lw_tasks_wait_at(handle->slot) && lw_lock_try(handle->slot, member)) return taken(self, task, 0);
    Py_RETURN_FALSE;
}

static PyObject *rlock_take_now(PyObject *self, PyObject *number) {
    uint32_t task = (uint32_t)PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred()) return NULL;
    return take_now(self, task);
}

static PyObject *rlock_aenter(PyObject *self, PyObject *unused) {
    (void)unused;
    uint32_t task = number_of_task();
    PyObject *got = task == NO_TASK ? NULL : take_now(self, task);
    if (!got) return NULL;
    bool now = got == Py_True;
    Py_DECREF(got);
    return now ? ready() : enter_later(self);
}

static PyObject *rlock_aexit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    PyObject *released = rlock_release(self, NULL);
    if (!released) return NULL;
    Py_DECREF(released);
    return ready();
}

static PyObject *rlock_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    return rlock_release(self, NULL);
}

static PyObject *rlock_count(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    int ours = rlock_is_ours(handle);
    if (ours < 0) return NULL;
    return PyLong_FromUnsignedLong(ours ? lw_load_relaxed(&handle->slot->depth) : 0);
}

static PyObject *rlock_is_mine(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    int ours = rlock_is_ours(handle);
    return ours < 0 ? NULL : PyBool_FromLong(ours);
}

static PyObject *rlock_abandoned(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    int ours = rlock_is_ours(handle);
    return ours < 0 ? NULL : PyBool_FromLong(ours && lw_load_relaxed(&handle->slot->abandoned) != 0);
}

static PyObject *rlock_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    return handle_new(type, args, LW_KIND_RLOCK);
}

static PyMethodDef methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))rlock_acquire, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("acquire(block=True, timeout=None)\n\n"
               "Acquire the lock, or one level more of it; True if this thread now has it.\n\n"
               "Arguments, signals and the death of an owner are as for Lock.acquire; a level more is had at\n"
               "once whatever the arguments. From a dead owner it is had at depth one, with `abandoned` true.\n"
               "OverflowError beyond 2**32 - 1 levels.")},
    {"release", rlock_release, METH_NOARGS,
     PyDoc_STR("release($self, /)\n--\n\n"
               "Give back one level. AssertionError, as in multiprocessing, unless this thread, or the task that\n"
               "runs in it, has it.")},
    {"locked", lock_locked, METH_NOARGS,
     PyDoc_STR("locked($self, /)\n--\n\nWhether a thread of a living process has it at this moment.")},
    {"__enter__", rlock_enter, METH_NOARGS, PyDoc_STR("__enter__($self, /)\n--\n\nAcquire; True.")},
    {"__exit__", (PyCFunction)(void (*)(void))rlock_exit, METH_FASTCALL,
     PyDoc_STR("__exit__($self, /, *exc_info)\n--\n\nRelease.")},
    {"__aenter__", rlock_aenter, METH_NOARGS, PyDoc_STR("__aenter__($self, /)\n--\n\nAcquire.")},
    {"__aexit__", (PyCFunction)(void (*)(void))rlock_aexit, METH_FASTCALL,
     PyDoc_STR("__aexit__($self, /, *exc_info)\n--\n\nRelease.")},
    {"_take_now", rlock_take_now, METH_O,
     PyDoc_STR("_take_now($self, who, /)\n--\n\n"
               "Acquire for that task, if it has it or it is free and no task of this process waits for it.")},
    {"_owner_pid", lock_owner_pid, METH_NOARGS,
     PyDoc_STR("_owner_pid($self, /)\n--\n\nThe pid of the living owner, or None.")},
    {"_is_mine", rlock_is_mine, METH_NOARGS,
     PyDoc_STR("_is_mine($self, /)\n--\n\nWhether this thread or task has it.")},
    {"_count", rlock_count, METH_NOARGS,
     PyDoc_STR("_count($self, /)\n--\n\nHow many levels this thread or task has.")},
    ROOM_FOR_METHODS,
};

static PyGetSetDef getset[] = {
    {"abandoned", rlock_abandoned, NULL,
     PyDoc_STR("Whether this thread or task has the lock because its owner before died with it. What it guards may be\n"
               "half done. True until it is given back."),
     NULL},
    ROOM_FOR_GETSET,
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)rlock_new}, {Py_tp_dealloc, (void *)handle_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset}, {Py_tp_doc, "RLock(arena, first=..., second=..., /)\n--\n\nThe hot half of latchwork.RLock."},
    {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.RLock", sizeof(Handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

PyTypeObject *rlock_type;

int add_rlock(PyObject *module) { return (rlock_type = add_handle_type(module, &spec, methods, getset)) ? 0 : -1; }
