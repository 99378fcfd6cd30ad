/* What Arena says to those who look at it from outside: latchwork.inspect.reading makes facts of it. */
#include "../_native/lw_survey.h"

#include <stdlib.h>

#include "../_native/lw_member.h"
#include "../_native/lw_name.h"
#include "../_native/lw_settings.h"
#include "../_native/lw_waiter.h"
#include "binding.h"

/* Steals the item. */
static bool add(PyObject *list, PyObject *item) {
    int failed = !item || PyList_Append(list, item) < 0;
    Py_XDECREF(item);
    return !failed;
}

static PyObject *holdings_of(const struct lw_arena *arena, const struct lw_survey *survey) {
    PyObject *list = PyList_New(0);
    for (unsigned i = 0; list && i < survey->held; i++) {
        const struct lw_holding *holding = &survey->holdings[i];
        PyObject *item = Py_BuildValue("IIIIO", pid_of(arena, holding->member), holding->who, holding->since,
                                       holding->count, holding->write ? Py_True : Py_False);
        if (!add(list, item)) Py_CLEAR(list);
    }
    return list;
}

static PyObject *chosen_of(const struct lw_arena *arena, const struct lw_survey *survey) {
    PyObject *list = PyList_New(0);
    for (unsigned i = 0; list && i < survey->chosen_count; i++)
        if (!add(list, PyLong_FromUnsignedLong(pid_of(arena, survey->chosen[i])))) Py_CLEAR(list);
    return list;
}

static PyObject *primitive(const struct lw_arena *arena, const struct lw_survey *survey) {
    char text[LW_NAME_BYTES_MAX];
    uint32_t length = lw_survey_name(arena, survey, text, sizeof text);
    return Py_BuildValue("IIIy#IIIOIINN", survey->index, survey->generation, survey->kind, length ? text : NULL,
                         (Py_ssize_t)length, (unsigned)survey->state, survey->value, survey->limit,
                         survey->bounded ? Py_True : Py_False, survey->deaths, survey->deadlock,
                         holdings_of(arena, survey), chosen_of(arena, survey));
}

static bool survey_one(struct lw_arena *arena, uint32_t index, uint32_t generation, struct lw_survey *survey,
                       PyObject *list) {
    return !lw_survey_look(arena, index, generation, survey) || add(list, primitive(arena, survey));
}

PyObject *arena_survey(PyObject *self, PyObject *places) {
    struct lw_arena *arena = mapped_arena(self);
    PyObject *list = arena ? PyList_New(0) : NULL;
    struct lw_survey survey = {0};
    if (list && places == Py_None) {
        for (uint32_t i = 1; list && i < lw_survey_slots(arena); i++)
            if (!survey_one(arena, i, 0, &survey, list)) Py_CLEAR(list);
    } else if (list) {
        for (Py_ssize_t i = 0; list && i < PySequence_Size(places); i++) {
            unsigned index = 0, generation = 0;
            PyObject *place = PySequence_GetItem(places, i);
            bool ok = place && PyArg_ParseTuple(place, "II", &index, &generation);
            Py_XDECREF(place);
            if (!ok || !survey_one(arena, index, generation, &survey, list)) Py_CLEAR(list);
        }
    }
    lw_survey_free(&survey);
    return list;
}

static PyObject *waiter(const struct lw_arena *arena, const struct lw_waiter *row, const char *note) {
    PyObject *until = Py_None;
    if (row->until_ns == LW_FOREVER)
        Py_INCREF(until);
    else
        until = PyLong_FromLongLong(row->until_ns);
    return Py_BuildValue("IIIIIOILNy#", row->slot, row->generation, pid_of(arena, lw_load_relaxed(&row->member)),
                         row->thread, row->task, row->is_task ? Py_True : Py_False, row->wants,
                         (long long)row->since_ns, until, note, (Py_ssize_t)row->noted);
}

PyObject *arena_waiting(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    PyObject *list = arena ? PyList_New(0) : NULL;
    uint32_t ready = list ? lw_waiters_ready(arena) : 0;
    for (uint32_t i = 0; list && i < ready; i++) {
        struct lw_waiter row;
        char note[LW_NOTE_TEXT];
        if (lw_waiter_read(arena, i, &row, note) && !add(list, waiter(arena, &row, note))) Py_CLEAR(list);
    }
    return list;
}

