#include "../_native/lw_latch.h"

#include "binding.h"

static PyObject *latch_count_down(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Handle *handle = (Handle *)self;
    uint32_t n = 1;
    if (count || names) {
        PyObject *number = parse_one(args, count, names, "count_down", "n", NULL);
        if (!number || !(n = parse_count(number))) return NULL;
    }
    if (handle_is_gone(handle)) return raise_gone();
    lw_latch_count_down(handle->slot, n);
    Py_RETURN_NONE;
}

static PyObject *latch_wait(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Handle *handle = (Handle *)self;
    struct lw_latch_wait wait = {.recheck_ns = 0};
    PyObject *timeout = parse_one(args, count, names, "wait", "timeout", Py_None);
    if (!timeout) return NULL;
    if (handle_is_gone(handle)) return raise_gone();
    if (timeout == Py_None && lw_latch_count(handle->slot) == 0) Py_RETURN_TRUE;
    if (!deadline_of(timeout, &wait.deadline_ns)) return NULL;
    struct lw_waiting waiting;
    enum lw_latched latched;
    lw_waiting_begin(&waiting, handle->arena, handle->slot, LW_WANTS_EVENT, wait.deadline_ns);
    do {
        PyThreadState *state = PyEval_SaveThread();
        latched = lw_latch_wait(handle->slot, &wait);
        if (latched != LW_LATCH_SIGNAL) lw_waiting_served(&waiting);
        PyEval_RestoreThread(state);
    } while (latched == LW_LATCH_SIGNAL && wait_goes_on(self, &waiting));
    lw_waiting_end(&waiting);
    return latched == LW_LATCH_SIGNAL ? NULL : PyBool_FromLong(latched == LW_LATCH_OPEN);
}

static PyObject *get_count(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    return PyLong_FromUnsignedLong(lw_latch_count(handle->slot));
}

static PyObject *get_initial(PyObject *self, void *unused) {
    (void)unused;
    return PyLong_FromUnsignedLong(lw_load_relaxed(&((Handle *)self)->slot->limit));
}

/* (arena, first, second, count) */
static PyObject *latch_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    PyObject *arena, *first = Py_None, *second = Py_None;
    unsigned count = 0;
    if (!PyArg_ParseTuple(args, "O!|OOI", arena_type, &arena, &first, &second, &count)) return NULL;
    struct lw_made made = {.kind = LW_KIND_LATCH, .word = count << LW_LATCH_SHIFT, .limit = count};
    return handle_open(type, arena, first, second, &made);
}

static PyMethodDef methods[] = {
    {"count_down", (PyCFunction)(void (*)(void))latch_count_down, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("count_down($self, n=1)\n--\n\n"
               "Take `n` (1 or more) from the count, never below zero; at zero all that wait go on. Never waits.")},
    {"wait", (PyCFunction)(void (*)(void))latch_wait, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("wait($self, timeout=None)\n--\n\n"
               "Wait until the count is zero; False only when `timeout` (seconds; None: for ever) ran out.")},
    ROOM_FOR_METHODS,
};

static PyGetSetDef getset[] = {
    {"count", get_count, NULL, PyDoc_STR("What is still to be counted down."), NULL},
    {"_initial", get_initial, NULL, PyDoc_STR("The count that it was made with."), NULL},
    ROOM_FOR_GETSET,
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)latch_new}, {Py_tp_dealloc, (void *)handle_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, "Latch(arena, first=..., second=..., count=0, /)\n--\n\nThe hot half of latchwork.Latch."}, {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Latch", sizeof(Handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

int add_latch(PyObject *module) { return add_handle_type(module, &spec, methods, getset) ? 0 : -1; }
