/* What the handles of all primitives have in common. */
#include "binding.h"

#include <string.h>

#include "../_native/lw_member.h"
#include "../_native/lw_name.h"
#include "../_native/lw_slot.h"

PyObject *handle_new(PyTypeObject *type, PyObject *args, enum lw_kind kind) {
    PyObject *owner, *first = NULL, *second = NULL;
    if (!PyArg_ParseTuple(args, "O!|OO", arena_type, &owner, &first, &second)) return NULL;
    return handle_open(type, owner, first, second, &(struct lw_made){.kind = kind});
}

PyObject *handle_open(PyTypeObject *type, PyObject *owner, PyObject *first, PyObject *second,
                      const struct lw_made *made) {
    struct lw_arena *arena = ((Arena *)owner)->arena;
    if (first == Py_None) first = second = NULL;
    if (!arena || !ensure_member(arena)) {
        if (!arena) PyErr_SetString(PyExc_ValueError, "this arena is closed");
        return NULL;
    }
    uint32_t index = 0, generation = 0;
    const char *text = NULL;
    Py_ssize_t length = 0;
    const uint8_t *hash = NULL;
    if (second && PyLong_Check(first)) {
        index = (uint32_t)PyLong_AsUnsignedLong(first);
        generation = (uint32_t)PyLong_AsUnsignedLong(second);
        if (PyErr_Occurred()) return NULL;
    } else if (second) {
        char *bytes;
        Py_ssize_t hash_length;
        if (PyBytes_AsStringAndSize(first, &bytes, &hash_length) < 0) return NULL;
        hash = (const uint8_t *)bytes;
        if (PyBytes_AsStringAndSize(second, &bytes, &length) < 0) return NULL;
        text = bytes;
        if (hash_length != 16 || length > (Py_ssize_t)LW_NAME_BYTES_MAX) {
            PyErr_SetString(PyExc_ValueError, "hash must be 16 bytes, text at most 1000");
            return NULL;
        }
    }

    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Handle *self = (Handle *)alloc(type, 0);
    if (!self) return NULL;
    enter(arena);
    enum lw_status status;
    if (hash)
        status = lw_name_open(arena, hash, text, (uint32_t)length, made, &index);
    else if (second)
        status = lw_slot_hold(arena, index, generation, made->kind);
    else
        status = lw_slot_new(arena, made, &index);
    if (status == LW_OK) {
        self->slot = &arena->slots[index];
        self->arena = arena;
        self->generation = lw_load_relaxed(&self->slot->generation);
        self->counted = arena->self_id;
        self->epoch = lw_load_relaxed(&arena->header->epoch);
    }
    lw_arena_unlock(arena);
    if (status != LW_OK) {
        Py_DECREF(self);
        return raise_status(status);
    }
    Py_INCREF(owner);
    self->owner = owner;
    return (PyObject *)self;
}

