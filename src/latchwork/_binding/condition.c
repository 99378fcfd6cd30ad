#include "../_native/lw_condition.h"

#include "../_native/lw_rlock.h"
#include "../_native/lw_task.h"
#include "binding.h"

typedef struct {
    Handle handle;
    PyObject *lock;
    bool recursive; /* it is an RLock */
    bool foreign;   /* it is neither Latchwork's Lock nor RLock: to be acquired and released, and no more */
} Condition;

static Handle *lock_of(PyObject *self) { return (Handle *)((Condition *)self)->lock; }

PyObject *condition_lock(PyObject *self) {
    const Condition *condition = (Condition *)self;
    return condition->foreign ? NULL : condition->lock;
}

/* Only one that was made by hand, by none of Latchwork's ways, has none. */
static bool has_lock(PyObject *self) {
    if (((Condition *)self)->lock) return true;
    PyErr_SetString(PyExc_ValueError, "this condition has no lock");
    return false;
}

static bool has_own_lock(PyObject *self) {
    Condition *condition = (Condition *)self;
    if (!has_lock(self)) return false;
    if (!condition->foreign) return true;
    PyErr_Format(PyExc_TypeError, "wait() and notify() need a Lock or RLock of Latchwork, not %R",
                 (PyObject *)Py_TYPE(condition->lock));
    return false;
}

static PyObject *call_foreign(PyObject *lock, const char *name, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    PyObject *method = PyObject_GetAttrString(lock, name), *result = NULL;
    PyObject *positional = PyTuple_New(count), *named = PyDict_New();
    for (Py_ssize_t i = 0; positional && i < count; i++) {
        Py_INCREF(args[i]);
        PyTuple_SetItem(positional, i, args[i]);
    }
    int failed = !method || !positional || !named;
    for (Py_ssize_t i = 0; !failed && names && i < PyTuple_Size(names); i++)
        failed = PyDict_SetItem(named, PyTuple_GetItem(names, i), args[count + i]) < 0;
    if (!failed) result = PyObject_Call(method, positional, named);
    Py_XDECREF(method);
    Py_XDECREF(positional);
    Py_XDECREF(named);
    return result;
}

/* -1: an exception is set. */
static int owns_lock(PyObject *self) {
    Handle *lock = lock_of(self);
    uint32_t member = lock->arena->self_id;
    if (((Condition *)self)->recursive) return rlock_is_ours(lock);
    return member != 0 && lw_lock_owner(lock->arena, lock->slot) == member;
}

static uint32_t unlock(PyObject *self) {
    Handle *lock = lock_of(self);
    uint32_t ended = lw_rlock_end(lock->slot), depth = ((Condition *)self)->recursive ? ended : 0;
    if (!lw_lock_release_fast(lock->slot, lock->arena->self_id)) lock_give(lock);
    return depth;
}

/* What an exception would have overtaken is put behind it. */
static void keep_newer(PyObject *kept[3]) {
    if (!PyErr_Occurred()) return;
    for (int i = 0; i < 3; i++) Py_CLEAR(kept[i]);
    PyErr_Fetch(&kept[0], &kept[1], &kept[2]);
}

/* However often signal handlers raise: it comes back with the lock. They run all the same, and what the last
 * of them raised is raised then. */
static void lock_again(PyObject *self, uint32_t depth, PyObject *kept[3]) {
    Handle *lock = lock_of(self);
    struct lw_lock_wait wait = {.deadline_ns = LW_FOREVER};
    struct lw_waiting waiting;
    bool held = lw_lock_try(lock->slot, lock->arena->self_id);
    if (held) lw_stamp_lock(lock->slot, lock->arena->self_id, lw_thread_id());
    lw_waiting_begin(&waiting, lock->arena, lock->slot, LW_WANTS_ACQUIRE, LW_FOREVER);
    while (!held) {
        /* Not by lw_lock_try: one that has slept speaks for others that sleep. */
        PyThreadState *state = PyEval_SaveThread();
        held = lw_lock_acquire_slow(lock->arena, lock->slot, &wait) != LW_SIGNAL;
        if (held) {
            lw_stamp_lock(lock->slot, lock->arena->self_id, lw_thread_id());
            lw_waiting_served(&waiting);
        }
        PyEval_RestoreThread(state);
        if (!held && !wait_goes_on_regardless((PyObject *)lock, &waiting)) keep_newer(kept);
    }
    lw_waiting_end(&waiting);
    if (((Condition *)self)->recursive) lw_rlock_begin(lock->slot, lock->arena->self_id, lw_thread_id(), depth);
    uint32_t dead_owner = lw_load_relaxed(&lock->slot->abandoned);
    if (dead_owner && !tell(((Condition *)self)->lock, "abandoned", dead_owner, 1)) keep_newer(kept);
}