static bool is_among(uint32_t pid, const uint32_t *pids, Py_ssize_t count) {
    for (Py_ssize_t i = 0; i < count; i++)
        if (pids[i] == pid) return pid != 0;
    return false;
}

static PyObject *endless(struct lw_arena *arena, const uint32_t *pids, Py_ssize_t count) {
    PyObject *list = PyList_New(0);
    uint32_t ready = list ? lw_waiters_ready(arena) : 0, last = 0, pid = 0;
    for (uint32_t i = 0; list && i < ready; i++) {
        uint32_t member = lw_load_acq(&arena->waiters[i].member);
        struct lw_waiter row;
        if (member == 0) continue;
        if (member != last) pid = pid_of(arena, member);
        last = member;
        if (!is_among(pid, pids, count) || !lw_waiter_is_endless(arena, i, &row) || row.member != member) continue;
        if (!add(list, Py_BuildValue("IIL", pid, row.thread, (long long)row.since_ns))) Py_CLEAR(list);
    }
    return list;
}

PyObject *arena_endless(PyObject *self, PyObject *asked) {
    struct lw_arena *arena = mapped_arena(self);
    Py_ssize_t count = arena ? PySequence_Size(asked) : -1;
    uint32_t *pids = count < 0 ? NULL : malloc(((size_t)count + 1) * sizeof *pids);
    if (!pids) return count < 0 ? NULL : PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *pid = PySequence_GetItem(asked, i);
        pids[i] = pid ? (uint32_t)PyLong_AsUnsignedLong(pid) : 0;
        Py_XDECREF(pid);
    }
    PyObject *list = PyErr_Occurred() ? NULL : endless(arena, pids, count);
    free(pids);
    return list;
}

PyObject *arena_roster(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    PyObject *list = arena ? PyList_New(0) : NULL;
    for (uint32_t i = 0; list && i < lw_load_acq(&arena->header->members_ready); i++) {
        uint32_t id = lw_load_acq(&arena->members[i].id);
        if (id == 0 || !lw_member_recheck(arena, id)) continue;
        int64_t age_ns = lw_now_ns() - (int64_t)arena->members[i].attached_ns;
        if (!add(list, Py_BuildValue("IL", lw_member_pid(arena, id), (long long)age_ns))) Py_CLEAR(list);
    }
    return list;
}

PyObject *arena_unseen(PyObject *self, PyObject *unused) {
    (void)unused;
    const struct lw_arena *arena = mapped_arena(self);
    return arena ? PyLong_FromUnsignedLong(lw_load_relaxed(&arena->header->waiters_unseen)) : NULL;
}

PyObject *arena_govern(PyObject *self, PyObject *unused) {
    (void)unused;
    struct lw_arena *arena = mapped_arena(self);
    if (!arena) return NULL;
    lw_settings_of(arena);
    Py_RETURN_NONE;
}

PyObject *arena_set(PyObject *self, PyObject *args) {
    struct lw_arena *arena = mapped_arena(self);
    unsigned look_ms, deadlock;
    if (!arena || !PyArg_ParseTuple(args, "II", &look_ms, &deadlock)) return NULL;
    lw_settings_set(arena, look_ms, (enum lw_deadlock)(deadlock < LW_DEADLOCK_COUNT ? deadlock : 0));
    Py_RETURN_NONE;
}

int add_survey(PyObject *module) {
    static const char *const kinds[] = {"NONE", "HOLDERS", "CELLS", "NAME", "TEXT", "LOCK", "EVENT", "RLOCK", "SEMAPHORE",
                                        "PERMITS", "LATCH", "CONDITION", "BARRIER", "RWLOCK"};
    _Static_assert(sizeof kinds / sizeof *kinds == LW_KIND_COUNT, "one name a kind");
    PyObject *tuple = PyTuple_New(LW_KIND_COUNT);
    for (Py_ssize_t i = 0; tuple && i < LW_KIND_COUNT; i++) PyTuple_SetItem(tuple, i, PyUnicode_FromString(kinds[i]));
    int status = tuple ? PyModule_AddObjectRef(module, "KINDS", tuple) : -1;
    Py_XDECREF(tuple);
    return status;
}
