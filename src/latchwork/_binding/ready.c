/* What `await` finds done already: one object for ever, so that `async with` on a free lock makes none. It comes to None:
 * from CPython 3.12 on any other value would travel in a StopIteration, which costs more than all the rest. */
#include "binding.h"

static PyObject *ready_object;

static PyObject *ready_await(PyObject *self) {
    Py_INCREF(self);
    return self;
}

static PySendResult ready_send(PyObject *self, PyObject *value, PyObject **result) {
    (void)self, (void)value;
    *result = Py_None;
    Py_INCREF(*result);
    return PYGEN_RETURN;
}

/* For those that drive it by hand. */
static PyObject *ready_next(PyObject *self) {
    (void)self;
    return NULL;
}

static void ready_dealloc(PyObject *self) {
    PyTypeObject *type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyType_Slot slots[] = {
    {Py_am_await, (void *)ready_await}, {Py_am_send, (void *)ready_send}, {Py_tp_iter, (void *)ready_await},
    {Py_tp_iternext, (void *)ready_next}, {Py_tp_dealloc, (void *)ready_dealloc},
    {Py_tp_doc, "An awaitable that is done."}, {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Ready", sizeof(PyObject), 0,
                           Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

PyObject *ready(void) {
    Py_INCREF(ready_object);
    return ready_object;
}

bool is_ready(PyObject *object) { return object == ready_object; }

int add_ready(PyObject *module) {
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!type || PyModule_AddType(module, type) < 0) return -1;
    ready_object = (PyObject *)PyObject_New(PyObject, type);
    return ready_object ? 0 : -1;
}
