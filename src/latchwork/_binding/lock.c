#include "../_native/lw_lock.h"

#include "../_native/lw_member.h"
#include "../_native/lw_rlock.h"
#include "../_native/lw_task.h"
#include "binding.h"

static PyObject *raise_free(void) {
    return raise_error("NotHeldError", "lock released that nobody holds");
}

/* Tells that the owner before was killed. After an exception that a signal handler raised the lock is
 * passed on, and the next owner is told. */
static bool tell_abandoned(PyObject *self, uint32_t dead_owner) {
    if (tell(self, "abandoned", dead_owner, 1)) return true;
    lw_lock_release_slow(((Handle *)self)->slot, true);
    return false;
}

/* `who` acquired it: a thread, or 0. */
static inline void stamp(const Handle *handle, uint32_t who) {
    lw_stamp_lock(handle->slot, handle->arena->self_id, who);
}

/* Stamped now, and not when it has the GIL again: until then it would seem to wait for its last owner. */
static enum lw_acquired acquire_and_stamp(const Handle *handle, struct lw_lock_wait *wait) {
    enum lw_acquired acquired = lw_lock_acquire_slow(handle->arena, handle->slot, wait);
    if (acquired == LW_ACQUIRED || acquired == LW_ABANDONED) stamp(handle, lw_thread_id());
    return acquired;
}

int lock_take(PyObject *self, int64_t deadline_ns, uint32_t *dead_owner) {
    Handle *handle = (Handle *)self;
    *dead_owner = 0;
    if (!ensure_member(handle->arena)) return -1;
    struct lw_lock_wait wait = {.deadline_ns = deadline_ns};
    struct lw_waiting waiting;
    enum lw_acquired acquired;
    lw_waiting_begin(&waiting, handle->arena, handle->slot, LW_WANTS_ACQUIRE, deadline_ns);
    for (;;) {
        if (deadline_ns == 0) {
            acquired = acquire_and_stamp(handle, &wait);
        } else {
            PyThreadState *state = PyEval_SaveThread();
            acquired = acquire_and_stamp(handle, &wait);
            if (acquired != LW_SIGNAL) lw_waiting_served(&waiting);
            PyEval_RestoreThread(state);
        }
        if (acquired != LW_SIGNAL) break;
        if (!wait_goes_on(self, &waiting)) {
            lw_lock_give_up(handle->slot, &wait);
            lw_waiting_end(&waiting);
            return -1;
        }
    }
    lw_waiting_end(&waiting);
    if (acquired == LW_ABANDONED) *dead_owner = wait.dead_owner;
    return acquired != LW_TIMEOUT;
}

static Py_NO_INLINE PyObject *acquire_slow(PyObject *self, int64_t deadline_ns) {
    uint32_t dead_owner;
    if (handle_is_gone((Handle *)self)) return raise_gone();
    int got = lock_take(self, deadline_ns, &dead_owner);
    if (got < 0 || (dead_owner && !tell_abandoned(self, dead_owner))) return NULL;
    return PyBool_FromLong(got);
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

PyObject *lock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int64_t deadline_ns = LW_FOREVER;
    if ((count != 0 || names) && !parse_acquire(args, count, names, &deadline_ns)) return NULL;
    if (!acquire_fast((Handle *)self)) return acquire_slow(self, deadline_ns);
    stamp((Handle *)self, lw_thread_id());
    return acquired_fast(self);
}

static PyObject *lock_enter(PyObject *self, PyObject *unused) {
    (void)unused;
    if (!acquire_fast((Handle *)self)) return acquire_slow(self, LW_FOREVER);
    stamp((Handle *)self, lw_thread_id());
    return acquired_fast(self);
}

/* Before it is released: who takes it next is nobody known, and not this one, until he says who he is. */
static inline void unstamp(const Handle *handle) { lw_store_relaxed(&handle->slot->thread, 0); }

bool lock_give(Handle *handle) {
    return lw_tasks_pass(handle->arena, handle->slot) || lw_lock_release_slow(handle->slot, false);
}

PyObject *lock_release(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    unstamp(handle);
    if (!lw_lock_release_fast(handle->slot, handle->arena->self_id) && !lock_give(handle)) return raise_free();
    Py_RETURN_NONE;
}

static PyObject *lock_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    return lock_release(self, NULL);
}

/* Not past the tasks of this process that wait. */
static inline bool take_now(Handle *handle) {
    if (lw_tasks_wait_at(handle->slot) || !acquire_fast(handle)) return false;
    stamp(handle, 0);
    return true;
}

static PyObject *lock_take_now(PyObject *self, PyObject *unused) {
    (void)unused;
    if (take_now((Handle *)self)) return acquired_fast(self);
    if (handle_is_gone((Handle *)self)) return raise_gone();
    Py_RETURN_FALSE;
}

static PyObject *lock_aenter(PyObject *self, PyObject *unused) {
    (void)unused;
    if (!take_now((Handle *)self)) return enter_later(self);
    PyObject *taken = acquired_fast(self);
    if (!taken) return NULL;
    Py_DECREF(taken);
    return ready();
}

static PyObject *lock_aexit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    PyObject *released = lock_release(self, NULL);
    if (!released) return NULL;
    Py_DECREF(released);
    return ready();
}

PyObject *lock_locked(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    return PyBool_FromLong(lw_lock_owner(handle->arena, handle->slot) != 0);
}

PyObject *lock_owner_pid(PyObject *self, PyObject *unused) {
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
    {"__aenter__", lock_aenter, METH_NOARGS, PyDoc_STR("__aenter__($self, /)\n--\n\nAcquire.")},
    {"__aexit__", (PyCFunction)(void (*)(void))lock_aexit, METH_FASTCALL,
     PyDoc_STR("__aexit__($self, /, *exc_info)\n--\n\nRelease.")},
    {"_take_now", lock_take_now, METH_NOARGS,
     PyDoc_STR("_take_now($self, /)\n--\n\nAcquire, if it is free and no task of this process waits for it.")},
    {"_owner_pid", lock_owner_pid, METH_NOARGS,
     PyDoc_STR("_owner_pid($self, /)\n--\n\nThe pid of the living owner, or None.")},
    {"_is_mine", lock_is_mine, METH_NOARGS,
     PyDoc_STR("_is_mine($self, /)\n--\n\nWhether this process is the owner.")},
    ROOM_FOR_METHODS,
};

static PyGetSetDef getset[] = {
    {"abandoned", lock_abandoned, NULL,
     PyDoc_STR("Whether this process holds the lock because its owner before died with it. What it guards may\n"
               "be half done. True until the release."),
     NULL},
    ROOM_FOR_GETSET,
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)lock_new}, {Py_tp_dealloc, (void *)handle_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset}, {Py_tp_doc, "Lock(arena, first=..., second=..., /)\n--\n\nThe hot half of latchwork.Lock."},
    {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Lock", sizeof(Handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

PyTypeObject *lock_type;

int add_lock(PyObject *module) { return (lock_type = add_handle_type(module, &spec, methods, getset)) ? 0 : -1; }