/* Until it is chosen or its time is over; -1: an exception is set. */
static int sleep_on(PyObject *self, struct lw_queue_wait *wait) {
    Handle *handle = (Handle *)self;
    struct lw_waiting waiting;
    enum lw_queued queued;
    bool chosen;
    lw_waiting_begin(&waiting, handle->arena, handle->slot, LW_WANTS_EVENT, wait->deadline_ns);
    do {
        PyThreadState *state = PyEval_SaveThread();
        queued = lw_queue_sleep(handle->arena, handle->slot, &lw_condition_queue, wait, lw_condition_step, NULL);
        chosen = queued == LW_QUEUE_GRANTED;
        if (queued == LW_QUEUE_TIMEOUT) chosen = lw_condition_leave(handle->arena, handle->slot, wait);
        if (queued != LW_QUEUE_SIGNAL) lw_waiting_served(&waiting);
        PyEval_RestoreThread(state);
    } while (queued == LW_QUEUE_SIGNAL && wait_goes_on(self, &waiting));
    lw_waiting_end(&waiting);
    return queued == LW_QUEUE_SIGNAL ? -1 : chosen;
}

static PyObject *wait_for_it(PyObject *self, int64_t deadline_ns) {
    Handle *handle = (Handle *)self;
    struct lw_queue_wait wait = {.deadline_ns = deadline_ns};
    PyObject *kept[3] = {NULL, NULL, NULL};
    PyThreadState *state = PyEval_SaveThread();
    enum lw_queued joined = lw_condition_join(handle->arena, handle->slot, &wait);
    uint32_t depth = joined == LW_QUEUE_GRANTED ? unlock(self) : 0;
    PyEval_RestoreThread(state);
    if (joined != LW_QUEUE_GRANTED) return raise_status(LW_NO_ROOM);
    int chosen = sleep_on(self, &wait);
    keep_newer(kept);
    lock_again(self, depth, kept);
    if (!kept[0]) {
        lw_condition_done(&wait);
        return PyBool_FromLong(chosen);
    }
    if (wait.cell) {
        /* It does not come back as one that was notified: so another one is. */
        state = PyEval_SaveThread();
        lw_condition_give_up(handle->arena, handle->slot, &wait);
        PyEval_RestoreThread(state);
    }
    PyErr_Restore(kept[0], kept[1], kept[2]);
    return NULL;
}

static PyObject *condition_wait(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    int64_t deadline_ns;
    PyObject *timeout = parse_one(args, count, names, "wait", "timeout", Py_None);
    if (!timeout || !deadline_of(timeout, &deadline_ns) || !has_own_lock(self)) return NULL;
    if (handle_is_gone((Handle *)self) || handle_is_gone(lock_of(self))) return raise_gone();
    /* Not a task that has it: it would come back as this thread. */
    Handle *lock = lock_of(self);
    bool mine = ((Condition *)self)->recursive ? lw_rlock_is_mine(lock->slot, lock->arena->self_id) : owns_lock(self);
    if (!mine) return raise_error("NotOwnedError", "must acquire() condition before using wait()");
    if (!ensure_member(((Handle *)self)->arena)) return NULL;
    return wait_for_it(self, deadline_ns);
}

