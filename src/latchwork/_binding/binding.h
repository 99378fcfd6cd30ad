/* The binding: all that sees Python. It parses, releases the GIL, lets signal handlers run, and raises;
 * what is done is done in ../_native. Only the limited API of 3.11 is used. */
#ifndef LATCHWORK_BINDING_H
#define LATCHWORK_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../_native/lw_arena.h"
#include "../_native/lw_futex.h"

typedef struct {
    PyObject_HEAD
    struct lw_arena *arena; /* allocated apart: once attached, it stays for as long as the process does */
} Arena;

typedef struct {
    PyObject_HEAD
    struct lw_slot *slot;
    struct lw_arena *arena;
    PyObject *owner; /* the Arena object */
    uint32_t generation;
    uint32_t counted; /* the member id under which this handle is counted: a forked child is another */
    uint32_t epoch;
} Handle;

extern PyTypeObject *arena_type;

PyObject *raise_status(enum lw_status status);
PyObject *raise_error(const char *name, const char *text);
/* Calls latchwork._hooks.NAME(args…), whose reference it returns. Steals nothing. */
PyObject *call_hook(const char *name, const char *format, ...);

/* Takes the arena's mutex, giving up the GIL only if it must wait. */
void enter(struct lw_arena *arena);
/* Makes this process a member if it is not; false with an exception set. */
bool ensure_member(struct lw_arena *arena);

PyObject *handle_new(PyTypeObject *type, PyObject *args, enum lw_kind kind);
void handle_dealloc(PyObject *self);
PyObject *own_methods(PyObject *type, PyMethodDef *methods);
PyObject *raise_gone(void);
extern PyGetSetDef handle_getset[];
extern PyMethodDef handle_pickling, handle_unlink, handle_names;

/* None: LW_FOREVER; zero or less: 0. False with an exception set. */
bool deadline_of(PyObject *timeout, int64_t *deadline_ns);

static inline bool handle_is_gone(const Handle *handle) {
    return lw_load_acq(&handle->slot->generation) != handle->generation;
}

int add_arena(PyObject *module);
int add_lock(PyObject *module);
int add_event(PyObject *module);

#endif
