/* Wait: one wait of a task, and Port: where an event loop hears that waits are done. See ../_native/lw_task.h. */
#include "../_native/lw_task.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "../_native/lw_condition.h"
#include "../_native/lw_several.h"
#include "binding.h"

typedef struct {
    PyObject_HEAD
    struct lw_task task;
    struct lw_several several;
    PyObject *handles; /* the primitive's, or a list of them */
    PyObject *action;  /* Barrier */
    PyObject *cookie;  /* what its port hands out when it is done */
} Wait;

typedef struct {
    PyObject_HEAD
    struct lw_port port;
} Port;

static PyTypeObject *wait_type, *port_type;

static Wait *allocate(PyTypeObject *type, PyObject *handles) {
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Wait *wait = (Wait *)alloc(type, 0);
    if (!wait) return NULL;
    wait->task.state = LW_TASK_OVER;
    Py_INCREF(handles);
    wait->handles = handles;
    return wait;
}

PyObject *new_wait(PyObject *object) {
    Handle *handle = (Handle *)object;
    if (handle_is_gone(handle)) return raise_gone();
    if (!ensure_member(handle->arena)) return NULL;
    Wait *wait = allocate(wait_type, object);
    if (wait) lw_task_init(&wait->task, handle->arena, handle->slot);
    return (PyObject *)wait;
}

struct lw_task *task_of(PyObject *wait) { return &((Wait *)wait)->task; }

/* (primitive, write=False, who=0, depth=1, action=None), or ([primitives], who=…) */
static PyObject *wait_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    static char *names[] = {"", "write", "who", "depth", "action", NULL};
    PyObject *what, *action = Py_None;
    int write = 0;
    unsigned who = 0, depth = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|pIIO", names, &what, &write, &who, &depth, &action)) return NULL;
    if (!PyList_Check(what)) {
        if (!is_handle(what)) {
            PyErr_SetString(PyExc_TypeError, "a primitive is wanted");
            return NULL;
        }
        Wait *wait = (Wait *)new_wait(what);
        if (!wait) return NULL;
        wait->task.write = write;
        wait->task.who = who;
        wait->task.depth = depth;
        wait->task.action = action != Py_None;
        Py_INCREF(action);
        wait->action = action;
        return (PyObject *)wait;
    }
    Wait *wait = allocate(type, what);
    if (!wait) return NULL;
    wait->several.deadline_ns = LW_FOREVER;
    wait->several.who = who;
    if (!read_several(what, &wait->several)) {
        Py_DECREF(wait);
        return NULL;
    }
    lw_several_begin(&wait->several);
    lw_task_init_several(&wait->task, &wait->several);
    return (PyObject *)wait;
}

static void leave(Wait *wait) {
    if (wait->task.state == LW_TASK_OVER && !wait->task.queue.cell) return;
    PyThreadState *state = PyEval_SaveThread();
    lw_task_leave(&wait->task);
    PyEval_RestoreThread(state);
}