/* A task's: joins the queue and releases the lock; the Wait, and the depth at which that lock is to be had again. */
static PyObject *condition_begin_wait(PyObject *self, PyObject *number) {
    Handle *handle = (Handle *)self, *lock;
    uint32_t task = (uint32_t)PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred() || !has_own_lock(self)) return NULL;
    lock = lock_of(self);
    if (handle_is_gone(handle) || handle_is_gone(lock)) return raise_gone();
    bool mine = ((Condition *)self)->recursive ? lw_rlock_is_owner(lock->slot, lock->arena->self_id, task) : owns_lock(self);
    if (!mine) return raise_error("NotOwnedError", "must acquire_async() condition before using wait_async()");
    PyObject *wait = new_wait(self);
    if (!wait) return NULL;
    PyThreadState *state = PyEval_SaveThread();
    enum lw_queued joined = lw_condition_join(handle->arena, handle->slot, &task_of(wait)->queue);
    uint32_t depth = joined == LW_QUEUE_GRANTED ? unlock(self) : 0;
    PyEval_RestoreThread(state);
    if (joined == LW_QUEUE_GRANTED) return Py_BuildValue("NI", wait, depth);
    Py_DECREF(wait);
    return raise_status(LW_NO_ROOM);
}

static PyObject *notify(PyObject *self, uint32_t count) {
    Handle *handle = (Handle *)self;
    if (!has_own_lock(self)) return NULL;
    if (handle_is_gone(handle) || handle_is_gone(lock_of(self))) return raise_gone();
    int ours = owns_lock(self);
    if (ours < 0) return NULL;
    if (!ours)
        return raise_error("NotOwnedError", "lock is not owned: acquire() the condition before notify()");
    if (count == 0 || lw_condition_waiting(handle->slot) == 0) Py_RETURN_NONE;
    if (!ensure_member(handle->arena)) return NULL;
    PyThreadState *state = PyEval_SaveThread();
    lw_condition_notify(handle->arena, handle->slot, count);
    PyEval_RestoreThread(state);
    Py_RETURN_NONE;
}

static PyObject *condition_notify(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    if (count == 0 && !names) return notify(self, 1);
    PyObject *number = parse_one(args, count, names, "notify", "n", NULL);
    if (!number) return NULL;
    /* As in multiprocessing and threading: none or less is nobody, and any large number is all. */
    int overflow = 0;
    long long waiters = PyLong_AsLongLongAndOverflow(number, &overflow);
    if (waiters == -1 && PyErr_Occurred()) return NULL;
    if (overflow > 0 || waiters > UINT32_MAX) waiters = UINT32_MAX;
    return notify(self, overflow < 0 || waiters < 0 ? 0 : (uint32_t)waiters);
}

static PyObject *condition_notify_all(PyObject *self, PyObject *unused) {
    (void)unused;
    return notify(self, UINT32_MAX);
}

static PyObject *condition_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Condition *condition = (Condition *)self;
    if (!has_lock(self)) return NULL;
    if (condition->foreign) return call_foreign(condition->lock, "acquire", args, count, names);
    return (condition->recursive ? rlock_acquire : lock_acquire)(condition->lock, args, count, names);
}

static PyObject *condition_release(PyObject *self, PyObject *unused) {
    Condition *condition = (Condition *)self;
    if (!has_lock(self)) return NULL;
    if (condition->foreign) return call_foreign(condition->lock, "release", NULL, 0, NULL);
    return (condition->recursive ? rlock_release : lock_release)(condition->lock, unused);
}

static PyObject *condition_enter(PyObject *self, PyObject *unused) {
    (void)unused;
    return condition_acquire(self, NULL, 0, NULL);
}

static PyObject *condition_exit(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    (void)args, (void)count;
    return condition_release(self, NULL);
}

static PyObject *condition_is_owned(PyObject *self, PyObject *unused) {
    (void)unused;
    if (!has_own_lock(self)) return NULL;
    int ours = owns_lock(self);
    return ours < 0 ? NULL : PyBool_FromLong(ours);
}

static PyObject *condition_waiting(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    return PyLong_FromUnsignedLong(lw_condition_waiters(handle->arena, handle->slot));
}

static PyObject *get_lock(PyObject *self, void *unused) {
    (void)unused;
    PyObject *lock = ((Condition *)self)->lock;
    if (!has_lock(self)) return NULL;
    Py_INCREF(lock);
    return lock;
}

static bool is_lock(PyObject *lock) {
    PyObject *acquire = PyObject_GetAttrString(lock, "acquire");
    PyObject *release = PyObject_GetAttrString(lock, "release");
    bool is = acquire && release;
    Py_XDECREF(acquire);
    Py_XDECREF(release);
    if (!is) PyErr_Format(PyExc_TypeError, "lock must be a Lock or RLock, or None, not %R", (PyObject *)Py_TYPE(lock));
    return is;
}

