/* What `await` finds done already: two objects for ever, so that `async with` on a free lock makes none. */
#include "binding.h"

typedef struct {
    PyObject_HEAD
    PyObject *value;
} Ready;

static Ready *ready_objects[2];

static PyObject *ready_await(PyObject *self) {
    Py_INCREF(self);
    return self;
}

static PySendResult ready_send(PyObject *self, PyObject *value, PyObject **result) {
    (void)value;
    *result = ((Ready *)self)->value;
    Py_INCREF(*result);
    return PYGEN_RETURN;
}

/* For those that drive it by hand. */
static PyObject *ready_next(PyObject *self) {
    PyObject *value = ((Ready *)self)->value;
    if (value != Py_None) PyErr_SetObject(PyExc_StopIteration, value);
    return NULL;
}

static void ready_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((Ready *)self)->value);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_am_await, (void *)ready_await}, {Py_am_send, (void *)ready_send}, {Py_tp_iter, (void *)ready_await},
    {Py_tp_iternext, (void *)ready_next}, {Py_tp_dealloc, (void *)ready_dealloc},
    {Py_tp_doc, "An awaitable that is done."}, {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Ready", sizeof(Ready), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

static PyObject *get(int which) {
    PyObject *ready = (PyObject *)ready_objects[which];
    Py_INCREF(ready);
    return ready;
}

PyObject *ready_none(void) { return get(0); }
PyObject *ready_true(void) { return get(1); }

int add_ready(PyObject *module) {
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!type || PyModule_AddType(module, type) < 0) return -1;
    PyObject *const values[] = {Py_None, Py_True};
    for (int i = 0; i < 2; i++) {
        ready_objects[i] = PyObject_New(Ready, type);
        if (!ready_objects[i]) return -1;
        Py_INCREF(values[i]);
        ready_objects[i]->value = values[i];
    }
    return 0;
}
