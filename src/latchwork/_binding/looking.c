/* What a thread does that waits for long: it says where in Python it waits, and looks whether it can ever go on. */
#include "binding.h"
#include "../_native/lw_settings.h"
#include "../_native/lw_several.h"

/* After a hook has failed: whether that ends the wait. The hooks let nothing out but what a signal handler has raised, which
 * has a traceback; what has none was raised before they began: no memory, no stack, no interpreter any more. */
static bool wait_is_over(void) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (traceback) {
        PyErr_Restore(type, value, traceback);
        return true;
    }
    Py_XDECREF(type);
    Py_XDECREF(value);
    return false;
}

/* Where it waits, for others to read. */
static bool note(const struct lw_waiting *waiting, const struct lw_several *several) {
    PyObject *said = call_hook("whereabouts", "(I)", LW_NOTE_TEXT);
    char *text;
    Py_ssize_t length;
    if (!said) return !wait_is_over();
    int failed = PyBytes_AsStringAndSize(said, &text, &length);
    if (!failed) {
        lw_seen_note(waiting->arena, &waiting->seen, text, (uint32_t)length);
        for (unsigned i = 0; several && i < several->count && i < LW_SEVERAL_SHOWN; i++)
            lw_seen_note(several->items[i].arena, &several->items[i].seen, text, (uint32_t)length);
    }
    Py_DECREF(said);
    return !failed;
}

/* The hook says after how many milliseconds to look again, and what has gone wrong with this look, or None; 0: that is to be
 * raised. */
static bool look(PyObject *self, struct lw_waiting *waiting, bool may_raise) {
    PyObject *said = call_hook("look", "(OOI)", self, may_raise ? Py_True : Py_False, waiting->looks);
    if (!said) return !wait_is_over();
    unsigned after_ms;
    PyObject *error;
    if (!PyArg_ParseTuple(said, "IO", &after_ms, &error)) {
        Py_DECREF(said);
        return false;
    }
    /* As if raised by the call that waits: how it was found is nobody's concern. */
    if (error != Py_None) PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(said);
    if (after_ms == 0) return false;
    if (PyErr_Occurred()) PyErr_WriteUnraisable(self);
    lw_waiting_look_later(waiting, after_ms);
    return true;
}

static bool looks(PyObject *self, struct lw_waiting *waiting, const struct lw_several *several, bool may_raise) {
    if (PyErr_CheckSignals() < 0) return false;
    if (!lw_waiting_looks(waiting)) return true;
    if (waiting->looks++ == 0 && !note(waiting, several)) return false;
    /* What ends by itself, or by anybody, is in no deadlock. */
    bool may_last = !several && waiting->deadline_ns == LW_FOREVER && waiting->wants != LW_WANTS_EVENT;
    return !may_last || look(self, waiting, may_raise);
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