static void use_lock(Condition *self, PyObject *lock) {
    Py_INCREF(lock);
    self->lock = lock;
    self->recursive = PyObject_TypeCheck(lock, rlock_type);
    self->foreign = !self->recursive && !PyObject_TypeCheck(lock, lock_type);
}

static PyObject *condition_use(PyObject *self, PyObject *lock) {
    if (((Condition *)self)->lock) {
        PyErr_SetString(PyExc_ValueError, "this condition has its lock already");
        return NULL;
    }
    if (!is_lock(lock)) return NULL;
    use_lock((Condition *)self, lock);
    Py_RETURN_NONE;
}

/* (arena, first, second, lock); without a lock it is given one by _use, before anything else. */
static PyObject *condition_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    PyObject *arena, *first = Py_None, *second = Py_None, *lock = NULL;
    if (!PyArg_ParseTuple(args, "O!|OOO", arena_type, &arena, &first, &second, &lock)) return NULL;
    if (lock && !is_lock(lock)) return NULL;
    PyObject *self = handle_open(type, arena, first, second, &(struct lw_made){.kind = LW_KIND_CONDITION});
    if (self && lock) use_lock((Condition *)self, lock);
    return self;
}

static void condition_dealloc(PyObject *self) {
    Py_CLEAR(((Condition *)self)->lock);
    handle_dealloc(self);
}

static PyMethodDef methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))condition_acquire, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("acquire(block=True, timeout=None)\n\nAcquire its lock: see there.")},
    {"release", condition_release, METH_NOARGS, PyDoc_STR("release($self, /)\n--\n\nRelease its lock.")},
    {"wait", (PyCFunction)(void (*)(void))condition_wait, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("wait($self, timeout=None)\n--\n\n"
               "Release the lock, wait to be notified, and get the lock back; False only when `timeout` (seconds;\n"
               "None: for ever) ran out. It returns with the lock held, always, and so it raises: signal handlers\n"
               "run during the wait, and what one raises is raised once the lock is had again. It may wake up\n"
               "without a notification. AssertionError without the lock.")},
    {"notify", (PyCFunction)(void (*)(void))condition_notify, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("notify($self, n=1)\n--\n\n"
               "Wake `n` of those that wait (nobody, if `n` is less than 1), first come, first served. Never waits\n"
               "for any of them; if one dies before its wait returns, another one is woken. AssertionError without\n"
               "the lock.")},
    {"notify_all", condition_notify_all, METH_NOARGS,
     PyDoc_STR("notify_all($self, /)\n--\n\nWake all that wait. AssertionError without the lock.")},
    {"__enter__", condition_enter, METH_NOARGS, PyDoc_STR("__enter__($self, /)\n--\n\nAcquire; True.")},
    {"__exit__", (PyCFunction)(void (*)(void))condition_exit, METH_FASTCALL,
     PyDoc_STR("__exit__($self, /, *exc_info)\n--\n\nRelease.")},
    {"_begin_wait", condition_begin_wait, METH_O,
     PyDoc_STR("_begin_wait($self, who, /)\n--\n\n"
               "For that task: join the queue and release the lock; the wait, and the depth to have the lock at again.")},
    {"_is_owned", condition_is_owned, METH_NOARGS,
     PyDoc_STR("_is_owned($self, /)\n--\n\nWhether its lock is this process's (an RLock: this thread's or task's).")},
    {"_use", condition_use, METH_O, PyDoc_STR("_use($self, lock, /)\n--\n\nGive it the lock that it was made without.")},
    {"_waiting", condition_waiting, METH_NOARGS, PyDoc_STR("_waiting($self, /)\n--\n\nHow many wait.")},
    ROOM_FOR_METHODS,
};

static PyGetSetDef getset[] = {
    {"_lock", get_lock, NULL, PyDoc_STR("Its Lock or RLock."), NULL},
    ROOM_FOR_GETSET,
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)condition_new}, {Py_tp_dealloc, (void *)condition_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, "Condition(arena, first=..., second=..., lock=..., /)\n--\n\nThe hot half of latchwork.Condition."}, {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Condition", sizeof(Condition), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

int add_condition(PyObject *module) { return add_handle_type(module, &spec, methods, getset) ? 0 : -1; }
