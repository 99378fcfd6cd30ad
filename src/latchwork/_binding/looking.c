/* What a thread does that waits for long: it says where in Python it waits, and looks whether it can ever go on. */
#include <errno.h>

#include "binding.h"
#include "../_native/lw_settings.h"
#include "../_native/lw_several.h"

/* Whether what went wrong is that there was no room for a look: in memory, in the stack, in the table of files. That
 * is no reason to end the wait. */
static bool had_no_means(void) {
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    bool means = PyErr_GivenExceptionMatches(type, PyExc_RecursionError) || PyErr_GivenExceptionMatches(type, PyExc_MemoryError);
    if (!means && PyErr_GivenExceptionMatches(type, PyExc_OSError)) {
        PyObject *number = PyObject_GetAttrString(error, "errno");
        long code = number && PyLong_Check(number) ? PyLong_AsLong(number) : 0;
        Py_XDECREF(number);
        PyErr_Clear();
        means = code == EMFILE || code == ENFILE || code == ENOMEM;
    }
    if (!means) {
        PyErr_Restore(type, error, traceback);
        return false;
    }
    Py_XDECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
    return true;
}

/* Where it waits, for others to read. */
static bool note(const struct lw_waiting *waiting, const struct lw_several *several) {
    PyObject *said = call_hook("whereabouts", "(I)", LW_NOTE_TEXT);
    char *text;
    Py_ssize_t length;
    if (!said) return had_no_means();
    int failed = PyBytes_AsStringAndSize(said, &text, &length);
    if (!failed) {
        lw_seen_note(waiting->arena, &waiting->seen, text, (uint32_t)length);
        for (unsigned i = 0; several && i < several->count && i < LW_SEVERAL_SHOWN; i++)
            lw_seen_note(several->items[i].arena, &several->items[i].seen, text, (uint32_t)length);
    }
    Py_DECREF(said);
    return !failed;
}

/* The hook says how many times as long it may be until the next look. */
static bool look(PyObject *self, struct lw_waiting *waiting, bool may_raise) {
    PyObject *patience = call_hook("look", "(OOI)", self, may_raise ? Py_True : Py_False, waiting->looks);
    if (!patience) return had_no_means();
    if (PyExceptionInstance_Check(patience)) {
        /* As if raised by the call that waits: how it was found is nobody's concern. */
        PyErr_SetObject(PyExceptionInstance_Class(patience), patience);
        Py_DECREF(patience);
        return false;
    }
    long times = PyLong_AsLong(patience);
    Py_DECREF(patience);
    if (times == -1 && PyErr_Occurred()) return false;
    lw_waiting_look_later(waiting, times > 0 ? (uint32_t)times : 1);
    return true;
}

static bool looks(PyObject *self, struct lw_waiting *waiting, const struct lw_several *several, bool may_raise) {
    if (PyErr_CheckSignals() < 0) return false;
    if (!lw_waiting_looks(waiting)) return true;
    if (waiting->looks++ == 0 && !note(waiting, several)) return false;
    return several || look(self, waiting, may_raise);
}

bool wait_goes_on(PyObject *self, struct lw_waiting *waiting) { return looks(self, waiting, NULL, true); }
bool wait_goes_on_regardless(PyObject *self, struct lw_waiting *waiting) { return looks(self, waiting, NULL, false); }
bool several_go_on(struct lw_waiting *waiting, const struct lw_several *several) {
    return looks(NULL, waiting, several, false);
}

static PyObject *settings(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return Py_BuildValue("II", lw_look_ms(), (unsigned)lw_deadlock());
}

static PyObject *settings_otherwise(PyObject *module, PyObject *args) {
    (void)module;
    unsigned look_ms, deadlock;
    if (!PyArg_ParseTuple(args, "II", &look_ms, &deadlock)) return NULL;
    lw_settings_otherwise(look_ms, (enum lw_deadlock)(deadlock < LW_DEADLOCK_COUNT ? deadlock : 0));
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"settings", settings, METH_NOARGS,
     PyDoc_STR("settings($module, /)\n--\n\nWhat this process goes by: milliseconds to a look, what is done about a deadlock.")},
    {"settings_otherwise", settings_otherwise, METH_VARARGS,
     PyDoc_STR("settings_otherwise($module, look_ms, deadlock, /)\n--\n\nWhere the program has set nothing; 0: the defaults.")},
    {NULL, NULL, 0, NULL},
};

int add_looking(PyObject *module) {
    if (PyModule_AddIntConstant(module, "LOOK_NEVER", (long)LW_LOOK_NEVER) < 0) return -1;
    return PyModule_AddFunctions(module, functions);
}