/* While it is queued, or done and not collected, the watcher stands for all that would go on by that. */
static int wait_traverse(PyObject *self, visitproc visit, void *arg) {
    Wait *wait = (Wait *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(wait->handles);
    Py_VISIT(wait->action);
    bool pinned = wait->task.state == LW_TASK_QUEUED || (wait->task.state == LW_TASK_DONE && wait->task.port);
    if (!pinned) Py_VISIT(wait->cookie);
    return 0;
}

/* Not its primitives: it may have to leave them. */
static int wait_clear(PyObject *self) {
    Py_CLEAR(((Wait *)self)->action);
    Py_CLEAR(((Wait *)self)->cookie);
    return 0;
}

static void wait_dealloc(PyObject *self) {
    Wait *wait = (Wait *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (wait->handles) {
        PyObject *type_set, *value, *traceback;
        PyErr_Fetch(&type_set, &value, &traceback);
        leave(wait);
        PyErr_Restore(type_set, value, traceback);
    }
    free(wait->several.items);
    Py_XDECREF(wait->handles);
    Py_XDECREF(wait->action);
    Py_XDECREF(wait->cookie);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *wait_begin(PyObject *self, PyObject *const *args, Py_ssize_t count) {
    Wait *wait = (Wait *)self;
    if (count < 2 || count > 3 || (args[0] != Py_None && !PyObject_TypeCheck(args[0], port_type))) {
        PyErr_SetString(PyExc_TypeError, "begin() takes a port or None, what the port is to hand out, and a timeout or None");
        return NULL;
    }
    bool patient = args[0] != Py_None;
    struct lw_port *port = patient ? &((Port *)args[0])->port : NULL;
    bool closed = port && port->fd < 0;
    if (wait->task.state != LW_TASK_NEW || closed) {
        PyErr_SetString(PyExc_ValueError, closed ? "this port is closed" : "this wait has begun already");
        return NULL;
    }
    int64_t until_ns = LW_FOREVER;
    if (count == 3 && !deadline_of(args[2], &until_ns)) return NULL;
    uint32_t number = wait->task.who ? wait->task.who : this_task();
    if (number == NO_TASK) return NULL;
    wait->task.until_ns = until_ns;
    wait->task.number = number;
    Py_INCREF(args[1]);
    Py_XDECREF(wait->cookie);
    wait->cookie = args[1];
    PyThreadState *state = PyEval_SaveThread();
    bool done = lw_task_begin(&wait->task, port);
    PyEval_RestoreThread(state);
    return PyBool_FromLong(done);
}

static PyObject *wait_expire(PyObject *self, PyObject *unused) {
    (void)unused;
    PyThreadState *state = PyEval_SaveThread();
    bool expired = lw_task_expire(&((Wait *)self)->task);
    PyEval_RestoreThread(state);
    return PyBool_FromLong(expired);
}

/* What it had is passed on, with an exception set. */
static PyObject *refuse(Wait *wait) {
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    leave(wait);
    PyErr_Restore(type, value, traceback);
    return NULL;
}

static PyObject *granted(Wait *wait) {
    struct lw_task *task = &wait->task;
    switch (lw_load_relaxed(&task->slot->state)) {
    case LW_KIND_LOCK:
    case LW_KIND_RLOCK:
        if (task->dead && !tell(wait->handles, "abandoned", task->dead, 1)) return refuse(wait);
        break;
    case LW_KIND_PERMITS:
        if (task->dead && !tell(wait->handles, "returned", task->dead, task->count)) return refuse(wait);
        if (task->hint) semaphore_keep_hint(wait->handles, task->hint);
        break;
    case LW_KIND_RWLOCK:
        if (task->dead && !tell(wait->handles, "abandoned", task->dead, 1)) return refuse(wait);
        if (task->hint) rwlock_keep_hint(wait->handles, task->hint);
        break;
    default:
        break;
    }
    lw_task_take(task);
    Py_RETURN_TRUE;
}

static PyObject *wait_take(PyObject *self, PyObject *unused) {
    (void)unused;
    Wait *wait = (Wait *)self;
    struct lw_task *task = &wait->task;
    if (task->state != LW_TASK_DONE) {
        PyErr_SetString(PyExc_ValueError, "this wait is not done, or was taken already");
        return NULL;
    }
    if (task->outcome == LW_OUTCOME_NO_ROOM) {
        lw_task_take(task);
        return raise_status(LW_NO_ROOM);
    }
    if (task->several) {
        lw_task_take(task);
        if (task->outcome == LW_OUTCOME_TIMEOUT) lw_several_look(task->several);
        return readiness(task->several);
    }
    if (lw_load_relaxed(&task->slot->state) == LW_KIND_BARRIER) {
        lw_task_take(task);
        return barrier_result(wait->handles, &task->barrier, task->outcome, wait->action);
    }
    if (task->outcome == LW_OUTCOME_GRANTED) return granted(wait);
    lw_task_take(task);
    Py_RETURN_FALSE;
}

static PyObject *wait_leave(PyObject *self, PyObject *unused) {
    (void)unused;
    leave((Wait *)self);
    Py_RETURN_NONE;
}

static PyObject *wait_settle(PyObject *self, PyObject *unused) {
    (void)unused;
    lw_condition_done(&((Wait *)self)->task.queue);
    Py_RETURN_NONE;
}

static PyMethodDef wait_methods[] = {
    {"begin", (PyCFunction)(void (*)(void))wait_begin, METH_FASTCALL,
     PyDoc_STR("begin($self, port, cookie, timeout=None, /)\n--\n\nBegin; whether it is done already. Without a port it always is: tried once.")},
    {"expire", wait_expire, METH_NOARGS,
     PyDoc_STR("expire($self, /)\n--\n\nIts time is over; whether that has made it done.")},
    {"take", wait_take, METH_NOARGS, PyDoc_STR("take($self, /)\n--\n\nWhat it came to, which is the caller's from here on.")},
    {"leave", wait_leave, METH_NOARGS,
     PyDoc_STR("leave($self, /)\n--\n\nNobody waits any more: what was granted is passed on.")},
    {"settle", wait_settle, METH_NOARGS, PyDoc_STR("settle($self, /)\n--\n\nA Condition's: the lock is had again.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot wait_slots[] = {
    {Py_tp_new, (void *)wait_new}, {Py_tp_dealloc, (void *)wait_dealloc}, {Py_tp_methods, wait_methods},
    {Py_tp_traverse, (void *)wait_traverse}, {Py_tp_clear, (void *)wait_clear},
    {Py_tp_doc, "Wait(what, /, write=False, who=0, depth=1, action=None)\n--\n\nOne wait of a task."}, {0, NULL},
};

static PyType_Spec wait_spec = {"latchwork._core.Wait", sizeof(Wait), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                                wait_slots};

static PyObject *port_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    if (PyTuple_Size(args) != 0 || (kwargs && PyDict_Size(kwargs) != 0)) {
        PyErr_SetString(PyExc_TypeError, "Port() takes no arguments");
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Port *port = (Port *)alloc(type, 0);
    if (!port) return NULL;
    if (lw_port_open(&port->port)) return (PyObject *)port;
    port->port.fd = -1;
    Py_DECREF(port);
    return PyErr_SetFromErrno(PyExc_OSError);
}

static void close_port(Port *port) {
    PyThreadState *state = PyEval_SaveThread();
    lw_port_close(&port->port);
    PyEval_RestoreThread(state);
}

static void port_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    close_port((Port *)self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *port_fileno(PyObject *self, PyObject *unused) {
    (void)unused;
    return PyLong_FromLong(((Port *)self)->port.fd);
}

static PyObject *port_collect(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_port *port = &((Port *)self)->port;
    PyObject *cookies = PyList_New(0);
    struct lw_task *task;
    PyThreadState *state = PyEval_SaveThread();
    lw_port_silence(port);
    lw_tasks_resume();
    PyEval_RestoreThread(state);
    while (cookies && (task = lw_port_collect(port))) {
        Wait *wait = (Wait *)((char *)task - offsetof(Wait, task));
        if (PyList_Append(cookies, wait->cookie) == 0) continue;
        lw_port_put_back(port, task);
        Py_CLEAR(cookies);
    }
    return cookies;
}

static PyObject *port_idle(PyObject *self, PyObject *unused) {
    (void)unused;
    return PyBool_FromLong(lw_port_idle(&((Port *)self)->port));
}

static PyObject *port_close(PyObject *self, PyObject *unused) {
    (void)unused;
    close_port((Port *)self);
    Py_RETURN_NONE;
}

static PyMethodDef port_methods[] = {
    {"fileno", port_fileno, METH_NOARGS,
     PyDoc_STR("fileno($self, /)\n--\n\nCan be read when waits are done; -1 once it is closed.")},
    {"collect", port_collect, METH_NOARGS, PyDoc_STR("collect($self, /)\n--\n\nThe cookies of those that are done.")},
    {"idle", port_idle, METH_NOARGS, PyDoc_STR("idle($self, /)\n--\n\nWhether nobody waits.")},
    {"close", port_close, METH_NOARGS, PyDoc_STR("close($self, /)\n--\n\nAll that wait leave; the last one ends the watcher.")},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot port_slots[] = {
    {Py_tp_new, (void *)port_new}, {Py_tp_dealloc, (void *)port_dealloc}, {Py_tp_methods, port_methods},
    {Py_tp_doc, "Port()\n--\n\nWhere an event loop hears that waits are done."}, {0, NULL},
};

static PyType_Spec port_spec = {"latchwork._core.Port", sizeof(Port), 0, Py_TPFLAGS_DEFAULT, port_slots};

PyObject *enter_later(PyObject *self) { return PyObject_CallMethod(self, "_enter_async", NULL); }

static PyObject *stop_watching(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    PyThreadState *state = PyEval_SaveThread();
    lw_tasks_stop();
    PyEval_RestoreThread(state);
    Py_RETURN_NONE;
}

/* Not here: CPython 3.13 counts the threads after this. */
static PyObject *resume_watching(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    lw_tasks_ring();
    Py_RETURN_NONE;
}

static PyObject *watcher_threads(PyObject *module, PyObject *unused) {
    (void)module, (void)unused;
    return PyLong_FromUnsignedLong(lw_tasks_threads());
}

static PyMethodDef functions[] = {
    {"stop_watching", stop_watching, METH_NOARGS,
     PyDoc_STR("stop_watching($module, /)\n--\n\nEnd the watcher's threads, until a task must wait again.")},
    {"resume_watching", resume_watching, METH_NOARGS,
     PyDoc_STR("resume_watching($module, /)\n--\n\nAfter stop_watching(): have the event loops start what they need.")},
    {"watcher_threads", watcher_threads, METH_NOARGS,
     PyDoc_STR("watcher_threads($module, /)\n--\n\nHow many threads the watcher has.")},
    {NULL, NULL, 0, NULL},
};

int add_waiting(PyObject *module) {
    wait_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &wait_spec, NULL);
    port_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &port_spec, NULL);
    static bool forks_expected;
    if (!forks_expected) lw_tasks_expect_forks();
    forks_expected = true;
    if (!wait_type || !port_type) return -1;
    if (PyModule_AddType(module, wait_type) < 0 || PyModule_AddType(module, port_type) < 0) return -1;
    return PyModule_AddFunctions(module, functions);
}
