#include "binding.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "../_native/lw_heir.h"
#include "../_native/lw_member.h"
#include "../_native/lw_name.h"
#include "../_native/lw_slot.h"

PyTypeObject *arena_type;

void enter(struct lw_arena *arena) {
    while (!lw_arena_trylock(arena)) {
        /* Only until it is free: whoever waited for the GIL with it would make all other processes wait. */
        PyThreadState *state = PyEval_SaveThread();
        lw_arena_lock(arena);
        lw_arena_unlock(arena);
        PyEval_RestoreThread(state);
    }
}

static int lock_alive_later(void *arena) {
    lw_member_lock_alive(arena);
    return 0;
}

bool ensure_member(struct lw_arena *arena) {
    if (arena->self_id) return true;
    enter(arena);
    enum lw_status status = arena->self_id ? LW_OK : lw_member_attach(arena, 0, 0);
    lw_arena_unlock(arena);
    if (status != LW_OK) {
        raise_status(status);
        return false;
    }
    /* The alive word belongs to the main thread; until it gets there, the re-check does its work. */
    if (!lw_member_has_alive(arena)) Py_AddPendingCall(lock_alive_later, arena);
    return true;
}

static PyObject *arena_new(PyTypeObject *type, PyObject *args, PyObject *kwargs) {
    int fd;
    (void)kwargs;
    if (!PyArg_ParseTuple(args, "i", &fd)) return NULL;
    struct lw_arena *mapped = calloc(1, sizeof *mapped);
    if (!mapped) {
        close(fd);
        return PyErr_NoMemory();
    }
    enum lw_status status = lw_arena_map(mapped, fd);
    if (status != LW_OK) {
        int error = errno;
        free(mapped);
        close(fd);
        errno = error;
        return raise_status(status);
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Arena *self = (Arena *)alloc(type, 0);
    if (self) {
        self->arena = mapped;
    } else {
        lw_arena_unmap(mapped);
        free(mapped);
    }
    return (PyObject *)self;
}

static PyObject *raise_closed(void) {
    PyErr_SetString(PyExc_ValueError, "this arena is closed");
    return NULL;
}

struct lw_arena *mapped_arena(PyObject *self) {
    struct lw_arena *arena = ((Arena *)self)->arena;
    return arena ? arena : (raise_closed(), NULL);
}

static PyObject *arena_close(PyObject *self, PyObject *unused) {
    (void)unused;
    Arena *arena = (Arena *)self;
    if (!arena->arena) Py_RETURN_NONE;
    if (arena->arena->next || arena->arena->self_id) {
        PyErr_SetString(PyExc_ValueError, "an arena stays mapped while this process is a member");
        return NULL;
    }
    lw_arena_unmap(arena->arena);
    free(arena->arena);
    arena->arena = NULL;
    Py_RETURN_NONE;
}

static void arena_dealloc(PyObject *self) {
    Arena *arena = (Arena *)self;
    PyTypeObject *type = Py_TYPE(self);
    if (arena->arena && !arena->arena->self_id) {
        lw_arena_unmap(arena->arena);
        free(arena->arena);
    }
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *arena_attach(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    if (arena->self_id) Py_RETURN_NONE;
    if (!ensure_member(arena)) return NULL;
    Py_INCREF(self); /* its alive word has to stay mapped */
    lw_arena_register(arena);
    Py_RETURN_NONE;
}

static PyObject *arena_others(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    enter(arena);
    uint32_t others = lw_member_others(arena);
    lw_arena_unlock(arena);
    return PyLong_FromUnsignedLong(others);
}

static PyObject *arena_members(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    PyObject *pids = PyList_New(0);
    for (uint32_t i = 0; pids && i < lw_load_acq(&arena->header->members_ready); i++) {
        uint32_t id = lw_load_acq(&arena->members[i].id);
        if (id == 0 || !lw_member_recheck(arena, id)) continue;
        PyObject *pid = PyLong_FromUnsignedLong(lw_member_pid(arena, id));
        if (!pid || PyList_Append(pids, pid) < 0) Py_CLEAR(pids);
        Py_XDECREF(pid);
    }
    return pids;
}

static struct lw_arena *as_member(PyObject *self) {
    struct lw_arena *arena = mapped_arena(self);
    return arena && ensure_member(arena) ? arena : NULL;
}

static PyObject *arena_bequeath(PyObject *self, PyObject *args) {
    unsigned pid;
    if (!PyArg_ParseTuple(args, "I", &pid)) return NULL;
    struct lw_arena *arena = as_member(self);
    return arena ? PyBool_FromLong(lw_heir_set(arena, pid)) : NULL;
}

static PyObject *arena_bequeath_by_file(PyObject *self, PyObject *args) {
    int fd;
    if (!PyArg_ParseTuple(args, "i", &fd)) return NULL;
    struct lw_arena *arena = as_member(self);
    if (!arena) return NULL;
    if (lw_heir_lock(arena, fd) != 0) return PyErr_SetFromErrno(PyExc_OSError);
    Py_RETURN_NONE;
}

static PyObject *arena_inherited(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = as_member(self);
    if (!arena) return NULL;
    const struct lw_member *member = &arena->members[lw_member_index(arena->self_id)];
    return PyBool_FromLong(lw_load_acq(&member->heir_by_file) && lw_heir_is_locked(arena, member));
}

static PyObject *arena_sweep(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    enter(arena);
    uint32_t freed = lw_slot_sweep(arena);
    lw_arena_unlock(arena);
    return PyLong_FromUnsignedLong(freed);
}

static PyObject *arena_stateful(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    enter(arena);
    uint32_t count = lw_slot_stateful(arena);
    lw_arena_unlock(arena);
    return PyLong_FromUnsignedLong(count);
}

static PyObject *arena_unlink(PyObject *self, PyObject *hash) {
    struct lw_arena *arena = mapped_arena(self);
    char *bytes;
    Py_ssize_t length;
    if (!arena || PyBytes_AsStringAndSize(hash, &bytes, &length) < 0) return NULL;
    if (length != 16) {
        PyErr_SetString(PyExc_ValueError, "hash must be 16 bytes");
        return NULL;
    }
    enter(arena);
    bool found = lw_name_unlink(arena, (const uint8_t *)bytes);
    if (found) lw_slot_sweep(arena);
    lw_arena_unlock(arena);
    return PyBool_FromLong(found);
}

static PyObject *arena_counts(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    enter(arena);
    const struct lw_header *header = arena->header;
    uint32_t live = header->live, used = header->slots_used, ready = header->slots_ready, free = header->free_count;
    uint32_t names = header->names, repairs = header->repairs, members = lw_load_relaxed(&header->members_ready);
    lw_arena_unlock(arena);
    /* Not under the mutex: a new dict may set off the garbage collector, which may free a handle. */
    return Py_BuildValue("{s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "live", live, "used", used, "ready", ready, "free", free, "names",
                         names, "repairs", repairs, "members", members);
}

static PyObject *arena_root(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    uint32_t pid = arena->header->root_pid;
    if (pid == 0) return PyLong_FromLong(-1);
    if (lw_process_start(pid) != arena->header->root_start) pid = 0;
    return PyLong_FromUnsignedLong(pid);
}

static PyObject *get_uuid(PyObject *self, void *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    return PyBytes_FromStringAndSize((const char *)arena->header->uuid, 16);
}

static PyObject *get_label(PyObject *self, void *unused) {
    (void)unused;
    const struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    return PyUnicode_DecodeUTF8(arena->header->label, (Py_ssize_t)arena->header->label_length, "replace");
}

static PyObject *get_fd(PyObject *self, void *unused) {
    (void)unused;
    struct lw_arena *arena = ((Arena *)self)->arena;
    return PyLong_FromLong(arena ? arena->fd : -1);
}

static PyObject *get_persistent(PyObject *self, void *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    return PyBool_FromLong((arena->header->flags & LW_PERSISTENT) != 0);
}

static PyMethodDef methods[] = {
    {"attach", arena_attach, METH_NOARGS, PyDoc_STR("attach($self, /)\n--\n\nMake this process a member.")},
    {"close", arena_close, METH_NOARGS, PyDoc_STR("close($self, /)\n--\n\nUnmap; not for a member.")},
    {"others", arena_others, METH_NOARGS, PyDoc_STR("others($self, /)\n--\n\nHow many other living processes are members.")},
    {"members", arena_members, METH_NOARGS, PyDoc_STR("members($self, /)\n--\n\nThe pids of the living members.")},
    {"bequeath", arena_bequeath, METH_VARARGS, PyDoc_STR("bequeath($self, pid, /)\n--\n\nWhat this process holds is held until that one, too, is dead; 0: takes all of it back. False: it is dead.")},
    {"bequeath_by_file", arena_bequeath_by_file, METH_VARARGS, PyDoc_STR("bequeath_by_file($self, fd, /)\n--\n\nAnd until nobody has this descriptor, opened anew on the arena's file, any more.")},
    {"inherited", arena_inherited, METH_NOARGS, PyDoc_STR("inherited($self, /)\n--\n\nWhether somebody has such a descriptor.")},
    {"sweep", arena_sweep, METH_NOARGS, PyDoc_STR("sweep($self, /)\n--\n\nFree what only the dead held; how many slots.")},
    {"stateful", arena_stateful, METH_NOARGS, PyDoc_STR("stateful($self, /)\n--\n\nHow many named primitives differ from new ones.")},
    {"unlink", arena_unlink, METH_O, PyDoc_STR("unlink($self, hash, /)\n--\n\nTake that name away, whatever kind has it; whether there was one.")},
    {"counts", arena_counts, METH_NOARGS, PyDoc_STR("counts($self, /)\n--\n\nHow full it is, in slots.")},
    {"root", arena_root, METH_NOARGS, PyDoc_STR("root($self, /)\n--\n\nThe pid of the process that began the program; 0 if it is gone, -1 if a child was first.")},
    {"survey", arena_survey, METH_O, PyDoc_STR("survey($self, places, /)\n--\n\nWhat the primitives at these places say, or all if None; nobody is held up.")},
    {"waiting", arena_waiting, METH_NOARGS, PyDoc_STR("waiting($self, /)\n--\n\nWho waits, at which of them.")},
    {"endless", arena_endless, METH_O,
     PyDoc_STR("endless($self, pids, /)\n--\n\nWho of these waits without a timeout: pid, thread, since.")},
    {"roster", arena_roster, METH_NOARGS, PyDoc_STR("roster($self, /)\n--\n\nThe pid of each living member, and for how many nanoseconds it has been one.")},
    {"unseen", arena_unseen, METH_NOARGS, PyDoc_STR("unseen($self, /)\n--\n\nFor how many waits there was no room among those who wait.")},
    {"govern", arena_govern, METH_NOARGS, PyDoc_STR("govern($self, /)\n--\n\nFrom now on this process goes by the settings in it.")},
    {"set", arena_set, METH_VARARGS, PyDoc_STR("set($self, look_ms, deadlock, /)\n--\n\nThe settings of its program; 0 leaves one as it is.")},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getset[] = {
    {"uuid", get_uuid, NULL, PyDoc_STR("16 random bytes that tell this arena from all others."), NULL},
    {"label", get_label, NULL, PyDoc_STR("The namespace's name, or what the program is called."), NULL},
    {"fd", get_fd, NULL, PyDoc_STR("The file descriptor that its lock belongs to."), NULL},
    {"persistent", get_persistent, NULL, PyDoc_STR("Whether it is a namespace."), NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, (void *)arena_new}, {Py_tp_dealloc, (void *)arena_dealloc}, {Py_tp_methods, methods},
    {Py_tp_getset, getset}, {Py_tp_doc, "Arena(fd, /)\n--\n\nA mapped file of slots. The descriptor is its own from here on, also if it fails."}, {0, NULL},
};

static PyType_Spec spec = {"latchwork._core.Arena", sizeof(Arena), 0, Py_TPFLAGS_DEFAULT, slots};

static PyObject *format_arena(PyObject *module, PyObject *args) {
    (void)module;
    int fd, persistent;
    unsigned root;
    const char *uuid;
    const char *label = "";
    Py_ssize_t length, label_length = 0;
    if (!PyArg_ParseTuple(args, "iy#pI|y#", &fd, &uuid, &length, &persistent, &root, &label, &label_length)) return NULL;
    if (length != 16) {
        PyErr_SetString(PyExc_ValueError, "uuid must be 16 bytes");
        return NULL;
    }
    enum lw_status status = lw_arena_format(fd, (const uint8_t *)uuid, persistent ? LW_PERSISTENT : 0, root,
                                            label, (uint32_t)label_length);
    if (status != LW_OK) return raise_status(status);
    Py_RETURN_NONE;
}

static PyMethodDef format_definition = {
    "format_arena", format_arena, METH_VARARGS,
    PyDoc_STR("format_arena(fd, uuid, persistent, root, label=b'', /)\n--\n\nMake an arena of an empty file.")};

int add_arena(PyObject *module) {
    arena_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &spec, NULL);
    if (!arena_type || PyModule_AddType(module, arena_type) < 0) return -1;
    PyObject *function = PyCFunction_NewEx(&format_definition, NULL, NULL);
    if (!function) return -1;
    int status = PyModule_AddObjectRef(module, "format_arena", function);
    Py_DECREF(function);
    return status;
}
