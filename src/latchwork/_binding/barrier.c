#include "../_native/lw_barrier.h"
#include "../_native/lw_task.h"

#include "binding.h"

static PyObject *raise_broken(PyObject *self, const struct lw_barrier_wait *wait, bool timed_out) {
    if (wait->dead && !tell(self, "broke", wait->dead, 1)) return NULL;
    if (wait->dead) return raise_error("BrokenBarrierError", "a process died in the barrier: reset() it to use it again");
    if (timed_out) return raise_error("BrokenBarrierError", "not all came in time: reset() the barrier to use it again");
    return raise_error("BrokenBarrierError", "the barrier was broken: by a timeout, a death, abort() or reset()");
}

/* The last one's part. The action runs with the GIL and without the guard; whatever it does, the round ends. */
static PyObject *run_action(PyObject *self, struct lw_barrier_wait *wait, PyObject *action) {
    Handle *handle = (Handle *)self;
    PyObject *result = PyObject_CallObject(action, NULL);
    PyThreadState *state = PyEval_SaveThread();
    bool well = lw_barrier_end(handle->arena, handle->slot, wait, result != NULL);
    PyEval_RestoreThread(state);
    if (!result) return NULL;
    Py_DECREF(result);
    return well ? PyLong_FromUnsignedLong(wait->index) : raise_broken(self, wait, false);
}

PyObject *barrier_result(PyObject *self, struct lw_barrier_wait *wait, int outcome, PyObject *action) {
    if (outcome == LW_OUTCOME_GRANTED) return PyLong_FromUnsignedLong(wait->index);
    if (outcome == LW_OUTCOME_RUN) return run_action(self, wait, action);
    return raise_broken(self, wait, outcome == LW_OUTCOME_TIMEOUT);
}

static PyObject *barrier_arrive(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Handle *handle = (Handle *)self;
    struct lw_barrier_wait wait = {.cell = NULL};
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "_arrive() takes 2 arguments");
        return NULL;
    }
    if (!deadline_of(args[0], &wait.deadline_ns)) return NULL;
    if (handle_is_gone(handle)) return raise_gone();
    if (!ensure_member(handle->arena)) return NULL;
    struct lw_waiting waiting;
    enum lw_barred barred;
    lw_waiting_begin(&waiting, handle->arena, handle->slot, LW_WANTS_EVENT, wait.deadline_ns);
    do {
        PyThreadState *state = PyEval_SaveThread();
        barred = lw_barrier_wait(handle->arena, handle->slot, &wait, args[1] != Py_None);
        if (barred != LW_BARRIER_SIGNAL) lw_waiting_served(&waiting);
        PyEval_RestoreThread(state);
    } while (barred == LW_BARRIER_SIGNAL && wait_goes_on(self, &waiting));
    lw_waiting_end(&waiting);
    switch (barred) {
    case LW_BARRIER_PASSED:
        return PyLong_FromUnsignedLong(wait.index);
    case LW_BARRIER_RUN:
        return run_action(self, &wait, args[1]);
    case LW_BARRIER_NO_ROOM:
        return raise_status(LW_NO_ROOM);
    case LW_BARRIER_IS_BROKEN:
    case LW_BARRIER_TIMEOUT:
        return raise_broken(self, &wait, barred == LW_BARRIER_TIMEOUT);
    case LW_BARRIER_SIGNAL:
    case LW_BARRIER_SLEEP:
        break;
    }
    PyThreadState *state = PyEval_SaveThread();
    lw_barrier_give_up(handle->arena, handle->slot, &wait);
    PyEval_RestoreThread(state);
    return NULL;
}

static PyObject *change(PyObject *self, void (*how)(struct lw_arena *, struct lw_slot *)) {
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    if (!ensure_member(handle->arena)) return NULL;
    PyThreadState *state = PyEval_SaveThread();
    how(handle->arena, handle->slot);
    PyEval_RestoreThread(state);
    Py_RETURN_NONE;
}

static PyObject *barrier_abort(PyObject *self, PyObject *unused) {
    (void)unused;
    return change(self, lw_barrier_abort);
}

static PyObject *barrier_reset(PyObject *self, PyObject *unused) {
    (void)unused;
    return change(self, lw_barrier_reset);
}

static PyObject *get_parties(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(lw_load_relaxed(&((Handle *)self)->slot->limit));
}

static PyObject *get_waiting(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    return PyLong_FromUnsignedLong(lw_barrier_waiting(handle->arena, handle->slot));
}

static PyObject *get_broken(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    return PyBool_FromLong(lw_barrier_is_broken(handle->arena, handle->slot));
}

/* (arena, first, second, parties) */
static PyObject *barrier_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    PyObject *arena, *first = Py_None, *second = Py_None;
    unsigned parties = 0;
    if (!PyArg_ParseTuple(args, "O!|OOI", arena_type, &arena, &first, &second, &parties)) return NULL;
    struct lw_made made = {.kind = LW_KIND_BARRIER, .limit = parties};
    return handle_open(type, arena, first, second, &made);
}

static PyMethodDef methods[] = {
    {"_arrive", (PyCFunction)(void (*)(void))barrier_arrive, METH_FASTCALL,
     PyDoc_STR("_arrive($self, timeout, action, /)\n--\n\nWait for the others; which one this was.")},
    {"abort", barrier_abort, METH_NOARGS,
     PyDoc_STR("abort($self, /)\n--\n\nBreak it: who waits or comes gets BrokenBarrierError, until a reset().")},
    {"reset", barrier_reset, METH_NOARGS,
     PyDoc_STR("reset($self, /)\n--\n\nMake it as new. Who waits in it gets BrokenBarrierError.")},
    ROOM_FOR_METHODS,
};

static PyGetSetDef getset[] = {
    {"parties", get_parties, NULL, PyDoc_STR("How many must come."), NULL},
    {"n_waiting", get_waiting, NULL, PyDoc_STR("How many are in it at this moment."), NULL},
    {"broken", get_broken, NULL, PyDoc_STR("Whether it is broken, also by a death that nobody has met with yet."), NULL},
    ROOM_FOR_GETSET,
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)barrier_new}, {Py_tp_dealloc, (void *)handle_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, "Barrier(arena, first=..., second=..., parties=0, /)\n--\n\nThe hot half of latchwork.Barrier."},
    {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Barrier", sizeof(Handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

int add_barrier(PyObject *module) { return add_handle_type(module, &spec, methods, getset) ? 0 : -1; }
