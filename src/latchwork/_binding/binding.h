/* The binding: all that sees Python. It parses, releases the GIL, lets signal handlers run, and raises;
 * what is done is done in ../_native. Only the limited API of 3.11 is used. */
#ifndef LATCHWORK_BINDING_H
#define LATCHWORK_BINDING_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../_native/lw_arena.h"
#include "../_native/lw_futex.h"
#include "../_native/lw_slot.h"
#include "../_native/lw_waiter.h"

struct lw_cell;
struct lw_several;

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
/* NULL, with an exception set, of one that is closed. */
struct lw_arena *mapped_arena(PyObject *arena);
/* survey.c: methods of Arena. */
PyObject *arena_survey(PyObject *self, PyObject *places);
PyObject *arena_waiting(PyObject *self, PyObject *unused);
PyObject *arena_endless(PyObject *self, PyObject *asked);
PyObject *arena_roster(PyObject *self, PyObject *unused);
PyObject *arena_unseen(PyObject *self, PyObject *unused);
PyObject *arena_govern(PyObject *self, PyObject *unused);
PyObject *arena_set(PyObject *self, PyObject *args);
/* Makes this process a member if it is not; false with an exception set. */
bool ensure_member(struct lw_arena *arena);

/* (arena): a new primitive; (arena, index, generation): one that is known by its slot; (arena, hash, text):
 * one that is known by its name, made if need be. The type's object begins with a Handle. */
PyObject *handle_new(PyTypeObject *type, PyObject *args, enum lw_kind kind);
PyObject *handle_open(PyTypeObject *type, PyObject *arena, PyObject *first, PyObject *second,
                      const struct lw_made *made);
void handle_dealloc(PyObject *self);
extern PyMethodDef own_methods_definition, wait_any_definition;
/* Whether the object begins with a Handle. */
bool is_handle(PyObject *object);
PyObject *raise_gone(void);
/* Makes a type and gives it to the module. To its methods and getset, which end with ROOM_FOR_…, it adds what
 * all handles have. */
PyTypeObject *add_handle_type(PyObject *module, PyType_Spec *spec, PyMethodDef *methods, PyGetSetDef *getset);
#define HANDLE_METHODS 4
#define ROOM_FOR_METHODS {NULL, NULL, 0, NULL}, {NULL, NULL, 0, NULL}, {NULL, NULL, 0, NULL}, {NULL, NULL, 0, NULL}, {NULL, NULL, 0, NULL}
#define HANDLE_GETSET 2
#define ROOM_FOR_GETSET {NULL, NULL, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}, {NULL, NULL, NULL, NULL, NULL}

/* None: LW_FOREVER; zero or less: 0. False with an exception set. */
bool deadline_of(PyObject *timeout, int64_t *deadline_ns);
/* (block=True, timeout=None), or threading's (blocking=True, timeout=-1). */
bool parse_acquire(PyObject *const *args, Py_ssize_t count, PyObject *names, int64_t *deadline_ns);
/* One argument that may be left out, by place or by name; NULL with an exception set. */
PyObject *parse_one(PyObject *const *args, Py_ssize_t count, PyObject *names, const char *function,
                    const char *name, PyObject *otherwise);
/* A number of 1 or more; 0 with an exception set. */
uint32_t parse_count(PyObject *number);

/* Logs, by a hook, that a process died with something. An ordinary error in there is printed and costs the caller
 * nothing; false: an exception that a signal handler raised, which is the caller's. */
bool tell(PyObject *self, const char *hook, uint32_t dead, uint32_t count);
uint32_t pid_of(const struct lw_arena *arena, uint32_t id);

/* looking.c: a wait has come back to let signal handlers run, and to look around, if it is time. False: an exception is
 * set, and the wait is to end; or, if it can't, goes on regardless. */
bool wait_goes_on(PyObject *self, struct lw_waiting *waiting);
bool wait_goes_on_regardless(PyObject *self, struct lw_waiting *waiting);
bool several_go_on(struct lw_waiting *waiting, const struct lw_several *several);

/* lock.c: for RLock and Condition. 1: acquired, 0: timeout, -1: an exception is set. */
int lock_take(PyObject *self, int64_t deadline_ns, uint32_t *dead_owner);
/* The way that is not the fastest; a task of this process that waits may get it before it is free. */
bool lock_give(Handle *handle);
extern PyTypeObject *lock_type, *rlock_type;
PyObject *lock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *lock_release(PyObject *self, PyObject *unused);
PyObject *lock_locked(PyObject *self, PyObject *unused);
PyObject *lock_owner_pid(PyObject *self, PyObject *unused);
PyObject *rlock_acquire(PyObject *self, PyObject *const *args, Py_ssize_t count, PyObject *names);
PyObject *rlock_release(PyObject *self, PyObject *unused);
/* Whether this thread, or the task that runs in it, has it; -1: an exception is set. */
int rlock_is_ours(const Handle *handle);

static inline bool handle_is_gone(const Handle *handle) {
    return lw_load_acq(&handle->slot->generation) != handle->generation;
}

/* bound.c: gives a class a method of its own; a quick one, if it is what `with` calls. */
int give_method(PyTypeObject *type, PyMethodDef *method);

/* What `await` finds done. A new reference. */
PyObject *ready(void);
bool is_ready(PyObject *object);
/* waiting.c: a Wait for that handle, whose task is to be filled in. */
struct lw_task;
PyObject *new_wait(PyObject *handle);
struct lw_task *task_of(PyObject *wait);
/* tasks.c: the number of the task that runs in this thread, as which it owns RLocks; 0: none, or none of any has ever had to do
 * with an RLock; UINT32_MAX: an exception is set. */
uint32_t this_task(void);
#define NO_TASK UINT32_MAX
/* The same, and it is given one if it has none. */
uint32_t number_of_task(void);
/* For `async with`, if it can't be had at once: the coroutine that waits for it. */
PyObject *enter_later(PyObject *self);
/* barrier.c: what a wait that has ended returns or raises. */
struct lw_barrier_wait;
PyObject *barrier_result(PyObject *self, struct lw_barrier_wait *wait, int outcome, PyObject *action);
/* semaphore.c, rwlock.c: where the last one granted was counted. */
void semaphore_keep_hint(PyObject *self, struct lw_cell *hint);
void rwlock_keep_hint(PyObject *self, struct lw_cell *hint);
/* rwlock.c: what a `with` statement enters, and of which primitive it is. */
extern PyTypeObject *hold_type;
extern PyMethodDef hold_methods[];
PyObject *hold_rwlock(PyObject *self, bool *write);
/* condition.c: Latchwork's; NULL: it has none, or one of another kind. */
PyObject *condition_lock(PyObject *self);
/* handle.c: as a type of the core defines it; NULL: it does not. */
PyMethodDef *method_of(PyTypeObject *type, const char *name);
bool read_several(PyObject *handles, struct lw_several *several);
PyObject *readiness(struct lw_several *several);

int add_bound(PyObject *module);
int add_ready(PyObject *module);
int add_profile(PyObject *module);
int add_looking(PyObject *module);
int add_survey(PyObject *module);
int add_waiting(PyObject *module);
int add_tasks(PyObject *module);
int add_arena(PyObject *module);
int add_lock(PyObject *module);
int add_event(PyObject *module);
int add_rlock(PyObject *module);
int add_semaphore(PyObject *module);
int add_latch(PyObject *module);
int add_condition(PyObject *module);
int add_barrier(PyObject *module);
int add_rwlock(PyObject *module);

#endif
