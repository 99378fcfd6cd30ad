/* What the handles of all primitives have in common. */
#include "binding.h"

#include "../_native/lw_member.h"
#include "../_native/lw_name.h"
#include "../_native/lw_slot.h"

/* (arena): a new primitive; (arena, index, generation): one that is known by its slot;
 * (arena, hash, text): one that is known by its name, made if need be. */
PyObject *handle_new(PyTypeObject *type, PyObject *args, enum lw_kind kind) {
    PyObject *owner, *first = NULL, *second = NULL;
    if (!PyArg_ParseTuple(args, "O!|OO", arena_type, &owner, &first, &second)) return NULL;
    struct lw_arena *arena = ((Arena *)owner)->arena;
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
    bool made;
    if (hash)
        status = lw_name_open(arena, hash, text, (uint32_t)length, kind, &index, &made);
    else if (second)
        status = lw_slot_hold(arena, index, generation, kind);
    else
        status = lw_slot_new(arena, kind, &index);
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

static PyObject *get_arena(PyObject *self, void *unused) {
    (void)unused;
    PyObject *owner = ((Handle *)self)->owner;
    Py_INCREF(owner);
    return owner;
}

PyGetSetDef handle_getset[] = {
    {"_arena", get_arena, NULL, PyDoc_STR("Where it lives."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

PyMethodDef handle_pickling = {
    "_pickling", pickling, METH_NOARGS,
    PyDoc_STR("_pickling($self, /)\n--\n\nNote that a pickle is under way; slot and generation.")};
PyMethodDef handle_unlink = {
    "_unlink", unlink_name, METH_NOARGS,
    PyDoc_STR("_unlink($self, /)\n--\n\nTake its name away; whether it had one.")};
PyMethodDef handle_names = {
    "_name", name_text, METH_NOARGS, PyDoc_STR("_name($self, /)\n--\n\nThe text that it is met by, or None.")};

/* A method found on the very type of an object is called on CPython's fastest path; one inherited from a
 * base is not (5 to 10 ns). So the public class gets descriptors of its own for the same functions. */
PyObject *own_methods(PyObject *type, PyMethodDef *methods) {
    for (PyMethodDef *method = methods; method->ml_name; method++) {
        if (method->ml_flags & METH_CLASS) continue;
        PyObject *descriptor = PyDescr_NewMethod((PyTypeObject *)type, method);
        if (!descriptor) return NULL;
        int status = PyObject_SetAttrString(type, method->ml_name, descriptor);
        Py_DECREF(descriptor);
        if (status < 0) return NULL;
    }
    Py_INCREF(type);
    return type;
}
