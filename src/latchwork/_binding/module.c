#include "binding.h"

#include <errno.h>

#include "../_native/lw_crash.h"
#include "../_native/lw_member.h"

PyObject *raise_error(const char *name, const char *text) {
    PyObject *errors = PyImport_ImportModule("latchwork.errors");
    PyObject *type = errors ? PyObject_GetAttrString(errors, name) : NULL;
    if (type) PyErr_SetString(type, text);
    Py_XDECREF(type);
    Py_XDECREF(errors);
    return NULL;
}

PyObject *raise_gone(void) {
    return raise_error("GoneError",
                       "this primitive no longer exists: its last handle was dropped before this one came; "
                       "keep a handle of it alive while it is under way, or give it a name");
}

PyObject *raise_status(enum lw_status status) {
    switch (status) {
    case LW_OK:
        break;
    case LW_NO_ROOM:
        return raise_error("NoRoomError",
                           "no room for more primitives or processes: free space in the directory of the arenas, "
                           "or set LATCHWORK_DIR to a directory with more of it");
    case LW_FOREIGN:
        return raise_error("CorruptError", "this file is not an arena of Latchwork: remove it or set LATCHWORK_DIR");
    case LW_VERSION:
        return raise_error("VersionError",
                           "this arena was made by another version of Latchwork: end the processes that use it, "
                           "or use the same version everywhere");
    case LW_TRUNCATED:
        return raise_error("CorruptError", "this arena was truncated: remove the file and start its users anew");
    case LW_GONE:
        return raise_gone();
    case LW_WRONG_KIND:
        return raise_error("KindError", "a primitive of another kind has this name: choose another name");
    case LW_SYSTEM:
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return NULL;
}

PyObject *call_hook(const char *name, const char *format, ...) {
    PyObject *hooks = PyImport_ImportModule("latchwork._hooks");
    if (!hooks) return NULL;
    PyObject *hook = PyObject_GetAttrString(hooks, name);
    Py_DECREF(hooks);
    if (!hook) return NULL;
    va_list values;
    va_start(values, format);
    PyObject *args = Py_VaBuildValue(format, values);
    va_end(values);
    PyObject *result = args ? PyObject_CallObject(hook, args) : NULL;
    Py_XDECREF(args);
    Py_DECREF(hook);
    return result;
}

uint32_t pid_of(const struct lw_arena *arena, uint32_t id) {
    if (lw_member_index(id) >= lw_load_acq(&arena->header->members_ready)) return 0;
    const struct lw_member *member = &arena->members[lw_member_index(id)];
    return member->last_id == id ? lw_member_pid(arena, id) : 0;
}

bool tell(PyObject *self, const char *hook, uint32_t dead, uint32_t count) {
    _Atomic uint16_t *deaths = &((Handle *)self)->slot->deaths;
    if (atomic_load_explicit(deaths, memory_order_relaxed) < UINT16_MAX) atomic_fetch_add(deaths, 1);
    PyObject *result = call_hook(hook, "(OII)", self, pid_of(((Handle *)self)->arena, dead), count);
    if (result) {
        Py_DECREF(result);
        return true;
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception)) return false;
    PyErr_WriteUnraisable(self);
    return true;
}

bool deadline_of(PyObject *timeout, int64_t *deadline_ns) {
    if (timeout == Py_None) {
        *deadline_ns = LW_FOREVER;
        return true;
    }
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred()) return false;
    if (seconds != seconds) {
        PyErr_SetString(PyExc_ValueError, "timeout must be a number of seconds or None, not NaN");
        return false;
    }
    if (seconds <= 0)
        *deadline_ns = 0;
    else if (seconds > 4e9) /* more than a century */
        *deadline_ns = LW_FOREVER;
    else
        *deadline_ns = lw_now_ns() + (int64_t)(seconds * 1e9);
    return true;
}

static PyObject *forbid_waitv(PyObject *module, PyObject *flag) {
    (void)module;
    int forbid = PyObject_IsTrue(flag);
    if (forbid < 0) return NULL;
    lw_futex_forbid_waitv(forbid);
    Py_RETURN_NONE;
}