void handle_dealloc(PyObject *self) {
    Handle *handle = (Handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (handle->slot && handle->counted == handle->arena->self_id && !handle_is_gone(handle)) {
        enter(handle->arena);
        lw_slot_drop(handle->arena, lw_slot_index(handle->arena, handle->slot), handle->epoch);
        lw_arena_unlock(handle->arena);
    }
    Py_XDECREF(handle->owner);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *pickling(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    enter(handle->arena);
    lw_slot_pickled(handle->slot);
    lw_arena_unlock(handle->arena);
    return Py_BuildValue("II", lw_slot_index(handle->arena, handle->slot), handle->generation);
}

static PyObject *unlink_name(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    enter(handle->arena);
    bool named = handle->slot->name != LW_NO_SLOT;
    lw_name_remove(handle->arena, lw_slot_index(handle->arena, handle->slot));
    lw_arena_unlock(handle->arena);
    return PyBool_FromLong(named);
}

static PyObject *name_text(PyObject *self, PyObject *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    if (handle_is_gone(handle)) return raise_gone();
    char text[LW_NAME_BYTES_MAX];
    enter(handle->arena);
    uint32_t name = handle->slot->name;
    uint32_t length = name == LW_NO_SLOT ? 0 : lw_name_text(handle->arena, name, text, sizeof text);
    lw_arena_unlock(handle->arena);
    if (name == LW_NO_SLOT) Py_RETURN_NONE;
    return PyUnicode_DecodeUTF8(text, length, "replace");
}

static PyObject *wish(PyObject *self, PyObject *number) {
    Handle *handle = (Handle *)self;
    unsigned long deadlock = PyLong_AsUnsignedLong(number);
    if (PyErr_Occurred()) return NULL;
    if (handle_is_gone(handle)) return raise_gone();
    atomic_store_explicit(&handle->slot->deadlock, (uint8_t)deadlock, memory_order_relaxed);
    Py_RETURN_NONE;
}

static PyObject *get_arena(PyObject *self, void *unused) {
    (void)unused;
    PyObject *owner = ((Handle *)self)->owner;
    Py_INCREF(owner);
    return owner;
}

static PyObject *get_place(PyObject *self, void *unused) {
    (void)unused;
    Handle *handle = (Handle *)self;
    return Py_BuildValue("II", lw_slot_index(handle->arena, handle->slot), handle->generation);
}

static const PyGetSetDef common_getset[HANDLE_GETSET] = {
    {"_arena", get_arena, NULL, PyDoc_STR("Where it lives."), NULL},
    {"_place", get_place, NULL, PyDoc_STR("Where in there: slot and generation, the same in every process."), NULL},
};

static const PyMethodDef common_methods[HANDLE_METHODS] = {
    {"_pickling", pickling, METH_NOARGS,
     PyDoc_STR("_pickling($self, /)\n--\n\nNote that a pickle is under way; slot and generation.")},
    {"_unlink", unlink_name, METH_NOARGS,
     PyDoc_STR("_unlink($self, /)\n--\n\nTake its name away; whether it had one.")},
    {"_name", name_text, METH_NOARGS, PyDoc_STR("_name($self, /)\n--\n\nThe text that it is met by, or None.")},
    {"_wish", wish, METH_O,
     PyDoc_STR("_wish($self, deadlock, /)\n--\n\nWhat is to be done about a deadlock of those who wait for it.")},
};

#define TYPES_MAX 16
static struct {
    PyTypeObject *type;
    PyMethodDef *methods;
} known[TYPES_MAX];

PyTypeObject *add_handle_type(PyObject *module, PyType_Spec *spec, PyMethodDef *methods, PyGetSetDef *getset) {
    PyMethodDef *end = methods;
    while (end->ml_name) end++;
    memcpy(end, common_methods, sizeof common_methods);
    while (getset->name) getset++;
    memcpy(getset, common_getset, sizeof common_getset);
    PyTypeObject *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (!type) return NULL;
    if (PyModule_AddType(module, type) < 0) {
        Py_DECREF(type);
        return NULL;
    }
    for (int i = 0; i < TYPES_MAX; i++) {
        if (known[i].type) continue;
        known[i].type = type;
        known[i].methods = methods;
        break;
    }
    return type;
}

bool is_handle(PyObject *object) {
    for (int i = 0; i < TYPES_MAX && known[i].type; i++)
        if (PyObject_TypeCheck(object, known[i].type)) return true;
    return false;
}

PyMethodDef *method_of(PyTypeObject *type, const char *name) {
    PyMethodDef *method = type == hold_type ? hold_methods : NULL;
    for (int i = 0; i < TYPES_MAX && known[i].type; i++)
        if (known[i].type == type) method = known[i].methods;
    while (method && method->ml_name && strcmp(method->ml_name, name) != 0) method++;
    return method && method->ml_name ? method : NULL;
}

/* A method found on the very type of an object is called on CPython's fastest path; one inherited from a
 * base is not (5 to 10 ns). So the public class gets descriptors of its own for the same functions. */
static PyObject *own_methods(PyObject *module, PyObject *type) {
    (void)module;
    if (!PyType_Check(type)) {
        PyErr_SetString(PyExc_TypeError, "a class is wanted");
        return NULL;
    }
    for (int i = 0; i < TYPES_MAX && known[i].type; i++) {
        if (!PyType_IsSubtype((PyTypeObject *)type, known[i].type)) continue;
        for (PyMethodDef *method = known[i].methods; method->ml_name; method++)
            if (give_method((PyTypeObject *)type, method) < 0) return NULL;
    }
    Py_INCREF(type);
    return type;
}

PyMethodDef own_methods_definition = {
    "own_methods", own_methods, METH_O,
    PyDoc_STR("own_methods(type, /)\n--\n\nGive a subclass the hot methods as its own; returns it.")};
