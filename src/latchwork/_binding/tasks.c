/* Tasks as owners: each has a number, with the top bit set, that no other task of the process has or will have.
 *
 * It stands in an attribute of an asyncio task. What is no asyncio task is asked for in latchwork.awaiting.tasks. */
#include "../_native/lw_rlock.h"
#include "binding.h"

static uint32_t last_number = LW_TASK_BIT;
static PyObject *get_loop, *current_tasks, *current_task, *attribute;
static bool found_asyncio;

/* True also if the program has not imported it; false with an exception set. */
static bool find_asyncio(void) {
    if (found_asyncio) return true;
    PyObject *modules = PyImport_GetModuleDict(), *asyncio = PyDict_GetItemString(modules, "asyncio");
    if (!asyncio) return true;
    if (Py_Version < 0x030c0000) {
        /* There it is written in Python, and takes longer than all else. */
        PyObject *native = PyImport_ImportModule("_asyncio");
        get_loop = native ? PyObject_GetAttrString(native, "_get_running_loop") : NULL;
        current_tasks = native ? PyObject_GetAttrString(native, "_current_tasks") : NULL;
        Py_XDECREF(native);
        if (!get_loop || !current_tasks) PyErr_Clear();
    }
    Py_XDECREF(current_task);
    current_task = PyObject_GetAttrString(asyncio, "current_task");
    if (!attribute) attribute = PyUnicode_InternFromString("_latchwork_number");
    /* Another thread may be importing it: nobody runs a task of it yet. */
    if (!current_task) PyErr_Clear();
    found_asyncio = current_task && attribute;
    return attribute != NULL;
}

/* A new reference; NULL: none, perhaps with an exception set. */
static PyObject *asyncio_task(void) {
    if (!find_asyncio() || !found_asyncio) return NULL;
    PyObject *task;
    if (get_loop && current_tasks) {
        PyObject *loop = PyObject_CallNoArgs(get_loop);
        task = loop ? PyDict_GetItemWithError(current_tasks, loop) : NULL;
        Py_XINCREF(task);
        Py_XDECREF(loop);
    } else {
        task = PyObject_CallNoArgs(current_task);
        if (!task && PyErr_ExceptionMatches(PyExc_RuntimeError)) PyErr_Clear(); /* no event loop runs */
    }
    if (task != Py_None) return task;
    Py_DECREF(task);
    return NULL;
}

static uint32_t number_elsewhere(bool make) {
    PyObject *tasks = PyImport_ImportModule("latchwork.awaiting.tasks");
    PyObject *number = tasks ? PyObject_CallMethod(tasks, "number", "O", make ? Py_True : Py_False) : NULL;
    uint32_t who = number ? (uint32_t)PyLong_AsUnsignedLong(number) : NO_TASK;
    Py_XDECREF(number);
    Py_XDECREF(tasks);
    return who;
}

static uint32_t number_of(PyObject *task, bool make) {
    PyObject *number = PyObject_GetAttr(task, attribute);
    if (!number) {
        PyErr_Clear();
        if (!make) return 0;
        number = PyLong_FromUnsignedLong(++last_number);
        if (!number || PyObject_SetAttr(task, attribute, number) < 0) {
            Py_XDECREF(number);
            return NO_TASK;
        }
    }
    uint32_t who = (uint32_t)PyLong_AsUnsignedLong(number);
    Py_DECREF(number);
    return who;
}

static uint32_t ask(bool make) {
    PyObject *task = asyncio_task();
    if (!task) return PyErr_Occurred() ? NO_TASK : number_elsewhere(make);
    uint32_t who = number_of(task, make);
    Py_DECREF(task);
    return who;
}

uint32_t this_task(void) { return last_number == LW_TASK_BIT ? 0 : ask(false); }
uint32_t number_of_task(void) { return ask(true); }

static PyObject *py_number_of_task(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    uint32_t who = number_of_task();
    return who == NO_TASK ? NULL : PyLong_FromUnsignedLong(who);
}

static PyObject *new_number(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyLong_FromUnsignedLong(++last_number);
}

static PyMethodDef functions[] = {
    {"number_of_task", py_number_of_task, METH_NOARGS,
     PyDoc_STR("number_of_task($module, /)\n--\n\nOf the task that runs here; it is given one if it has none.")},
    {"new_number", new_number, METH_NOARGS, PyDoc_STR("new_number($module, /)\n--\n\nFor a task of another kind.")},
    {NULL, NULL, 0, NULL},
};

int add_tasks(PyObject *module) { return PyModule_AddFunctions(module, functions); }