static PyObject *has_waitv(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyBool_FromLong(lw_futex_has_waitv());
}

static PyObject *recheck_first(PyObject *module, PyObject *seconds) {
    (void)module;
    double value = PyFloat_AsDouble(seconds);
    if (value == -1.0 && PyErr_Occurred()) return NULL;
    if (!(value > 0 && value < 1e6)) {
        PyErr_SetString(PyExc_ValueError, "seconds must be positive");
        return NULL;
    }
    lw_recheck_first_ns = (int64_t)(value * 1e9);
    Py_RETURN_NONE;
}

static PyObject *crash_points(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    PyObject *list = PyList_New(0);
#ifdef LW_CRASH_POINTS
    for (int i = 0; list && i < LW_CRASH_COUNT; i++) {
        PyObject *name = PyUnicode_FromString(lw_crash_name(i));
        if (!name || PyList_Append(list, name) < 0) Py_CLEAR(list);
        Py_XDECREF(name);
    }
#endif
    return list;
}

static PyObject *crash_arm(PyObject *module, PyObject *args) {
    (void)module;
    const char *name;
    int skip = 0;
    if (!PyArg_ParseTuple(args, "s|i", &name, &skip)) return NULL;
#ifdef LW_CRASH_POINTS
    if (lw_crash_arm(name, skip)) Py_RETURN_NONE;
#endif
    PyErr_Format(PyExc_ValueError, "no such point in this build: %s", name);
    return NULL;
}

static PyMethodDef functions[] = {
    {"forbid_waitv", forbid_waitv, METH_O, PyDoc_STR("forbid_waitv($module, forbid, /)\n--\n\nFor tests: do as on a kernel without futex_waitv.")},
    {"recheck_first", recheck_first, METH_O, PyDoc_STR("recheck_first($module, seconds, /)\n--\n\nFor tests: how long the first sleep lasts at most.")},
    {"has_waitv", has_waitv, METH_NOARGS, PyDoc_STR("has_waitv($module, /)\n--\n\nWhether this process may call futex_waitv.")},
    {"crash_points", crash_points, METH_NOARGS, PyDoc_STR("crash_points($module, /)\n--\n\nThe places to die at; none in the shipped build.")},
    {"crash_arm", crash_arm, METH_VARARGS, PyDoc_STR("crash_arm($module, name, skip=0, /)\n--\n\nStop (SIGSTOP) at that place.")},
    {NULL, NULL, 0, NULL},
};

static int execute(PyObject *module) {
    PyObject *magic = PyLong_FromUnsignedLongLong(LW_MAGIC);
    int failed = magic ? PyModule_AddObjectRef(module, "MAGIC", magic) : -1;
    Py_XDECREF(magic);
    if (failed || PyModule_AddIntConstant(module, "LAYOUT_VERSION", LW_LAYOUT_VERSION) < 0) return -1;
    int (*const adds[])(PyObject *) = {add_bound, add_ready, add_waiting, add_tasks, add_arena, add_lock, add_event, add_rlock, add_semaphore,
                                       add_latch, add_condition, add_barrier, add_rwlock, add_profile, add_looking,
                                       add_survey};
    for (size_t i = 0; i < sizeof adds / sizeof *adds; i++)
        if (adds[i](module) < 0) return -1;
    PyMethodDef *const functions_elsewhere[] = {&own_methods_definition, &wait_any_definition};
    for (size_t i = 0; i < sizeof functions_elsewhere / sizeof *functions_elsewhere; i++) {
        PyObject *function = PyCFunction_NewEx(functions_elsewhere[i], NULL, NULL);
        int status = function ? PyModule_AddObjectRef(module, functions_elsewhere[i]->ml_name, function) : -1;
        Py_XDECREF(function);
        if (status < 0) return -1;
    }
    return 0;
}

static PyModuleDef_Slot slots[] = {{Py_mod_exec, (void *)execute}, {0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "latchwork._core",
    .m_doc = "The words in shared memory: see latchwork for what to use.", .m_methods = functions, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__core(void) { return PyModuleDef_Init(&definition); }
