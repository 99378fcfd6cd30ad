/* What a `with` statement, or `async with`, calls.
 *
 * Up to CPython 3.13 it asks the class for `__enter__` and `__exit__` and binds both to the object: two objects
 * that the garbage collector knows, made and dropped each time, which costs as much as all the rest. These here
 * are none of its, and a few are kept for the next time: 80 ns become 50. From 3.14 on nothing is bound. */
#include "binding.h"

#include <stddef.h>
#include <string.h>
#include <structmember.h>

/* The headers name these for the limited API from 3.12 on; in 3.11 they are the same. */
#ifndef Py_TPFLAGS_HAVE_VECTORCALL
#define Py_TPFLAGS_HAVE_VECTORCALL (1UL << 11)
#endif
#define ARGUMENTS_OFFSET ((size_t)1 << (8 * sizeof(size_t) - 1))

typedef PyObject *(*fast_function)(PyObject *, PyObject *const *, Py_ssize_t);

typedef struct {
    PyObject_HEAD
    PyObject *self;
    PyObject *plain; /* the ordinary method */
    PyMethodDef *method;
    PyObject *(*vectorcall)(PyObject *, PyObject *const *, size_t, PyObject *);
} Bound;

/* What stands in the class. */
typedef struct {
    PyObject_HEAD
    PyObject *plain;
    PyMethodDef *method;
} Binder;

static PyTypeObject *bound_type, *binder_type;

#ifdef Py_GIL_DISABLED
#define KEPT 0
#else
#define KEPT 8
#endif
static Bound *kept[KEPT + 1];
static int kept_count;

static PyObject *really_bound(const Bound *bound) {
    descrgetfunc get = (descrgetfunc)PyType_GetSlot(Py_TYPE(bound->plain), Py_tp_descr_get);
    return get(bound->plain, bound->self, (PyObject *)Py_TYPE(bound->self));
}

static PyObject *bound_call(PyObject *self, PyObject *args, PyObject *kwargs) {
    PyObject *method = really_bound((Bound *)self);
    if (!method) return NULL;
    PyObject *result = PyObject_Call(method, args, kwargs);
    Py_DECREF(method);
    return result;
}

/* Not the call that a `with` statement makes. */
static Py_NO_INLINE PyObject *call_slowly(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names) {
    Py_ssize_t named = names ? PyTuple_Size(names) : 0;
    PyObject *tuple = PyTuple_New(count), *kwargs = named ? PyDict_New() : NULL, *result = NULL;
    bool ok = tuple && (kwargs || !named);
    for (Py_ssize_t i = 0; ok && i < count; i++) {
        Py_INCREF(args[i]);
        PyTuple_SetItem(tuple, i, args[i]);
    }
    for (Py_ssize_t i = 0; ok && i < named; i++)
        ok = PyDict_SetItem(kwargs, PyTuple_GetItem(names, i), args[count + i]) == 0;
    if (ok) result = bound_call(self, tuple, kwargs);
    Py_XDECREF(tuple);
    Py_XDECREF(kwargs);
    return result;
}

static PyObject *bound_vectorcall(PyObject *self, PyObject *const *args, size_t count_and_flag, PyObject *names) {
    const Bound *bound = (Bound *)self;
    Py_ssize_t count = (Py_ssize_t)(count_and_flag & ~ARGUMENTS_OFFSET);
    if (names) return call_slowly(self, args, count, names);
    if (bound->method->ml_flags & METH_FASTCALL)
        return ((fast_function)(void (*)(void))bound->method->ml_meth)(bound->self, args, count);
    if (count) return call_slowly(self, args, count, NULL);
    return bound->method->ml_meth(bound->self, NULL);
}

static PyObject *binder_get(PyObject *self, PyObject *object, PyObject *type) {
    (void)type;
    Binder *binder = (Binder *)self;
    if (!object) {
        Py_INCREF(binder->plain);
        return binder->plain;
    }
    Bound *bound;
    if (kept_count > 0)
        bound = (Bound *)PyObject_Init((PyObject *)kept[--kept_count], bound_type);
    else if (!(bound = PyObject_New(Bound, bound_type)))
        return NULL;
    Py_INCREF(object);
    bound->self = object;
    Py_INCREF(binder->plain);
    bound->plain = binder->plain;
    bound->method = binder->method;
    bound->vectorcall = bound_vectorcall;
    return (PyObject *)bound;
}

static void bound_dealloc(PyObject *self) {
    Py_DECREF(((Bound *)self)->self);
    Py_DECREF(((Bound *)self)->plain);
    if (kept_count < KEPT)
        kept[kept_count++] = (Bound *)self;
    else
        PyObject_Free(self);
    Py_DECREF((PyObject *)bound_type);
}

/* Whatever else is asked of it: the ordinary method's answer. */
static PyObject *bound_getattro(PyObject *self, PyObject *name) {
    PyObject *method = really_bound((Bound *)self);
    if (!method) return NULL;
    PyObject *value = PyObject_GetAttr(method, name);
    Py_DECREF(method);
    return value;
}

static PyObject *bound_repr(PyObject *self) {
    PyObject *method = really_bound((Bound *)self);
    if (!method) return NULL;
    PyObject *text = PyObject_Repr(method);
    Py_DECREF(method);
    return text;
}

static PyMemberDef bound_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Bound, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot bound_slots[] = {
    {Py_tp_dealloc, (void *)bound_dealloc}, {Py_tp_call, (void *)bound_call}, {Py_tp_members, bound_members},
    {Py_tp_getattro, (void *)bound_getattro}, {Py_tp_repr, (void *)bound_repr}, {0, NULL},
};

static PyType_Spec bound_spec = {
    "latchwork._core.Bound", sizeof(Bound), 0,
    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_DISALLOW_INSTANTIATION, bound_slots};

static void binder_dealloc(PyObject *self) {
    Py_DECREF(((Binder *)self)->plain);
    PyObject_Free(self);
    Py_DECREF((PyObject *)binder_type);
}

static PyType_Slot binder_slots[] = {
    {Py_tp_dealloc, (void *)binder_dealloc}, {Py_tp_descr_get, (void *)binder_get}, {0, NULL},
};

static PyType_Spec binder_spec = {"latchwork._core.Binder", sizeof(Binder), 0,
                                  Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, binder_slots};

static PyObject *quick(PyObject *plain, PyMethodDef *method) {
    Binder *binder = PyObject_New(Binder, binder_type);
    if (!binder) return NULL;
    Py_INCREF(plain);
    binder->plain = plain;
    binder->method = method;
    return (PyObject *)binder;
}

int give_method(PyTypeObject *type, PyMethodDef *method) {
    static const char *const special[] = {"__enter__", "__exit__", "__aenter__", "__aexit__"};
    bool with = false;
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) with |= strcmp(method->ml_name, special[i]) == 0;
    PyObject *descriptor = PyDescr_NewMethod(type, method);
    if (descriptor && with && Py_Version < 0x030e0000) {
        PyObject *plain = descriptor;
        descriptor = quick(plain, method);
        Py_DECREF(plain);
    }
    int status = descriptor ? PyObject_SetAttrString((PyObject *)type, method->ml_name, descriptor) : -1;
    Py_XDECREF(descriptor);
    return status;
}

int add_bound(PyObject *module) {
    bound_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &bound_spec, NULL);
    binder_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &binder_spec, NULL);
    return bound_type && binder_type ? 0 : -1;
}
