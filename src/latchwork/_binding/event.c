#include "../_native/lw_event.h"

#include "binding.h"

static PyObject *event_is_set(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    if (lw_event_is_set(handle->slot)) Py_RETURN_TRUE;
    Py_RETURN_FALSE;
}

static PyObject *event_set(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    lw_event_set(handle->slot);
    Py_RETURN_NONE;
}

static PyObject *event_clear(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    lw_event_clear(handle->slot);
    Py_RETURN_NONE;
}

static Py_NO_INLINE PyObject *wait_slow(PyObject *self, PyObject *timeout) {
    Handle *handle = (Handle *)self;
    struct lw_event_wait wait;
    struct lw_waiting waiting;
    enum lw_waited waited;
    bool gone;
    int64_t deadline_ns;
    /* The generation is read first: the event counts as waited for from here on. */
    lw_event_wait_begin(handle->slot, &wait, 0);
    if (!deadline_of(timeout, &deadline_ns)) return NULL;
    wait.deadline_ns = deadline_ns;
    lw_waiting_begin(&waiting, handle->arena, handle->slot, LW_WANTS_EVENT, deadline_ns);
    do {
        PyThreadState *state = PyEval_SaveThread();
        waited = lw_event_wait(handle->slot, &wait);
        if (waited != LW_WAIT_SIGNAL) lw_waiting_served(&waiting);
        PyEval_RestoreThread(state);
        gone = handle_is_gone(handle);
    } while (!gone && waited == LW_WAIT_SIGNAL && wait_goes_on(self, &waiting));
    lw_waiting_end(&waiting);
    if (gone) return raise_gone();
    return waited == LW_WAIT_SIGNAL ? NULL : PyBool_FromLong(waited == LW_WAIT_SET);
}

static PyObject *event_wait(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Handle *handle = (Handle *)self;
    PyObject *timeout = parse_one(args, count, names, "wait", "timeout", Py_None);
    if (!timeout) return NULL;
    if (handle_is_gone(handle)) return raise_gone();
    if (timeout == Py_None && lw_event_is_set(handle->slot)) Py_RETURN_TRUE;
    return wait_slow(self, timeout);
}

static PyObject *event_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    (void)kwargs;
    return handle_new(type, args, LW_KIND_EVENT);
}

static PyMethodDef methods[] = {
    {"is_set", event_is_set, METH_NOARGS,
     PyDoc_STR("is_set($self, /)\n--\n\nWhether it is set. One load from memory; never waits.")},
    {"set", event_set, METH_NOARGS,
     PyDoc_STR("set($self, /)\n--\n\n"
               "Set it and wake all that wait. Never waits for anybody: a waiter may be dead or stopped, and a\n"
               "signal handler of a process that is itself in wait() may call it.")},
    {"clear", event_clear, METH_NOARGS,
     PyDoc_STR("clear($self, /)\n--\n\nUnset it. Those that waited when it was set still return True.")},
    {"wait", (PyCFunction)(void (*)(void))event_wait, METH_FASTCALL | METH_KEYWORDS,
     PyDoc_STR("wait($self, timeout=None)\n--\n\n"
               "Wait until it is set; True if it was set at any time during the wait, even if clear() followed at\n"
               "once (multiprocessing can lose that one). False only when `timeout` (seconds; None: for ever) ran\n"
               "out. Signal handlers run during the wait; an exception that one raises ends it.")},
    ROOM_FOR_METHODS,
};

static PyGetSetDef getset[] = {ROOM_FOR_GETSET};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)event_new}, {Py_tp_dealloc, (void *)handle_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset},
    {Py_tp_doc, "Event(arena, first=..., second=..., /)\n--\n\nThe hot half of latchwork.Event."}, {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Event", sizeof(Handle), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots};

int add_event(PyObject *module) { return add_handle_type(module, &spec, methods, getset) ? 0 : -1; }
